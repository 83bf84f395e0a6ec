//! Legs that nobody takes back: used up, refused for good, or changed while they may have been used.

use chrono::TimeDelta;
use contracts::{
    internal::{ReviewAct, SafeAct},
    messages::{UndoFailedWhy, UndoFailing, WantedLeg},
};

use super::{
    cancelling::{cancel, confirmed_with, quote, undone},
    *,
};
use crate::{
    Action, Event, Out, Phase, Settle, Status, StuckWhy, amend_quote, cancel_leg_quote,
    cancel_quote, next_actions, safe_acts, status,
};

/// One stay of 200.00 of two nights that begin in two days, and one of 100.00 in March that is free
/// to give back.
fn two() -> World {
    let first = noon().date_naive() + chrono::Days::new(2);
    let mut soon = order(20_000, None);
    (soon.check_in, soon.check_out) = (first, first + chrono::Days::new(2));
    confirmed_with(0, vec![soon, order(10_000, Some(TimeDelta::days(30)))])
}

fn leg(world: &World, n: u128) -> &crate::Leg {
    world.booking().legs.iter().find(|leg| leg.leg_id == leg_id(n)).unwrap()
}

/// When leg `n` is used up.
fn used_up(world: &World, n: u128) -> DateTime<Utc> {
    leg(world, n).order.check_out.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(12)
}

pub(super) fn settle(world: &mut World, n: u128, how: Settle, by: &str) -> Result<(), Refusal> {
    let (by, why) = (by.to_owned(), "they said so on the phone".to_owned());
    world.ask(&Command::SettleLeg { leg_id: leg_id(n), how, by, why })
}

pub(super) fn takes(world: &mut World, by: &str) {
    let (act, by, why) = (ReviewAct::Take, by.to_owned(), "my shift".to_owned());
    world.ask(&Command::Review { act, by, why }).unwrap();
}

/// The supplier says no to giving leg `n` back.
pub(super) fn refuses(world: &mut World, n: u128, seq: u64) {
    let state = LegState::InDoubt { since: noon() };
    let version = world.wanted_version(n);
    let Fact::Leg(changed) = leg_news(n, seq, version, state) else { unreachable!() };
    let undo_failing = Some(UndoFailing { attempts: 2, why: UndoFailedWhy::Refused });
    world.tell(&Fact::Leg(LegChanged { undo_failing, ..changed }));
}

fn units_of(minor: i64) -> Units {
    rate().units_for(Money::new(minor, Currency::Eur)).unwrap()
}

/// Row: A9
#[test]
fn what_is_used_up_is_not_given_back_and_its_price_stays_paid() {
    let mut world = two();
    world.now = used_up(&world, 0) - TimeDelta::seconds(1);
    assert!(cancel_leg_quote(world.booking(), leg_id(0), world.now).is_ok());
    world.now = used_up(&world, 0);
    let alone = cancel_leg_quote(world.booking(), leg_id(0), world.now);
    assert!(matches!(alone, Err(Refusal::NotAllowed { .. })), "{alone:?}");
    let plan = amending::plan(9, 10_000);
    let amended = amend_quote(world.booking(), leg_id(0), &plan, None, world.now);
    assert!(matches!(amended, Err(Refusal::NotAllowed { .. })), "{amended:?}");

    assert_eq!(quote(&world).fee.minor, 20_000);
    cancel(&mut world);
    assert_eq!(leg(&world, 0).wanted, WantedLeg::Confirmed, "nobody asks for it back");
    assert_eq!(leg(&world, 1).wanted, WantedLeg::Released);
    world.leg(1, 8, gone(GoneWhy::Released));
    let settled = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled }));
    assert_eq!((status(world.booking()), world.booking().review), (Status::Cancelled, None));
    assert_eq!(world.booking().kept(), units_of(20_000));
    assert_eq!(world.booking().payment.refunds[0].units, settled.saturating_sub(units_of(20_000)));
}

