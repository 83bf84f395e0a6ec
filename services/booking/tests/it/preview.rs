//! What a message would do, said without doing it.

use axum::http::StatusCode;
use contracts::{
    ids::BookingId,
    internal::{PreviewEffect, PreviewReply},
    messages::{LegChanged, LegState},
};
use serde_json::json;
use testkit::preview_of;

use crate::{
    messages::dump,
    neighbour::{Neighbour, reaches},
    world::World,
};

async fn preview(world: &World, message: &LegChanged) -> PreviewReply {
    let asked = json!(preview_of(booking::ROLE, message));
    let answer = world.internal_post("/internal/preview", &asked).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    serde_json::from_value(answer.json()).unwrap()
}

/// Row: L9
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_moves_no_booking_and_says_that_it_would() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    reaches(&world, booking_id, "holding").await;
    let message = LegChanged {
        booking_id: BookingId(booking_id),
        leg_id: quote.legs[0].leg_id,
        seq: 1,
        wanted_version: 1,
        state: LegState::Held { reference: "R1".to_owned(), until: None },
        evidence: None,
        undo_failing: None,
        theirs: None,
        asks: None,
        no_show: false,
    };
    let before = dump(&world).await;
    for _ in 0..2 {
        let reply = preview(&world, &message).await;
        assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
        assert_eq!(reply.before.as_deref(), Some("holding"));
        assert_eq!(reply.after.as_deref(), Some("awaiting_payment"));
        assert!(reply.changes.iter().any(|line| line == "booking: 1 changed"), "{reply:?}");
    }
    assert_eq!(dump(&world).await, before, "nothing is written");

    neighbour.say(&message).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    let reply = preview(&world, &message).await;
    assert_eq!(reply.effect, PreviewEffect::NoChange, "what is known already: {reply:?}");
}
