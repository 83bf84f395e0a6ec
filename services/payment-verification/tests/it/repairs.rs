//! A refund that somebody sent by hand: the chain proves it, or nothing does.

use std::time::Duration;

use contracts::messages::RefundState;
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    refunds::{ask, double, granted, new_wallet, news, paid, state, treasury},
    rig::{Rig, milli_ether},
};

async fn prove(rig: &Rig, refund_id: Uuid, staff: &str, transaction: &str) -> (StatusCode, Value) {
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token = rig.signer.token("support-console", &[], "internal", Duration::from_secs(60));
    let body = json!({"staff": staff, "why": "sent by hand", "transaction": transaction});
    let request = http::Request::post(format!("/internal/refunds/{refund_id}/proof"))
        .header("authorization", format!("Bearer {}", token.unwrap().expose_secret()))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()));
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Row: G8
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_sent_by_hand_counts_once_a_person_names_what_the_chain_proves() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let (units, wallet) = (milli_ether(10), new_wallet());
    let asked = paid(&rig, units).await;
    let refund_id = granted(&rig, &asked, units, &wallet).await;
    let never = json!({ "operation": "payout", "fault": "never" });
    double(&rig, Method::POST, "/faults", Some(never)).await;
    ask(&rig, &treasury).await;

    let elsewhere = rig.pay(&new_wallet(), units).await;
    let by_hand = rig.pay_from(3, &wallet, units).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(state(&rig, refund_id).await, "granted", "nobody said what it was for");
    let (status, body) = prove(&rig, refund_id, "ada", &elsewhere).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("proves_nothing")), "{body}");
    let named = "select count(*) from refund_transaction";
    assert_eq!(rig.ask_database(named).await, "0", "what proves nothing is not kept");
    let (status, body) = prove(&rig, refund_id, " ", "0x12").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"].as_array().unwrap().len(), 2, "{body}");
    assert_eq!(prove(&rig, Uuid::nil(), "ada", &by_hand).await.0, StatusCode::NOT_FOUND);

    let (status, body) = prove(&rig, refund_id, "ada", &by_hand).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let confirmed = news(&rig, &asked, RefundState::Confirmed).await;
    assert_eq!(confirmed.transaction.as_deref(), Some(by_hand.as_str()));
    let (status, body) = prove(&rig, refund_id, "ada", &by_hand).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("refund_ended")), "{body}");
    let kept = "select string_agg(body -> 'change' ->> 'by', ',') from payment_event
        where kind = 'refund_proof_named'";
    assert_eq!(rig.ask_database(kept).await, "ada");
    rig.end().await;
}
