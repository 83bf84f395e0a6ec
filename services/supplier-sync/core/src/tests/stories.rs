//! What happens to a leg, told from the first wish to the end.

use std::collections::BTreeMap;

use std::fmt::Write as _;

use chrono::TimeDelta;
use contracts::{
    messages::{
        CallbackClaim, EvidenceSource, GoneWhy, LegAsks, LegChanged, LegContent, LegState,
        RefusedWhy, UndoFailedWhy, UndoFailing, WantedLeg,
    },
    money::{Currency, Money},
    offer::{Product, Reprice},
    supplier::Supplier,
};
use expect_test::{Expect, expect};
use suppliers::{Answer, SeenReservation, SeenState, Unclear};

use super::{UNKNOWN, World, bought, claim, flies, flight, flown, gone, held, hint, seen, start};
use crate::{Doing, Event, Fact, LookUpWhy, Refusal, SeenStage};

fn check(world: &World, story: &Expect) {
    let mut text = String::new();
    for recorded in &world.journal {
        let at = (recorded.at - start()).num_seconds();
        writeln!(text, "{at:<6} {}", line(&recorded.event)).unwrap();
    }
    story.assert_eq(&text);
}

pub(super) fn line(event: &Event) -> String {
    match event {
        Event::Wanted { wanted_version, wanted, .. } => {
            format!("wanted {wanted:?} ({wanted_version})")
        }
        Event::GuestsWanted { version, .. } => format!("other guests wanted ({version})"),
        Event::GuestsSettled { end, .. } => format!("told of guests {end:?}"),
        Event::AttemptMade { attempt, .. } => format!("attempt {attempt}"),
        Event::Began { exchange, doing, attempt, reference, .. } => {
            let about = reference.as_deref().map_or(format!("attempt {attempt}"), str::to_owned);
            format!("  {exchange} → {} {about}", doing_words(*doing))
        }
        Event::Answered { exchange, outcome } => {
            format!("  {exchange} ← {}", outcome_words(outcome))
        }
        Event::LeaseRanOut { exchange } => {
            format!("  {exchange} ← (nobody said; its lease ran out)")
        }
        Event::Hinted { attempt, claim: None, .. } => format!("callback for attempt {attempt}"),
        Event::Hinted { attempt, claim: Some(claim), .. } => {
            format!("callback for attempt {attempt}: {claim:?}")
        }
        Event::LookAsked { attempt, by, .. } => format!("{by} asks for attempt {attempt}"),
        Event::Adopted { reference, by, .. } => format!("{by} takes {reference}"),
        Event::CancelAsked { reference, by, .. } => format!("{by} gives {reference} back"),
        Event::DeclaredAbsent { attempt, reference, by, .. } => {
            format!("{by} declares {attempt} {reference:?} absent")
        }
        Event::AttemptProvenDead { attempt, .. } => format!("attempt {attempt} proven dead"),
        Event::GaveUp { attempt } => format!("attempt {attempt} given up"),
        Event::Mismatch { reference, .. } => format!("MISMATCH of {reference}"),
        Event::Agreed { reference } => format!("{reference} agrees again"),
        Event::Told { state, undo_failing: None, .. } => format!("told {}", told_words(state)),
        Event::Told { state, undo_failing: Some(failing), .. } => format!(
            "told {}, giving back failed {} times ({:?})",
            told_words(state),
            failing.attempts,
            failing.why
        ),
        Event::InvariantBroken { what } => format!("BROKEN {what}"),
    }
}

fn doing_words(doing: Doing) -> String {
    match doing {
        Doing::Reserve { hold: true } => "hold".to_owned(),
        Doing::Reserve { hold: false } => "buy".to_owned(),
        Doing::Confirm => "confirm".to_owned(),
        Doing::Cancel => "cancel".to_owned(),
        Doing::Amend => "amend".to_owned(),
        Doing::LookUp { why } => format!("look up ({why:?})"),
    }
}

fn outcome_words(outcome: &crate::Outcome) -> String {
    match outcome {
        crate::Outcome::Seen { reservations } => {
            let each = reservations.iter().map(|one| {
                let stage = match one.stage {
                    SeenStage::Listed => "listed",
                    SeenStage::Held { .. } => "held",
                    SeenStage::Confirmed => "confirmed",
                    SeenStage::NoShow => "no_show",
                    SeenStage::Gone => "gone",
                };
                format!("{} {stage}", one.reference)
            });
            each.collect::<Vec<_>>().join(", ")
        }
        crate::Outcome::PutOff { until } => {
            format!("PutOff until {}", (*until - start()).num_seconds())
        }
        crate::Outcome::Refused { why, asks: None } => format!("Refused {{ why: {why:?} }}"),
        other @ (crate::Outcome::NotSent
        | crate::Outcome::Unknown
        | crate::Outcome::Misnamed
        | crate::Outcome::NotFound
        | crate::Outcome::Refused { .. }
        | crate::Outcome::Accepted
        | crate::Outcome::NoHandle
        | crate::Outcome::TurnedAway) => format!("{other:?}"),
    }
}

fn told_words(state: &LegState) -> String {
    match state {
        LegState::Held { reference, .. } => format!("held {reference}"),
        LegState::Confirmed { reference } => format!("confirmed {reference}"),
        LegState::Gone { why } => format!("gone {why:?}"),
        LegState::Refused { why } => format!("refused {why:?}"),
        LegState::InDoubt { since } => {
            format!("in doubt since {} s", (*since - start()).num_seconds())
        }
    }
}

#[test]
fn what_is_held_and_read_is_bought_with_two_calls_and_two_messages() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(1);
    world.answer(held("R1"));
    world.wait(60);
    world.want(WantedLeg::Confirmed);
    world.wait(1);
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        1        1 ← R1 held
        1      told held R1
        61     wanted Confirmed (2)
        61       2 → confirm R1
        62       2 ← Accepted
        62     told confirmed R1
    "#]],
    );
    assert_eq!((world.calls.len(), world.told.len()), (2, 2));
}

#[test]
fn what_is_bought_in_place_of_a_hold_is_told_as_bought_only_once_it_is_read() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Seen(vec![SeenReservation::bare("R1", SeenState::Confirmed)]));
    let held = LegState::Held { reference: "R1".to_owned(), until: None };
    assert_eq!(world.last_told(), Some(&held));
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.last_told(), Some(&held), "nobody has read which days it is for");
    assert!(matches!(world.doing(), Some(Doing::LookUp { .. })), "it is read at once");
    world.answer(Answer::Seen(vec![SeenReservation::bare("R1", SeenState::Confirmed)]));
    assert_eq!(world.last_told(), Some(&held));
    assert!(world.wake() && matches!(world.doing(), Some(Doing::LookUp { .. })));
    world.answer(bought("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
    assert_eq!(world.count(|doing| *doing == Doing::Confirm), 0);
}

#[test]
fn a_hold_of_which_nothing_was_read_is_read_before_it_is_bought() {
    let bare = |state| {
        let mut bare = seen("R1", state);
        (bare.check_in, bare.check_out, bare.price) = (None, None, None);
        Answer::Seen(vec![bare])
    };
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(bare(SeenState::Held { until: None }));
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Doubt }));
    world.answer(held("R1"));
    assert_eq!(world.doing(), Some(Doing::Confirm));
    world.answer(Answer::Accepted);
    assert_eq!(world.told.len(), 2);
}

