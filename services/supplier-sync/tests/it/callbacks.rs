//! Callbacks: reasons to look, and nothing else.

use contracts::messages::{GoneWhy, LegState, WantedLeg};
use messaging::Step;
use serde_json::json;
use testkit::until;

use crate::world::{Leg, World};

/// Row: B5
#[tokio::test]
async fn callbacks_that_come_together_cause_one_look_up_after_the_last() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    for n in 0..5 {
        let ours = leg.client_reference(1);
        let ours = (n % 2 == 0).then_some(ours.as_str());
        world.callback(ours, Some(&reference)).await;
    }
    hinted(&world, &leg, 5).await;
    supplier_sync::wake(&app).await.unwrap();
    assert_eq!(world.asked("lookup").await, 0, "others may follow");
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 1);
    assert!(world.is_silent().await, "nothing is new");
}

/// What a callback says is never believed: the supplier is asked.
#[tokio::test]
async fn a_cancellation_by_the_supplier_is_read_and_told() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    let LegState::Confirmed { reference } = world.told().await.state else { panic!("not bought") };
    world
        .control("POST", "/rapid/act", Some(json!({ "reference": reference, "act": "cancel" })))
        .await;
    world.callback(None, Some(&reference)).await;
    hinted(&world, &leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::CancelledBySupplier });
}

/// Row: B6
#[tokio::test]
async fn a_callback_before_its_leg_waits_and_is_joined_and_one_about_nothing_surfaces() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.callback(Some(&leg.client_reference(1)), None).await;
    world.callback(None, Some("9999999999999")).await;
    until("both to wait", || async { (waiting(&world).await == 2).then_some(()) }).await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Idle);

    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(supplier_sync::join_callbacks(&app).await.unwrap(), Step::Did(1));
    assert_eq!(waiting(&world).await, 1);
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, 1);

    supplier_sync::surface_callbacks(&app).await.unwrap();
    assert_eq!(surfaced(&world).await, 0);
    world.wait(20 * 60).await;
    supplier_sync::surface_callbacks(&app).await.unwrap();
    assert_eq!(surfaced(&world).await, 1);
    assert_eq!(waiting(&world).await, 1, "it still waits");
}

async fn hinted(world: &World, leg: &Leg, times: i64) {
    until("the callbacks to be heard", || async {
        let heard: i64 = sqlx::query_scalar(
            "select count(*) from leg_event where leg_id = $1 and event ->> 'is' = 'hinted'",
        )
        .bind(leg.leg_id.0)
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap();
        (heard == times).then_some(())
    })
    .await;
}

async fn waiting(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from callback_hint where joined_at is null")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}

async fn surfaced(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from callback_hint where surfaced_at is not null")
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}