#[test]
fn a_booking_of_which_all_is_used_up_is_not_cancelled_any_more() {
    let mut world = two();
    world.now = used_up(&world, 1);
    let refused = cancel_quote(world.booking(), world.now);
    let Err(Refusal::NotAllowed { allowed }) = refused else { panic!("{refused:?}") };
    assert!(!allowed.contains(&Action::Cancel));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

#[test]
fn what_a_supplier_takes_away_after_the_rest_was_used_goes_back_alone() {
    let mut world = two();
    world.now = used_up(&world, 0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    let change = crate::change_digest(world.booking(), leg(&world, 1)).unwrap();
    let answer = |answer| Command::AnswerChange { leg_id: leg_id(1), answer, agreed: change };
    let undo = world.ask(&answer(crate::ChangeAnswer::UndoTrip));
    assert!(matches!(undo, Err(Refusal::NotAllowed { .. })), "{undo:?}");
    world.ask(&answer(crate::ChangeAnswer::Refund)).unwrap();
    assert_eq!(
        (leg(&world, 0).wanted, world.booking().phase),
        (WantedLeg::Confirmed, Phase::Confirmed)
    );
    assert_eq!(world.booking().kept(), units_of(20_000));
    world.leg(1, 8, gone(GoneWhy::Released));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

#[test]
fn what_was_used_up_when_a_purchase_fails_is_seen_by_a_person() {
    let mut world = two();
    world.state.as_mut().unwrap().phase = Phase::Committing;
    world.now = used_up(&world, 0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(world.booking().phase, Phase::Unwinding);
    assert_eq!(world.booking().end.unwrap().phase, Phase::Failed);
    assert_eq!((leg(&world, 0).wanted, leg(&world, 0).left_there), (WantedLeg::Released, false));
    refuses(&mut world, 0, 5);
    assert!(world.booking().review.is_some());
    takes(&mut world, "ada");
    settle(&mut world, 0, Settle::LeaveThere, "ada").unwrap();
}

/// Money may be final long after it was paid.
#[test]
fn what_nobody_could_come_to_any_more_is_not_bought_and_all_that_was_paid_goes_back() {
    let first = noon().date_naive();
    let mut soon = order(20_000, None);
    (soon.check_in, soon.check_out) = (first, first + chrono::Days::new(2));
    let paid = || {
        let other = order(10_000, Some(TimeDelta::days(10)));
        let mut world = World::accepted(0, vec![soon.clone(), other]);
        world.leg(0, 1, held());
        world.leg(1, 1, held());
        let asked = world.booking().payment.asked.clone().unwrap();
        world.tell(&prepared_for(asked.clone()));
        (world, asked.units)
    };
    let over = first.succ_opt().unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
    let over = over + TimeDelta::hours(12);
    let wanted = |world: &World| [leg(world, 0).wanted, leg(world, 1).wanted];

    // Somewhere it is still the day on which it begins.
    let (mut world, units) = paid();
    world.now = over - TimeDelta::seconds(1);
    world.tell(&settled_units(3, units));
    assert_eq!(wanted(&world), [WantedLeg::Held, WantedLeg::Confirmed], "what cancels free first");
    // What is not asked for by then never is, and what was bought goes back.
    world.now = over;
    world.leg(1, 2, confirmed());
    assert_eq!(wanted(&world), [WantedLeg::Released; 2]);

    let (mut world, units) = paid();
    world.now = over;
    world.tell(&settled_units(3, units));
    assert_eq!(wanted(&world), [WantedLeg::Released; 2], "nothing of the trip is bought");
    let end = world.booking().end.unwrap();
    assert_eq!((end.phase, end.why), (Phase::Failed, crate::EndWhy::HoldLapsed));
    world.leg(0, 5, gone(GoneWhy::Released));
    world.leg(1, 5, gone(GoneWhy::Released));
    world.tell(&closed_at(4, Closing::AlreadySettled { settled: units }));
    assert_eq!(world.booking().phase, Phase::Failed);
    assert_eq!(world.booking().payment.refunds[0].units, units, "all of it");

    // What was asked for in time and is told late is bought: its supplier has it.
    let (mut world, units) = paid();
    world.now = over - TimeDelta::seconds(1);
    world.tell(&settled_units(3, units));
    world.leg(1, 2, confirmed());
    assert_eq!(wanted(&world), [WantedLeg::Confirmed; 2]);
    world.now = over;
    world.leg(0, 2, confirmed());
    assert_eq!(world.booking().phase, Phase::Confirmed);
}

#[test]
fn what_would_take_the_place_of_a_leg_is_not_bought_once_nobody_could_come_to_it() {
    let mut world = confirmed_with(0, vec![order(20_000, Some(TimeDelta::days(10)))]);
    let first = noon().date_naive();
    let mut plan = amending::plan(amending::NEW, 20_000);
    (plan.order.check_in, plan.order.check_out) = (first, first + chrono::Days::new(2));
    let told = amend_quote(world.booking(), leg_id(0), &plan, None, world.now).unwrap();
    let amend =
        Command::Amend { leg_id: leg_id(0), plan: Box::new(plan), agreed: told.digest, pay: None };
    world.ask(&amend).unwrap();
    world.now += TimeDelta::days(3);
    world.leg(amending::NEW, 1, held());
    assert_eq!((world.booking().phase, leg(&world, 0).out), (Phase::Confirmed, None));
    assert_eq!(leg(&world, amending::NEW).wanted, WantedLeg::Released);
}

/// Row: G8
#[test]
fn a_leg_that_nobody_can_have_used_is_given_back_by_hand_and_not_left() {
    let mut world = two();
    let moved = leg_moved(1, 5, world.wanted_version(1), 7);
    world.tell(&moved);
    world.now += TimeDelta::hours(49);
    world.tell(&passed(Deadline::Answer));
    takes(&mut world, "ada");
    let acts = safe_acts(world.booking(), world.now);
    let leg_id = leg_id(1);
    assert!(acts.contains(&SafeAct::GiveBackLeg { leg_id }), "{acts:?}");
    assert!(!acts.contains(&SafeAct::LeaveLeg { leg_id }), "{acts:?}");
}

/// Row: A6
/// Row: G8
#[test]
fn a_leg_that_its_supplier_keeps_is_left_there_by_whoever_looks_into_it_and_the_booking_ends() {
    let mut world = two();
    cancel(&mut world);
    refuses(&mut world, 0, 5);
    assert_eq!(world.booking().review.unwrap().stuck.unwrap().reason, StuckWhy::Refused);
    let (leave, repair) =
        (SafeAct::LeaveLeg { leg_id: leg_id(0) }, SafeAct::RepairLeg { leg_id: leg_id(0) });
    assert_eq!(safe_acts(world.booking(), world.now), [SafeAct::Take {}, repair.clone()]);
    assert_eq!(settle(&mut world, 0, Settle::LeaveThere, "ada"), Err(Refusal::NotSafe));
    takes(&mut world, "ada");
    assert_eq!(safe_acts(world.booking(), world.now), [SafeAct::Release {}, repair, leave]);
    let taken = Err(Refusal::TakenBy { name: "ada".to_owned() });
    assert_eq!(settle(&mut world, 0, Settle::LeaveThere, "bob"), taken);
    // Nothing else is settled by hand.
    assert_eq!(settle(&mut world, 1, Settle::LeaveThere, "ada"), Err(Refusal::NotSafe));
    assert_eq!(settle(&mut world, 0, Settle::GiveBack, "ada"), Err(Refusal::NotSafe));
    assert_eq!(settle(&mut world, 7, Settle::LeaveThere, "ada"), Err(Refusal::NoSuchLeg));

    settle(&mut world, 0, Settle::LeaveThere, "ada").unwrap();
    let said =
        |e: &Recorded| matches!(&e.event, Event::LegLeftThere { by: Some(by), .. } if by == "ada");
    assert!(world.journal.iter().any(said));
    assert_eq!(world.booking().review, None);
    let version = world.booking().version;
    settle(&mut world, 0, Settle::LeaveThere, "ada").unwrap();
    assert_eq!(world.booking().version, version, "the same click again");
    // The rest is undone as ever, and money goes back as it was agreed to.
    assert_eq!(world.booking().phase, Phase::Unwinding);
    world.leg(1, 8, gone(GoneWhy::Released));
    let settled = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled }));
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Cancelled, None));
    assert_eq!(world.booking().payment.refunds[0].units, settled.saturating_sub(units_of(20_000)));
}