/// Row: B1
#[test]
fn a_reservation_that_was_made_without_an_answer_is_found_and_not_made_again() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(90);
    world.answer(UNKNOWN);
    world.wake();
    world.wait(1);
    world.answer(Answer::NotFound);
    world.wake();
    world.wait(1);
    world.answer(held("R1"));
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        90       1 ← Unknown
        90     told in doubt since 90 s
        120      2 → look up (Doubt) attempt 1
        121      2 ← NotFound
        181      3 → look up (Doubt) attempt 1
        182      3 ← R1 held
        182    told held R1
    "#]],
    );
    assert_eq!(world.reserves(), 1);
}

/// Row: B2
#[test]
fn a_new_attempt_needs_two_misses_the_later_one_after_the_window() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(90);
    world.answer(UNKNOWN);
    for _ in 0..4 {
        assert_eq!(world.reserves(), 1);
        world.wake_until_it_looks();
        world.wait(1);
        world.answer(Answer::NotFound);
    }
    world.wait(1);
    world.answer(held("R2"));
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        90       1 ← Unknown
        90     told in doubt since 90 s
        120      2 → look up (Doubt) attempt 1
        121      2 ← NotFound
        181      3 → look up (Doubt) attempt 1
        182      3 ← NotFound
        302      4 → look up (Doubt) attempt 1
        303      4 ← NotFound
        510      5 → look up (Doubt) attempt 1
        511      5 ← NotFound
        511    attempt 1 proven dead
        511    attempt 2
        511      6 → hold attempt 2
        512      6 ← R2 held
        512    told held R2
    "#]],
    );
    let references: Vec<_> = world.leg().attempts.iter().map(|a| &a.client_reference).collect();
    assert_eq!(references.len(), 2);
    assert_ne!(references[0], references[1]);
}

/// Row: B2
#[test]
fn a_reserve_that_may_have_left_after_the_proof_is_proven_dead_anew() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(120);
    // Whoever sent it stands still.
    world.fact(&Fact::Due);
    for _ in 0..3 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    // So does whoever asks for the fourth time, until the next look-up is under way.
    world.wake_until_it_looks();
    let fourth = world.leg().in_flight.as_ref().unwrap().number;
    world.wait(60);
    world.fact(&Fact::Due);
    world.wake_until_it_looks();
    world.answer_to(fourth, Answer::NotFound);
    assert!(world.leg().attempts[0].proven_dead);
    world.answer_to(1, UNKNOWN);
    assert!(!world.leg().attempts[0].proven_dead);
    world.answer(Answer::NotFound);
    assert_eq!(world.reserves(), 1, "nothing says yet that the first was not made");
    let left_at = world.now;
    while world.reserves() < 2 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    assert!(world.now >= left_at + world.policy.window());
}

/// Row: A7
#[test]
fn a_late_success_of_the_first_attempt_is_released_and_the_second_is_not_touched() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(90);
    world.answer(UNKNOWN);
    while world.reserves() < 2 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    world.answer(held("R2"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    // The standing sweep looks at both attempts; the first has come to life.
    world.wake_until_it_looks();
    let first = world.leg().in_flight.as_ref().unwrap().attempt;
    world.answer(if first == 1 { held("R1") } else { bought("R2") });
    while world.doing() != Some(Doing::Cancel) {
        world.wake_until_it_looks();
        let attempt = world.leg().in_flight.as_ref().unwrap().attempt;
        world.answer(if attempt == 1 { held("R1") } else { bought("R2") });
    }
    assert_eq!(world.calls.last().unwrap().reference.as_deref(), Some("R1"));
    world.answer(Answer::Accepted);
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R2".to_owned() }));
    assert_eq!(world.count(|doing| *doing == Doing::Cancel), 1);
}

/// Row: A7
#[test]
fn a_late_failure_of_the_first_attempt_cannot_undo_the_second() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(120);
    world.fact(&Fact::Due);
    while world.reserves() < 2 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    world.answer(held("R2"));
    let told = world.told.len();
    world.answer_to(1, Answer::Refused(RefusedWhy::SoldOut));
    assert_eq!(world.told.len(), told);
    assert!(!world.leg().is_mutating());
    assert_eq!(world.leg().chosen(&world.policy).unwrap().1, "R2");
}

/// Row: A8
#[test]
fn what_turns_up_after_the_release_is_told_and_released() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Refused(RefusedWhy::SoldOut));
    world.want(WantedLeg::Released);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::NeverMade }));
    world.wait(30);
    let hint = hint("R9");
    world.fact(&hint);
    world.wake();
    world.answer(bought("R9"));
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0        1 ← Refused { why: SoldOut }
        0      told refused SoldOut
        0      wanted Released (2)
        0      told gone NeverMade
        30     callback for attempt 1
        31       2 → look up (Hint) attempt 1
        31       2 ← R9 confirmed
        31     told confirmed R9
        31       3 → cancel R9
        31       3 ← Accepted
        31     told gone Released
    "#]],
    );
}

/// Row: B11
#[test]
fn a_dead_attempt_of_a_released_leg_is_swept_until_the_day_after_check_out() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(90);
    world.answer(UNKNOWN);
    world.want(WantedLeg::Released);
    while world.last_told() != Some(&LegState::Gone { why: GoneWhy::NeverMade }) {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    let before = world.look_ups();
    while world.wake() {
        if world.doing().is_some() {
            world.answer(Answer::NotFound);
        }
    }
    assert_eq!(world.look_ups() - before, 10, "at once, 1 h, 6 h, then daily");
    let end = world.order.check_out.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::days(2);
    assert!(world.now < end && world.now > end - TimeDelta::days(1), "{}", world.now);

    // The same once more, and this time the supplier makes it after all.
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wait(90);
    world.answer(UNKNOWN);
    world.want(WantedLeg::Released);
    while world.last_told() != Some(&LegState::Gone { why: GoneWhy::NeverMade }) {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    world.wake_until_it_looks();
    world.answer(bought("R1"));
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        90       1 ← Unknown
        90     told in doubt since 90 s
        90     wanted Released (2)
        90     told in doubt since 90 s
        120      2 → look up (Doubt) attempt 1
        120      2 ← NotFound
        180      3 → look up (Doubt) attempt 1
        180      3 ← NotFound
        300      4 → look up (Doubt) attempt 1
        300      4 ← NotFound
        510      5 → look up (Doubt) attempt 1
        510      5 ← NotFound
        510    attempt 1 proven dead
        510    told gone NeverMade
        4110     6 → look up (Sweep) attempt 1
        4110     6 ← R1 confirmed
        4110   told confirmed R1
        4110     7 → cancel R1
        4110     7 ← Accepted
        4110   told gone Released
    "#]],
    );
}

