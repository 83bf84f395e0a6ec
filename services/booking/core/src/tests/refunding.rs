//! Money that goes back: to an address that the customer gave, within a time of its own, once.

use chrono::TimeDelta;

use super::*;
use crate::{Action, Event, MoneyAxis, Phase, ReviewWhy, Status, StuckStep, StuckWhy};
use crate::{money, next_actions, status};

fn give(world: &mut World, to: &str) -> Result<(), Refusal> {
    world.ask(&Command::Refund { to: to.to_owned() })
}

/// Refused by the supplier after the money came; only the refund is left.
fn refused_after_the_money(refund_to: Option<&str>) -> World {
    let Command::Accept(mut accept) = accept(0, vec![order(20_000, None)]) else { unreachable!() };
    accept.refund_to = refund_to.map(str::to_owned);
    let mut world = World { state: None, now: noon(), journal: Vec::new(), said: Vec::new() };
    world.ask(&Command::Accept(accept)).unwrap();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, refused());
    world.tell(&closed(Closing::AlreadySettled { settled: units(AMOUNT) }));
    world.leg(0, 3, gone(GoneWhy::NeverMade));
    world
}

fn refund_id(world: &World) -> Uuid {
    world.booking().payment.refunds[0].refund_id
}

#[test]
fn a_booking_with_an_address_ends_when_its_money_arrived() {
    let mut world = refused_after_the_money(Some("0xme"));
    let id = refund_id(&world);
    assert_eq!(next_actions(world.booking()), []);
    for state in [RefundState::Granted, RefundState::Sent] {
        world.tell(&refund(id, AMOUNT, state));
        assert_eq!(status(world.booking()), Status::Failing);
        assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
    }
    world.tell(&refund(id, AMOUNT, RefundState::Confirmed));
    assert_eq!(status(world.booking()), Status::Failed);
    assert_eq!(money(world.booking()), MoneyAxis::Refunded);
}

#[test]
fn a_booking_without_an_address_ends_and_says_what_it_waits_for() {
    let mut world = refused_after_the_money(None);
    assert_eq!(status(world.booking()), Status::Failed);
    assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
    assert_eq!(next_actions(world.booking()), [Action::Refund, Action::Rebook]);
    // However long the customer takes, nobody of ours has to look.
    world.now += TimeDelta::days(40);
    world.tell(&passed(Deadline::Unwind));
    assert!(world.booking().review.is_none());

    let id = refund_id(&world);
    world.said.clear();
    give(&mut world, "0xme").unwrap();
    let version = world.booking().version;
    // Two clicks send once; another address comes too late.
    give(&mut world, "0xme").unwrap();
    let refused = give(&mut world, "0xyou").unwrap_err();
    assert_eq!(refused, Refusal::NotAllowed { allowed: Vec::new() });
    assert_eq!(world.booking().version, version);
    let sent = world.said.iter().filter_map(|effect| match effect {
        Effect::Refund(m) => Some((m.refund_id, m.units, m.to.clone())),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [(id, units(AMOUNT), Some("0xme".to_owned()))]);
    world.tell(&refund(id, AMOUNT, RefundState::Confirmed));
    assert_eq!(money(world.booking()), MoneyAxis::Refunded);
    assert_eq!(status(world.booking()), Status::Failed);
}

/// Row: C3
#[test]
fn money_after_the_end_opens_a_refund_at_once_and_the_phase_stays() {
    let mut world = World::stay();
    world.tell(&prepared(AMOUNT));
    world.leg(0, 1, refused());
    world.leg(0, 2, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    assert_eq!(next_actions(world.booking()), []);
    world.tell(&seen(4, AMOUNT, true));
    assert_eq!(money(world.booking()), MoneyAxis::RefundWaiting);
    assert_eq!(next_actions(world.booking()), [Action::Refund]);
    world.tell(&settled(5, AMOUNT));
    world.tell(&settled(5, AMOUNT));
    let asked = world.journal.iter().filter(|e| matches!(e.event, Event::RefundAsked { .. }));
    assert_eq!(asked.count(), 1);
    assert_eq!(world.booking().phase, Phase::Failed);
    assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
    // More of it later is a refund of its own, of the rest alone.
    world.tell(&settled(6, AMOUNT + 7));
    let refunds = &world.booking().payment.refunds;
    assert_eq!(refunds.iter().map(|r| r.units).collect::<Vec<_>>(), [units(AMOUNT), units(7)]);
    assert_ne!(refunds[0].refund_id, refunds[1].refund_id);
    give(&mut world, "0xme").unwrap();
    assert!(world.booking().payment.refunds.iter().all(|r| r.to.as_deref() == Some("0xme")));
    assert_eq!(world.booking().phase, Phase::Failed);
}

/// Whoever has the session for a moment must not be able to send the money elsewhere.
///
/// Row: C10
#[test]
fn an_address_that_was_given_is_not_replaced_while_the_booking_lives() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(2, AMOUNT + 5));
    world.leg(0, 2, confirmed());
    assert!(next_actions(world.booking()).contains(&Action::Refund));
    give(&mut world, "0xme").unwrap();
    world.tell(&settled(3, AMOUNT + 9));
    assert!(next_actions(world.booking()).contains(&Action::Refund));
    assert!(matches!(give(&mut world, "0xyou"), Err(Refusal::NotAllowed { .. })));
    assert_eq!(world.booking().payment.refund_to.as_deref(), Some("0xme"));
}

