//! A supplier's whole list beside ours: what is read of it, and what comes of what differs.

use axum::http::StatusCode;
use contracts::{
    internal::{ComparisonOutcome, ComparisonStanding},
    messages::{GoneWhy, LegState, WantedLeg},
    supplier::Supplier,
};
use messaging::Step;
use serde_json::{Value, json};
use supplier_sync::{App, compare};
use testkit::until;

use crate::world::{Leg, World};

/// Past every window, and past the first sweep.
const LONG: i64 = 900;

/// A leg that is bought and was looked at when everything shows.
async fn bought(world: &World, app: &App) -> Leg {
    let leg = world.leg(app).await;
    world.want(&leg, 1, WantedLeg::Confirmed).await;
    while !matches!(world.told().await.state, LegState::Confirmed { .. }) {}
    leg
}

/// Lets time pass in which the legs do what is theirs to do.
async fn rests(world: &mut World, app: &App) {
    world.wait(LONG).await;
    world.settle(app).await;
    world.wait(LONG).await;
    world.settle(app).await;
}

/// Asks for a comparison and makes its steps; the looks that it asked for as well.
async fn compared(world: &World, app: &App) -> ComparisonStanding {
    let path = format!("/internal/suppliers/{}/compare", world.supplier);
    let token = world.token("internal");
    let (status, body) = world.post(app, &path, &token, &json!({ "staff": "ada" })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    while compare(app).await.unwrap() != Step::Idle {}
    world.settle(app).await;
    standing(world, app).await
}

async fn standing(world: &World, app: &App) -> ComparisonStanding {
    let path = format!("/internal/suppliers/{}/compare", world.supplier);
    let (status, body) = world.get(app, &path, &world.token("internal")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body).unwrap()
}

async fn cases(world: &World, app: &App) -> Vec<Value> {
    let (_, body) = world.get(app, "/internal/cases", &world.token("internal")).await;
    body["cases"].as_array().unwrap().clone()
}

async fn act(world: &World, leg: &Leg, act: &str) {
    let body = json!({ "client_reference": leg.client_reference(1), "act": act });
    world.control("POST", &format!("/{}/act", world.supplier), Some(body)).await;
}

async fn what_they_cancelled_is_found_on_the_list_of(supplier: Supplier) {
    let mut world = World::at(supplier).await;
    let app = world.start().await;
    let (kept, lost) = (bought(&world, &app).await, bought(&world, &app).await);
    rests(&mut world, &app).await;
    act(&world, &lost, "cancel").await;
    let (before, untouched) = (world.asked("lookup").await, world.event_count(&kept).await);
    let standing = compared(&world, &app).await;
    assert_eq!(standing.outcome, ComparisonOutcome::Done);
    assert_eq!(standing.asked_by.as_deref(), Some("ada"));
    let counted = (standing.listed, standing.differing, standing.missing, standing.unknown);
    assert_eq!(counted, (2, 1, 0, 0), "{standing:?}");
    let told = world.told().await;
    assert_eq!(told.leg_id, lost.leg_id);
    assert_eq!(told.state, LegState::Gone { why: GoneWhy::CancelledBySupplier });
    let found = cases(&world, &app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["kind"], "status");
    assert_eq!(
        (&found[0]["ours"], &found[0]["theirs"]),
        (&json!({"status": "confirmed"}), &json!({"status": "gone"}))
    );
    assert_eq!(world.event_count(&kept).await, untouched, "what is as we know it is left alone");
    assert!(world.asked("lookup").await <= before + 3, "one list, one look-up");
    world.wait(LONG).await;
    world.settle(&app).await;
    world.wait(LONG).await;
    let again = compared(&world, &app).await;
    assert_eq!((again.listed, again.differing, again.missing), (2, 0, 0), "{again:?}");
    assert_eq!(again.open_cases, 1, "it is known, and nobody is done with it: {again:?}");
    let close = format!("/internal/cases/{}/close", found[0]["case_id"].as_str().unwrap());
    let done = json!({ "staff": "ada", "why": "the customer knows" });
    world.post(&app, &close, &world.token("internal"), &done).await;
    assert_eq!(compared(&world, &app).await.open_cases, 0);
    assert!(world.is_silent().await);
}

/// Row: B7
#[tokio::test]
async fn what_a_partner_cancelled_is_found_on_its_list() {
    what_they_cancelled_is_found_on_the_list_of(Supplier::Neutral).await;
}

/// Row: B7
#[tokio::test]
async fn what_etg_cancelled_is_found_on_its_list() {
    what_they_cancelled_is_found_on_the_list_of(Supplier::Etg).await;
}

/// Row: B7
#[tokio::test]
async fn what_duffel_cancelled_is_found_on_its_list() {
    what_they_cancelled_is_found_on_the_list_of(Supplier::Duffel).await;
}

/// Row: B7
#[tokio::test]
async fn what_hotelbeds_cancelled_is_found_on_its_list() {
    what_they_cancelled_is_found_on_the_list_of(Supplier::Hotelbeds).await;
}

async fn plant(world: &World, client_reference: &str, like: &Leg) -> String {
    let planted = json!({
        "client_reference": client_reference,
        "check_in": like.order.check_in,
        "check_out": like.order.check_out,
    });
    let made = world.control("POST", "/neutral/plant", Some(planted)).await;
    made["reference"].as_str().unwrap().to_owned()
}

/// Row: B7
/// Row: B11
#[tokio::test]
async fn what_stands_there_after_the_end_is_released_and_what_nobody_knows_is_told() {
    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = bought(&world, &app).await;
    world.want(&leg, 3, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::Gone { .. }));
    rests(&mut world, &app).await;
    // Its leg is at rest: nothing but the list brings this up.
    let orphan = plant(&world, &leg.client_reference(1), &leg).await;
    let foreign = plant(&world, "made-by-hand", &leg).await;
    let standing = compared(&world, &app).await;
    let counted = (standing.listed, standing.differing, standing.unknown);
    assert_eq!(counted, (3, 1, 1), "{standing:?}");
    let live = world.live().await;
    assert_eq!(live.len(), 1, "the orphan is given back, and nothing else: {live:?}");
    assert_eq!(live[0]["reference"], foreign.as_str());
    let found = cases(&world, &app).await;
    let of = |reference: &str| {
        let mut all = found.iter();
        all.find(|case| case["subject"] == reference).unwrap_or_else(|| panic!("{found:?}"))
    };
    assert_eq!(of(&orphan)["kind"], "orphan");
    assert_eq!(of(&orphan)["leg_id"], json!(leg.leg_id));
    assert_eq!(of(&orphan)["ours"], json!({ "status": "gone" }));
    assert_eq!(of(&foreign)["kind"], "orphan");
    assert!(of(&foreign)["leg_id"].is_null() && of(&foreign)["ours"].is_null());
    assert_eq!(of(&foreign)["theirs"]["client_reference"], "made-by-hand");
    assert_eq!(of(&foreign)["theirs"]["status"], "confirmed");
}