/// Row: F2
#[test]
fn a_release_that_overtakes_its_reserve_leaves_nothing_to_send() {
    let mut world = World::new();
    world.want_version(2, WantedLeg::Released);
    world.want_version(1, WantedLeg::Held);
    check(
        &world,
        &expect![[r#"
        0      wanted Released (2)
        0      told gone NeverMade
    "#]],
    );
    assert!(world.calls.is_empty());
    assert!(!world.wake());
}

#[test]
fn a_release_while_the_reserve_is_under_way_cancels_what_came_of_it() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.want(WantedLeg::Released);
    world.wait(2);
    world.answer(held("R1"));
    world.wait(1);
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0      wanted Released (2)
        2        1 ← R1 held
        2        2 → cancel R1
        3        2 ← Accepted
        3      told gone Released
    "#]],
    );
}

#[test]
fn what_was_not_sent_goes_out_again_under_the_same_reference_until_it_is_given_up() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    while world.last_told().is_none() {
        world.answer(Answer::NotSent);
        if world.doing().is_none() && world.last_told().is_none() {
            world.wake();
        }
    }
    let unsent = LegState::Refused { why: RefusedWhy::CouldNotBeSent };
    assert_eq!(world.last_told(), Some(&unsent));
    let references: std::collections::BTreeSet<_> =
        world.calls.iter().map(|call| &call.client_reference).collect();
    assert_eq!(references.len(), 1);
    assert!((20..=26).contains(&world.reserves()), "{} tries in ten minutes", world.reserves());
    assert_eq!(world.look_ups(), 0);
    assert!(!world.wake(), "nothing was ever sent, so nothing is swept");
}

#[test]
fn a_confirm_without_an_answer_is_looked_up_and_never_sent_twice_in_the_dark() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.wait(90);
    world.answer(UNKNOWN);
    world.wake();
    world.answer(held("R1"));
    world.wake();
    world.answer(bought("R1"));
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0        1 ← R1 held
        0      told held R1
        0      wanted Confirmed (2)
        0        2 → confirm R1
        90       2 ← Unknown
        90     told in doubt since 90 s
        120      3 → look up (Doubt) attempt 1
        120      3 ← R1 held
        180      4 → look up (Doubt) attempt 1
        180      4 ← R1 confirmed
        180    told confirmed R1
    "#]],
    );
    assert_eq!(world.count(|doing| *doing == Doing::Confirm), 1);
}

#[test]
fn a_confirm_that_surely_did_nothing_is_sent_again_after_the_longest_answer_time() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.wait(90);
    world.answer(UNKNOWN);
    while world.count(|doing| *doing == Doing::Confirm) < 2 {
        world.wake_until_it_looks();
        world.answer(held("R1"));
    }
    assert!(world.now >= start() + TimeDelta::seconds(210));
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0        1 ← R1 held
        0      told held R1
        0      wanted Confirmed (2)
        0        2 → confirm R1
        90       2 ← Unknown
        90     told in doubt since 90 s
        120      3 → look up (Doubt) attempt 1
        120      3 ← R1 held
        180      4 → look up (Doubt) attempt 1
        180      4 ← R1 held
        210      5 → look up (Doubt) attempt 1
        210      5 ← R1 held
        210      6 → confirm R1
        210      6 ← Accepted
        210    told confirmed R1
    "#]],
    );
}

#[test]
fn a_refused_confirm_is_looked_up_at_once_and_then_told_as_it_is() {
    for (read, told) in [
        (held("R1"), LegState::Refused { why: RefusedWhy::SoldOut }),
        (gone("R1"), LegState::Gone { why: GoneWhy::CancelledBySupplier }),
        (bought("R1"), LegState::Confirmed { reference: "R1".to_owned() }),
    ] {
        let mut world = World::new();
        world.want(WantedLeg::Held);
        world.answer(held("R1"));
        world.want(WantedLeg::Confirmed);
        world.answer(Answer::Refused(RefusedWhy::SoldOut));
        assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Doubt }));
        world.answer(read);
        assert_eq!(world.last_told(), Some(&told));
        assert_eq!(world.doing(), None);
        // Whatever is left of it goes when it is wanted gone.
        world.want(WantedLeg::Released);
        if !matches!(told, LegState::Gone { .. }) {
            assert_eq!(world.doing(), Some(Doing::Cancel));
            world.answer(Answer::Accepted);
        }
        assert!(matches!(world.last_told(), Some(LegState::Gone { .. })));
    }
}

#[test]
fn a_cancel_that_needs_a_look_first_looks_and_then_cancels() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    world.want(WantedLeg::Released);
    assert_eq!(world.calls.last().unwrap().handle, None, "the ways of the hold are spent");
    let exchange = world.leg().exchanges;
    world.fact(&Fact::NoHandle { exchange });
    world.answer(bought("R1"));
    world.answer(Answer::Accepted);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0        1 ← R1 held
        0      told held R1
        0      wanted Confirmed (2)
        0        2 → confirm R1
        0        2 ← Accepted
        0      told confirmed R1
        0      wanted Released (3)
        0        3 → cancel R1
        0        3 ← NoHandle
        0        4 → look up (Doubt) attempt 1
        0        4 ← R1 confirmed
        0        5 → cancel R1
        0        5 ← Accepted
        0      told gone Released
    "#]],
    );
}

#[test]
fn what_no_read_makes_possible_is_tried_again_as_the_ladder_says_and_not_at_once() {
    let unclear = || Answer::Seen(vec![seen("R1", SeenState::Unclear)]);
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    for _ in 0..3 {
        let exchange = world.leg().exchanges;
        world.fact(&Fact::NoHandle { exchange });
        world.wake_until_it_looks();
        world.answer(unclear());
        assert_eq!(world.doing(), Some(Doing::Confirm));
    }
    let exchange = world.leg().exchanges;
    world.fact(&Fact::NoHandle { exchange });
    assert_eq!(world.doing(), None);
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        0        1 ← R1 held
        0      told held R1
        0      wanted Confirmed (2)
        0        2 → confirm R1
        0        2 ← NoHandle
        0        3 → look up (Doubt) attempt 1
        0        3 ← R1 listed
        0        4 → confirm R1
        0        4 ← NoHandle
        30       5 → look up (Doubt) attempt 1
        30       5 ← R1 listed
        30       6 → confirm R1
        30       6 ← NoHandle
        90       7 → look up (Doubt) attempt 1
        90       7 ← R1 listed
        90       8 → confirm R1
        90       8 ← NoHandle
    "#]],
    );
}

/// Row: A6
#[test]
fn a_refused_cancel_is_never_told_as_gone_and_is_tried_again() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    for _ in 0..3 {
        assert_eq!(world.doing(), Some(Doing::Cancel));
        world.answer(Answer::Refused(RefusedWhy::Rejected));
        while world.doing() != Some(Doing::Cancel) {
            world.wake_until_it_looks();
            world.answer(held("R1"));
        }
        assert!(!matches!(world.last_told(), Some(LegState::Gone { .. })));
    }
    world.answer(Answer::Accepted);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
}

#[test]
fn what_was_made_twice_is_kept_once() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![
        seen("R0", SeenState::Confirmed),
        seen("R1", SeenState::Confirmed),
    ]));
    assert_eq!(world.doing(), Some(Doing::Cancel));
    assert_eq!(world.calls.last().unwrap().reference.as_deref(), Some("R0"));
    world.answer(Answer::Accepted);
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
}

