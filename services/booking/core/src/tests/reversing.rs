//! Money that had paid and left its chain: shown, looked into, and never given back while it is
//! away.

use chrono::TimeDelta;
use contracts::messages::{CloseBecause, WantedLeg};

use super::{
    amending,
    cancelling::{cancel, confirmed_with, undone},
    *,
};
use crate::{Action, MoneyAxis, Out, Phase, ReviewWhy, cancel_leg_quote, money, next_actions};

fn bought() -> World {
    confirmed_with(0, vec![order(20_000, Some(TimeDelta::days(10)))])
}

/// What was said to rewards, in order.
fn told(world: &World) -> Vec<bool> {
    let told = world.said.iter().filter_map(|effect| match effect {
        Effect::MoneyReversed(message) => Some(message.away),
        _ => None,
    });
    told.collect()
}

/// Why the payment was to be closed, each time.
fn closed_because(world: &World) -> Vec<CloseBecause> {
    let told = world.said.iter().filter_map(|effect| match effect {
        Effect::Close(message) => Some(message.because),
        _ => None,
    });
    told.collect()
}

/// Row: C5
#[test]
fn money_that_is_away_is_missed_where_a_fee_was_to_stay() {
    let mut world = confirmed_with(0, vec![order(20_000, None)]);
    world.tell(&reversed(7, AMOUNT, 0));
    cancel(&mut world);
    assert!(!world.booking().kept().is_zero());
    assert_eq!(closed_because(&world), [CloseBecause::Undone]);
}

/// Row: C5
#[test]
fn who_waits_for_money_to_be_final_is_told_that_it_came_and_left() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    world.tell(&reversed(6, AMOUNT, 0));
    world.tell(&passed(Deadline::Settle));
    let why = |world: &World| world.booking().review.map(|review| review.why);
    assert_eq!(why(&world), Some(ReviewWhy::MoneyNotFinal));
    world.tell(&closed_at(5, Closing::AlreadySettled { settled: units(AMOUNT) }));
    assert_eq!(why(&world), Some(ReviewWhy::MoneyReversed));
    world.tell(&reversed(8, 0, AMOUNT));
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Committing, None));
}

/// Row: C5
#[test]
fn money_that_left_before_the_closing_was_answered_buys_nothing_until_it_is_back() {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    world.tell(&reversed(6, AMOUNT, 0));
    world.tell(&closed_at(5, Closing::AlreadySettled { settled: units(AMOUNT) }));
    let booking = world.booking();
    assert_eq!(booking.phase, Phase::AwaitingPayment, "nothing is bought");
    assert_eq!(booking.payment.settled, Units::ZERO, "what left is not there");
    assert_eq!(booking.review.map(|review| review.why), Some(ReviewWhy::MoneyReversed));
    world.tell(&reversed(8, 0, AMOUNT));
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Committing, None));
}

/// Row: C5
#[test]
fn what_is_bought_with_money_that_came_back_late_has_its_whole_time_to_be_bought() {
    let mut world = World::accepted(0, vec![order(10_000, None), order(10_000, None)]);
    for n in 0..2 {
        world.leg(n, 1, held());
    }
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.tell(&reversed(6, AMOUNT, 0));
    world.leg(0, 2, confirmed());
    world.now += TimeDelta::minutes(31);
    world.tell(&passed(Deadline::Commit));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::MoneyReversed);
    world.tell(&reversed(8, 0, AMOUNT));
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Committing, None));
    let at = world.now + TimeDelta::minutes(30);
    assert!(world.said.contains(&Effect::WakeAt { deadline: Deadline::Commit, at }));
    world.tell(&passed(Deadline::Commit));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CommitStuck);
}

/// Row: C5
#[test]
fn a_booking_whose_money_left_stands_and_waits_for_a_person_until_it_is_final_again() {
    let mut world = bought();
    assert_eq!(world.tell(&reversed(7, AMOUNT, 0)), 2);
    let booking = world.booking();
    assert_eq!((booking.phase, money(booking)), (Phase::Confirmed, MoneyAxis::Reversed));
    assert_eq!(booking.review.unwrap().why, ReviewWhy::MoneyReversed);
    assert_eq!(world.tell(&reversed(7, AMOUNT, 0)), 0, "a repeat");
    assert_eq!(world.tell(&reversed(5, 0, AMOUNT)), 0, "old news");

    world.tell(&reversed(9, 0, AMOUNT));
    let booking = world.booking();
    assert_eq!((booking.review, money(booking)), (None, MoneyAxis::Settled));
    assert_eq!(told(&world), [true, false]);
}

/// Row: C5
/// Row: C10
#[test]
fn no_refund_is_asked_of_money_that_is_away_and_all_of_it_once_it_is_back() {
    let mut world = bought();
    world.tell(&reversed(7, AMOUNT, 0));
    world.tell(&seen(8, 0, false));
    cancel(&mut world);
    undone(&mut world);
    assert_eq!(world.booking().phase, Phase::Cancelled);
    assert!(world.booking().payment.refunds.is_empty(), "there is nothing to give back");
    assert_eq!(world.booking().review, None);
    assert_eq!(closed_because(&world), [CloseBecause::CalledOff], "and nobody misses it");

    world.tell(&reversed(9, 0, AMOUNT));
    let [refund] = world.booking().payment.refunds.as_slice() else { panic!("no refund") };
    assert_eq!(refund.units, units(AMOUNT));
    assert_eq!(world.tell(&reversed(10, 0, AMOUNT)), 1, "asked once");
}

