//! What of a supplier's list is news to a leg.

use chrono::Days;
use contracts::{messages::WantedLeg, money::Money};
use serde_json::json;
use suppliers::{SeenReservation, SeenState};

use super::{World, bought, gone, seen};
use crate::{
    Drift, DriftKind, Leg,
    compare::{News, expected, listed},
};

fn leg(world: &World) -> &Leg {
    world.state.as_deref().unwrap()
}

/// Row: B7
#[test]
fn what_a_list_shows_is_news_where_the_leg_does_not_know_it_so() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    let shown = |state| seen("R1", state);
    let news = |one: &SeenReservation| listed(leg(&world), one);
    assert_eq!(news(&shown(SeenState::Confirmed)), None);
    assert_eq!(news(&shown(SeenState::Unclear)), None, "that says nothing");
    assert_eq!(news(&shown(SeenState::Held { until: None })), None, "lists are late");
    assert_eq!(news(&shown(SeenState::Gone)), Some(News::Look(DriftKind::Status)));
    let mut moved = shown(SeenState::Confirmed);
    moved.check_out = moved.check_out.and_then(|day| day.checked_add_days(Days::new(1)));
    assert_eq!(news(&moved), Some(News::Look(DriftKind::Dates)));
    let mut dearer = shown(SeenState::Confirmed);
    dearer.price = dearer.price.map(|price| Money::new(price.minor + 1, price.currency));
    assert_eq!(news(&dearer), Some(News::Look(DriftKind::Price)));
    let mut silent = shown(SeenState::Confirmed);
    (silent.check_in, silent.check_out, silent.price) = (None, None, None);
    assert_eq!(news(&silent), None, "what a list leaves out is no difference");
    assert_eq!(news(&seen("R2", SeenState::Confirmed)), Some(News::Look(DriftKind::Orphan)));
    assert_eq!(news(&seen("R2", SeenState::Gone)), None);
}

/// Row: B7
#[test]
fn what_was_said_to_be_gone_and_stands_there_again_is_for_a_person() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.want(WantedLeg::Released);
    world.answer(gone("R1"));
    let again = listed(leg(&world), &seen("R1", SeenState::Confirmed));
    let told = Drift {
        kind: DriftKind::Orphan,
        reference: "R1".to_owned(),
        ours: json!({ "status": "gone" }),
        theirs: json!({ "status": "confirmed" }),
    };
    assert_eq!(again, Some(News::Tell(told)));
    assert_eq!(listed(leg(&world), &seen("R1", SeenState::Gone)), None);
}

/// Row: B7
#[test]
fn a_list_has_to_show_what_is_bought_once_it_shows_at_all() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    let missing = |world: &World, at| {
        expected(leg(world), &world.policy, at).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(missing(&world, world.now).is_empty(), "it may not show yet");
    let later = world.now + world.policy.window();
    assert_eq!(missing(&world, later), ["R1"]);
    world.want(WantedLeg::Released);
    world.answer(gone("R1"));
    assert!(missing(&world, later).is_empty(), "what is gone is not missed");
}