/// Where a cancel names our reference alone, it may take the other of two.
///
/// Row: B11
#[test]
fn a_cancel_that_names_no_reservation_says_nothing_of_which_one_is_gone() {
    for (wanted, cancels) in [(WantedLeg::Confirmed, 1), (WantedLeg::Released, 2)] {
        let mut world = World::new();
        world.order.supplier = Supplier::Etg;
        world.want(WantedLeg::Confirmed);
        let mut there = ["R0", "R1"].map(|reference| (reference, SeenState::Confirmed));
        let shown = |there: &[(&str, SeenState)]| {
            Answer::Seen(there.iter().map(|(reference, state)| seen(reference, *state)).collect())
        };
        world.answer(shown(&there));
        if wanted == WantedLeg::Released {
            world.want(wanted);
        }
        for _ in 0..40 {
            match world.doing() {
                Some(Doing::Cancel) => {
                    let named = world.calls.last().unwrap().reference.clone();
                    let stands = |one: &&mut (&str, SeenState)| one.1 == SeenState::Confirmed;
                    let mut standing: Vec<_> = there.iter_mut().filter(stands).collect();
                    standing.sort_by_key(|one| Some(one.0) == named.as_deref());
                    standing[0].1 = SeenState::Gone;
                    world.answer(Answer::Accepted);
                }
                Some(_) => world.answer(shown(&there)),
                None if !world.wake() => break,
                None => {}
            }
        }
        assert_eq!(world.count(|doing| *doing == Doing::Cancel), cancels);
        let stands = there.iter().find(|one| one.1 == SeenState::Confirmed);
        let expected = match stands {
            Some(one) => LegState::Confirmed { reference: one.0.to_owned() },
            None => LegState::Gone { why: GoneWhy::Released },
        };
        assert_eq!(world.last_told(), Some(&expected));
    }
}

#[test]
fn wrong_dates_are_never_confirmed_and_open_a_case() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.wait(90);
    world.answer(UNKNOWN);
    world.wake();
    let mut odd = seen("R1", SeenState::Confirmed);
    odd.check_in = odd.check_in.and_then(|day| day.pred_opt());
    world.answer(Answer::Seen(vec![odd]));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    world.wake_until_it_looks();
    world.answer(bought("R1"));
    check(
        &world,
        &expect![[r#"
            0      wanted Confirmed (1)
            0      attempt 1
            0        1 → buy attempt 1
            90       1 ← Unknown
            90     told in doubt since 90 s
            120      2 → look up (Doubt) attempt 1
            120      2 ← R1 confirmed
            120    MISMATCH of R1
            120    told in doubt since 120 s
            180      3 → look up (Doubt) attempt 1
            180      3 ← R1 confirmed
            180    R1 agrees again
            180    told confirmed R1
        "#]],
    );
}

/// Row: B3
#[test]
fn what_is_held_and_reads_twice_otherwise_than_ordered_is_refused_and_never_bought() {
    let dearer = SeenReservation {
        price: Some(Money::new(30_000, Currency::Eur)),
        ..seen("R1", SeenState::Held { until: None })
    };
    let mut moved = seen("R1", SeenState::Held { until: None });
    moved.check_in = moved.check_in.and_then(|day| day.pred_opt());
    for (odd, why) in [(dearer, RefusedWhy::PriceChanged), (moved, RefusedWhy::Rejected)] {
        for wanted in [WantedLeg::Held, WantedLeg::Confirmed] {
            let mut world = World::new();
            world.want(WantedLeg::Held);
            world.answer(held("R1"));
            world.fact(&hint("R1"));
            world.wake_until_it_looks();
            world.answer(Answer::Seen(vec![odd.clone()]));
            world.want(wanted);
            assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })), "once");
            world.wake_until_it_looks();
            world.answer(Answer::Seen(vec![odd.clone()]));
            assert_eq!(world.last_told(), Some(&LegState::Refused { why }), "twice");
            // The booking gives up by now: what agrees again later is not bought behind its back.
            world.fact(&hint("R1"));
            world.wake_until_it_looks();
            world.answer(held("R1"));
            assert_ne!(world.doing(), Some(Doing::Confirm));
        }
    }
}

/// Row: B3
#[test]
fn what_is_refused_at_its_price_and_reads_at_another_is_told_as_refused_at_once() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Refused(RefusedWhy::PriceChanged));
    let price = Some(Money::new(30_000, Currency::Eur));
    let dearer = SeenReservation { price, ..seen("R1", SeenState::Held { until: None }) };
    world.answer(Answer::Seen(vec![dearer]));
    let refused = LegState::Refused { why: RefusedWhy::PriceChanged };
    assert_eq!(world.last_told(), Some(&refused));
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Cancel));
}

/// Row: B7
#[test]
fn what_is_held_in_the_names_of_strangers_is_not_bought() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    let shows = |world: &mut World, whose: Option<bool>| {
        let exchange = world.leg().in_flight.as_ref().unwrap().number;
        let (names, strangers) = (BTreeMap::new(), whose.map(|whose| ("R1".to_owned(), whose)));
        let strangers = strangers.into_iter().collect();
        world.fact(&Fact::Named { exchange, answer: held("R1"), names, strangers });
    };
    shows(&mut world, Some(true));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    // Who could not be asked who travels has said nothing.
    world.wake_until_it_looks();
    shows(&mut world, None);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    world.wake_until_it_looks();
    shows(&mut world, Some(true));
    assert_eq!(world.last_told(), Some(&LegState::Refused { why: RefusedWhy::Rejected }));
    assert_eq!(world.count(|doing| *doing == Doing::Confirm), 0);

    let mut mended = World::new();
    mended.want(WantedLeg::Held);
    shows(&mut mended, Some(true));
    mended.wake_until_it_looks();
    shows(&mut mended, Some(false));
    assert!(matches!(mended.last_told(), Some(LegState::Held { .. })));
}

#[test]
fn once_bought_one_odd_read_is_looked_at_again_before_it_is_a_case() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.wake_until_it_looks();
    let mut dear = seen("R1", SeenState::Confirmed);
    dear.price = dear.price.map(|p| Money { minor: p.minor + 1, ..p });
    world.answer(Answer::Seen(vec![dear.clone()]));
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })));
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![dear]));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    assert!(world.journal.iter().any(|r| matches!(r.event, Event::Mismatch { .. })));
}

/// The supplier has it for other days, and says so twice.
fn moved(world: &mut World, days: u64) -> LegContent {
    let mut moved = seen("R1", SeenState::Confirmed);
    moved.check_in = moved.check_in.map(|day| day + chrono::Days::new(days));
    moved.check_out = moved.check_out.map(|day| day + chrono::Days::new(days));
    for _ in 0..2 {
        world.wake_until_it_looks();
        world.answer(Answer::Seen(vec![moved.clone()]));
    }
    theirs(world).unwrap()
}

/// What the booking was told last that the supplier has.
fn theirs(world: &World) -> Option<LegContent> {
    world.leg().told.as_ref().and_then(|told| told.theirs.clone())
}

fn bought_stay() -> World {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world
}

