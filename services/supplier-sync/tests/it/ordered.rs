//! Whether what a supplier shows is in the names, and of the room, that were ordered.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use contracts::{
    messages::{LegState, RefusedWhy, WantedLeg},
    supplier::Supplier,
};
use serde_json::{Value, json};
use supplier_sync::App;

use crate::world::{FAMILY_NAME, Leg, World};

/// Has the leg looked up, and gives the cases that are open then.
async fn looked_up(world: &mut World, app: &App, leg: &Leg) -> Vec<Value> {
    let path = format!("/internal/legs/{}/look-up", leg.leg_id);
    let asks = json!({ "staff": "ada" });
    let (status, _) = world.post(app, &path, &world.token("internal"), &asks).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.wait(1).await;
    world.settle(app).await;
    let (_, body) = world.get(app, "/internal/cases", &world.token("internal")).await;
    body["cases"].as_array().unwrap().clone()
}

/// What is bought and looked up, with each of these faults in what the look-up shows: each is a
/// case of that kind, and the leg stays bought.
async fn is_a_case(supplier: Supplier, faults: &[(&str, &str)]) {
    let mut world = World::at(supplier).await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told().await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    let LegState::Confirmed { reference } = world.told().await.state else { panic!("not bought") };
    let cases = looked_up(&mut world, &app, &leg).await;
    assert!(cases.is_empty(), "{supplier} as ordered: {cases:?}");
    // Whoever ordered it knows the names, and who does not asks once and not at each look.
    assert_eq!(world.booking_asked.load(Ordering::Relaxed), 1, "{supplier}");
    let other = world.start().await;
    for _ in 0..2 {
        assert!(looked_up(&mut world, &other, &leg).await.is_empty(), "{supplier}");
    }
    assert_eq!(world.booking_asked.load(Ordering::Relaxed), 2, "{supplier}");
    // A list comes before the details there.
    let calls = if supplier == Supplier::Hotelbeds { 2 } else { 1 };
    for (n, (kind, fault)) in faults.iter().enumerate() {
        world.fault("lookup", fault, calls, 0).await;
        let cases = looked_up(&mut world, &app, &leg).await;
        assert_eq!(cases.len(), n + 1, "{supplier} {fault}: {cases:?}");
        let case = cases.iter().find(|case| case["kind"] == *kind).unwrap();
        assert_eq!(case["subject"], reference.as_str(), "{supplier} {fault}");
        assert_eq!(case["leg_id"], json!(leg.leg_id), "{supplier} {fault}");
        assert_ne!(case["ours"], case["theirs"], "{supplier} {fault}");
        let text = case.to_string();
        assert!(!text.contains(FAMILY_NAME) && !text.contains("Somebody"), "{supplier}: {text}");
        if *kind == "names" {
            assert_eq!(case["ours"]["guests"][0], "xxx xxxxxxxx", "{supplier}");
            assert_eq!(case["theirs"]["guests"][0], "xxxxxxxx xxxx", "{supplier}");
        }
    }
    // Nothing but a case: it is not told as another state, and nothing is given back.
    assert!(world.is_silent().await, "{supplier}");
    assert_eq!(world.live().await.len(), 1, "{supplier}");
}

const NAMES: (&str, &str) = ("names", "wrong_guest");
const ROOM: (&str, &str) = ("room", "wrong_room");

/// Row: B7
#[tokio::test]
async fn other_names_and_another_rate_at_rapid_are_cases_with_both_values() {
    is_a_case(Supplier::Rapid, &[NAMES, ROOM]).await;
}

/// Row: B7
#[tokio::test]
async fn other_names_at_etg_are_a_case_with_both_by_shape() {
    is_a_case(Supplier::Etg, &[NAMES]).await;
}

/// Row: B7
#[tokio::test]
async fn other_names_and_another_sort_of_an_activity_are_cases_with_both_values() {
    is_a_case(Supplier::Hotelbeds, &[NAMES, ROOM]).await;
}

/// Row: B7
#[tokio::test]
async fn other_names_and_another_room_at_a_partner_are_cases_with_both_values() {
    is_a_case(Supplier::Neutral, &[NAMES, ROOM]).await;
}

/// Row: B7
#[tokio::test]
async fn what_is_held_for_somebody_else_is_refused_and_not_bought() {
    for supplier in [Supplier::Rapid, Supplier::Hotelbeds] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        let leg = world.leg(&app).await;
        world.fault("reserve", "wrong_guest", 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        world.told().await;
        for _ in 0..2 {
            let cases = looked_up(&mut world, &app, &leg).await;
            assert_eq!(cases[0]["kind"], "names", "{supplier}: {cases:?}");
        }
        let refused = LegState::Refused { why: RefusedWhy::Rejected };
        while world.told().await.state != refused {}
        // Whoever paid meanwhile gets the money back instead of a room for somebody else.
        world.want(&leg, 2, WantedLeg::Confirmed).await;
        while world.told().await.state != refused {}
        assert_eq!(world.asked("confirm").await, 0, "{supplier}");
        world.want(&leg, 3, WantedLeg::Released).await;
        while !matches!(world.told().await.state, LegState::Gone { .. }) {}
        assert!(world.live().await.is_empty(), "{supplier}");
    }
}
