//! Differences between us and a supplier, each a case with both values.

use chrono::Days;
use contracts::messages::{LegState, RefusedWhy, WantedLeg};
use serde_json::json;
use suppliers::{Answer, Listed, SeenState};

use super::{UNKNOWN, World, bought, flies, flight, flown, gone, held, order, seen};
use crate::{Drift, DriftKind, Event, State, drifts, evolve};

/// Every difference that the journal shows, in order, each once.
fn found(world: &World) -> Vec<Drift> {
    let mut state: State = None;
    let mut found: Vec<Drift> = Vec::new();
    for recorded in &world.journal {
        state = evolve(state, recorded);
        let new = drifts(state.as_deref().unwrap(), recorded, &world.policy);
        for drift in new {
            let known =
                |known: &Drift| (known.kind, &known.reference) == (drift.kind, &drift.reference);
            if !found.iter().any(known) {
                found.push(drift);
            }
        }
    }
    found
}

fn only(world: &World) -> Drift {
    let mut found = found(world);
    assert_eq!(found.len(), 1, "{found:?}");
    found.pop().unwrap()
}

/// Bought, and looked at by the sweep when everything must show.
fn confirmed(world: &mut World) {
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    assert_eq!(found(world), Vec::new());
    world.wake_until_it_looks();
}

/// Row: B7
#[test]
fn what_they_cancelled_and_we_have_is_found_by_the_first_sweep() {
    let mut world = World::new();
    confirmed(&mut world);
    world.answer(gone("R1"));
    let drift = only(&world);
    assert_eq!((drift.kind, drift.reference.as_str()), (DriftKind::Status, "R1"));
    assert_eq!(drift.ours, json!({"status": "confirmed"}));
    assert_eq!(drift.theirs, json!({"status": "gone"}));
}

/// Row: B7
#[test]
fn other_days_and_another_price_are_found_with_both_values() {
    let mut world = World::new();
    confirmed(&mut world);
    let mut odd = seen("R1", SeenState::Confirmed);
    odd.check_in = Some(order().check_in + Days::new(1));
    odd.price.as_mut().unwrap().minor += 1;
    // What was bought is doubted when it is read so twice.
    world.answer(Answer::Seen(vec![odd.clone()]));
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![odd]));
    let both = found(&world);
    assert_eq!(
        both.iter().map(|d| d.kind).collect::<Vec<_>>(),
        [DriftKind::Dates, DriftKind::Price]
    );
    assert_eq!(both[0].ours, json!({"check_in": "2026-11-25", "check_out": "2026-11-27"}));
    assert_eq!(both[0].theirs, json!({"check_in": "2026-11-26", "check_out": "2026-11-27"}));
    assert_eq!(both[1].ours, json!(order().price));
    assert_eq!(both[1].theirs["minor"], json!("24001"));
}

/// Row: B7
#[test]
fn other_times_of_a_flight_are_found_within_the_day_with_both_values() {
    let mut world = flown();
    confirmed(&mut world);
    world.answer(flies(0));
    assert_eq!(found(&world), Vec::new(), "as sold");
    for _ in 0..2 {
        world.wake_until_it_looks();
        world.answer(flies(11));
    }
    let drift = only(&world);
    assert_eq!(drift.kind, DriftKind::Dates);
    assert_eq!(drift.ours["check_in"], drift.theirs["check_in"]);
    assert_eq!(drift.ours["segments"], json!([flight(0)]));
    assert_eq!(drift.theirs["segments"], json!([flight(11)]));
}

/// Row: B7
#[test]
fn that_nobody_came_is_told_once_stays_bought_and_is_taken_back_when_they_say_otherwise() {
    let told =
        |world: &World| world.leg().told.as_ref().map(|told| (told.state.clone(), told.no_show));
    let stands = |no_show| Some((LegState::Confirmed { reference: "R1".to_owned() }, no_show));
    let tellings = |world: &World| {
        let told = |recorded: &&crate::Recorded| matches!(recorded.event, Event::Told { .. });
        world.journal.iter().filter(told).count()
    };
    let shown = |state| Answer::Seen(vec![seen("R1", state)]);
    let mut world = World::new();
    confirmed(&mut world);
    let before = tellings(&world);
    world.answer(shown(SeenState::NoShow));
    assert_eq!((told(&world), tellings(&world)), (stands(true), before + 1));
    world.wake_until_it_looks();
    world.answer(shown(SeenState::NoShow));
    assert_eq!(tellings(&world), before + 1);
    let listed = Listed { client_reference: None, seen: seen("R1", SeenState::NoShow) };
    assert_eq!(crate::compare::listed(world.leg(), &listed), None, "it is known");
    world.wake_until_it_looks();
    world.answer(shown(SeenState::Confirmed));
    assert_eq!((told(&world), tellings(&world)), (stands(false), before + 2));
    assert_eq!(found(&world), Vec::new());
}

/// Row: B7
#[test]
fn what_they_do_not_show_any_more_is_missing() {
    let mut world = World::new();
    confirmed(&mut world);
    world.answer(Answer::NotFound);
    let drift = only(&world);
    assert_eq!((drift.kind, drift.reference.as_str()), (DriftKind::Missing, "R1"));
    assert_eq!(drift.ours["status"], json!("confirmed"));
    assert_eq!(drift.theirs["status"], json!("not_found"));
}

/// Row: B7
#[test]
fn what_shows_up_after_the_end_is_an_orphan_and_is_released() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    world.want(WantedLeg::Released);
    for _ in 0..20 {
        if world.leg().attempts[0].proven_dead {
            break;
        }
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    assert_eq!(found(&world), Vec::new());
    world.wake_until_it_looks();
    world.answer(held("R9"));
    let drift = only(&world);
    assert_eq!((drift.kind, drift.reference.as_str()), (DriftKind::Orphan, "R9"));
    assert_eq!(drift.ours, json!({"status": "proven_dead"}));
    assert_eq!(drift.theirs, json!({"status": "held"}));
    assert_eq!(world.doing(), Some(crate::Doing::Cancel));
}

#[test]
fn a_booking_that_goes_well_or_is_given_back_shows_no_difference() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    world.wake_until_it_looks();
    world.answer(bought("R1"));
    world.want(WantedLeg::Released);
    world.answer(Answer::Accepted);
    assert_eq!(found(&world), Vec::new());
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Refused(RefusedWhy::SoldOut));
    world.want(WantedLeg::Released);
    assert_eq!(found(&world), Vec::new());
}
