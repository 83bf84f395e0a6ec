//! Cancelling what was bought: the fee is told first, agreed to, and never more than that.

use chrono::TimeDelta;
use contracts::{
    messages::{WantedLeg, WantedPoints},
    offer::StepBasis,
};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    CancelQuote, DeadlineBasis, Event, MoneyAxis, Phase, Status, cancel_quote, money, next_actions,
    status,
};

/// Two legs of 200.00 and 100.00 EUR, bought and paid. The first costs 50.00 from day 5 and
/// everything from day 10; the second can never be given back.
fn bought(points: u64) -> World {
    let mut first = order(20_000, Some(TimeDelta::days(10)));
    let fee = Money::new(5_000, Currency::Eur);
    first.terms.cancel_steps.insert(0, CancelStep::new(noon() + TimeDelta::days(5), fee));
    confirmed_with(points, vec![first, order(10_000, None)])
}

pub(super) fn confirmed_with(points_redeemed: u64, orders: Vec<LegOrder>) -> World {
    let count = u128::try_from(orders.len()).unwrap();
    let mut world = World::accepted(points_redeemed, orders);
    if points_redeemed > 0 {
        world.tell(&points(1, PointsState::Held));
    }
    for n in 0..count {
        world.leg(n, 1, held());
    }
    let asked = world.booking().payment.asked.clone().unwrap();
    if !asked.units.is_zero() {
        world.tell(&prepared_for(asked.clone()));
        world.tell(&settled_units(3, asked.units));
    }
    for _ in 0..count {
        for n in 0..count {
            let wanted =
                world.booking().legs.iter().find(|l| l.leg_id == leg_id(n)).unwrap().wanted;
            if wanted == WantedLeg::Confirmed {
                world.leg(n, 2, confirmed());
            }
        }
    }
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world.journal.clear();
    world.said.clear();
    world
}

pub(super) fn quote(world: &World) -> CancelQuote {
    cancel_quote(world.booking(), world.now).unwrap()
}

pub(super) fn cancel(world: &mut World) -> CancelQuote {
    let quote = quote(world);
    world.ask(&Command::Cancel { agreed: Some(quote.digest) }).unwrap();
    quote
}

/// Everything that is asked of the others is done by them.
pub(super) fn undone(world: &mut World) {
    let legs = world.booking().legs.len();
    for n in 0..u128::try_from(legs).unwrap() {
        world.leg(n, 8, gone(GoneWhy::Released));
    }
    if let Some(p) = world.booking().points.filter(|p| p.wanted == WantedPoints::Released) {
        world.tell(&points(p.wanted_version, PointsState::Released));
    }
    let settled = world.booking().payment.settled;
    if world.booking().payment.close_asked {
        world.tell(&closed(Closing::AlreadySettled { settled }));
    }
}

#[test]
fn a_quote_tells_fee_refund_and_deadline_and_changes_nothing() {
    let world = bought(0);
    let before = world.booking().clone();
    let quote = quote(&world);
    assert_eq!(quote.fee, Money::new(10_000, Currency::Eur));
    let two_thirds = rate().units_for(Money::new(20_000, Currency::Eur)).unwrap();
    assert_eq!(quote.refund.units, two_thirds);
    assert_eq!(quote.changes_at, Some(noon() + TimeDelta::days(5)));
    let fees: Vec<_> = quote.legs.iter().map(|leg| (leg.fee.minor, leg.changes_at)).collect();
    assert_eq!(fees, [(0, Some(noon() + TimeDelta::days(5))), (10_000, None)]);
    assert_eq!(*world.booking(), before);
}

/// Row: A3
#[test]
fn cancelling_what_was_bought_needs_the_quote_that_holds_now() {
    let mut world = bought(0);
    let before = world.booking().clone();
    let told = quote(&world);
    let refused = world.ask(&CANCEL).unwrap_err();
    assert_eq!(refused, Refusal::AgreementNeeded { quote: Box::new(told.clone()) });
    // The fee rises before the customer says yes.
    world.now += TimeDelta::days(6);
    let refused = world.ask(&Command::Cancel { agreed: Some(told.digest) }).unwrap_err();
    let Refusal::AgreementNeeded { quote: now } = refused else { panic!("{refused:?}") };
    assert_eq!(now.fee, Money::new(15_000, Currency::Eur));
    assert_ne!(now.digest, told.digest);
    assert_eq!(*world.booking(), before);
    world.ask(&Command::Cancel { agreed: Some(now.digest) }).unwrap();
    assert_eq!(status(world.booking()), Status::Cancelling);
    assert_eq!(world.booking().cancellation.unwrap().fee, now.fee);
    // The same click again, also after the end; another digest is no repeat.
    let repeat = |world: &mut World| {
        let before = world.booking().clone();
        let again = world.ask(&Command::Cancel { agreed: Some(now.digest) });
        let other = world.ask(&Command::Cancel { agreed: Some(told.digest) });
        assert_eq!(*world.booking(), before);
        assert_eq!((again, other.is_err()), (Ok(()), true));
    };
    repeat(&mut world);
    undone(&mut world);
    repeat(&mut world);
}

