//! What a message would do, said without doing it: no supplier hears of it.

use axum::http::StatusCode;
use chassis::metrics;
use contracts::{
    internal::{PreviewEffect, PreviewReply},
    messages::{LegWanted, WantedLeg},
};
use testkit::preview_of;

use crate::world::World;

/// Row: L9
#[tokio::test]
async fn a_preview_calls_no_supplier_and_says_that_it_would() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    let before = world.dump().await;
    let wanted = LegWanted {
        booking_id: leg.booking_id,
        leg_id: leg.leg_id,
        version: 1,
        wanted: WantedLeg::Held,
        order: leg.order.clone(),
        accepts: None,
    };
    let request = preview_of(supplier_sync::ROLE, &wanted);
    let token = world.token("internal");
    let (status, body) = world.post(&app, "/internal/preview", &token, &request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let reply: PreviewReply = serde_json::from_value(body).unwrap();
    assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
    assert_eq!(reply.before, None);
    assert_eq!(reply.after.as_deref(), Some("wanted held, told nothing"));
    let has = |line: &str| reply.changes.iter().any(|change| change == line);
    assert!(has("leg: 1 added") && has("starts what follows the commit: 1"), "{reply:?}");
    assert_eq!(world.dump().await, before, "nothing is written");

    // The supplier is asked for this leg once, by the message itself.
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(world.asked("reserve").await, 1);
    let (_, body) = world.post(&app, "/internal/preview", &token, &request).await;
    let reply: PreviewReply = serde_json::from_value(body).unwrap();
    assert_eq!(reply.effect, PreviewEffect::NoChange, "{reply:?}");
    assert_eq!(reply.before.as_deref(), Some("wanted held, told held"));
}

/// How often it was counted that a reservation could not be given back.
fn undo_failing() -> f64 {
    let page = metrics::render();
    let line = page.lines().find(|line| line.contains("kind=\"undo_failing\""));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn a_preview_counts_nothing_and_what_is_committed_counts_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.fault("cancel", "cancel_refused", 1, 0).await;
    world.want(&leg, 2, WantedLeg::Released).await;
    assert!(world.told().await.undo_failing.is_some());
    testkit::until("the refusal to be counted", async || (undo_failing() == 1.0).then_some(()))
        .await;

    let again = LegWanted {
        booking_id: leg.booking_id,
        leg_id: leg.leg_id,
        version: 3,
        wanted: WantedLeg::Released,
        order: leg.order.clone(),
        accepts: None,
    };
    let request = preview_of(supplier_sync::ROLE, &again);
    let (status, body) =
        world.post(&app, "/internal/preview", &world.token("internal"), &request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let reply: PreviewReply = serde_json::from_value(body).unwrap();
    assert_eq!(reply.effect, PreviewEffect::Changes, "{reply:?}");
    assert_eq!(undo_failing(), 1.0);
    world.want(&leg, 3, WantedLeg::Released).await;
    assert!(world.told().await.undo_failing.is_some());
    assert_eq!(undo_failing(), 2.0);
}
