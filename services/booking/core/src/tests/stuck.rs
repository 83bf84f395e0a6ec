//! An undo that fails is loud, names its step, and holds up nothing else.

use contracts::{
    internal::{ReviewAct, SafeAct},
    messages::{UndoFailedWhy, UndoFailing},
};

use super::*;
use crate::{Action, EndWhy, Phase, ReviewWhy, StuckStep, StuckWhy, next_actions, safe_acts};

fn failing(n: u128, seq: u64, version: u32, attempts: u32, why: UndoFailedWhy) -> Fact {
    let state = LegState::InDoubt { since: noon() };
    let Fact::Leg(changed) = leg_news(n, seq, version, state) else { unreachable!() };
    let undo_failing = Some(UndoFailing { attempts, why });
    Fact::Leg(LegChanged { undo_failing, ..changed })
}

fn cancelled() -> World {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, refused());
    world
}

/// Row: A6
#[test]
fn an_undo_that_is_refused_is_for_a_person_at_once_with_step_reason_and_attempts() {
    let mut world = cancelled();
    let version = world.wanted_version(0);
    world.tell(&failing(0, 3, version, 2, UndoFailedWhy::Refused));
    let review = world.booking().review.unwrap();
    let stuck = review.stuck.unwrap();
    assert_eq!(review.why, ReviewWhy::Stuck);
    assert_eq!(stuck.step, StuckStep::ReleaseLeg { leg_id: leg_id(0) });
    assert_eq!((stuck.reason, stuck.attempts), (StuckWhy::Refused, 2));
    assert_eq!(world.booking().phase, Phase::Unwinding);
    // It holds up neither the refund nor anything else, and is never shown as done.
    world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
    assert_eq!(world.booking().payment.refunds.len(), 1);
    assert_eq!(world.booking().phase, Phase::Unwinding);
    world.leg(0, 4, gone(GoneWhy::Released));
    assert!(world.booking().review.is_none());
    assert_eq!(world.booking().phase, Phase::Failed);
}

#[test]
fn an_undo_nobody_knows_of_is_for_a_person_after_some_tries() {
    let mut world = cancelled();
    let version = world.wanted_version(0);
    world.tell(&failing(0, 3, version, 4, UndoFailedWhy::Unknown));
    assert!(world.booking().review.is_none());
    world.tell(&failing(0, 4, version, 5, UndoFailedWhy::Unknown));
    let stuck = world.booking().review.unwrap().stuck.unwrap();
    assert_eq!((stuck.reason, stuck.attempts), (StuckWhy::InDoubt, 5));
}

/// A second reservation of the same leg, which an earlier attempt made late, is given back while
/// the first one stands.
#[test]
fn a_second_reservation_that_goes_at_last_closes_its_review_and_the_stay_is_completed() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, confirmed());
    assert_eq!(world.booking().phase, Phase::Confirmed);
    let Fact::Leg(changed) = leg_news(0, 3, 2, confirmed()) else { unreachable!() };
    let undo_failing = Some(UndoFailing { attempts: 5, why: UndoFailedWhy::Unknown });
    world.tell(&Fact::Leg(LegChanged { undo_failing, ..changed }));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck);
    world.leg(0, 4, confirmed());
    assert!(world.booking().review.is_none());
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

/// What a person was called for is over then; a purchase that hangs is a call of its own.
#[test]
fn money_that_becomes_final_at_last_closes_its_review() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&seen(2, AMOUNT, true));
    world.tell(&passed(Deadline::Settle));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::MoneyNotFinal);
    world.tell(&settled(3, AMOUNT));
    assert_eq!(world.booking().phase, Phase::Committing);
    assert!(world.booking().review.is_none());
    world.tell(&passed(Deadline::Commit));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CommitStuck);
}

#[test]
fn each_step_that_is_late_is_named_until_none_is_left() {
    let mut world = World::accepted(500, vec![order(20_500, None)]);
    world.tell(&points(1, PointsState::Held));
    world.tell(&prepared(AMOUNT));
    world.ask(&CANCEL).unwrap();
    world.tell(&passed(Deadline::Unwind));
    let step = |world: &World| world.booking().review.and_then(|r| r.stuck).map(|s| s.step);
    assert_eq!(step(&world), Some(StuckStep::ReleaseLeg { leg_id: leg_id(0) }));
    world.leg(0, 1, gone(GoneWhy::NeverMade));
    assert_eq!(step(&world), Some(StuckStep::ReleasePoints));
    world.tell(&points(2, PointsState::Released));
    assert_eq!(step(&world), Some(StuckStep::ClosePayment));
    world.tell(&seen(2, 1, false));
    world.tell(&closed(Closing::Closed { received: units(1), settled: Units::ZERO }));
    assert_eq!(step(&world), None);
    world.tell(&passed(Deadline::Settle));
    assert_eq!(step(&world), Some(StuckStep::SettleMoney));
    world.tell(&settled(3, 1));
    assert_eq!(world.booking().phase, Phase::Cancelled);
    assert!(world.booking().review.is_none());
}

/// Row: A8
#[test]
fn a_reservation_that_lives_after_the_end_is_noted_and_loud_only_if_it_cannot_be_released() {
    let mut world = World::stay();
    world.leg(0, 1, refused());
    world.leg(0, 2, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    assert_eq!(world.booking().phase, Phase::Failed);
    let version = world.booking().version;
    world.leg(0, 3, confirmed());
    assert_eq!(world.booking().version, version + 1);
    assert_eq!(world.booking().phase, Phase::Failed);
    assert!(world.booking().review.is_none());
    let wish = world.wanted_version(0);
    world.tell(&failing(0, 4, wish, 3, UndoFailedWhy::Refused));
    assert_eq!(world.booking().phase, Phase::Failed);
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck);
    world.leg(0, 5, gone(GoneWhy::Released));
    assert!(world.booking().review.is_none());
}

