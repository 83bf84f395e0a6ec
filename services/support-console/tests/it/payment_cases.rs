//! What is odd about payments: seen by all with what shows it, closed by who may, and in the audit
//! however it ends.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    console::{APPROVER, Console, OPERATOR, VIEWER, id},
    owner::{AWAY, BROUGHT_IT, ODD, Owner},
};

/// Row: C8
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_odd_payment_shows_what_came_and_is_closed_by_an_operator_with_a_reason() {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    let case = format!("/payment-cases/{ODD}");
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    let page = eve.get("/cases").await.text;
    for said in ["Came in another asset", "5000.000000 usdt-ethereum", "eip155:1", case.as_str()] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let page = eve.get(&case).await.text;
    for said in [BROUGHT_IT, "0xdac17f958d2ee523a2206206994597c13d831ec7", "5000000000"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(page.contains("It does not count"), "it says what that means: {page}");
    assert!(!page.contains("<i>0</i>"), "what a chain tells is text: {page}");
    assert!(!page.contains("Close it"), "a viewer is not offered it: {page}");
    let page = eve.submit("/", &case, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let api = format!("/v1{case}/close");
    let (status, _) = console.post(&api, OPERATOR, &json!({ "reason": "" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobodys = format!("/v1/payment-cases/{}", id().0);
    assert_eq!(console.get(&nobodys, VIEWER).await.0, StatusCode::NOT_FOUND);
    let because = json!({ "reason": "sent back by hand" });
    let (status, _) = console.post(&format!("{nobodys}/close"), OPERATOR, &because).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(owner.told(), Vec::<Value>::new());

    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let page = ada.submit(&case, &case, &[("reason", "sent back by hand")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, case.as_str()));
    let page = ada.get(&case).await.text;
    assert!(page.contains("Closed by <b>ada</b>") && !page.contains("Close it"), "{page}");
    assert!(!ada.get("/cases").await.text.contains("Came in another asset"));
    let (about, why) = (format!("payment_case:{ODD}"), "sent back by hand");
    let (_, page) = console.get("/v1/acts", VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev();
    let acts = acts.filter(|act| act["act"] == "close_payment_case");
    let told: Vec<_> =
        acts.map(|act| json!([act["about"], act["outcome"], act["booking_id"]])).collect();
    let booking = json!(uuid::Uuid::from_u128(1));
    assert_eq!(told[0], json!([about, "denied", null]));
    assert_eq!(told[1][1], json!("refused"));
    assert_eq!(told[2..], [json!([about, "begun", booking]), json!([about, "done", booking])]);
    let audit = ada.get("/audit").await.text;
    assert!(audit.contains(&format!("href=\"{case}\"")) && audit.contains(why), "{audit}");
    console.close().await;
}

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_lost_is_written_off_by_an_approver_with_a_reason_and_is_in_the_audit() {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    let (case, act) =
        (format!("/payment-cases/{AWAY}"), format!("/payment-cases/{AWAY}/write-off"));
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let page = ada.get(&case).await.text;
    assert!(page.contains("Close it") && !page.contains("Write it off"), "{page}");
    let page = ada.submit(&case, &act, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let (status, _) = console.post(&format!("/v1{act}"), APPROVER, &json!({ "reason": "" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.told(), Vec::<Value>::new());

    let anna = Browser::signed_in(&console, "anna", "support_approver").await;
    let odd = anna.get(&format!("/payment-cases/{ODD}")).await.text;
    assert!(!odd.contains("Write it off"), "nothing is lost there: {odd}");
    let page = anna.submit(&case, &act, &[("reason", "the bank decided")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, case.as_str()));
    let page = anna.get(&case).await.text;
    assert!(page.contains("Closed by <b>anna</b>") && !page.contains("Write it off"), "{page}");
    let (_, page) = console.get("/v1/acts", VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev();
    let acts = acts.filter(|act| act["act"] == "write_off_payment");
    let outcomes: Vec<_> = acts.map(|act| act["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["denied", "begun", "done"]);
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn odd_payments_say_so_when_their_owner_does_not_answer() {
    let console = Console::closed().await;
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let page = ada.get("/cases").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("<b>payment-verification</b> does not answer"), "{}", page.text);
    let (status, _) = console.get("/v1/payment-cases", VIEWER).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (path, because) = (format!("/v1/payment-cases/{ODD}/close"), json!({ "reason": "seen" }));
    assert_eq!(console.post(&path, OPERATOR, &because).await.0, StatusCode::SERVICE_UNAVAILABLE);
    console.close().await;
}