/// Row: E2
#[test]
fn a_bought_stay_is_cancelled_free_and_all_of_it_goes_back() {
    let mut world = confirmed_with(500, vec![order(20_000, Some(TimeDelta::days(10)))]);
    let asked = world.booking().payment.asked.clone().unwrap().units;
    let quote = cancel(&mut world);
    assert_eq!((quote.fee.minor, quote.points_back), (0, 500));
    assert_eq!(quote.refund.units, asked);
    undone(&mut world);
    let refund_id = world.booking().payment.refunds[0].refund_id;
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    world.tell(&refund_of(refund_id, asked, 11, RefundState::Confirmed));
    let said: Vec<String> = world.said.iter().map(stories::said).collect();
    assert_eq!(
        said,
        [
            "wake Unwind in 1800s",
            "leg Released v3",
            "points Released v3 (500)",
            "close the payment",
            &format!("refund {asked}"),
            "booking cancelled",
            &format!("refund {asked} to 0xme"),
            "wake Refund in 86400s",
        ]
    );
    assert_eq!(status(world.booking()), Status::Cancelled);
    assert_eq!(money(world.booking()), MoneyAxis::Refunded);
}

#[test]
fn a_fee_that_takes_everything_leaves_nothing_to_give_back() {
    let mut world = confirmed_with(0, vec![order(20_000, None)]);
    let quote = cancel(&mut world);
    assert_eq!(quote.fee, world.booking().price);
    assert!(quote.refund.units.is_zero());
    undone(&mut world);
    assert_eq!(status(world.booking()), Status::Cancelled);
    assert_eq!(money(world.booking()), MoneyAxis::Settled);
    assert_eq!(next_actions(world.booking()), []);
    assert_eq!(world.booking().payment.refunds, []);
}

#[test]
fn points_that_pay_the_fee_do_not_come_back() {
    let mut world = confirmed_with(20_000, vec![order(20_000, None)]);
    let quote = cancel(&mut world);
    assert_eq!((quote.fee.minor, quote.points_back), (20_000, 0));
    let released = |e: &Recorded| {
        matches!(e.event, Event::PointsWished { wanted: WantedPoints::Released, .. })
    };
    assert!(!world.journal.iter().any(released));
    undone(&mut world);
    assert_eq!(status(world.booking()), Status::Cancelled);
}