/// Row: B7
#[tokio::test]
async fn other_days_and_what_is_on_no_page_are_found_with_both_values() {
    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = bought(&world, &app).await;
    rests(&mut world, &app).await;
    world.fault("lookup", "wrong_dates", 3, 0).await;
    let standing = compared(&world, &app).await;
    assert_eq!((standing.listed, standing.differing), (1, 1), "{standing:?}");
    // One odd read is not enough to say so of what is bought.
    assert!(cases(&world, &app).await.is_empty());
    world.wait(60).await;
    world.settle(&app).await;
    let found = cases(&world, &app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["kind"], "dates");
    assert_eq!(found[0]["ours"]["check_in"], json!(leg.order.check_in));
    assert_eq!(found[0]["theirs"]["check_in"], json!(leg.order.check_in.succ_opt().unwrap()));

    let mut world = World::at(Supplier::Neutral).await;
    let app = world.start().await;
    let leg = bought(&world, &app).await;
    rests(&mut world, &app).await;
    world.fault("lookup", "lookup_empty", 2, 0).await;
    let standing = compared(&world, &app).await;
    assert_eq!((standing.listed, standing.missing), (0, 1), "{standing:?}");
    let found = cases(&world, &app).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["kind"], &found[0]["leg_id"]), (&json!("missing"), &json!(leg.leg_id)));
    assert_eq!(found[0]["ours"]["status"], "confirmed");
    assert_eq!(found[0]["theirs"]["status"], "not_found");
}

