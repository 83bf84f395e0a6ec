//! What a booking's history says of each change, and that it makes the booking again.

use axum::http::StatusCode;
use contracts::internal::ExportReply;
use serde_json::{Value, json};

use crate::{
    neighbour::{Neighbour, reaches},
    world::World,
};

/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn every_change_says_what_brought_it_and_how_the_booking_stood_before_and_after() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.confirms(&quote).await;
    let path = format!("/v1/bookings/{booking_id}/history");
    let told = world.get("acct_1", &path).await.json();
    let changes = told["changes"].as_array().unwrap();
    let shown = reaches(&world, booking_id, "confirmed").await;
    assert_eq!(changes.len(), usize::try_from(shown["version"].as_u64().unwrap()).unwrap());
    let mut before = Value::Null;
    for change in changes {
        assert_eq!(change["before"], before, "{change}");
        before = change["after"].clone();
        assert!(before["status"].is_string(), "{change}");
        let named = match change["source"].as_str().unwrap() {
            "request" => change["actor"] == "acct_1" && change["cause"] == Value::Null,
            "message" => {
                change["actor"] == "booking"
                    && change["cause"].as_str().is_some_and(said(&neighbour))
            }
            other => panic!("{other}"),
        };
        assert!(named, "{change}");
        assert!(!change["evidence"].to_string().contains("token="), "{change}");
    }
    assert_eq!(before, json!({"status": "confirmed", "money": "settled", "in_review": false}));
    let held = changes.iter().find(|change| change["change"] == "leg_news").unwrap();
    assert_eq!(held["evidence"]["state"]["reference"], "R1");
}

/// Whether a neighbour said the message of this id.
fn said<'a>(neighbour: &'a Neighbour<'_>) -> impl Fn(&str) -> bool + 'a {
    |id| neighbour.said.iter().any(|message| message.id().0.to_string() == id)
}

/// Row: A10
#[tokio::test(flavor = "multi_thread")]
async fn an_export_makes_the_booking_again_byte_for_byte() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    Neighbour::of(&world, booking_id).await.confirms(&quote).await;
    let path = format!("/internal/bookings/{booking_id}/export");
    let answer = world.internal(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let mut export: ExportReply = serde_json::from_slice(&answer.bytes).unwrap();
    let row: String =
        sqlx::query_scalar("select state::text from booking").fetch_one(&world.pool).await.unwrap();
    assert_eq!(export.row, row);
    let journal = || export.journal.iter().map(|entry| entry.body.as_str());
    assert_eq!(booking::store::folded(booking_id, journal()).unwrap(), row);
    assert!(booking::store::is_its_fold(&export));
    // One byte of it lost is noticed.
    export.journal.pop();
    assert!(!booking::store::is_its_fold(&export));
    assert_eq!(world.get("acct_1", &path).await.status, StatusCode::UNAUTHORIZED);
}