/// Row: B7
#[test]
fn what_the_supplier_moved_is_told_with_its_values_and_given_back_by_nobody() {
    let mut world = bought_stay();
    let content = moved(&mut world, 7);
    assert_eq!(content.check_in, world.order.check_in + chrono::Days::new(7));
    assert_eq!((content.reference.as_str(), content.price), ("R1", world.order.price));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    let told = world.told.len();
    moved(&mut world, 7);
    assert_eq!(world.told.len(), told, "once");
    moved(&mut world, 8);
    assert_eq!(world.told.len(), told + 1, "another change is told");
    assert!(
        world.journal.iter().all(|r| !matches!(r.event, Event::Began { doing: Doing::Cancel, .. }))
    );
}

#[test]
fn exactly_what_the_customer_agreed_to_is_taken_and_is_what_was_ordered_from_then_on() {
    let mut world = bought_stay();
    let content = moved(&mut world, 7);
    let ordered = world.order.clone();
    // What is agreed to is not what the supplier has by now.
    let (check_in, check_out) = (content.check_in + chrono::Days::new(1), content.check_out);
    world.accepts = Some(LegContent { check_in, check_out, ..content.clone() });
    world.want(WantedLeg::Confirmed);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })), "and is told again");
    assert_eq!(theirs(&world), Some(content.clone()));
    assert_eq!(*world.leg().order, ordered);

    world.accepts = Some(content.clone());
    world.order.check_in = content.check_in;
    world.order.check_out = content.check_out;
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
    assert_eq!(*world.leg().order, world.order);
    // The days of before are another change now.
    let back = moved(&mut world, 0);
    assert_eq!(back.check_in, ordered.check_in);
    // And what is given back is not taken.
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Cancel));
}

/// Row: B7
#[test]
fn what_was_agreed_to_and_is_moved_back_meanwhile_is_told_as_a_change_of_what_was_agreed_to() {
    let mut world = bought_stay();
    let ordered = world.order.clone();
    let content = moved(&mut world, 7);
    // The supplier has it again as it was; the customer, who does not know, agrees to the other days.
    world.wake_until_it_looks();
    world.answer(bought("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
    world.accepts = Some(content.clone());
    (world.order.check_in, world.order.check_out) = (content.check_in, content.check_out);
    world.want(WantedLeg::Confirmed);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    let back = theirs(&world).unwrap();
    assert_eq!((back.check_in, back.check_out), (ordered.check_in, ordered.check_out));
    assert_eq!(world.reserves(), 1);
    // Who agrees to that has what the supplier has.
    world.accepts = Some(back);
    world.order = ordered;
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
    assert_eq!(*world.leg().order, world.order);
}

/// The airline moves the flights within their day, by so many hours, and says so twice.
fn rescheduled(world: &mut World, hours: i64) -> Option<LegContent> {
    for _ in 0..2 {
        world.wake_until_it_looks();
        world.answer(flies(hours));
    }
    theirs(world)
}

/// Row: B7
#[test]
fn a_flight_that_is_moved_within_its_day_is_told_with_its_times_and_taken_as_agreed_to() {
    let mut world = flown();
    world.want(WantedLeg::Confirmed);
    world.answer(flies(0));
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })));
    let content = rescheduled(&mut world, 11).unwrap();
    assert_eq!(content.segments, [flight(11)]);
    assert_eq!((content.check_in, content.price), (world.order.check_in, world.order.price));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    // Flown again as sold, nothing is to be answered.
    assert_eq!(rescheduled(&mut world, 0), None);
    assert!(matches!(world.last_told(), Some(LegState::Confirmed { .. })));

    let content = rescheduled(&mut world, 3).unwrap();
    world.accepts = Some(content);
    world.order.product = Product::Flight { segments: vec![flight(3)] };
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
    assert_eq!(rescheduled(&mut world, 3), None, "that is what is ordered now");
    let back = rescheduled(&mut world, 0).unwrap();
    assert_eq!(back.segments, [flight(0)], "the times of before are another change");
}

/// Row: B7
#[test]
fn times_that_are_agreed_to_after_the_airline_took_them_back_are_told_as_a_change() {
    let mut world = flown();
    world.want(WantedLeg::Confirmed);
    world.answer(flies(0));
    let content = rescheduled(&mut world, 11).unwrap();
    world.wake_until_it_looks();
    world.answer(flies(0));
    world.accepts = Some(content);
    world.order.product = Product::Flight { segments: vec![flight(11)] };
    world.want(WantedLeg::Confirmed);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    assert_eq!(theirs(&world).unwrap().segments, [flight(0)]);
}

/// Row: D5
#[test]
fn what_is_refused_for_its_price_is_told_with_the_price_of_now() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    let asks = LegAsks {
        book_key: "dearer".to_owned(),
        price: Money::new(24_500, Currency::Eur),
        terms: world.order.terms.clone(),
    };
    world.fact(&Fact::Repriced { exchange: 1, asks: asks.clone() });
    let told = world.told.last().unwrap();
    assert_eq!(told.state, LegState::Refused { why: RefusedWhy::PriceChanged });
    assert_eq!(told.asks, Some(Box::new(asks)));
    // It stays refused: what is to be had at that price is another leg.
    world.want(WantedLeg::Released);
    assert_eq!((world.reserves(), world.told.last().unwrap().asks.clone()), (1, None));
}

/// Row: D5
#[test]
fn what_costs_more_as_agreed_is_as_ordered_and_what_costs_still_more_is_not() {
    let mut world = World::new();
    let cost = Some(Money::new(24_500, Currency::Eur));
    let (rate_key, bears) = ("key".to_owned(), Money::new(600, Currency::Eur));
    world.order.reprice = Some(Reprice { rate_key, bears, cost });
    world.want(WantedLeg::Held);
    let at = |minor| {
        let price = Some(Money::new(minor, Currency::Eur));
        SeenReservation { price, ..seen("R1", SeenState::Held { until: None }) }
    };
    let mut dearer = World::new();
    dearer.order = world.order.clone();
    dearer.want(WantedLeg::Held);
    world.answer(Answer::Seen(vec![at(24_500)]));
    assert_eq!(
        world.last_told(),
        Some(&LegState::Held { reference: "R1".to_owned(), until: None })
    );
    dearer.answer(Answer::Seen(vec![at(24_501)]));
    assert!(matches!(dearer.last_told(), Some(LegState::InDoubt { .. })));
}

#[test]
fn a_supplier_that_cancels_is_told() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.fact(&hint("R1"));
    world.wake();
    world.answer(gone("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::CancelledBySupplier }));
    assert_eq!(world.reserves(), 1);
}

#[test]
fn a_hold_that_ran_out_is_looked_up_and_told_as_lapsed() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    let until = world.now + TimeDelta::minutes(30);
    world.answer(Answer::Seen(vec![seen("R1", SeenState::Held { until: Some(until) })]));
    while world.now < until {
        assert!(world.wake());
        if world.doing().is_some() {
            let state = if world.now < until {
                SeenState::Held { until: Some(until) }
            } else {
                SeenState::Gone
            };
            world.answer(Answer::Seen(vec![seen("R1", state)]));
        }
    }
    assert_eq!(world.now, until + TimeDelta::minutes(5));
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Lapsed }));
}