#[test]
fn money_that_is_confirming_when_the_customer_cancels_is_waited_for() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&seen(2, AMOUNT, true));
    world.ask(&CANCEL).unwrap();
    world.leg(0, 2, gone(GoneWhy::Released));
    let closing = Closing::Closed { received: units(AMOUNT), settled: Units::ZERO };
    world.tell(&closed(closing));
    assert_eq!(status(world.booking()), Status::Cancelling);
    assert_eq!(money(world.booking()), MoneyAxis::RefundWaiting);
    // It was undone in time; the money has its own time to become final.
    world.tell(&passed(Deadline::Unwind));
    assert!(world.booking().review.is_none());
    world.tell(&settled(3, AMOUNT));
    assert_eq!(status(world.booking()), Status::Cancelled);
    assert_eq!(world.booking().payment.refunds[0].units, units(AMOUNT));
}

#[test]
fn money_that_leaves_again_while_it_is_waited_for_owes_nothing() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&seen(2, AMOUNT, true));
    world.ask(&CANCEL).unwrap();
    world.leg(0, 2, gone(GoneWhy::Released));
    world.tell(&closed(Closing::Closed { received: units(AMOUNT), settled: Units::ZERO }));
    world.tell(&seen(4, 0, false));
    assert_eq!(status(world.booking()), Status::Cancelled);
    assert_eq!(money(world.booking()), MoneyAxis::None);
    assert_eq!(next_actions(world.booking()), []);
}

#[test]
fn a_refund_under_way_is_for_a_person_after_its_own_time_and_not_before() {
    let mut world = refused_after_the_money(Some("0xme"));
    let id = refund_id(&world);
    world.tell(&refund(id, AMOUNT, RefundState::Granted));
    world.tell(&passed(Deadline::Unwind));
    assert!(world.booking().review.is_none());
    world.now += TimeDelta::hours(24);
    world.tell(&passed(Deadline::Refund));
    let review = world.booking().review.unwrap();
    let stuck = review.stuck.unwrap();
    assert_eq!(review.why, ReviewWhy::Stuck);
    assert_eq!(stuck.step, StuckStep::SendRefund { refund_id: id });
    assert_eq!(stuck.reason, StuckWhy::Late);
    assert_eq!(status(world.booking()), Status::Failing);
    world.tell(&refund(id, AMOUNT, RefundState::Confirmed));
    assert!(world.booking().review.is_none());
    assert_eq!(status(world.booking()), Status::Failed);
}

