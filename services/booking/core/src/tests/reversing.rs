//! Money that had paid and left its chain: shown, looked into, and never given back while it is
//! away.

use chrono::TimeDelta;

use super::{
    cancelling::{cancel, confirmed_with, undone},
    *,
};
use crate::{MoneyAxis, Phase, ReviewWhy, money};

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

/// Row: C5
#[test]
fn a_booking_whose_money_left_stands_and_waits_for_a_person_until_it_is_final_again() {
    let mut world = bought();
    assert_eq!(world.tell(&reversed(7, AMOUNT, 0)), 2);
    let booking = world.booking();
    assert_eq!((booking.phase, money(booking)), (Phase::Confirmed, MoneyAxis::Confirming));
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

    world.tell(&reversed(9, 0, AMOUNT));
    let [refund] = world.booking().payment.refunds.as_slice() else { panic!("no refund") };
    assert_eq!(refund.units, units(AMOUNT));
    assert_eq!(world.tell(&reversed(10, 0, AMOUNT)), 1, "asked once");
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