/// Row: B7
#[tokio::test]
async fn a_comparison_goes_on_page_by_page_in_whichever_process_and_past_a_page_that_is_spoilt() {
    let mut world = World::at(Supplier::Neutral).await;
    world.noon().await;
    let app = world.start().await;
    let leg = bought(&world, &app).await;
    let planted = json!({
        "client_reference": "made-by-hand",
        "check_in": leg.order.check_in,
        "check_out": leg.order.check_out,
        "copies": 120,
    });
    world.control("POST", "/neutral/plant", Some(planted)).await;
    rests(&mut world, &app).await;
    let path = "/internal/suppliers/neutral/compare";
    let token = world.token("internal");
    for _ in 0..2 {
        let (status, body) = world.post(&app, path, &token, &json!({ "staff": "ada" })).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    }
    assert_eq!(compare(&app).await.unwrap(), Step::Did(1));
    let first = standing(&world, &app).await;
    assert_eq!((first.outcome, first.pages), (ComparisonOutcome::UnderWay, 1));
    world.fault("lookup", "malformed_body", 1, 0).await;
    let other = App::connect(&world.config(), &world.process).await.unwrap();
    assert_eq!(compare(&other).await.unwrap(), Step::Did(1));
    assert_eq!(compare(&other).await.unwrap(), Step::Idle, "it is tried again later");
    let spoilt = standing(&world, &app).await;
    assert_eq!((spoilt.outcome, spoilt.pages), (ComparisonOutcome::UnderWay, 1));
    world.wait(31).await;
    while compare(&other).await.unwrap() != Step::Idle {}
    let done = standing(&world, &app).await;
    assert_eq!(done.comparison_id, first.comparison_id, "one at a time");
    assert_eq!(done.outcome, ComparisonOutcome::Done);
    let counted = (done.pages, done.listed, done.unknown, done.missing, done.differing);
    assert_eq!(counted, (2, 121, 120, 0, 0), "{done:?}");
    let contract = cases(&world, &app).await.into_iter().filter(|case| case["kind"] == "contract");
    assert_eq!(contract.count(), 1);
}

