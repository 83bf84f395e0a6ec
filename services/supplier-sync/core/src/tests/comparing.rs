//! What of a supplier's list is news to a leg.

use chrono::Days;
use contracts::{
    messages::{CallbackClaim, GoneWhy, LegState, WantedLeg},
    money::Money,
};
use serde_json::json;
use suppliers::{Answer, Listed, SeenReservation, SeenState};

use super::{World, bought, flies, flown, gone, held, seen, turned_away};
use crate::{
    Doing, Drift, DriftKind, Fact, Leg, LookUpWhy,
    compare::{News, expected, listed},
};

fn leg(world: &World) -> &Leg {
    world.state.as_deref().unwrap()
}

/// As it stands on a list, under our reference of the first attempt.
fn on_list(world: &World, seen: SeenReservation) -> Listed {
    let ours = leg(world).attempts.first().map(|attempt| attempt.client_reference.clone());
    Listed { client_reference: ours, seen }
}

fn look(kind: DriftKind) -> Option<News> {
    Some(News::Look { kind, attempt: 1 })
}

/// Row: B7
#[test]
fn what_a_list_shows_is_news_where_the_leg_does_not_know_it_so() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    let shown = |state| seen("R1", state);
    let news = |one: &SeenReservation| listed(leg(&world), &on_list(&world, one.clone()));
    assert_eq!(news(&shown(SeenState::Confirmed)), None);
    assert_eq!(news(&shown(SeenState::Unclear)), None, "that says nothing");
    assert_eq!(news(&shown(SeenState::Held { until: None })), None, "lists are late");
    assert_eq!(news(&shown(SeenState::Gone)), look(DriftKind::Status));
    assert_eq!(news(&shown(SeenState::NoShow)), look(DriftKind::Status));
    let mut moved = shown(SeenState::Confirmed);
    moved.check_out = moved.check_out.and_then(|day| day.checked_add_days(Days::new(1)));
    assert_eq!(news(&moved), look(DriftKind::Dates));
    let mut dearer = shown(SeenState::Confirmed);
    dearer.price = dearer.price.map(|price| Money::new(price.minor + 1, price.currency));
    assert_eq!(news(&dearer), look(DriftKind::Price));
    let mut silent = shown(SeenState::Confirmed);
    (silent.check_in, silent.check_out, silent.price) = (None, None, None);
    assert_eq!(news(&silent), None, "what a list leaves out is no difference");
    assert_eq!(news(&seen("R2", SeenState::Confirmed)), look(DriftKind::Orphan));
    assert_eq!(news(&seen("R2", SeenState::Gone)), None);
}

/// Row: B7
#[test]
fn a_list_that_shows_other_times_of_a_flight_is_news() {
    let mut world = flown();
    world.want(WantedLeg::Confirmed);
    world.answer(flies(0));
    let shown = |later| {
        let Answer::Seen(mut seen) = flies(later) else { unreachable!() };
        seen.remove(0)
    };
    let news = |world: &World, one| listed(leg(world), &on_list(world, one));
    assert_eq!(news(&world, shown(0)), None);
    assert_eq!(news(&world, shown(2)), look(DriftKind::Dates));
    assert_eq!(
        news(&world, seen("R1", SeenState::Confirmed)),
        None,
        "of no flights it says nothing"
    );
    world.wake_until_it_looks();
    world.answer(flies(2));
    assert_eq!(news(&world, shown(2)), None, "it is known");
    assert_eq!(news(&world, shown(0)), look(DriftKind::Dates), "and they are back");
}

/// Row: B7
#[test]
fn what_was_said_to_be_gone_and_stands_there_again_is_for_a_person() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.want(WantedLeg::Released);
    world.answer(gone("R1"));
    let news = |state| listed(leg(&world), &on_list(&world, seen("R1", state)));
    let told = Drift {
        kind: DriftKind::Orphan,
        reference: "R1".to_owned(),
        ours: json!({ "status": "gone" }),
        theirs: json!({ "status": "confirmed" }),
    };
    assert_eq!(news(SeenState::Confirmed), Some(News::Tell(told)));
    assert_eq!(news(SeenState::Gone), None);
}

/// Row: B7
/// Row: B11
///
/// The supplier said that it took nothing, and booked. Nothing was ever sent, as far as is known,
/// so no sweep finds it.
#[test]
fn what_stands_on_a_list_under_an_attempt_that_was_turned_away_is_looked_up_and_given_back() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    turned_away(&mut world);
    world.want(WantedLeg::Released);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::NeverMade }));
    assert!(!world.wake(), "nothing is there, as far as is known");

    let theirs = on_list(&world, seen("R1", SeenState::Confirmed));
    assert_eq!(listed(leg(&world), &theirs), look(DriftKind::Orphan));
    world.fact(&Fact::LookAsked { by: "comparison".to_owned(), attempt: Some(1) });
    assert_eq!(world.look_ups(), 1);
    world.answer(bought("R1"));
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(gone("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
    world.fact(&Fact::LookAsked { by: "ada".to_owned(), attempt: None });
    assert_eq!(world.look_ups(), 2, "it counts as sent from now on");
}

/// Row: B11
#[test]
fn what_shows_under_an_attempt_that_was_turned_away_is_bought_once_and_swept() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    turned_away(&mut world);
    let client_reference = leg(&world).attempts.first().map(|one| one.client_reference.clone());
    world.fact(&Fact::Hinted {
        callback_id: None,
        client_reference,
        reference: None,
        claim: Some(CallbackClaim::Made),
    });
    world.wake_until_it_looks();
    world.answer(held("R1"));
    assert!(matches!(world.last_told(), Some(LegState::Held { .. })));
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::Confirm));
    world.answer(Answer::Accepted);
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })));
    let later = world.now + world.policy.window() + world.policy.window();
    assert_eq!(expected(leg(&world), &world.policy, later).collect::<Vec<_>>(), ["R1"]);
    assert!(world.wake(), "it is looked after");
    assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Sweep }));
    assert_eq!(world.reserves(), 1);
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
