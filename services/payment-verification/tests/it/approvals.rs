//! A refund beyond what goes by itself: nothing is sent before a second person let it go.

use std::time::Duration;

use contracts::{
    messages::{PaymentPrepare, PaymentRefund, RefundState},
    money::{Currency, Money},
};
use http::{Request, StatusCode, request::Builder};
use messaging::Step;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    refunds::{ask, new_wallet, news, sent, state, treasury},
    rig::{Asked, Rig, milli_ether, prepare_message, refund_message},
};

async fn call(rig: &Rig, request: Builder, body: &Value) -> (StatusCode, Value) {
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token = rig.signer.token("support-console", &[], "internal", Duration::from_secs(60));
    let request = request
        .header("authorization", format!("Bearer {}", token.unwrap().expose_secret()))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()));
    let answer = router.oneshot(request.unwrap()).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn let_go(rig: &Rig, refund_id: Uuid, staff: &str, why: &str) -> (StatusCode, Value) {
    act(rig, &format!("/internal/refunds/{refund_id}/approval"), staff, why).await
}

/// Has somebody do something for a reason.
pub(crate) async fn act(rig: &Rig, path: &str, staff: &str, why: &str) -> (StatusCode, Value) {
    call(rig, Request::post(path), &json!({ "staff": staff, "why": why })).await
}

pub(crate) async fn read(rig: &Rig, path: &str) -> (StatusCode, Value) {
    call(rig, Request::get(path), &Value::Null).await
}

/// A final payment of a price of 2,500 euro, of which 2,000 may go back by themselves.
async fn paid(rig: &Rig, units: u128) -> Asked {
    let price = Money::new(250_000, Currency::Eur);
    let message = PaymentPrepare { price, ..prepare_message("eth", 18, units) };
    rig.say(&message).await;
    let asked = rig.prepared(&message).await;
    rig.pay(&asked.address, units).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    asked
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_large_refund_is_sent_only_once_a_second_person_let_it_go() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let asked = paid(&rig, milli_ether(1000)).await;
    let (small, large, wallet) = (Uuid::now_v7(), Uuid::now_v7(), new_wallet());
    let refund = |refund_id, units| PaymentRefund {
        to: Some(wallet.clone()),
        handled_by: Some("otto".to_owned()),
        ..refund_message(&asked, refund_id, units)
    };
    rig.say(&refund(small, milli_ether(100))).await;
    rig.say(&PaymentRefund { to: None, ..refund(large, milli_ether(900)) }).await;
    rig.say(&refund(large, milli_ether(900))).await;
    rig.until_journal(asked.payment_id, "refund_address_given").await;

    testkit::until("the small one to be sent", async || {
        ask(&rig, &treasury).await;
        sent(&rig, small).await.pop()
    })
    .await;
    ask(&rig, &treasury).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(state(&rig, small).await, "confirmed", "what is small goes by itself");
    rig.service.database.offset_clock(chrono::TimeDelta::hours(25)).await;
    while let Step::Did(_) = treasury.step().await.unwrap() {}
    assert_eq!(sent(&rig, large).await, Vec::<String>::new(), "nobody let it go");
    assert_eq!(state(&rig, large).await, "granted");
    let (_, waiting) = read(&rig, "/internal/refunds/waiting").await;
    let [one] = waiting["refunds"].as_array().unwrap().as_slice() else { panic!("{waiting}") };
    assert_eq!(one["refund_id"], large.to_string());
    assert_eq!(
        (&one["amount_decimal"], &one["basis"]),
        (&json!("0.900000000000000000"), &json!("then"))
    );
    assert_eq!(one["worth"], json!({ "minor": "225000", "scale": 2, "currency": "EUR" }));
    assert_eq!((&one["handled_by"], &one["has_address"]), (&json!("otto"), &json!(true)));
    assert!(!waiting.to_string().contains(&wallet), "where it goes is nobody's to see");
    let (_, attention) = read(&rig, "/internal/attention").await;
    assert!(attention.to_string().contains("waits for a second person"), "{attention}");

    let (status, body) = let_go(&rig, large, "otto", "agreed").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("same_person")), "{body}");
    let (status, _) = let_go(&rig, large, "anna", " ").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(let_go(&rig, Uuid::nil(), "anna", "agreed").await.0, StatusCode::NOT_FOUND);
    let (status, body) = let_go(&rig, small, "anna", "agreed").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_waiting")), "{body}");
    ask(&rig, &treasury).await;
    assert_eq!(sent(&rig, large).await, Vec::<String>::new());

    let (first, second) =
        tokio::join!(let_go(&rig, large, "anna", "agreed"), let_go(&rig, large, "adam", "agreed"));
    let mut answers = [first.0, second.0];
    answers.sort();
    assert_eq!(answers, [StatusCode::ACCEPTED, StatusCode::CONFLICT]);
    let done = if first.0 == StatusCode::ACCEPTED { first.1 } else { second.1 };
    let version = |at: &str| done["versions"][at].as_u64().unwrap();
    assert!(version("before") < version("after"), "{done}");
    testkit::until("the large one to be sent", async || {
        ask(&rig, &treasury).await;
        sent(&rig, large).await.pop()
    })
    .await;
    ask(&rig, &treasury).await;
    rig.anvil.mine(6).await;
    rig.watch().await;
    testkit::until("both to be confirmed", async || {
        let confirmed = rig.ask_database("select count(*) from refund where state = 'confirmed'");
        (confirmed.await == "2").then_some(())
    })
    .await;
    news(&rig, &asked, RefundState::Confirmed).await;
    assert_eq!(sent(&rig, large).await.len(), 1);
    assert_eq!(read(&rig, "/internal/refunds/waiting").await.1, json!({ "refunds": [] }));
    // A day had passed before it was let go, and none since.
    let cases = "select coalesce(string_agg(reason, ','), 'none') from payment_case";
    assert_eq!(rig.ask_database(cases).await, "none");
    let kept = "select count(*) from payment_event where kind = 'refund_approved'
        and body -> 'change' ->> 'by' in ('anna', 'adam')";
    assert_eq!(rig.ask_database(kept).await, "1");
    let (_, told) = read(&rig, &format!("/internal/timeline/{}", asked.booking_id)).await;
    let mut entries = told["entries"].as_array().unwrap().iter();
    let approved = entries.find(|entry| entry["what"] == "refund approved").unwrap();
    assert!(["staff:anna", "staff:adam"].contains(&approved["actor"].as_str().unwrap()));
    rig.end().await;
}