/// Row: B5
#[test]
fn callbacks_that_come_together_cause_one_look_up_after_the_last() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    for _ in 0..5 {
        world.fact(&hint("R1"));
        world.now += TimeDelta::milliseconds(300);
    }
    assert_eq!(world.look_ups(), 0);
    world.wake();
    world.answer(bought("R1"));
    check(
        &world,
        &expect![[r#"
        0      wanted Confirmed (1)
        0      attempt 1
        0        1 → buy attempt 1
        0        1 ← R1 confirmed
        0      told confirmed R1
        0      callback for attempt 1
        0      callback for attempt 1
        0      callback for attempt 1
        0      callback for attempt 1
        1      callback for attempt 1
        2        2 → look up (Hint) attempt 1
        2        2 ← R1 confirmed
    "#]],
    );
    assert_eq!(world.look_ups(), 1);
}

#[test]
fn a_callback_during_a_look_up_causes_another() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    let hint = hint("R1");
    world.fact(&hint);
    world.wake();
    world.fact(&hint);
    world.answer(bought("R1"));
    world.wake();
    assert_eq!(world.look_ups(), 2);
    world.answer(bought("R1"));
    assert!(world.leg().attempts[0].hint.is_none());
}

#[test]
fn a_rate_that_cannot_be_held_is_refused_as_a_hold_and_bought_outright() {
    let mut world = World::new();
    world.order.terms.holdable = false;
    world.want(WantedLeg::Held);
    assert_eq!(world.last_told(), Some(&LegState::Refused { why: RefusedWhy::Rejected }));
    assert!(world.calls.is_empty());
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::Reserve { hold: false }));
}

#[test]
fn a_process_that_dies_with_its_call_leaves_a_look_up_and_not_a_second_call() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.wake();
    assert_eq!(world.now, start() + TimeDelta::seconds(120));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    world.wake();
    world.answer(held("R1"));
    // The answer comes after all, and brings nothing new.
    world.answer_to(1, held("R1"));
    check(
        &world,
        &expect![[r#"
        0      wanted Held (1)
        0      attempt 1
        0        1 → hold attempt 1
        120      1 ← (nobody said; its lease ran out)
        120    told in doubt since 120 s
        150      2 → look up (Doubt) attempt 1
        150      2 ← R1 held
        150    told held R1
        150      1 ← R1 held
    "#]],
    );
    assert_eq!(world.reserves(), 1);
}

#[test]
fn look_ups_that_fail_back_off_and_never_stop() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    let mut asked = Vec::new();
    for _ in 0..7 {
        world.wake_until_it_looks();
        asked.push((world.now - start()).num_seconds());
        world.answer(UNKNOWN);
    }
    assert_eq!(asked, [30, 60, 120, 240, 480, 1080, 1680]);
}

#[test]
fn look_ups_that_could_not_be_sent_go_out_again_soon_and_count_as_no_answer() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    let mut asked = Vec::new();
    for _ in 0..8 {
        world.wake_until_it_looks();
        asked.push((world.now - start()).num_seconds());
        world.answer(Answer::NotSent);
    }
    assert_eq!(asked, [30, 30, 31, 33, 37, 45, 61, 93]);
    assert_eq!(world.leg().attempts[0].looks.failed, 0);
    world.wake_until_it_looks();
    world.answer(held("R1"));
    assert!(matches!(world.last_told(), Some(LegState::Held { .. })));
    assert!(world.leg().attempts[0].looks.not_sent.is_none());
}

#[test]
fn older_and_repeated_wishes_change_nothing_and_strangers_are_refused() {
    let mut world = World::new();
    world.want_version(2, WantedLeg::Held);
    let before = world.journal.len();
    world.want_version(2, WantedLeg::Released);
    world.want_version(1, WantedLeg::Released);
    assert_eq!(world.journal.len(), before);
    let other = crate::Command::Want {
        booking_id: contracts::ids::BookingId(uuid::Uuid::from_u128(99)),
        leg_id: world.leg().leg_id,
        version: 3,
        wanted: WantedLeg::Released,
        order: Box::new(world.order.clone()),
        accepts: None,
    };
    let refused = crate::decide(&world.state, &other, &world.policy, world.now);
    assert_eq!(refused, Err(Refusal::OtherBooking));
}

/// Row: A6
#[test]
fn a_cancel_that_stays_refused_is_told_with_its_tries_and_sent_ever_more_slowly() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    let mut sent = Vec::new();
    while world.now < start() + TimeDelta::days(3) {
        match world.doing() {
            Some(Doing::Cancel) => {
                sent.push(world.now);
                world.answer(Answer::Refused(RefusedWhy::Rejected));
            }
            Some(_) => world.answer(held("R1")),
            None => assert!(world.wake()),
        }
        assert!(!matches!(world.last_told(), Some(LegState::Gone { .. })));
    }
    let waits: Vec<_> = sent.windows(2).map(|two| (two[1] - two[0]).num_seconds()).collect();
    assert!(waits.windows(2).all(|two| two[0] <= two[1]), "{waits:?}");
    assert_eq!(waits, [120, 120, 120, 240, 600, 3_600, 21_600, 86_400, 86_400]);
    let told: Vec<_> = world.told.iter().filter_map(|told| told.undo_failing).collect();
    let each = (1..=10).map(|attempts| UndoFailing { attempts, why: UndoFailedWhy::Refused });
    assert_eq!(told, each.collect::<Vec<_>>(), "once for every try");
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));

    // Whoever wishes for it anew is not kept waiting, and what is done in the end is told as done.
    if world.doing().is_some() {
        world.answer(held("R1"));
    }
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(Answer::Accepted);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
    assert_eq!(world.told.last().unwrap().undo_failing, None);
}

/// Row: A6
#[test]
fn what_a_supplier_keeps_is_not_asked_back_for_ever_once_the_stay_is_over() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    let end = world.order.check_out + TimeDelta::days(2);
    for _ in 0..5_000 {
        match world.doing() {
            Some(Doing::Cancel) => {
                assert!(world.now.date_naive() <= end, "asked back at {}", world.now);
                world.answer(Answer::Refused(RefusedWhy::Rejected));
            }
            Some(_) => world.answer(held("R1")),
            None if world.wake() => {}
            None => break,
        }
    }
    assert!(world.doing().is_none() && !world.wake(), "it rests");
    assert!(world.now.date_naive() >= world.order.check_out, "and no sooner");
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })), "nor is it called gone");
    let failing = world.told.last().and_then(|told| told.undo_failing);
    assert_eq!(failing.map(|failing| failing.why), Some(UndoFailedWhy::Refused));
    // A person may ask once more.
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(Answer::Accepted);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
}

/// Row: A6
#[test]
fn what_nobody_refused_to_take_back_is_asked_back_every_hour_for_a_day() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    let mut asked_at = Vec::new();
    while asked_at.len() < 33 {
        match world.doing() {
            Some(Doing::Cancel) => {
                asked_at.push(world.now);
                world.answer(UNKNOWN);
            }
            Some(_) => world.answer(held("R1")),
            None => assert!(world.wake()),
        }
    }
    let waits = asked_at.iter().zip(asked_at.iter().skip(1)).map(|(one, next)| *next - *one);
    let waits: Vec<TimeDelta> = waits.collect();
    let (day, rest) = waits.split_at(29);
    let longest = day.iter().max().unwrap();
    assert!((TimeDelta::minutes(60)..TimeDelta::minutes(75)).contains(longest), "{longest}");
    assert!(rest.iter().max().unwrap() >= &TimeDelta::hours(24), "{rest:?}");
}

