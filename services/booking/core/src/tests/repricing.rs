//! A supplier asks another price by the time a leg is to be held.

use contracts::{
    messages::{LegAsks, WantedLeg},
    offer::Reprice,
};

use super::*;
use crate::{EndWhy, Event, Out, Phase, Status, status};

const REFUSED: LegState = LegState::Refused { why: RefusedWhy::PriceChanged };

/// 200.00, of which up to 6.00 more are ours to bear.
fn bearing() -> LegOrder {
    let bears = Money::new(600, Currency::Eur);
    let reprice = Reprice { rate_key: "rate".to_owned(), bears, cost: None };
    LegOrder { reprice: Some(reprice), ..order(20_000, Some(TimeDelta::days(10))) }
}

fn asks(minor: i64) -> LegAsks {
    let price = Money::new(minor, Currency::Eur);
    let mut terms = bearing().terms;
    terms.cancel_steps.iter_mut().for_each(|step| step.fee = price);
    LegAsks { book_key: "dearer".to_owned(), price, terms }
}

fn refused_for(world: &mut World, n: u128, asks: LegAsks) {
    let Fact::Leg(changed) = leg_news(n, 1, world.wanted_version(n), REFUSED) else {
        unreachable!()
    };
    world.tell(&Fact::Leg(LegChanged { asks: Some(Box::new(asks)), ..changed }));
}

fn repriced(world: &World) -> Option<LegId> {
    world.booking().legs.iter().find_map(|leg| match leg.out {
        Some(Out::Repriced { by }) => Some(by),
        _ => None,
    })
}

/// News of the leg that came in the place of one.
fn again(world: &mut World, seq: u64, state: LegState) {
    let leg_id = repriced(world).unwrap();
    let leg = world.booking().legs.iter().find(|leg| leg.leg_id == leg_id).unwrap();
    let Fact::Leg(changed) = leg_news(0, seq, leg.wanted_version, state) else { unreachable!() };
    world.tell(&Fact::Leg(LegChanged { leg_id, ..changed }));
}

/// Row: D5
#[test]
fn a_rise_within_the_policy_is_ours_to_bear_and_the_customer_pays_what_was_agreed() {
    let mut world = World::accepted(0, vec![bearing()]);
    let paid = world.booking().payment.asked.clone().unwrap();
    refused_for(&mut world, 0, asks(20_600));
    let by = repriced(&world).unwrap();
    let wished = |leg_id: LegId| {
        world.said.iter().rev().find_map(|effect| match effect {
            Effect::Leg(wanted) if wanted.leg_id == leg_id => Some(wanted.clone()),
            _ => None,
        })
    };
    let (old, new) = (wished(leg_id(0)).unwrap(), wished(by).unwrap());
    assert_eq!((old.wanted, new.wanted), (WantedLeg::Released, WantedLeg::Held));
    assert_eq!((new.order.book_key.as_str(), new.order.cost().minor), ("dearer", 20_600));
    assert_eq!((new.order.price, &new.order.terms), (bearing().price, &bearing().terms));
    let journalled = |entry: &&Recorded| matches!(&entry.event, Event::LegRepriced { asks: a, .. } if **a == asks(20_600));
    assert_eq!(world.journal.iter().filter(journalled).count(), 1);
    // It goes on with that, at the price of the quote.
    again(&mut world, 1, held());
    world.tell(&prepared_for(paid.clone()));
    assert_eq!(world.booking().phase, Phase::AwaitingPayment);
    assert_eq!(world.booking().payment.asked, Some(paid.clone()));
    world.tell(&settled_units(3, paid.units));
    again(&mut world, 2, confirmed());
    assert_eq!(status(world.booking()), Status::Confirmed);
    assert_eq!(world.booking().price.minor, 20_000);
}

/// Row: D5
#[test]
fn a_rise_beyond_the_policy_or_worse_terms_undo_what_nobody_has_paid() {
    let dearer = asks(20_601);
    let mut sooner = asks(20_100);
    sooner.terms.cancel_steps[0].from -= TimeDelta::seconds(1);
    let mut steeper = asks(20_100);
    steeper.terms.cancel_steps[0].fee.minor += 1;
    let mut more_steps = asks(20_100);
    let step = more_steps.terms.cancel_steps[0].clone();
    more_steps.terms.cancel_steps.push(step);
    let mut for_good = asks(20_100);
    for_good.terms.refundable = false;
    let mut unheld = asks(20_100);
    unheld.terms.holdable = false;
    let mut elsewhere = asks(20_100);
    elsewhere.price = Money::new(20_100, Currency::Usd);
    for asks in [dearer, sooner, steeper, more_steps, for_good, unheld, elsewhere] {
        let mut world = World::accepted(0, vec![bearing()]);
        refused_for(&mut world, 0, asks.clone());
        assert_eq!(repriced(&world), None, "{asks:?}");
        assert_eq!(world.booking().end.unwrap().why, EndWhy::PriceChanged, "{asks:?}");
        assert_eq!(status(world.booking()), Status::Failing, "{asks:?}");
        let known = &world.booking().legs[0].known;
        assert_eq!(known.asks, Some(Box::new(asks)), "both prices are known");
    }
}

/// Row: D5
#[test]
fn whoever_raises_the_price_again_is_refused_and_what_cannot_be_had_is_not_asked_for_again() {
    let mut world = World::accepted(0, vec![bearing()]);
    refused_for(&mut world, 0, asks(20_300));
    again(&mut world, 1, REFUSED);
    assert_eq!(world.booking().end.unwrap().why, EndWhy::PriceChanged);
    // One leg of two is sold out: the other one is not held at any price.
    let mut world = World::accepted(0, vec![bearing(), bearing()]);
    world.leg(1, 1, refused());
    refused_for(&mut world, 0, asks(20_100));
    assert_eq!((repriced(&world), world.booking().end.unwrap().why), (None, EndWhy::SoldOut));
    // Nor once the time to hold it is over.
    let mut world = World::accepted(0, vec![bearing()]);
    world.tell(&passed(Deadline::Payable));
    refused_for(&mut world, 0, asks(20_100));
    assert_eq!(repriced(&world), None);
}

/// Row: D5
#[test]
fn a_trip_that_keeps_what_could_be_held_bears_a_rise_too_and_asks_for_the_price_of_the_quote() {
    let orders = vec![bearing(), bearing()];
    let mut world = World::asked(&accept_or(OnRefusal::KeepHeld, 0, orders));
    world.leg(1, 1, held());
    refused_for(&mut world, 0, asks(20_500));
    assert_eq!(world.booking().payment.asked, None, "nothing is asked for before it is held");
    again(&mut world, 1, held());
    let asked = world.booking().payment.asked.clone().unwrap();
    assert_eq!(asked.units, world.booking().payment.quoted.units);
    assert_eq!(world.booking().price.minor, 40_000);
}
