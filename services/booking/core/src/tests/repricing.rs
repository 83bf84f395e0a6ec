//! A supplier asks another price by the time a leg is to be held.

use contracts::{
    messages::{LegAsks, WantedLeg},
    offer::{DueAtProperty, Reprice},
};

use super::*;
use crate::{Action, EndWhy, Event, Out, Phase, Status, new_terms, next_actions, status};

const REFUSED: LegState = LegState::Refused { why: RefusedWhy::PriceChanged };

/// 200.00, of which up to 6.00 more are ours to bear.
pub(super) fn bearing() -> LegOrder {
    let bears = Money::new(600, Currency::Eur);
    let reprice = Reprice { rate_key: "rate".to_owned(), bears, cost: None };
    LegOrder { reprice: Some(reprice), ..order(20_000, Some(TimeDelta::days(10))) }
}

pub(super) fn asks(minor: i64) -> LegAsks {
    let price = Money::new(minor, Currency::Eur);
    let mut terms = bearing().terms;
    terms.cancel_steps.iter_mut().for_each(|step| step.fee = price);
    LegAsks { book_key: "dearer".to_owned(), price, terms }
}

fn refused_now(world: &World, n: u128, seq: u64, asks: LegAsks) -> Fact {
    let Fact::Leg(changed) = leg_news(n, seq, world.wanted_version(n), REFUSED) else {
        unreachable!()
    };
    Fact::Leg(LegChanged { asks: Some(Box::new(asks)), ..changed })
}

/// News of leg `n`: its supplier asks so much now.
pub(super) fn refused_for(world: &World, n: u128, minor: i64) -> Fact {
    refused_now(world, n, 5, asks(minor))
}

pub(super) fn refuse(world: &mut World, n: u128, asks: LegAsks) {
    let fact = refused_now(world, n, 1, asks);
    world.tell(&fact);
}

fn repriced(world: &World) -> Option<LegId> {
    world.booking().legs.iter().find_map(|leg| match leg.out {
        Some(Out::Repriced { by, .. }) => Some(by),
        _ => None,
    })
}