/// Row: C11
#[test]
fn a_leg_that_is_replaced_while_money_is_away_keeps_all_that_it_costs() {
    let orders = vec![order(20_000, Some(TimeDelta::days(10))), order(10_000, None)];
    let mut world = confirmed_with(0, orders);
    let paid = world.booking().payment.settled;
    amending::started(&mut world, 20_000);
    world.tell(&reversed(7, 120_000_000_000_000_000, 0));
    world.leg(9, 1, held());
    world.leg(9, 2, confirmed());
    let Some(Out::Replaced { cancellation, .. }) = world.booking().legs[0].out else { panic!() };
    assert_eq!((cancellation.back.minor, cancellation.kept), (0, paid));
    world.tell(&reversed(9, 0, 120_000_000_000_000_000));
    assert_eq!((world.booking().kept(), world.booking().not_given_back()), (paid, Units::ZERO));
    assert!(world.booking().payment.refunds.is_empty());
}

/// Row: C10
/// Row: C11
#[test]
fn what_a_leg_gives_back_while_money_is_away_is_asked_for_once_when_it_is_back() {
    type Give = fn(&mut World);
    let nothing: Give = |_| {};
    let ways: [(&str, Give, Give); 3] = [
        ("cancelled", nothing, |w| {
            let agreed = cancel_leg_quote(w.booking(), leg_id(0), w.now).unwrap().digest;
            w.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed: Some(agreed) }).unwrap();
        }),
        ("taken back by the supplier", nothing, |w| {
            w.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
            w.now += TimeDelta::hours(48);
            w.tell(&passed(Deadline::Answer));
        }),
        (
            "replaced",
            |w| drop(amending::started(w, 9_000)),
            |w| {
                w.leg(9, 1, held());
                w.leg(9, 2, confirmed());
            },
        ),
    ];
    for (name, begin, give) in ways {
        let orders = vec![order(20_000, Some(TimeDelta::days(10))), order(10_000, None)];
        let mut world = confirmed_with(0, orders);
        let paid = world.booking().payment.settled;
        world.state.as_mut().unwrap().payment.refund_to = Some("0xme".to_owned());
        begin(&mut world);
        world.tell(&reversed(7, 120_000_000_000_000_000, 0));
        give(&mut world);
        assert!(world.booking().legs[0].out.is_some(), "{name}");
        // What is asked of money that is not there is refused, and its address forgotten.
        assert!(world.booking().payment.refunds.is_empty(), "{name}");
        let back = paid.saturating_sub(world.booking().kept());
        assert!(!back.is_zero(), "{name}");
        world.tell(&reversed(9, 0, 120_000_000_000_000_000));
        let [refund] = world.booking().payment.refunds.as_slice() else { panic!("{name}") };
        assert_eq!((refund.units, refund.to.as_deref()), (back, Some("0xme")), "{name}");
        assert!(world.booking().not_given_back().is_zero(), "{name}");
        world.tell(&reversed(10, 0, 120_000_000_000_000_000));
        assert_eq!(world.booking().payment.refunds.len(), 1, "{name}: asked once");
    }
}

/// Two legs that can never be given back, one of them being bought.
fn half_bought() -> World {
    let mut world = World::accepted(0, vec![order(20_000, None), order(10_000, None)]);
    world.leg(0, 1, held());
    world.leg(1, 1, held());
    let asked = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(asked.clone()));
    world.tell(&settled_units(3, asked.units));
    assert_eq!(wanted(&world), [WantedLeg::Held, WantedLeg::Confirmed], "the cheaper one first");
    world
}

fn wanted(world: &World) -> [WantedLeg; 2] {
    [0, 1].map(|n| world.booking().legs[n].wanted)
}

fn why(world: &World) -> Option<ReviewWhy> {
    world.booking().review.map(|review| review.why)
}

/// Row: C5
#[test]
fn what_is_not_bought_when_money_leaves_waits_for_a_person_until_it_is_final_again() {
    let mut world = half_bought();
    let all = 120_000_000_000_000_000;
    world.tell(&reversed(7, all, 0));
    assert_eq!(why(&world), Some(ReviewWhy::MoneyReversed));
    world.leg(1, 2, confirmed());
    assert_eq!((world.booking().phase, wanted(&world)[0]), (Phase::Committing, WantedLeg::Held));
    world.tell(&passed(Deadline::Commit));
    assert_eq!((wanted(&world)[0], why(&world)), (WantedLeg::Held, Some(ReviewWhy::MoneyReversed)));

    world.tell(&reversed(9, 0, all));
    assert_eq!(wanted(&world)[0], WantedLeg::Confirmed, "it goes on by itself");
    world.leg(0, 2, confirmed());
    assert_eq!((world.booking().phase, why(&world)), (Phase::Confirmed, None));
}

