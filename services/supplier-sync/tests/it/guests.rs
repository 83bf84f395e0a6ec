//! Other guests on what is bought, in the reservation that is there: against the real database and
//! the double.

use contracts::{
    ids::MessageId,
    messages::{
        EvidenceSource, GuestsEnd, LegGuestsSettled, LegGuestsWanted, LegState, RefusedWhy,
        WantedLeg,
    },
};
use serde_json::{Value, json};
use supplier_sync::App;
use uuid::Uuid;

use crate::world::{FAMILY_NAME, Leg, OTHERS, World};

/// A leg that is bought, and where its guests are told of.
async fn bought(world: &mut World, app: &App) -> (Leg, String) {
    let leg = world.leg(app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told().await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    let told = world.told().await;
    assert!(matches!(told.state, LegState::Confirmed { .. }), "{told:?}");
    let heard = world.broker.overhear::<LegGuestsSettled>(&world.prefix).await;
    (leg, heard)
}

async fn want(world: &World, leg: &Leg, version: u32) {
    let Leg { booking_id, leg_id, .. } = *leg;
    let wish = LegGuestsWanted { booking_id, leg_id, version, party: OTHERS };
    world.broker.say(&world.prefix.routing(), MessageId(Uuid::new_v4()), 0, &wish).await;
}

/// Lets time pass until it is told how the wish ended.
async fn settled(world: &mut World, app: &App, heard: &str) -> LegGuestsSettled {
    for wait in [0, 1, 30, 60, 60, 120, 240, 600] {
        world.wait(wait).await;
        world.settle(app).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.settle(app).await;
        if let Some(message) = world.broker.take(heard).await {
            return serde_json::from_slice(&message.data).unwrap();
        }
    }
    panic!("nobody says how it ended");
}

/// The one reservation there is: in whose names, and under which reference.
async fn stands(world: &World) -> (Value, Value) {
    let live = world.live().await;
    assert_eq!(live.len(), 1, "{live:?}");
    (live[0]["guests"].clone(), live[0]["reference"].clone())
}

async fn cases(world: &World, app: &App) -> Vec<Value> {
    let (_, body) = world.get(app, "/internal/cases", &world.token("internal")).await;
    body["cases"].as_array().unwrap().clone()
}

/// Row: A4
#[tokio::test]
async fn others_are_put_on_a_stay_at_rapid_and_it_stays_the_same_reservation() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (leg, heard) = bought(&mut world, &app).await;
    let (guests, reference) = stands(&world).await;
    assert_eq!(guests, json!([format!("Ada {FAMILY_NAME}")]));
    want(&world, &leg, 1).await;
    let told = settled(&mut world, &app, &heard).await;
    assert_eq!((told.leg_id, told.version, told.end), (leg.leg_id, 1, GuestsEnd::Changed));
    let evidence = told.evidence.unwrap();
    assert_eq!(
        (evidence.source, json!(evidence.reference)),
        (EvidenceSource::Answer, reference.clone())
    );
    assert_eq!(stands(&world).await, (json!([format!("Bea {FAMILY_NAME}")]), reference));
    // The same wish again, and the sweeps that look at it later, find nothing to do or to tell.
    want(&world, &leg, 1).await;
    world.wait(7_200).await;
    world.settle(&app).await;
    let asked =
        (world.asked("reserve").await, world.asked("cancel").await, world.asked("amend").await);
    assert_eq!(asked, (1, 0, 1));
    assert!(world.is_silent().await, "it is bought, as it was");
    assert_eq!(cases(&world, &app).await, Vec::<Value>::new());
    for line in world.dump().await {
        assert!(!line.contains(FAMILY_NAME) && !line.contains("Bea"), "{line}");
    }
}

/// Row: A4
#[tokio::test]
async fn a_change_of_guests_that_was_made_and_never_answered_is_found_and_not_made_again() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (leg, heard) = bought(&mut world, &app).await;
    world.fault("amend", "timeout_after_commit", 1, 60_000).await;
    want(&world, &leg, 1).await;
    let told = settled(&mut world, &app, &heard).await;
    assert_eq!(told.end, GuestsEnd::Changed);
    assert_eq!(told.evidence.unwrap().source, EvidenceSource::LookUp);
    assert_eq!(stands(&world).await.0, json!([format!("Bea {FAMILY_NAME}")]));
    assert_eq!(world.asked("amend").await, 1);
    assert_eq!(cases(&world, &app).await, Vec::<Value>::new());
}

/// Row: A4
#[tokio::test]
async fn a_change_of_guests_that_was_lost_is_made_again_and_one_that_is_refused_changes_nothing() {
    let mut world = World::new().await;
    let app = world.start().await;
    let (leg, heard) = bought(&mut world, &app).await;
    world.fault("amend", "amend_refused", 1, 0).await;
    want(&world, &leg, 1).await;
    let told = settled(&mut world, &app, &heard).await;
    assert_eq!(told.end, GuestsEnd::Kept { why: RefusedWhy::RateExpired });
    assert_eq!(stands(&world).await.0, json!([format!("Ada {FAMILY_NAME}")]));
    assert_eq!(world.asked("amend").await, 1);

    world.fault("amend", "timeout_before_commit", 1, 60_000).await;
    want(&world, &leg, 2).await;
    let told = settled(&mut world, &app, &heard).await;
    assert_eq!((told.version, told.end), (2, GuestsEnd::Changed));
    assert_eq!(stands(&world).await.0, json!([format!("Bea {FAMILY_NAME}")]));
    assert_eq!(world.asked("amend").await, 3);
    assert!(world.is_silent().await, "it is bought, as it was");
    assert_eq!(cases(&world, &app).await, Vec::<Value>::new());
}