/// Row: A6
#[test]
fn a_cancel_that_is_lost_or_cannot_be_sent_is_told_as_failing_only_when_it_is_no_chance() {
    for (answer, tries, why) in
        [(UNKNOWN, 3, UndoFailedWhy::Unknown), (Answer::NotSent, 8, UndoFailedWhy::NotSent)]
    {
        let mut world = World::new();
        world.want(WantedLeg::Held);
        world.answer(held("R1"));
        world.want(WantedLeg::Released);
        let failing = |world: &World| world.told.last().and_then(|told| told.undo_failing);
        while failing(&world).is_none() {
            match world.doing() {
                Some(Doing::Cancel) => world.answer(answer.clone()),
                Some(_) => world.answer(held("R1")),
                None => assert!(world.wake()),
            }
        }
        assert_eq!(world.count(|doing| *doing == Doing::Cancel), tries);
        let attempts = u32::try_from(tries).unwrap();
        assert_eq!(failing(&world), Some(UndoFailing { attempts, why }));
    }
}

/// Row: A6
#[test]
fn one_that_the_supplier_keeps_holds_up_no_other() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    let twins = |first| {
        let held = SeenState::Held { until: None };
        Answer::Seen(vec![seen("R0", first), seen("R1", held)])
    };
    world.want(WantedLeg::Released);
    world.answer(twins(SeenState::Held { until: None }));
    for _ in 0..40 {
        let about = world.calls.last().unwrap().reference.clone();
        match (world.doing(), about.as_deref()) {
            (Some(Doing::Cancel), Some("R1")) => break,
            (Some(Doing::Cancel), _) => world.answer(Answer::Refused(RefusedWhy::Rejected)),
            (Some(_), _) => world.answer(twins(SeenState::Held { until: None })),
            (None, _) => assert!(world.wake()),
        }
    }
    assert_eq!(world.calls.last().unwrap().reference.as_deref(), Some("R1"));
    assert_eq!(world.count(|doing| *doing == Doing::Cancel), 2);
}

/// Row: B5
#[test]
fn callbacks_that_echo_what_we_did_wait_for_a_look_up_that_is_made_anyway() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.fact(&claim("R1", CallbackClaim::Made));
    world.wait(5);
    world.want(WantedLeg::Confirmed);
    // It comes before the answer that says the same.
    world.fact(&claim("R1", CallbackClaim::Confirmed));
    world.answer(Answer::Accepted);
    world.fact(&claim("R1", CallbackClaim::Confirmed));
    let told = world.told.len();
    while world.look_ups() == 0 {
        assert!(world.wake());
    }
    world.answer(bought("R1"));
    check(
        &world,
        &expect![[r#"
            0      wanted Held (1)
            0      attempt 1
            0        1 → hold attempt 1
            0        1 ← R1 held
            0      told held R1
            0      callback for attempt 1: Made
            5      wanted Confirmed (2)
            5        2 → confirm R1
            5      callback for attempt 1: Confirmed
            5        2 ← Accepted
            5      told confirmed R1
            5      callback for attempt 1: Confirmed
            420      3 → look up (Sweep) attempt 1
            420      3 ← R1 confirmed
        "#]],
    );
    assert_eq!((world.look_ups(), world.told.len()), (1, told), "nothing is new");
    assert!(world.leg().attempts[0].hint.is_none());
}

/// Row: B5
#[test]
fn callbacks_in_any_order_lead_to_what_the_supplier_shows() {
    let claims = [CallbackClaim::Made, CallbackClaim::Confirmed, CallbackClaim::Gone];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for apart in [0, 60] {
            let mut world = World::new();
            world.want(WantedLeg::Confirmed);
            world.answer(bought("R1"));
            // The supplier took it back before the first of them came.
            for which in order {
                world.fact(&claim("R1", claims[which]));
                world.wait(apart);
                while world.now > start() && world.doing().is_none() && world.due() {
                    world.wake();
                }
                if world.doing().is_some() {
                    world.answer(gone("R1"));
                }
            }
            while world.doing().is_none() && world.leg().attempts[0].hint.is_some() {
                world.wake();
            }
            if world.doing().is_some() {
                world.answer(gone("R1"));
            }
            let gone = LegState::Gone { why: GoneWhy::CancelledBySupplier };
            assert_eq!(world.last_told(), Some(&gone), "{order:?} {apart}");
            assert_eq!(world.told.len(), 2, "{order:?} {apart}");
            assert!(apart > 0 || world.look_ups() == 1, "{order:?}: {}", world.look_ups());
        }
    }
}

/// Row: A8
#[test]
fn a_late_callback_that_says_bought_of_what_is_cancelled_is_looked_into_and_told() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    world.answer(Answer::Accepted);
    world.wait(10);
    world.fact(&claim("R1", CallbackClaim::Confirmed));
    world.wake();
    world.answer(gone("R1"));
    check(
        &world,
        &expect![[r#"
            0      wanted Held (1)
            0      attempt 1
            0        1 → hold attempt 1
            0        1 ← R1 held
            0      told held R1
            0      wanted Released (2)
            0        2 → cancel R1
            0        2 ← Accepted
            0      told gone Released
            10     callback for attempt 1: Confirmed
            11       3 → look up (Hint) attempt 1
            11       3 ← R1 gone
            11     told gone Released
        "#]],
    );
    let evidence = world.told.last().unwrap().evidence.clone().unwrap();
    assert_eq!(evidence.source, EvidenceSource::Callback);
    assert_eq!((evidence.reference.as_deref(), evidence.exchange), (Some("R1"), Some(3)));
    assert_eq!(world.count(|doing| *doing == Doing::Cancel), 1);
}

#[test]
fn a_callback_that_says_what_is_not_so_is_told_and_changes_nothing() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.fact(&claim("R1", CallbackClaim::Gone));
    world.wake();
    world.answer(bought("R1"));
    let [first, second] = &world.told[..] else { panic!("{:?}", world.told) };
    assert_eq!(first.state, second.state);
    assert_eq!(first.evidence.as_ref().unwrap().source, EvidenceSource::Answer);
    assert_eq!(second.evidence.as_ref().unwrap().source, EvidenceSource::Callback);
}

#[test]
fn what_is_told_names_the_answer_it_rests_on() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    assert!(world.told.is_empty());
    world.wait(90);
    world.answer(UNKNOWN);
    world.wake();
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.answer(Answer::Accepted);
    let rests_on = |told: &LegChanged| {
        let evidence = told.evidence.as_ref().unwrap();
        assert_eq!(evidence.client_reference, world.leg().attempts[0].client_reference);
        (evidence.source, evidence.exchange.unwrap(), evidence.reference.clone())
    };
    let named = || Some("R1".to_owned());
    let each: Vec<_> = world.told.iter().map(rests_on).collect();
    assert_eq!(
        each,
        [
            (EvidenceSource::Answer, 1, None),
            (EvidenceSource::LookUp, 2, named()),
            (EvidenceSource::Answer, 3, named()),
        ]
    );
}

