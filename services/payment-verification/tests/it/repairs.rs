//! A refund that somebody sent by hand: the chain proves it, or nothing does.

use std::time::Duration;

use contracts::messages::RefundState;
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    approvals::act,
    refunds::{
        a_day_later, arm, ask, double, granted, ledger, new_wallet, news, paid, sent, sent_to,
        state, treasury,
    },
    rig::{Asked, Rig, milli_ether},
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

/// Row: G8
/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_refund_add_up_and_somebody_answers_for_what_stays_missing() {
    let rig = Rig::new().await;
    rig.service.logs.expect("refund_");
    let treasury = treasury(&rig);
    let units = milli_ether(10);
    let mut halves = vec![];
    for _refund in 0..2 {
        let (asked, wallet) = (paid(&rig, units).await, new_wallet());
        let refund_id = granted(&rig, &asked, units, &wallet).await;
        arm(&rig, "wrong_amount").await;
        ask(&rig, &treasury).await;
        let half = testkit::until("the half to be sent", async || {
            ask(&rig, &treasury).await;
            sent(&rig, refund_id).await.pop()
        });
        halves.push((half.await, asked, refund_id, wallet));
    }
    ask(&rig, &treasury).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    a_day_later(&rig).await;
    ask(&rig, &treasury).await;
    let open = async |asked: &Asked| {
        let payment = asked.payment_id;
        rig.ask_database(&format!(
            "select string_agg(reason, ', ' order by reason) from payment_case
             where payment_id = '{payment}' and closed_at is null"
        ))
        .await
    };
    let closed = async |asked: &Asked| {
        let payment = asked.payment_id;
        rig.ask_database(&format!(
            "select string_agg(distinct closed_because || coalesce(' by ' || staff, ''), ', ')
             from payment_case left join payment_case_closing using (case_id)
             where payment_id = '{payment}'"
        ))
        .await
    };
    let [(half, asked, refund_id, wallet), (_, other, other_id, _)] =
        <[_; 2]>::try_from(halves).unwrap();
    for asked in [&asked, &other] {
        assert_eq!(open(asked).await, "refund_overdue, refund_wrong_amount");
    }

    // What is known already proves nothing more, and the answer says what is missing.
    let (status, body) = prove(&rig, refund_id, "ada", &half).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("known_already")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains(&(units / 2).to_string()), "{body}");
    let a_part = rig.pay_from(3, &wallet, units / 5).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    let (status, body) = prove(&rig, refund_id, "ada", &a_part).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let missing = units - units / 2 - units / 5;
    let standing = |body: &Value| json!([body["state"], body["missing"]]);
    assert_eq!(standing(&body), json!(["granted", missing.to_string()]));
    let rest = rig.pay_from(3, &wallet, missing).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    let (status, body) = prove(&rig, refund_id, "ada", &rest).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert_eq!(standing(&body), json!(["confirmed", "0"]));
    news(&rig, &asked, RefundState::Confirmed).await;
    let amount = units.to_string();
    let all = [("paid_out", amount.clone()), ("received", format!("-{amount}"))];
    let all = all.map(|(account, units)| (account.to_owned(), units));
    assert_eq!(ledger(&rig, &asked).await, all.into());
    assert_eq!(open(&asked).await, "");
    assert_eq!(closed(&asked).await, "it arrived in parts");

    let path = format!("/internal/refunds/{other_id}/settlement");
    assert_eq!(act(&rig, &path, "ada", " ").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, body) = act(&rig, &path, "ada", "in cash").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(standing(&body), json!(["confirmed", "0"]));
    let version = |at: &str| body["versions"][at].as_u64().unwrap();
    assert!(version("before") < version("after"), "{body}");
    let seq = format!("select seq from payment where payment_id = '{}'", other.payment_id);
    let after = rig.ask_database(&seq).await;
    assert_eq!(after, version("after").to_string());
    news(&rig, &other, RefundState::Confirmed).await;
    let half = (units / 2).to_string();
    let settled = [
        ("paid_out", half.clone()),
        ("received", format!("-{amount}")),
        ("settled_otherwise", half),
    ];
    let settled = settled.map(|(account, units)| (account.to_owned(), units));
    assert_eq!(ledger(&rig, &other).await, settled.into());
    assert_eq!(
        (open(&other).await, closed(&other).await),
        (String::new(), "settled: in cash by ada".to_owned())
    );
    let (status, again) = act(&rig, &path, "ada", "in cash").await;
    assert_eq!((status, &again["code"]), (StatusCode::CONFLICT, &json!("refund_ended")), "{again}");
    assert_eq!(rig.ask_database(&seq).await, after, "done again it changes nothing");
    let nobodys = format!("/internal/refunds/{}/settlement", Uuid::nil());
    assert_eq!(act(&rig, &nobodys, "ada", "in cash").await.0, StatusCode::NOT_FOUND);
    // It may send it yet, so it is asked for good.
    ask(&rig, &treasury).await;
    let asked_again = "select count(*) from refund where next_ask_at is not null";
    assert_eq!(rig.ask_database(asked_again).await, "1");
    rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_staff_answered_for_before_it_was_handed_over_is_sent_by_nobody() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let (units, wallet) = (milli_ether(10), new_wallet());
    let asked = paid(&rig, units).await;
    let refund_id = granted(&rig, &asked, units, &wallet).await;
    let path = format!("/internal/refunds/{refund_id}/settlement");
    let (status, body) = act(&rig, &path, "ada", "in cash").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    ask(&rig, &treasury).await;
    ask(&rig, &treasury).await;
    assert_eq!(sent_to(&rig, &wallet).await, 0);
    assert_eq!(state(&rig, refund_id).await, "confirmed");
    rig.end().await;
}