/// Row: C10
#[test]
fn a_refund_that_fails_is_for_a_person_and_goes_elsewhere_once_the_customer_says_so() {
    let mut world = refused_after_the_money(Some("0xme"));
    let id = refund_id(&world);
    world.tell(&refund_of(id, units(AMOUNT), 11, RefundState::Failed));
    let stuck = world.booking().review.unwrap().stuck.unwrap();
    assert_eq!(stuck.step, StuckStep::SendRefund { refund_id: id });
    assert_eq!(stuck.reason, StuckWhy::Refused);
    assert_eq!(status(world.booking()), Status::Failing);
    assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
    // Nothing is asked again by itself: it would fail again.
    assert_eq!(world.booking().payment.refunds.len(), 1);
    assert_eq!(next_actions(world.booking()), [Action::Refund]);

    world.said.clear();
    give(&mut world, "0xother").unwrap();
    assert!(world.booking().review.is_none());
    assert_eq!(next_actions(world.booking()), []);
    let sent = world.said.iter().filter_map(|effect| match effect {
        Effect::Refund(m) => Some((m.refund_id != id, m.units, m.to.clone())),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [(true, units(AMOUNT), Some("0xother".to_owned()))]);
    // The failed one is told of once more; the new address stays.
    world.tell(&refund_of(id, units(AMOUNT), 12, RefundState::Failed));
    assert_eq!(world.booking().payment.refund_to.as_deref(), Some("0xother"));

    let other = world.booking().payment.refunds[1].refund_id;
    world.tell(&refund_of(other, units(AMOUNT), 13, RefundState::Confirmed));
    assert_eq!(status(world.booking()), Status::Failed);
    assert_eq!(money(world.booking()), MoneyAxis::Refunded);
    assert!(world.booking().review.is_none());
}

#[test]
fn a_refund_that_fails_after_the_booking_ended_is_asked_for_again_by_its_customer() {
    let mut world = refused_after_the_money(None);
    give(&mut world, "0xme").unwrap();
    let id = refund_id(&world);
    for seq in 11..14 {
        let failed = world.booking().payment.refunds.last().unwrap().refund_id;
        world.tell(&refund_of(failed, units(AMOUNT), seq, RefundState::Failed));
        assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck);
        assert_eq!(next_actions(world.booking()), [Action::Refund, Action::Rebook]);
        // The same address may be right: the treasury may have been the reason.
        give(&mut world, "0xme").unwrap();
        assert!(world.booking().review.is_none());
    }
    assert_eq!(world.booking().payment.refunds.len(), 4);
    let last = world.booking().payment.refunds[3].clone();
    assert!(last.units == units(AMOUNT) && last.refund_id != id);
    assert_eq!(status(world.booking()), Status::Failed);
}

/// Rows of the version before an address was forgotten once a refund to there failed.
///
/// Row: C10
#[test]
fn an_old_booking_whose_refund_failed_takes_another_address_or_the_same() {
    for phase in [Phase::Unwinding, Phase::Failed] {
        for to in ["0xother", "0xme"] {
            let mut world = refused_after_the_money(Some("0xme"));
            let id = refund_id(&world);
            world.tell(&refund_of(id, units(AMOUNT), 11, RefundState::Failed));
            let booking = world.state.as_mut().unwrap();
            (booking.payment.refund_to, booking.phase) = (Some("0xme".to_owned()), phase);
            let rebook = (phase == Phase::Failed).then_some(Action::Rebook);
            let open: Vec<Action> = [Action::Refund].into_iter().chain(rebook).collect();
            assert_eq!(next_actions(world.booking()), open);
            // Nothing is sent there again by itself.
            world.leg(0, 9, gone(GoneWhy::Released));
            world.tell(&settled(12, AMOUNT));
            assert_eq!(world.booking().payment.refunds.len(), 1);
            give(&mut world, to).unwrap();
            give(&mut world, to).unwrap();
            let sent = world.booking().payment.refunds.iter().skip(1).map(|r| r.to.as_deref());
            assert_eq!(sent.collect::<Vec<_>>(), [Some(to)]);
            assert_eq!((world.booking().refund_to(), world.booking().review), (Some(to), None));
            assert!(give(&mut world, "0xyou").is_err());
            // What comes later goes to where the customer said last.
            world.tell(&settled(13, AMOUNT + 7));
            let last = world.booking().payment.refunds.last().unwrap();
            assert_eq!((last.units, last.to.as_deref()), (units(7), Some(to)));
        }
    }
}

