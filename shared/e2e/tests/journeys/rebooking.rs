//! Money that came too late pays another booking, through real processes and a real node.

use e2e::{
    gateway::Shown,
    traveller::{Traveller, some_stay},
};
use http::StatusCode;
use serde_json::json;

use crate::stage::{self, SOON, until};

/// Row: C3
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn money_that_came_after_the_end_pays_another_stay_and_is_not_sent_anywhere() {
    let stack = stage::patient("c3_rebook").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let trip = traveller.book(&some_stay()).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    assert!(traveller.gateway.cancel(&trip.booking_id).await.unwrap().status.is_success());
    traveller.until_ended(&trip, SOON).await.unwrap();
    traveller.pay(&payable).await.unwrap();
    let due = until("due back", async || {
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        shown.next_actions().contains(&"rebook").then_some(shown)
    })
    .await;
    assert_eq!((due.status(), due.next_actions()), ("cancelled", vec!["refund", "rebook"]));

    let other = traveller.book(&some_stay()).await.unwrap();
    let waits = traveller.until_payable(&other, SOON).await.unwrap();
    let path = format!("/v1/bookings/{}/rebooking", trip.booking_id);
    let body = json!({"booking_id": other.booking_id});
    for _ in 0..2 {
        let answer = traveller.gateway.post(&path, &body).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.json());
        assert_eq!(answer.json()["pays_for"], json!(other.booking_id));
    }
    // Prices differ by the days: what is missing is paid as ever.
    let came = |shown: &Shown| shown.0["payment"]["received"] != json!("0");
    let moved = traveller.until(&other, "paid with it", SOON, came).await.unwrap();
    if let Some(left) = moved.remaining().filter(|left| !left.is_zero()) {
        traveller.pay_units(&moved, left).await.unwrap();
    }
    let confirmed = |shown: &Shown| shown.status() == "confirmed";
    traveller.until(&other, "confirmed", SOON, confirmed).await.unwrap();
    let over = until("used up", async || {
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        shown.is_refunded().then_some(shown)
    })
    .await;
    assert_eq!(over.status(), "cancelled", "{}", over.0);
    // It lies where it came to.
    let (asked, node) = (payable.amount().unwrap().units, stack.node());
    assert_eq!(node.balance(payable.address().unwrap()).await.unwrap(), asked);
    let missing = waits.amount().unwrap().units.saturating_sub(asked);
    assert_eq!(node.balance(waits.address().unwrap()).await.unwrap(), missing);
    stack.stop().await.unwrap();
}