/// Row: C5
#[test]
fn a_trip_that_is_bought_by_the_time_its_money_leaves_keeps_whoever_looks_into_it() {
    let mut world = half_bought();
    world.leg(1, 2, confirmed());
    assert_eq!(wanted(&world), [WantedLeg::Confirmed; 2]);
    world.tell(&reversed(7, 120_000_000_000_000_000, 0));
    let (act, by) = (contracts::internal::ReviewAct::Take, "ada".to_owned());
    world.ask(&Command::Review { act, by, why: "my shift".to_owned() }).unwrap();
    world.leg(0, 2, confirmed());
    let booking = world.booking();
    assert_eq!((booking.phase, why(&world)), (Phase::Confirmed, Some(ReviewWhy::MoneyReversed)));
    assert_eq!(booking.reviewer.as_ref().map(|reviewer| reviewer.name.as_str()), Some("ada"));
}

/// Row: C5
#[test]
fn nothing_is_bought_with_money_that_left_before_it_was_heard_of() {
    let mut world = World::stay();
    world.tell(&prepared(AMOUNT));
    world.tell(&reversed(7, AMOUNT, 0));
    world.leg(0, 1, held());
    world.tell(&settled(3, AMOUNT));
    assert_eq!(world.booking().phase, Phase::AwaitingPayment, "it is away by now");
    world.tell(&reversed(9, 0, AMOUNT));
    assert_eq!(world.booking().phase, Phase::Committing);
}

/// Row: C5
#[test]
fn what_is_not_paid_any_more_is_not_changed_for_more() {
    let mut world = bought();
    assert!(next_actions(world.booking()).contains(&Action::Amend));
    world.tell(&reversed(7, AMOUNT, 0));
    assert!(!next_actions(world.booking()).contains(&Action::Amend));
}

/// Row: C5
#[test]
fn a_bought_booking_whose_money_is_lost_for_good_stands_and_waits_for_nobody() {
    let mut world = bought();
    world.tell(&reversed(7, AMOUNT, 0));
    assert_eq!(why(&world), Some(ReviewWhy::MoneyReversed));
    let safe = crate::safe_acts(world.booking(), world.now);
    assert!(safe.contains(&contracts::internal::SafeAct::WriteOffMoney {}), "{safe:?}");
    world.tell(&seen(8, 0, false));
    world.tell(&lost(9, AMOUNT));
    let booking = world.booking();
    assert_eq!((booking.phase, booking.review), (Phase::Confirmed, None));
    assert_eq!(money(booking), MoneyAxis::Reversed);
    assert_eq!(told(&world), [true, true], "its points stay frozen");
    // Nothing goes back of what is not there.
    cancel(&mut world);
    undone(&mut world);
    assert_eq!((world.booking().phase, why(&world)), (Phase::Cancelled, None));
    assert!(world.booking().payment.refunds.is_empty());
    // It came back after all.
    world.tell(&reversed(11, 0, AMOUNT));
    assert_eq!(world.booking().payment.refunds.len(), 1);
    assert_eq!(told(&world).last(), Some(&false));
}

/// Row: C5
#[test]
fn nothing_is_bought_with_money_that_is_lost_for_good_and_what_is_bought_of_a_trip_is_given_back() {
    let mut world = half_bought();
    world.leg(1, 2, confirmed());
    let mut world = World { said: vec![], ..world };
    let all = 120_000_000_000_000_000;
    world.tell(&reversed(7, all, 0));
    world.tell(&lost(9, all));
    let booking = world.booking();
    assert_eq!(booking.phase, Phase::Unwinding);
    let end = booking.end.unwrap();
    assert_eq!((end.phase, end.why), (Phase::Failed, crate::EndWhy::PaymentLost));
    assert_eq!(wanted(&world), [WantedLeg::Released; 2]);

    // Before anything was bought, too.
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    world.tell(&reversed(6, AMOUNT, 0));
    world.tell(&closed_at(5, Closing::AlreadySettled { settled: units(AMOUNT) }));
    assert_eq!(world.booking().phase, Phase::AwaitingPayment);
    world.tell(&lost(9, AMOUNT));
    assert_eq!(world.booking().phase, Phase::Unwinding);
    assert_eq!(world.booking().end.unwrap().why, crate::EndWhy::PaymentLost);
}

/// Row: C5
#[test]
fn no_leg_is_cancelled_alone_of_what_is_lost_and_what_was_had_counts_if_it_comes_back() {
    let all = 120_000_000_000_000_000;
    let orders = vec![order(20_000, Some(TimeDelta::days(10))), order(10_000, None)];
    let mut world = confirmed_with(0, orders);
    assert!(next_actions(world.booking()).contains(&Action::CancelLeg));
    let had = world.booking().had();
    world.tell(&reversed(7, all, 0));
    world.tell(&lost(9, all));
    assert!(!next_actions(world.booking()).contains(&Action::CancelLeg));
    assert_eq!(world.booking().had().min(units(all)), had.min(units(all)));
}