#[test]
fn of_two_refunds_each_is_late_in_its_own_time() {
    let mut world = refused_after_the_money(Some("0xme"));
    let first = refund_id(&world);
    let began = world.now;
    world.tell(&refund(first, AMOUNT, RefundState::Granted));
    world.now += TimeDelta::hours(20);
    world.said.clear();
    world.tell(&settled(6, AMOUNT + 7));
    // There is one timer, and what is set later must not put it off.
    let wakes = |world: &World| {
        let wakes = world.said.iter().filter_map(|effect| match effect {
            Effect::WakeAt { deadline: Deadline::Refund, at } => Some(*at),
            _ => None,
        });
        wakes.collect::<Vec<_>>()
    };
    assert_eq!(wakes(&world), [began + TimeDelta::hours(24)]);
    world.now = began + TimeDelta::hours(24);
    world.said.clear();
    world.tell(&passed(Deadline::Refund));
    let step = |world: &World| world.booking().review.unwrap().stuck.unwrap().step;
    assert_eq!(step(&world), StuckStep::SendRefund { refund_id: first });
    assert_eq!(wakes(&world), [began + TimeDelta::hours(44)]);
    assert_eq!(world.tell(&passed(Deadline::Refund)), 0);
    // The first arrives: nothing is late until the second is.
    world.tell(&refund_of(first, units(AMOUNT), 15, RefundState::Confirmed));
    assert!(world.booking().review.is_none());
    world.now = began + TimeDelta::hours(44);
    world.tell(&passed(Deadline::Refund));
    let second = world.booking().payment.refunds[1].refund_id;
    assert_eq!(step(&world), StuckStep::SendRefund { refund_id: second });
}

#[test]
fn a_refund_that_arrives_hands_its_timer_to_the_next() {
    let mut world = refused_after_the_money(Some("0xme"));
    let began = world.now;
    world.now += TimeDelta::hours(20);
    world.tell(&settled(6, AMOUNT + 7));
    world.said.clear();
    let first = refund_id(&world);
    world.tell(&refund_of(first, units(AMOUNT), 15, RefundState::Confirmed));
    let wake = Effect::WakeAt { deadline: Deadline::Refund, at: began + TimeDelta::hours(44) };
    assert_eq!(world.said, [wake]);
}

#[test]
fn a_closing_that_overtakes_the_news_of_money_does_not_end_the_booking_without_it() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.ask(&CANCEL).unwrap();
    world.leg(0, 2, gone(GoneWhy::Released));
    let closing = Closing::Closed { received: units(AMOUNT), settled: Units::ZERO };
    world.tell(&closed_at(5, closing));
    assert_eq!(status(world.booking()), Status::Cancelling);
    assert_eq!(money(world.booking()), MoneyAxis::RefundWaiting);
    // What is older says less.
    assert_eq!(world.tell(&seen(4, 1, false)), 0);
    assert_eq!(status(world.booking()), Status::Cancelling);
    world.tell(&settled(6, AMOUNT));
    assert_eq!(world.booking().payment.refunds[0].units, units(AMOUNT));
    assert_eq!(status(world.booking()), Status::Cancelled);
}

#[test]
fn a_refund_whose_block_left_is_under_way_again_and_older_news_changes_nothing() {
    let mut world = refused_after_the_money(Some("0xme"));
    let id = refund_id(&world);
    world.tell(&refund_of(id, units(AMOUNT), 11, RefundState::Sent));
    world.tell(&refund_of(id, units(AMOUNT), 12, RefundState::Granted));
    assert_eq!(world.tell(&refund_of(id, units(AMOUNT), 11, RefundState::Sent)), 0);
    assert_eq!(world.booking().payment.refunds[0].state, Some(RefundState::Granted));
}

#[test]
fn money_beyond_the_price_goes_back_when_the_customer_asks_and_once() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT + 5));
    world.leg(0, 2, confirmed());
    assert_eq!(next_actions(world.booking()), [Action::Cancel, Action::Amend, Action::Refund]);
    assert_eq!(world.booking().payment.refunds, []);
    give(&mut world, "0xme").unwrap();
    give(&mut world, "0xme").unwrap();
    let refunds = &world.booking().payment.refunds;
    assert_eq!(refunds.iter().map(|r| r.units).collect::<Vec<_>>(), [units(5)]);
    assert_eq!(next_actions(world.booking()), [Action::Cancel, Action::Amend]);
    assert_eq!(world.booking().phase, Phase::Confirmed);
}