/// Row: B7
#[tokio::test]
async fn a_list_that_cannot_be_read_or_not_in_a_day_calls_somebody() {
    let mut world = World::at(Supplier::Neutral).await;
    world.noon().await;
    let app = world.start().await;
    let _leg = bought(&world, &app).await;
    rests(&mut world, &app).await;
    let begin = async |world: &World, app: &App| {
        let (path, token) = ("/internal/suppliers/neutral/compare", world.token("internal"));
        let (status, body) = world.post(app, path, &token, &json!({ "staff": "ada" })).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    };
    let overdue = async |world: &World, app: &App| {
        let (_, body) = world.get(app, "/internal/attention", &world.token("internal")).await;
        let items = body["items"].as_array().unwrap().iter();
        let overdue = items.filter(|item| item["kind"] == "overdue");
        overdue.map(|item| item["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    begin(&world, &app).await;
    let tries = 10;
    world.fault("lookup", "malformed_body", tries, 0).await;
    world.logs.expect("was not compared with ours");
    for n in 1..=tries {
        assert_eq!(compare(&app).await.unwrap(), Step::Did(1), "try {n}");
        let given_up = standing(&world, &app).await.outcome == ComparisonOutcome::GivenUp;
        assert_eq!(given_up, n == tries, "after {n}");
        if !given_up {
            assert_eq!(overdue(&world, &app).await, [""; 0], "after {n}");
            world.wait(8_000).await;
        }
    }
    let told = overdue(&world, &app).await;
    assert!(
        told.len() == 1 && told[0].contains("neutral") && told[0].contains("be read"),
        "{told:?}"
    );
    // The next one stands for it.
    begin(&world, &app).await;
    assert_eq!(overdue(&world, &app).await, [""; 0]);
    world.wait(21 * 3_600).await;
    let told = overdue(&world, &app).await;
    assert!(told.len() == 1 && told[0].contains("still being read"), "{told:?}");
    while standing(&world, &app).await.outcome == ComparisonOutcome::UnderWay {
        compare(&app).await.unwrap();
    }
    assert_eq!(overdue(&world, &app).await, [""; 0]);
}

/// Row: B7
#[tokio::test]
async fn a_leg_that_cannot_be_read_holds_up_no_comparison() {
    let mut world = World::at(Supplier::Neutral).await;
    world.noon().await;
    let app = world.start().await;
    let (odd, lost) = (bought(&world, &app).await, bought(&world, &app).await);
    rests(&mut world, &app).await;
    act(&world, &lost, "cancel").await;
    world.logs.expect("is compared with no list");
    // Whatever is due to it fails as well.
    world.logs.expect("is put off");
    world.spoil(&odd).await;
    let standing = compared(&world, &app).await;
    assert_eq!((standing.outcome, standing.listed), (ComparisonOutcome::Done, 2), "{standing:?}");
    assert_eq!((standing.differing, standing.unknown), (1, 0), "{standing:?}");
    assert_eq!(world.told().await.leg_id, lost.leg_id);
    assert!(world.logs.errors().iter().any(|line| line.contains("is compared with no list")));
}

/// Row: B7
#[tokio::test]
async fn a_page_that_came_after_another_process_had_read_it_counts_once() {
    let mut world = World::at(Supplier::Neutral).await;
    world.noon().await;
    let app = world.start().await;
    let _leg = bought(&world, &app).await;
    rests(&mut world, &app).await;
    let (path, token) = ("/internal/suppliers/neutral/compare", world.token("internal"));
    let (status, body) = world.post(&app, path, &token, &json!({ "staff": "ada" })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let before = world.asked("lookup").await;
    world.fault("lookup", "slow", 1, 5_000).await;
    let slow = App::connect(&world.config(), &world.process).await.unwrap();
    let late = tokio::spawn(async move { compare(&slow).await });
    until("the page", || async { (world.asked("lookup").await > before).then_some(()) }).await;
    // Longer than a page may take: whoever asked for it counts as dead.
    world.wait(130).await;
    assert_eq!(compare(&app).await.unwrap(), Step::Did(1));
    assert!(late.await.unwrap().is_err(), "what it read is another's by now");
    while compare(&app).await.unwrap() != Step::Idle {}
    let done = standing(&world, &app).await;
    assert_eq!(
        (done.outcome, done.pages, done.listed),
        (ComparisonOutcome::Done, 1, 1),
        "{done:?}"
    );
}

#[tokio::test]
async fn every_night_is_compared_once_and_a_supplier_without_a_list_never() {
    let mut world = World::at(Supplier::Neutral).await;
    world.noon().await;
    world.beside = Some(Supplier::Rapid);
    let app = world.start().await;
    assert_eq!(compare(&app).await.unwrap(), Step::Idle, "there is nothing to compare");
    let _leg = world.leg_of(&app, |offer| offer.supplier == Supplier::Neutral).await;
    let leg = bought(&world, &app).await;
    world.wait(86_400).await;
    while compare(&app).await.unwrap() != Step::Idle {}
    let night = standing(&world, &app).await;
    assert_eq!((night.outcome, night.asked_by.as_deref()), (ComparisonOutcome::Done, None));
    assert_eq!(night.listed, 1);
    world.wait(60).await;
    assert_eq!(compare(&app).await.unwrap(), Step::Idle, "once a night");
    world.wait(86_400).await;
    while compare(&app).await.unwrap() != Step::Idle {}
    assert_ne!(standing(&world, &app).await.comparison_id, night.comparison_id);
    assert!(world.event_count(&leg).await > 0);
    let (path, token) = ("/internal/suppliers/rapid/compare", world.token("internal"));
    let (status, body) = world.post(&app, path, &token, &json!({ "staff": "ada" })).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("no_list")), "{body}");
    assert_eq!(world.get(&app, path, &token).await.0, StatusCode::NOT_FOUND);
}