#[test]
fn what_is_in_doubt_or_late_is_not_left_there_by_hand() {
    let mut world = two();
    cancel(&mut world);
    world.tell(&passed(Deadline::Unwind));
    takes(&mut world, "ada");
    assert_eq!(settle(&mut world, 1, Settle::LeaveThere, "ada"), Err(Refusal::NotSafe));
}

#[test]
fn a_leg_cancelled_alone_that_its_supplier_keeps_holds_up_the_booking_no_longer() {
    let mut world = two();
    let agreed = Some(cancel_leg_quote(world.booking(), leg_id(1), world.now).unwrap().digest);
    world.ask(&Command::CancelLeg { leg_id: leg_id(1), agreed }).unwrap();
    refuses(&mut world, 1, 5);
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Confirmed);
    takes(&mut world, "ada");
    settle(&mut world, 1, Settle::LeaveThere, "ada").unwrap();
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Completed, None));
}

/// Row: G8
#[test]
fn what_was_changed_while_it_may_be_used_is_settled_by_whoever_looks_into_it() {
    for how in [Settle::LeaveThere, Settle::GiveBack] {
        let mut world = two();
        world.now = leg(&world, 0).arrival();
        world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
        assert!(!next_actions(world.booking()).contains(&Action::RefundChange));
        takes(&mut world, "ada");
        settle(&mut world, 0, how, "ada").unwrap();
        assert_eq!((world.booking().phase, world.booking().review), (Phase::Confirmed, None));
        let back = match how {
            Settle::LeaveThere => Units::ZERO,
            Settle::GiveBack => world.booking().payment.settled.saturating_sub(units_of(10_000)),
        };
        let refunds = world.booking().payment.refunds.iter();
        let sum = refunds.fold(Units::ZERO, |sum, r| sum.checked_add(r.units).unwrap());
        assert_eq!(sum, back, "{how:?}");
        let out = leg(&world, 0).out;
        assert_eq!(matches!(out, Some(Out::Cancelled { .. })), how == Settle::GiveBack, "{how:?}");
        // It is over like any other, and its price goes back with nothing.
        if how == Settle::LeaveThere {
            assert_eq!(quote(&world).fee.minor, 20_000);
            world.leg(0, 6, gone(GoneWhy::CancelledBySupplier));
            assert_eq!(world.booking().review, None, "it is settled");
        } else {
            world.leg(0, 6, gone(GoneWhy::Released));
        }
        world.tell(&passed(Deadline::Over));
        assert_eq!(world.booking().phase, Phase::Completed, "{how:?}");
    }
    // The last one goes with the booking.
    let mut world = two();
    let agreed = Some(cancel_leg_quote(world.booking(), leg_id(1), world.now).unwrap().digest);
    world.ask(&Command::CancelLeg { leg_id: leg_id(1), agreed }).unwrap();
    world.leg(1, 8, gone(GoneWhy::Released));
    world.now = leg(&world, 0).arrival();
    world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    takes(&mut world, "ada");
    settle(&mut world, 0, Settle::GiveBack, "ada").unwrap();
    assert_eq!(world.booking().phase, Phase::Unwinding);
    assert!(world.booking().kept().is_zero());
    undone(&mut world);
    assert_eq!(world.booking().phase, Phase::Cancelled);
}
