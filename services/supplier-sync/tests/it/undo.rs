//! Undoing that fails, and what comes late: each through the whole service.

use contracts::messages::{
    CallbackClaim, EvidenceSource, GoneWhy, LegState, UndoFailedWhy, UndoFailing, WantedLeg,
};
use supplier_sync::App;

use crate::world::{Leg, World};

/// Row: A6
#[tokio::test]
async fn a_cancel_that_the_supplier_refuses_is_told_with_its_tries_and_holds_up_nobody() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    world.fault("cancel", "cancel_refused", 3, 0).await;
    world.want(&leg, 2, WantedLeg::Released).await;
    failing(&world, 1).await;
    assert_eq!(world.live().await.len(), 1, "it is still there");

    let other = world.leg(&app).await;
    world.want(&other, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.want(&other, 2, WantedLeg::Released).await;
    // The second of the refusals is the other leg's.
    failing(&world, 1).await;

    // Ever more slowly: 30 s, then a minute.
    world.wait(12).await;
    world.settle(&app).await;
    assert_eq!(world.asked("cancel").await, 2);
    world.wait(19).await;
    world.settle(&app).await;
    assert_eq!(world.asked("cancel").await, 4);
    let told = [world.told().await, world.told().await];
    let of = |wanted: &Leg| told.iter().find(|told| told.leg_id == wanted.leg_id).unwrap();
    // Whichever of the two came first was refused once more.
    let (kept, gone) =
        if of(&leg).undo_failing.is_some() { (&leg, &other) } else { (&other, &leg) };
    let twice = UndoFailing { attempts: 2, why: UndoFailedWhy::Refused };
    assert_eq!(of(kept).undo_failing, Some(twice));
    assert_eq!(of(gone).state, LegState::Gone { why: GoneWhy::Released });
    world.wait(30).await;
    world.settle(&app).await;
    assert_eq!(world.asked("cancel").await, 4);
    world.wait(31).await;
    world.settle(&app).await;
    let told = world.told().await;
    assert_eq!(told.state, LegState::Gone { why: GoneWhy::Released });
    assert_eq!(told.undo_failing, None);
    assert!(world.live().await.is_empty());
    assert!(world.cancels().await.contains(&reference));
    assert!(world.is_silent().await);
}

async fn failing(world: &World, attempts: u32) {
    let told = world.told().await;
    assert!(matches!(told.state, LegState::InDoubt { .. }), "{told:?}");
    let why = UndoFailedWhy::Refused;
    assert_eq!(told.undo_failing, Some(UndoFailing { attempts, why }));
    assert!(told.evidence.is_some(), "{told:?}");
}

/// A leg whose first attempt was lost and is proven dead, and whose second one is held.
async fn held_at_the_second_attempt(world: &mut World, app: &App) -> (Leg, String) {
    let leg = world.leg(app).await;
    world.fault("reserve", "timeout_before_commit", 1, 60_000).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    for seconds in [30, 60, 300] {
        world.wait(seconds).await;
        world.settle(app).await;
    }
    let reference = world.told_held().await;
    assert_eq!(world.live().await[0]["client_reference"], leg.client_reference(2));
    (leg, reference)
}

/// Row: A7
#[tokio::test]
async fn a_late_failure_of_the_first_attempt_leaves_the_second_alone() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (leg, reference) = held_at_the_second_attempt(&mut world, &app).await;
    let ours = leg.client_reference(1);
    world.callback_saying(Some(&ours), None, Some(CallbackClaim::Gone)).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    assert!(world.is_silent().await, "it is about the first attempt");
    assert!(world.cancels().await.is_empty());
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert_eq!(world.told().await.state, LegState::Confirmed { reference });
    assert_eq!(world.live().await.len(), 1);
}

/// Row: A7
#[tokio::test]
async fn a_late_success_of_the_first_attempt_is_released_by_its_own_reference() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (leg, reference) = held_at_the_second_attempt(&mut world, &app).await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    let late = world.plant(&leg, 1, "confirmed").await;
    world.callback_saying(Some(&leg.client_reference(1)), Some(&late), None).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    assert_eq!(world.cancels().await, [late]);
    let live = world.live().await;
    assert_eq!(live.len(), 1);
    assert_eq!(
        (&live[0]["reference"], &live[0]["state"]),
        (&reference.into(), &"confirmed".into())
    );
    assert!(world.is_silent().await, "what the booking has is untouched");
}

/// Row: A8
#[tokio::test]
async fn a_late_callback_about_what_is_cancelled_is_looked_into_and_told_and_cancels_nothing_twice()
{
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    let LegState::Confirmed { reference } = world.told().await.state else { panic!("not bought") };
    world.want(&leg, 2, WantedLeg::Released).await;
    let released = world.told().await;
    assert_eq!(released.state, LegState::Gone { why: GoneWhy::Released });
    let looks = world.asked("lookup").await;

    world.callback_saying(None, Some(&reference), Some(CallbackClaim::Confirmed)).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    let told = world.told().await;
    assert_eq!(told.state, released.state, "what is closed stays closed");
    assert!(told.seq > released.seq);
    let evidence = told.evidence.unwrap();
    assert_eq!((evidence.source, evidence.attempt), (EvidenceSource::Callback, 1));
    assert_eq!(evidence.reference.as_deref(), Some(reference.as_str()));
    assert_eq!(world.asked("lookup").await, looks + 1);
    assert_eq!(world.cancels().await, [reference]);
    assert!(world.live().await.is_empty());
    assert!(world.is_silent().await);
}

/// Row: A8
#[tokio::test]
async fn a_late_callback_that_proves_a_reservation_after_the_end_has_it_released_once() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::Refused { .. }));
    world.want(&leg, 2, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::NeverMade });

    let late = world.plant(&leg, 1, "confirmed").await;
    let ours = leg.client_reference(1);
    world.callback_saying(Some(&ours), Some(&late), Some(CallbackClaim::Confirmed)).await;
    world.hinted(&leg, 1).await;
    world.wait(2).await;
    world.settle(&app).await;
    let news = world.told().await;
    assert_eq!(news.state, LegState::Confirmed { reference: late.clone() });
    assert_eq!(news.evidence.unwrap().source, EvidenceSource::Callback);
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert_eq!(world.cancels().await, [late]);
    assert!(world.live().await.is_empty());
}