#[test]
fn what_the_supplier_took_away_costs_the_customer_nothing() {
    let mut world = confirmed_with(0, vec![order(20_000, None)]);
    world.leg(0, 3, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(quote(&world).fee.minor, 0);
    cancel(&mut world);
    assert!(world.booking().review.is_none());
    let refund =
        world.tell(&closed(Closing::AlreadySettled { settled: world.booking().payment.settled }));
    assert!(refund > 0);
    assert_eq!(world.booking().payment.refunds[0].units, world.booking().payment.settled);
}

/// Row: A9
#[test]
fn from_the_day_of_arrival_on_nothing_is_given_back_whatever_the_terms_leave_open() {
    let mut open = order(20_000, Some(TimeDelta::days(10)));
    open.terms.cancel_steps.clear();
    let mut world = confirmed_with(0, vec![open]);
    // In no time zone has the day begun before.
    let day = world.booking().legs[0].order.check_in.and_time(chrono::NaiveTime::MIN).and_utc();
    let arrival = day - TimeDelta::hours(14);
    assert_eq!(quote(&world).changes_at, Some(arrival));
    world.now = arrival - TimeDelta::seconds(1);
    assert_eq!(quote(&world).fee.minor, 0);
    world.now = arrival;
    assert_eq!(quote(&world).fee, world.booking().price);
}

/// Row: A9
#[test]
fn terms_that_name_an_instant_of_the_day_of_arrival_hold_until_then() {
    let mut late = order(20_000, Some(TimeDelta::days(10)));
    let day = late.check_in.and_time(chrono::NaiveTime::MIN).and_utc();
    late.terms.cancel_steps[0].from = day + TimeDelta::hours(9);
    let mut world = confirmed_with(0, vec![late]);
    world.now = day + TimeDelta::hours(8);
    assert_eq!(quote(&world).fee.minor, 0);
    assert_eq!(quote(&world).changes_at, Some(day + TimeDelta::hours(9)));
}

/// Row: A9
#[test]
fn a_deadline_says_where_its_instant_comes_from() {
    use DeadlineBasis::{ArrivalDay, LocalEarliest, SupplierInstant};
    let days = [3, 5].map(|days| noon() + TimeDelta::days(days));
    let fee = Money::new(5_000, Currency::Eur);
    let mut told = order(20_000, Some(TimeDelta::days(10)));
    let arrival = told.check_in.and_time(chrono::NaiveTime::MIN).and_utc() - TimeDelta::hours(14);
    let local = |from, fee| CancelStep { from, fee, basis: StepBasis::LocalEarliest };
    told.terms.cancel_steps = vec![
        CancelStep::new(days[0], fee),
        local(days[1], fee.plus(fee).unwrap()),
        local(arrival, told.price),
    ];
    // A flight that takes off late on its day: its deadline is no day of arrival.
    let mut late = order(20_000, None);
    late.terms.refundable = true;
    late.terms.cancel_steps = vec![local(arrival + TimeDelta::hours(20), late.price)];
    let basis = |order: &LegOrder, now| {
        let mut world = confirmed_with(0, vec![order.clone()]);
        world.now = now;
        let leg = &quote(&world).legs[0];
        (leg.changes_at, leg.basis)
    };
    assert_eq!(basis(&told, noon()), (Some(days[0]), Some(SupplierInstant)));
    assert_eq!(basis(&told, days[0]), (Some(days[1]), Some(LocalEarliest)));
    assert_eq!(basis(&told, days[1]), (Some(arrival), Some(ArrivalDay)));
    assert_eq!(basis(&told, arrival), (None, None));
    let departs = arrival + TimeDelta::hours(20);
    assert_eq!(basis(&late, arrival), (Some(departs), Some(LocalEarliest)));
}

/// Prices with up to three fee steps each, in any order of size.
pub(super) fn orders() -> impl Strategy<Value = Vec<LegOrder>> {
    let steps = vec((0..20_i64, 0..60_000_i64), 0..3);
    let leg = (1..50_000_i64, steps, any::<bool>()).prop_map(|(minor, mut steps, refundable)| {
        let mut order = order(minor, Some(TimeDelta::days(10)));
        steps.sort_unstable();
        order.terms.refundable = refundable;
        order.terms.cancel_steps = steps
            .into_iter()
            .map(|(day, fee)| {
                CancelStep::new(noon() + TimeDelta::days(day), Money::new(fee, Currency::Eur))
            })
            .collect();
        order
    });
    vec(leg, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Row: C11
    #[test]
    fn what_was_paid_less_the_fee_less_what_goes_back_is_nothing(
        orders in orders(), share in 0..=100_u64, hours in 0..800_i64, more in 0..3_u64,
    ) {
        let price: i64 = orders.iter().map(|o| o.price.minor).sum();
        let redeemed = u64::try_from(price).unwrap() * share / 100;
        let terms = |world: &World| -> i64 {
            world.booking().legs.iter().map(|leg| leg.cancel_fee(world.now).minor).sum()
        };
        let mut world = confirmed_with(redeemed, orders);
        let asked = world.booking().payment.asked.clone().unwrap().units;
        let paid = asked.checked_add(units(more)).unwrap();
        if more > 0 && !asked.is_zero() {
            world.tell(&settled_units(4, paid));
        }
        world.now += TimeDelta::hours(hours);
        let (charged_at_most, before) = (terms(&world), world.booking().clone());
        let quote = cancel(&mut world);
        let agreed = world.booking().cancellation.unwrap();
        // Never more than the terms say, and what they say beyond it is named.
        prop_assert_eq!(quote.fee.minor + agreed.borne.minor, charged_at_most);
        prop_assert!(quote.fee.minor <= charged_at_most);
        // Points that stay spent and money that is kept pay the fee, to the cent.
        let worth = before.points.map_or(0, |p| p.worth.minor);
        let by_points = if agreed.points_back { 0 } else { worth };
        let by_money = Money::new(quote.fee.minor - by_points, Currency::Eur);
        prop_assert!(by_money.minor >= 0 && by_money.minor <= before.paid_in_money().minor);
        prop_assert_eq!(agreed.kept, rate().units_for(by_money).unwrap());
        undone(&mut world);
        let payment = &world.booking().payment;
        let back = payment.refunds.iter().fold(Units::ZERO, |sum, r| sum.checked_add(r.units).unwrap());
        prop_assert_eq!(payment.settled, agreed.kept.checked_add(back).unwrap());
        prop_assert_eq!(back, quote.refund.units);
        prop_assert!(payment.refunds.len() <= 1);
        prop_assert_eq!(status(world.booking()), Status::Cancelled);
    }

    #[test]
    fn a_fee_changes_only_when_the_quote_says_so(orders in orders(), hours in 0..1_600_i64) {
        let mut world = confirmed_with(0, orders);
        // Also of what is used up, and not cancelled any more.
        let quote = |world: &World| CancelQuote::of(world.booking(), world.now);
        let mut told = quote(&world);
        let end = noon() + TimeDelta::hours(hours);
        while let Some(at) = told.changes_at.filter(|at| *at <= end) {
            world.now = at - TimeDelta::microseconds(1);
            prop_assert_eq!(quote(&world).legs.iter().map(|l| l.fee).collect::<Vec<_>>(),
                told.legs.iter().map(|l| l.fee).collect::<Vec<_>>());
            world.now = at;
            told = quote(&world);
        }
        world.now = end;
        prop_assert_eq!(quote(&world).fee, told.fee);
    }
}

/// Row: C10
#[test]
fn a_booking_goes_back_at_the_value_it_was_accepted_with_and_tells_what_that_is_worth() {
    // By card it is all the same.
    for (asset, expected) in [("eth", RefundBasis::Now), ("card-eur", RefundBasis::Then)] {
        let Command::Accept(mut accept) = accept(0, vec![order(20_000, None)]) else { panic!() };
        accept.rate.asset = AssetId::parse(asset).unwrap();
        accept.quoted.asset = accept.rate.asset.clone();
        let policy = Policy { refund_basis: RefundBasis::Now, ..policy() };
        let events = decide(&None, &Command::Accept(accept), &policy, noon()).unwrap();
        let Event::Accepted(accepted) = &events[0] else { panic!("{events:?}") };
        assert_eq!(accepted.refund_basis, expected, "{asset}");
    }
    let mut world = bought(0);
    assert_eq!((quote(&world).basis, quote(&world).worth), (RefundBasis::Then, None));
    world.state.as_mut().unwrap().refund_basis = RefundBasis::Fiat;
    let told = quote(&world);
    let worth = Money::new(20_000, Currency::Eur);
    assert_eq!((told.basis, told.worth), (RefundBasis::Fiat, Some(worth)), "300.00 less 100.00");
    let alone = crate::cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap();
    assert_eq!((alone.basis, alone.worth), (RefundBasis::Fiat, Some(worth)));
    world.now += TimeDelta::days(6);
    assert_eq!(quote(&world).worth, Some(Money::new(15_000, Currency::Eur)));
    cancel(&mut world);
    undone(&mut world);
    let asked = world.said.iter().find_map(|effect| match effect {
        Effect::Refund(refund) => Some(refund.clone()),
        _ => None,
    });
    let asked = asked.unwrap();
    assert_eq!(asked.basis, RefundBasis::Fiat);
    // What its owner says of the value is kept.
    let value = contracts::messages::RefundValue { worth, priced: None };
    let Fact::Refund(news) = refund_of(asked.refund_id, asked.units, 10, RefundState::Granted)
    else {
        panic!()
    };
    world.tell(&Fact::Refund(PaymentRefundChanged { value: Some(value.clone()), ..news }));
    assert_eq!(world.booking().payment.refunds[0].value.as_deref(), Some(&value));
}

/// Row: C10
#[test]
fn what_points_paid_of_a_fee_is_not_taken_out_of_the_worth() {
    // 250.00 of 300.00 are paid in money. Of a fee of 100.00 all is paid by it, and the points come
    // back; of one of 280.00 the points pay 50.00.
    for (fee, left) in [(0, 15_000), (18_000, 2_000)] {
        let mut first = order(20_000, Some(TimeDelta::days(10)));
        let fee = Money::new(fee, Currency::Eur);
        first.terms.cancel_steps.insert(0, CancelStep::new(noon() - TimeDelta::days(1), fee));
        let mut world = confirmed_with(5_000, vec![first, order(10_000, None)]);
        world.state.as_mut().unwrap().refund_basis = RefundBasis::Now;
        let told = quote(&world);
        assert_eq!(told.worth, Some(Money::new(left, Currency::Eur)), "{fee}");
        let units = rate().units_for(Money::new(left, Currency::Eur)).unwrap();
        assert_eq!(told.refund.units, units, "{fee}");
    }
}

/// Row: A8
#[test]
fn a_deadline_that_passes_after_the_end_is_nothing_new() {
    let mut world = World::stay();
    world.ask(&CANCEL).unwrap();
    world.leg(0, 1, gone(GoneWhy::NeverMade));
    world.tell(&closed(nothing_came()));
    assert_eq!(world.booking().phase, Phase::Cancelled);
    let version = world.booking().version;
    for deadline in Deadline::ALL {
        world.tell(&passed(deadline));
    }
    assert_eq!(world.booking().version, version);
}
