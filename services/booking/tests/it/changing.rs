//! What suppliers change of what was bought: shown with both values, answered once, told on.

use axum::http::StatusCode;
use contracts::{
    message::Message as _,
    messages::{GoneWhy, LegState, LegWanted},
};
use serde_json::{Value, json};
use testkit::until;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches},
    world::{Answer, World},
};

async fn answer(world: &World, booking_id: Uuid, change: &Value, answer: &str) -> Answer {
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    let leg_id = shown["legs"][0]["leg_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/bookings/{booking_id}/legs/{leg_id}/change");
    world.post("acct_1", &path, &json!({"change": change, "answer": answer})).await
}

/// The booking once its first leg shows a change other than `known`.
async fn changed(world: &World, booking_id: Uuid, known: &Value) -> Value {
    let path = format!("/v1/bookings/{booking_id}");
    until("the supplier's change shows", || async {
        let shown = world.get("acct_1", &path).await.json();
        let change = &shown["legs"][0]["change"];
        (!change.is_null() && change["change"] != *known).then_some(shown)
    })
    .await
}

/// Row: B7
/// Row: D5
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_the_supplier_moved_shows_both_values_and_is_taken_as_exactly_that() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let none = answer(&world, booking_id, &json!(Uuid::nil()), "accept").await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    let wrong = answer(&world, booking_id, &json!("it"), "maybe").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 2);

    neighbour.moved(&quote, 3, 7).await;
    let shown = changed(&world, booking_id, &Value::Null).await;
    let leg = &shown["legs"][0];
    assert_eq!(
        (&shown["status"], &leg["state"]),
        (&json!("confirmed"), &json!("changed_by_supplier"))
    );
    let order = &quote.legs[0].order;
    assert_eq!(leg["change"]["ours"]["check_in"], json!(order.check_in));
    assert_eq!(leg["check_in"], json!(order.check_in), "nothing is overwritten");
    let theirs = order.check_in + chrono::Days::new(7);
    assert_eq!(leg["change"]["theirs"]["check_in"], json!(theirs));
    assert_eq!(leg["change"]["answers"], json!(["accept", "refund"]));
    assert_eq!(shown["review"]["why"], "changed_by_supplier");
    let first = leg["change"]["change"].clone();

    // It is another one by the time of the answer.
    neighbour.moved(&quote, 4, 8).await;
    let shown = changed(&world, booking_id, &first).await;
    let second = shown["legs"][0]["change"]["change"].clone();
    let stale = answer(&world, booking_id, &first, "accept").await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::CONFLICT, "changed_again"));
    assert_eq!(stale.json()["change"], second);
    for _ in 0..2 {
        let taken = answer(&world, booking_id, &second, "accept").await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{taken:?}");
        let taken = taken.json();
        assert_eq!(taken["legs"][0]["change"], Value::Null);
        assert_eq!(taken["legs"][0]["check_in"], json!(order.check_in + chrono::Days::new(8)));
    }
    let wished = "select count(*) from booking_event
                   where kind = 'leg_wished' and body->'event'->>'version' = '3'";
    let wished: i64 = sqlx::query_scalar(wished).fetch_one(&world.pool).await.unwrap();
    assert_eq!(wished, 1, "{} is said once", LegWanted::TYPE);
    neighbour.leg(&quote, 5, LegState::Confirmed { reference: "R1".to_owned() }).await;
    until("nobody is to look any more", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        shown["review"].is_null().then_some(())
    })
    .await;
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stay_that_the_hotel_cancelled_is_refunded_whole_when_its_customer_says_so() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    neighbour.leg(&quote, 3, LegState::Gone { why: GoneWhy::CancelledBySupplier }).await;
    let shown = changed(&world, booking_id, &Value::Null).await;
    let change = &shown["legs"][0]["change"];
    assert_eq!((&change["theirs"], &change["answers"]), (&Value::Null, &json!(["refund"])));
    let refused = answer(&world, booking_id, &change["change"], "accept").await;
    assert_eq!(refused.code(), "not_allowed_now");
    let refunded = answer(&world, booking_id, &change["change"], "refund").await;
    assert_eq!(refunded.status, StatusCode::ACCEPTED, "{refunded:?}");
    let refunded = refunded.json();
    assert_eq!(refunded["ended_because"], "cancelled_by_supplier");
    assert_eq!(refunded["cancellation"]["fee"]["minor"], "0");
    let again = answer(&world, booking_id, &change["change"], "refund").await;
    assert_eq!(again.status, StatusCode::ACCEPTED, "the same click again");
    let other = answer(&world, booking_id, &change["change"], "undo_trip").await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::CONFLICT, "not_allowed_now"));
    reaches(&world, booking_id, "cancelling").await;
}