#[test]
fn staff_who_ask_get_a_look_up_now() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    world.wake_until_it_looks();
    world.answer(UNKNOWN);
    assert_eq!(world.doing(), None, "the ladder is waited");
    world.wait(1);
    world.fact(&Fact::LookAsked { by: "ada".to_owned(), attempt: None });
    assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Staff }));
    world.answer(held("R1"));
    assert!(matches!(world.last_told(), Some(LegState::Held { .. })));
    assert!(world.leg().attempts[0].asked.is_none());
    // Of what was never sent there is nothing to ask.
    let mut world = World::new();
    world.want(WantedLeg::Released);
    world.fact(&Fact::LookAsked { by: "ada".to_owned(), attempt: None });
    assert_eq!(world.doing(), None);
}

/// Row: B8
#[test]
fn a_call_that_a_supplier_puts_off_goes_out_when_it_may_and_not_before() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.fact(&Fact::PutOff { exchange: 1, wait: TimeDelta::seconds(45) });
    assert!(world.wake());
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    world.fact(&Fact::PutOff { exchange: 3, wait: TimeDelta::seconds(7) });
    assert!(world.wake());
    world.answer(Answer::Accepted);
    world.wait(1);
    world.want(WantedLeg::Released);
    check(
        &world,
        &expect![[r#"
            0      wanted Held (1)
            0      attempt 1
            0        1 → hold attempt 1
            0        1 ← PutOff until 45
            45       2 → hold attempt 1
            45       2 ← R1 held
            45     told held R1
            45     wanted Confirmed (2)
            45       3 → confirm R1
            45       3 ← PutOff until 52
            52       4 → confirm R1
            52       4 ← Accepted
            52     told confirmed R1
            53     wanted Released (3)
            53       5 → cancel R1
        "#]],
    );
    assert_eq!(world.reserves(), 2, "the first never left");
}

/// Row: B9
#[test]
fn a_reserve_that_is_turned_away_is_told_at_once_and_not_tried_again() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.fact(&Fact::TurnedAway { exchange: 1 });
    let unavailable = LegState::Refused { why: RefusedWhy::Unavailable };
    assert_eq!(world.last_told(), Some(&unavailable));
    assert!(!world.wake(), "nothing was ever sent, so nothing is looked up");
    world.want(WantedLeg::Released);
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::NeverMade }));
    assert_eq!(world.calls.len(), 1);
}

/// Row: B7
#[test]
fn a_read_that_leaves_something_out_takes_back_nothing() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(UNKNOWN);
    let held = SeenState::Held { until: None };
    let mut odd = seen("R1", held);
    odd.check_in = odd.check_in.and_then(|day| day.pred_opt());
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![odd]));
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    // The price alone says nothing of the days.
    let partial = SeenReservation { check_in: None, check_out: None, ..seen("R1", held) };
    for _ in 0..2 {
        world.wake_until_it_looks();
        world.answer(Answer::Seen(vec![partial.clone()]));
        assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    }
    world.wake_until_it_looks();
    world.answer(Answer::Seen(vec![seen("R1", held)]));
    let reference = "R1".to_owned();
    assert_eq!(world.last_told(), Some(&LegState::Held { reference, until: None }));
}

#[test]
fn what_was_never_read_for_its_days_is_read_before_it_is_bought() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    let held = SeenState::Held { until: None };
    let priced = SeenReservation { check_in: None, check_out: None, ..seen("R1", held) };
    world.answer(Answer::Seen(vec![priced]));
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Doubt }));
    world.answer(Answer::Seen(vec![seen("R1", held)]));
    assert_eq!(world.doing(), Some(Doing::Confirm));
}

/// Row: B2
#[test]
fn an_answer_of_another_client_reference_is_no_reason_ever_to_reserve_again() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Unknown { why: Unclear::Foreign });
    for _ in 0..10 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
    }
    assert_eq!(world.reserves(), 1);
    assert!(matches!(world.last_told(), Some(LegState::InDoubt { .. })));
    // What it is under is found all the same once it shows.
    world.wake_until_it_looks();
    world.answer(held("R1"));
    assert!(matches!(world.last_told(), Some(LegState::Held { .. })));
}

/// Row: A6
#[test]
fn what_was_bought_and_refused_to_be_cancelled_is_not_gone_because_it_does_not_show() {
    let mut world = World::new();
    world.want(WantedLeg::Confirmed);
    world.answer(bought("R1"));
    world.want(WantedLeg::Released);
    assert_eq!(world.doing(), Some(Doing::Cancel));
    world.answer(Answer::Refused(RefusedWhy::Rejected));
    for _ in 0..8 {
        world.wake_until_it_looks();
        world.answer(Answer::NotFound);
        assert!(!matches!(world.last_told(), Some(LegState::Gone { .. })));
    }
    world.wake_until_it_looks();
    world.answer(gone("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Gone { why: GoneWhy::Released }));
}

/// Row: B5
#[test]
fn a_refusal_that_is_heard_late_says_nothing_of_the_purchase_that_was_sent_after_it() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Confirmed);
    let first = world.leg().exchanges;
    // Whoever made the call is gone with it.
    world.wake();
    while world.doing() != Some(Doing::Confirm) {
        world.wake_until_it_looks();
        world.answer(held("R1"));
    }
    let second = world.leg().exchanges;
    assert!(second > first);
    world.answer_to(first, Answer::Refused(RefusedWhy::SoldOut));
    assert!(!matches!(world.last_told(), Some(LegState::Refused { .. })));
    world.answer_to(second, UNKNOWN);
    assert!(!matches!(world.last_told(), Some(LegState::Refused { .. })));
    world.wake_until_it_looks();
    world.answer(bought("R1"));
    assert_eq!(world.last_told(), Some(&LegState::Confirmed { reference: "R1".to_owned() }));
}

#[test]
fn a_purchase_that_was_not_sent_leaves_in_doubt_what_was() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(held("R1"));
    world.want(WantedLeg::Released);
    world.answer(Answer::Refused(RefusedWhy::Rejected));
    while world.doing() != Some(Doing::Cancel) {
        world.wake_until_it_looks();
        world.answer(held("R1"));
    }
    let before = world.leg().in_flight.as_ref().unwrap().before;
    assert!(before.is_some());
    world.answer(Answer::NotSent);
    // The next try, which goes out at once, has it from there.
    let open = world.leg().attempts[0].reservations["R1"].open;
    let next = world.leg().in_flight.as_ref().and_then(|next| next.before);
    assert_eq!(open.or(next), before);
}

#[test]
fn what_is_held_is_read_and_bought_at_once_although_the_clock_was_put_back_meanwhile() {
    let mut world = World::new();
    world.want(WantedLeg::Held);
    world.answer(Answer::Seen(vec![SeenReservation::bare("R1", SeenState::Held { until: None })]));
    world.wait(-600);
    world.want(WantedLeg::Confirmed);
    assert_eq!(world.doing(), Some(Doing::LookUp { why: LookUpWhy::Doubt }));
    world.answer(held("R1"));
    assert_eq!(world.doing(), Some(Doing::Confirm));
}