fn reviews(world: &mut World, act: ReviewAct, by: &str) -> Result<(), Refusal> {
    world.ask(&Command::Review { act, by: by.to_owned(), why: "my shift".to_owned() })
}

/// Who the refund says looked into the booking.
fn handled_by(world: &World) -> Option<String> {
    let of_refund = |effect: &Effect| match effect {
        Effect::Refund(refund) => Some(refund.handled_by.clone()),
        _ => None,
    };
    world.said.iter().rev().find_map(of_refund).unwrap()
}

/// Row: C10
#[test]
fn a_refund_names_who_looked_into_the_booking_although_the_review_is_over_or_left_by_then() {
    for leaves in [false, true] {
        let mut world = World::stay();
        world.leg(0, 1, held());
        world.tell(&prepared(AMOUNT));
        world.tell(&settled(3, AMOUNT));
        world.tell(&passed(Deadline::Commit));
        assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CommitStuck);
        reviews(&mut world, ReviewAct::Take, "otto").unwrap();
        if leaves {
            reviews(&mut world, ReviewAct::Release, "otto").unwrap();
        }
        // They say that there is nothing at the supplier: the way out begins, the review ends.
        world.leg(0, 2, gone(GoneWhy::NeverMade));
        assert!(world.booking().reviewer.is_none());
        world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
        assert_eq!(handled_by(&world).as_deref(), Some("otto"), "left before: {leaves}");
    }
}

/// Row: G8
#[test]
fn one_person_looks_into_a_review_and_sees_what_is_safe() {
    let mut world = cancelled();
    let early = reviews(&mut world, ReviewAct::Take, "ada");
    assert_eq!(early, Err(Refusal::NotInReview));
    assert_eq!(safe_acts(world.booking(), world.now), []);
    let version = world.wanted_version(0);
    world.tell(&failing(0, 3, version, 2, UndoFailedWhy::Refused));
    let repair = SafeAct::RepairLeg { leg_id: leg_id(0) };
    assert_eq!(safe_acts(world.booking(), world.now), [SafeAct::Take {}, repair.clone()]);

    reviews(&mut world, ReviewAct::Take, "ada").unwrap();
    let changes = world.booking().version;
    reviews(&mut world, ReviewAct::Take, "ada").unwrap();
    assert_eq!(world.booking().version, changes, "the same again is a repeat");
    let taken = reviews(&mut world, ReviewAct::Take, "bob");
    assert_eq!(taken, Err(Refusal::TakenBy { name: "ada".to_owned() }));
    let leave = SafeAct::LeaveLeg { leg_id: leg_id(0) };
    assert_eq!(safe_acts(world.booking(), world.now), [SafeAct::Release {}, repair, leave]);
    reviews(&mut world, ReviewAct::Release, "bob").unwrap();
    reviews(&mut world, ReviewAct::Take, "bob").unwrap();
    assert_eq!(world.booking().reviewer.as_ref().unwrap().name, "bob");

    // It is over when what it was opened for is over, and nobody's then.
    world.leg(0, 4, gone(GoneWhy::Released));
    assert!(world.booking().review.is_none() && world.booking().reviewer.is_none());
}

/// Row: G8
#[test]
fn a_refund_that_failed_needs_an_address_and_one_that_is_late_a_proof_or_somebody_who_answers() {
    for (state, after) in [(RefundState::Failed, 0), (RefundState::Sent, 24)] {
        let mut world = cancelled();
        world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
        world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
        let refund_id = world.booking().payment.refunds[0].refund_id;
        world.leg(0, 3, gone(GoneWhy::NeverMade));
        world.tell(&refund_of(refund_id, units(AMOUNT), 11, state));
        world.now += TimeDelta::hours(after);
        world.tell(&passed(Deadline::Refund));
        let helps = match state {
            RefundState::Failed => vec![SafeAct::AskForAddress {}],
            _ => vec![SafeAct::ProveRefund { refund_id }, SafeAct::SettleRefund { refund_id }],
        };
        let safe = safe_acts(world.booking(), world.now);
        assert_eq!(safe, [vec![SafeAct::Take {}], helps].concat());
        // What somebody answered for is not told as if a transaction had brought it.
        let Fact::Refund(mut news) =
            refund_of(refund_id, units(AMOUNT), 12, RefundState::Confirmed)
        else {
            panic!("no news of a refund");
        };
        news.otherwise = Some(units(3));
        world.tell(&Fact::Refund(news));
        let known = &world.booking().payment.refunds[0];
        assert_eq!((known.state, known.otherwise), (Some(RefundState::Confirmed), Some(units(3))));
    }
}

/// Row: D3
#[test]
fn nobody_is_asked_to_pay_for_what_is_looked_into_nor_told_that_they_did_not() {
    let mut world = World::stay();
    world.tell(&prepared(AMOUNT));
    let can_pay = |world: &World| next_actions(world.booking()).contains(&Action::Pay);
    for (seq, state, payable) in [
        (1, held(), true),
        (2, LegState::InDoubt { since: noon() }, false),
        (3, held(), true),
        (4, LegState::InDoubt { since: noon() }, false),
    ] {
        world.leg(0, seq, state);
        assert_eq!(can_pay(&world), payable, "{seq}");
    }
    world.tell(&passed(Deadline::Pay));
    world.tell(&closed(nothing_came()));
    assert_eq!(world.booking().end.map(|end| end.why), Some(EndWhy::NotHeldInTime));
}