/// News of the leg that came in the place of one.
pub(super) fn again(world: &mut World, seq: u64, state: LegState) {
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
    refuse(&mut world, 0, asks(20_600));
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
fn a_rise_beyond_the_policy_or_worse_terms_ask_the_customer_and_silence_undoes_what_nobody_paid() {
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
    let mut more_there = asks(20_100);
    let fee = DueAtProperty::of("resort_fee", "30.00", "EUR").unwrap();
    more_there.terms.due_at_property.push(fee);
    for asks in [dearer, sooner, steeper, more_steps, for_good, more_there] {
        let mut world = World::accepted(0, vec![bearing()]);
        refuse(&mut world, 0, asks.clone());
        assert_eq!(repriced(&world), None, "{asks:?}");
        assert_eq!(status(world.booking()), Status::AwaitingConsent, "{asks:?}");
        assert_eq!(next_actions(world.booking()), [Action::AcceptTerms, Action::Cancel]);
        let told = new_terms(world.booking()).unwrap();
        assert_eq!((told.price, &told.legs[0].asks), (asks.price, &asks));
        assert_eq!(told.answer_by, noon() + TimeDelta::minutes(10));
        let wake = |at| Effect::WakeAt { deadline: Deadline::Payable, at };
        assert!(world.said.contains(&wake(told.answer_by)));
        // Nothing is payable, and whoever says nothing has agreed to nothing.
        world.tell(&prepared(AMOUNT));
        assert_eq!(world.booking().phase, Phase::Holding);
        world.tell(&passed(Deadline::Payable));
        assert_eq!(world.booking().end.unwrap().why, EndWhy::PriceChanged, "{asks:?}");
        assert_eq!(status(world.booking()), Status::Failing, "{asks:?}");
        assert_eq!(agree(&mut world, told.digest), Err(not_allowed(&world)));
        world.leg(0, 2, gone(GoneWhy::NeverMade));
        world.tell(&closed(nothing_came()));
        let told = world.said.iter().filter(|effect| matches!(effect, Effect::Failed(_))).count();
        assert_eq!((world.booking().phase, told), (Phase::Failed, 1), "told once");
    }
}

/// Row: D5
#[test]
fn what_cannot_be_held_or_is_in_another_currency_or_less_than_its_points_is_asked_of_nobody() {
    let mut unheld = asks(20_100);
    unheld.terms.holdable = false;
    let mut elsewhere = asks(20_100);
    elsewhere.price = Money::new(20_100, Currency::Usd);
    for (points, asks) in [(0, unheld), (0, elsewhere), (20_000, asks(19_999))] {
        let mut order = bearing();
        order.terms.cancel_steps.clear();
        let mut world = World::accepted(points, vec![order]);
        refuse(&mut world, 0, asks.clone());
        assert_eq!((repriced(&world), new_terms(world.booking())), (None, None), "{asks:?}");
        assert_eq!(world.booking().end.unwrap().why, EndWhy::PriceChanged, "{asks:?}");
        let known = &world.booking().legs[0].known;
        assert_eq!(known.asks, Some(Box::new(asks)), "both prices are known");
    }
}

fn agree(world: &mut World, agreed: Uuid) -> Result<(), Refusal> {
    world.ask(&Command::AcceptTerms { agreed })
}

fn not_allowed(world: &World) -> Refusal {
    Refusal::NotAllowed { allowed: next_actions(world.booking()) }
}

/// What payment-verification was asked to prepare, the newest last.
fn to_prepare(world: &World) -> Vec<contracts::messages::PaymentPrepare> {
    let prepares = world.said.iter().filter_map(|effect| match effect {
        Effect::Prepare(prepare) => Some(prepare.clone()),
        _ => None,
    });
    prepares.collect()
}

/// Row: D5
/// Row: A3
#[test]
fn who_agrees_to_exactly_what_is_asked_pays_that_by_a_payment_of_its_own() {
    let mut world = World::accepted(0, vec![bearing()]);
    let first = world.booking().payment.clone();
    assert_eq!(agree(&mut world, Uuid::nil()), Err(not_allowed(&world)), "nothing is asked");
    refuse(&mut world, 0, asks(25_000));
    let told = new_terms(world.booking()).unwrap();
    let before = world.booking().clone();
    let other = Err(Refusal::TermsToAgree { terms: Box::new(told.clone()) });
    assert_eq!(agree(&mut world, Uuid::nil()), other, "another digest");
    assert_eq!(*world.booking(), before, "a refusal changes nothing");

    world.now += TimeDelta::minutes(4);
    agree(&mut world, told.digest).unwrap();
    let events = world.journal.len();
    agree(&mut world, told.digest).unwrap();
    assert_eq!(world.journal.len(), events, "the same click again");
    let accepted = world.journal.iter().find_map(|entry| match &entry.event {
        Event::TermsAccepted(accepted) => Some((entry.at, accepted.digest)),
        _ => None,
    });
    assert_eq!(accepted, Some((world.now, told.digest)));
    let booking = world.booking();
    assert_eq!((booking.price.minor, status(booking)), (25_000, Status::Holding));
    let prepare = to_prepare(&world).pop().unwrap();
    assert_eq!(prepare.amount, told.amount);
    assert_eq!((prepare.price.minor, prepare.payment_id), (25_000, booking.payment.payment_id));
    assert_ne!(prepare.payment_id, first.payment_id);
    let close = world.said.iter().find_map(|effect| match effect {
        Effect::Close(close) => Some((close.payment_id, close.because)),
        _ => None,
    });
    let unseen = contracts::messages::CloseBecause::NeverShown;
    assert_eq!(close, Some((first.payment_id, unseen)), "the first is shown to nobody");
    assert_eq!(booking.deadlines.payable_by, noon() + TimeDelta::minutes(14), "it has its time");

    // The first payment's instruction comes late and makes nothing payable.
    let new = booking.payment.payment_id;
    world.tell(&prepared(AMOUNT));
    again(&mut world, 1, held());
    assert_eq!(world.booking().phase, Phase::Holding);
    world.tell(&paying::of(new, prepared_for(told.amount.clone())));
    assert_eq!(world.booking().phase, Phase::AwaitingPayment);
    world.tell(&paying::of(new, settled_units(3, told.amount.units)));
    again(&mut world, 2, confirmed());
    assert_eq!(status(world.booking()), Status::Confirmed);
    let paid = world.said.iter().find_map(|effect| match effect {
        Effect::Confirmed(confirmed) => Some((confirmed.paid.minor, confirmed.legs[0].price.minor)),
        _ => None,
    });
    assert_eq!(paid, Some((25_000, 25_000)), "what points are earned of");
    let terms = &world.booking().standing().next().unwrap().order.terms;
    assert_eq!(*terms, told.legs[0].asks.terms, "what cancelling costs is what was agreed to");
}

/// Row: D5
#[test]
fn points_pay_what_they_paid_and_the_rest_of_a_rise_is_paid_in_money() {
    // They paid all of it, so that nothing was prepared.
    let mut world = World::accepted(20_000, vec![bearing()]);
    let payment = world.booking().payment.payment_id;
    world.tell(&points(1, PointsState::Held));
    assert!(world.booking().payment.is_free());
    refuse(&mut world, 0, asks(21_000));
    let told = new_terms(world.booking()).unwrap();
    assert_eq!(told.amount.units, rate().units_for(Money::new(1_000, Currency::Eur)).unwrap());
    agree(&mut world, told.digest).unwrap();
    let prepare = to_prepare(&world).pop().unwrap();
    assert_eq!((prepare.payment_id, prepare.price.minor), (payment, 1_000));
    assert_eq!((prepare.amount, world.booking().further.len()), (told.amount, 0));
    again(&mut world, 1, held());
    assert_eq!(world.booking().phase, Phase::Holding, "it is to be paid");
}

/// Row: D5
#[test]
fn two_rises_are_asked_about_together_and_one_more_in_between_asks_again() {
    let mut world = World::accepted(0, vec![bearing(), bearing(), bearing()]);
    let until = noon() + TimeDelta::minutes(3);
    let soon = LegState::Held { reference: "R2".to_owned(), until: Some(until) };
    world.leg(2, 1, soon);
    refuse(&mut world, 0, asks(30_000));
    let first = new_terms(world.booking()).unwrap();
    assert_eq!((first.price.minor, first.legs.len()), (70_000, 1));
    assert_eq!(first.answer_by, until, "what is held lasts no longer");
    refuse(&mut world, 1, asks(40_000));
    let both = new_terms(world.booking()).unwrap();
    assert_eq!((both.price.minor, both.legs.len()), (90_000, 2));
    let told = Err(Refusal::TermsToAgree { terms: Box::new(both.clone()) });
    assert_eq!(agree(&mut world, first.digest), told);
    agree(&mut world, both.digest).unwrap();
    assert_eq!((world.booking().price.minor, world.booking().standing().count()), (90_000, 3));
    let (old, new) = (world.booking().further.len(), to_prepare(&world).len());
    assert_eq!((old, new), (1, 2), "one payment in the place of the first");
    // Undone, every payment is closed, and what was asked for nobody is owed.
    world.ask(&CANCEL).unwrap();
    let closed = world.said.iter().filter(|effect| matches!(effect, Effect::Close(_))).count();
    assert_eq!(closed, 2);
}

/// Row: D5
#[test]
fn an_answer_counts_only_while_what_is_held_lasts_also_where_no_timer_came() {
    let until = |minutes| noon() + TimeDelta::minutes(minutes);
    let lasts =
        |minutes| LegState::Held { reference: "R2".to_owned(), until: Some(until(minutes)) };
    let mut world = World::accepted(0, vec![bearing(), bearing(), bearing()]);
    world.leg(1, 1, lasts(6));
    refuse(&mut world, 0, asks(30_000));
    let told = new_terms(world.booking()).unwrap();
    assert_eq!(told.answer_by, until(6));
    // Another one is held since, for less.
    world.leg(2, 1, lasts(3));
    let told = new_terms(world.booking()).unwrap();
    assert_eq!(told.answer_by, until(3));
    let wake = Effect::WakeAt { deadline: Deadline::Payable, at: until(3) };
    assert_eq!(world.said.last(), Some(&wake));

    world.now = until(3);
    let late = Refusal::NotAllowed { allowed: vec![Action::Cancel, Action::CancelLeg] };
    assert_eq!(agree(&mut world, told.digest), Err(late));
    world.now -= TimeDelta::seconds(1);
    agree(&mut world, told.digest).unwrap();
    let booking = world.booking();
    assert_eq!(booking.deadlines.payable_by, until(3), "what is held lasts no longer for it");
    assert!(world.said.contains(&wake));
    // The same click again is a repeat, however late.
    world.now = until(9);
    agree(&mut world, told.digest).unwrap();
}

/// Row: D5
#[test]
fn whoever_raises_the_price_again_is_refused_and_what_cannot_be_had_is_not_asked_for_again() {
    let mut world = World::accepted(0, vec![bearing()]);
    refuse(&mut world, 0, asks(20_300));
    again(&mut world, 1, REFUSED);
    assert_eq!(world.booking().end.unwrap().why, EndWhy::PriceChanged);
    // One leg of two is sold out: the other one is not held at any price.
    let mut world = World::accepted(0, vec![bearing(), bearing()]);
    world.leg(1, 1, refused());
    refuse(&mut world, 0, asks(20_100));
    assert_eq!((repriced(&world), world.booking().end.unwrap().why), (None, EndWhy::SoldOut));
    // Nor once the time to hold it is over.
    let mut world = World::accepted(0, vec![bearing()]);
    world.tell(&passed(Deadline::Payable));
    refuse(&mut world, 0, asks(20_100));
    assert_eq!(repriced(&world), None);
}

/// Row: D5
#[test]
fn a_trip_that_keeps_what_could_be_held_bears_a_rise_too_and_asks_for_the_price_of_the_quote() {
    let orders = vec![bearing(), bearing()];
    let mut world = World::asked(&accept_or(OnRefusal::KeepHeld, 0, orders));
    world.leg(1, 1, held());
    refuse(&mut world, 0, asks(20_500));
    assert_eq!(world.booking().payment.asked, None, "nothing is asked for before it is held");
    again(&mut world, 1, held());
    let asked = world.booking().payment.asked.clone().unwrap();
    assert_eq!(asked.units, world.booking().payment.quoted.units);
    assert_eq!(world.booking().price.minor, 40_000);
}
