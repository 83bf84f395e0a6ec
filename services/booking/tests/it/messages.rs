//! What booking makes of what it hears, through the real broker: once, in any order, however often.

use axum::http::StatusCode;
use chassis::sign::SigningKey;
use chrono::{TimeDelta, Utc};
use contracts::{
    asset::Units,
    instruction::SignedInstruction,
    messages::{Closing, GoneWhy, LegState, PaymentClosed},
};
use messaging::Step;
use serde_json::{Value, json};
use testkit::until;

use crate::{
    neighbour::{AMOUNT, Neighbour, reaches},
    world::World,
};

pub(crate) async fn dump(world: &World) -> Vec<String> {
    sqlx::query_scalar(
        "select b.state::text from booking b union all select e.body::text from booking_event e
         union all select deadline || due_at from timer order by 1",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_carried_to_its_end_once_although_everything_is_said_twice_and_backwards() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;

    // Backwards: the money and its instruction are known before the hold.
    neighbour.settled().await;
    neighbour.prepared().await;
    let held = LegState::Held { reference: "R1".to_owned(), until: None };
    neighbour.leg(&quote, 1, held).await;
    reaches(&world, booking_id, "committing").await;
    neighbour.leg(&quote, 2, LegState::Confirmed { reference: "R1".to_owned() }).await;
    let shown = reaches(&world, booking_id, "confirmed").await;
    assert_eq!(shown["payment"]["state"], "settled");
    assert_eq!(shown["legs"][0]["reference"], "R1");

    let before = dump(&world).await;
    let mut again = neighbour.said.clone();
    again.reverse();
    neighbour.send(again.clone()).await;
    neighbour.send(again).await;
    // A last message is behind the repeats in the queue: when it is handled, so are they.
    neighbour.leg(&quote, 1, LegState::InDoubt { since: Utc::now() }).await;
    let last = neighbour.said.last().unwrap().id().0;
    until("the last message is handled", || async {
        let seen: i64 = sqlx::query_scalar("select count(*) from inbox where message_id = $1")
            .bind(last)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        (seen == 1).then_some(())
    })
    .await;
    assert_eq!(dump(&world).await, before);
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(booking::store::rebuild(&mut conn, booking_id).await.unwrap());
}

/// Row: D3
#[tokio::test(flavor = "multi_thread")]
async fn nothing_payable_is_shown_before_everything_is_held_and_then_to_the_last_unit() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    let shown = reaches(&world, booking_id, "holding").await;
    assert_eq!(shown["payment"]["address"], Value::Null);
    assert_eq!(shown["next_actions"], json!(["cancel"]));
    let path = format!("/v1/bookings/{booking_id}/history");
    let told = String::from_utf8(world.get("acct_1", &path).await.bytes).unwrap();
    assert!(told.contains("payment_ready"), "{told}");
    assert!(!told.contains("0x"), "an address before everything is held: {told}");
    assert!(!told.contains("token="), "the key that buys the room: {told}");

    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    let shown = reaches(&world, booking_id, "awaiting_payment").await;
    assert_eq!(shown["payment"]["amount"]["units"], AMOUNT);
    assert_eq!(shown["payment"]["amount"], serde_json::to_value(&quote.amount).unwrap());
    assert_eq!(shown["next_actions"], json!(["pay", "cancel"]));

    // Its supplier has it for other days: nobody is asked to pay for that.
    neighbour.leg(&quote, 2, LegState::InDoubt { since: Utc::now() }).await;
    let doubtful = until("the leg is looked into", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        (shown["legs"][0]["state"] == "being_checked").then_some(shown)
    })
    .await;
    assert_eq!(doubtful["next_actions"], json!(["cancel"]));
    assert_eq!(doubtful["payment"]["address"], Value::Null);
    assert_eq!(doubtful["payment"]["uri"], Value::Null);
    let picture = world.get("acct_1", &format!("/v1/bookings/{booking_id}/qr")).await;
    assert_eq!(picture.status, StatusCode::NOT_FOUND, "{picture:?}");
    let told = String::from_utf8(world.get("acct_1", &path).await.bytes).unwrap();
    assert!(!told.contains("0x"), "an address while the leg is looked into: {told}");
}

/// Row: S14
#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_that_was_tampered_with_is_not_shown() {
    let world = World::new().await;
    world.service.logs.expect("does not carry payment-verification's signature");
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    sqlx::query("update booking set state = replace(state::text, '00aa', '00bb')::json")
        .execute(&world.pool)
        .await
        .unwrap();
    let shown = reaches(&world, booking_id, "awaiting_payment").await;
    assert_eq!(shown["payment"]["address"], Value::Null);
    assert_eq!(shown["next_actions"], json!(["cancel"]));
}

/// Row: S14
#[tokio::test(flavor = "multi_thread")]
async fn an_instruction_of_another_hand_or_for_another_booking_is_not_shown() {
    let world = World::new().await;
    world.service.logs.expect("does not carry payment-verification's signature");
    world.app.hear();
    world.app.listening().await;
    let (one, other) = (world.booked("acct_1").await, world.booked("acct_1").await);
    let (mut first, mut second) =
        (Neighbour::of(&world, one.0).await, Neighbour::of(&world, other.0).await);
    let forged = first.instruction(one.1.amount.clone());
    let stranger = SigningKey::generate().unwrap();
    let signature = stranger.sign_text(&forged.signed_bytes().unwrap());
    let of_the_first = world.sign(forged.clone());
    first.prepared_by(SignedInstruction { instruction: forged, signature }).await;
    // Signed well, and for the other booking: its money would pay that one.
    second.prepared_by(of_the_first).await;
    for ((booking_id, quote), neighbour) in [(&one, &mut first), (&other, &mut second)] {
        neighbour.leg(quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
        let shown = reaches(&world, *booking_id, "awaiting_payment").await;
        let (address, uri) = (&shown["payment"]["address"], &shown["payment"]["uri"]);
        assert_eq!((address, uri), (&Value::Null, &Value::Null));
        assert_eq!(shown["next_actions"], json!(["cancel"]));
        let picture = world.get("acct_1", &format!("/v1/bookings/{booking_id}/qr")).await;
        assert_eq!(picture.status, StatusCode::NOT_FOUND, "{picture:?}");
    }
}

/// Row: D4
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_never_comes_ends_the_booking_by_the_databases_clock() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    assert_eq!(booking::fire_timers(&world.app).await.unwrap(), Step::Idle);

    world.service.database.offset_clock(TimeDelta::minutes(21)).await;
    while booking::fire_timers(&world.app).await.unwrap() != Step::Idle {}
    // It does not decide by itself that no money came: it asks.
    let path = format!("/v1/bookings/{booking_id}/history");
    let history = world.get("acct_1", &path).await.json();
    assert_eq!(history["changes"].as_array().unwrap().last().unwrap()["change"], "close_asked");
    reaches(&world, booking_id, "awaiting_payment").await;

    let (ours, payment_id) = (neighbour.booking_id, neighbour.payment_id);
    let closing = Closing::Closed { received: Units::ZERO, settled: Units::ZERO };
    let closed = PaymentClosed { booking_id: ours, payment_id, seq: 2, closing };
    neighbour.say(&closed).await;
    reaches(&world, booking_id, "failing").await;
    neighbour.leg(&quote, 2, LegState::Gone { why: GoneWhy::Released }).await;
    let shown = reaches(&world, booking_id, "failed").await;
    assert_eq!(shown["ended_because"], "not_paid_in_time");
    assert_eq!(shown["payment"]["state"], "none");
}
