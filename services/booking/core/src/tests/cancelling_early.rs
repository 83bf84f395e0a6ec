//! Cancelling, whole or one leg, before all of it is bought: while it is held, paid, bought, or
//! while nobody knows what became of it.

use chrono::TimeDelta;
use contracts::messages::{CloseBecause, WantedLeg, WantedPoints};

use super::{
    cancelling::{confirmed_with, quote, undone},
    *,
};
use crate::{
    Action, CancelQuote, EndWhy, Event, Leg, Out, Phase, ReviewWhy, Status, cancel_leg_quote,
    cancel_quote, next_actions, status,
};

const FREE: Option<TimeDelta> = Some(TimeDelta::days(10));

fn leg(world: &World, n: u128) -> &Leg {
    world.booking().legs.iter().find(|leg| leg.leg_id == leg_id(n)).unwrap()
}

fn leg_quote(world: &World, n: u128) -> CancelQuote {
    cancel_leg_quote(world.booking(), leg_id(n), world.now).unwrap()
}

/// The customer cancels leg `n` for what it costs; the same click again changes nothing.
fn cancel_leg(world: &mut World, n: u128) -> CancelQuote {
    let none = world.ask(&Command::CancelLeg { leg_id: leg_id(n), agreed: None });
    let quote = leg_quote(world, n);
    assert_eq!(none, Err(Refusal::AgreementNeeded { quote: Box::new(quote.clone()) }));
    let command = Command::CancelLeg { leg_id: leg_id(n), agreed: Some(quote.digest) };
    world.ask(&command).unwrap();
    let after = world.booking().clone();
    world.ask(&command).unwrap();
    assert_eq!(*world.booking(), after);
    quote
}

fn euros(minor: i64) -> Units {
    rate().units_for(Money::new(minor, Currency::Eur)).unwrap()
}

/// Everything is held, and the address of the newest payment is known.
fn payable(legs: u128, world: &mut World) {
    for n in 0..legs {
        if leg(world, n).out.is_none() {
            world.leg(n, 1, held());
        }
    }
    ready(world);
}

/// The newest payment has its address.
fn ready(world: &mut World) {
    let payment = &world.booking().payment;
    let (payment_id, asked) = (payment.payment_id, payment.asked.clone().unwrap());
    let Fact::PaymentPrepared(mut told) = prepared_for(asked) else { unreachable!() };
    told.payment_id = payment_id;
    told.instruction.instruction.payment_id = payment_id;
    world.tell(&Fact::PaymentPrepared(told));
}

/// The newest payment is paid, and final.
fn pay(world: &mut World) {
    let payment = &world.booking().payment;
    let (payment_id, asked) = (payment.payment_id, payment.asked.clone().unwrap());
    let Fact::PaymentSettled(told) = settled_units(3, asked.units) else { unreachable!() };
    world.tell(&Fact::PaymentSettled(PaymentSettled { payment_id, ..told }));
}

fn committing(orders: Vec<LegOrder>) -> World {
    let count = u128::try_from(orders.len()).unwrap();
    let mut world = World::accepted(0, orders);
    payable(count, &mut world);
    pay(&mut world);
    assert_eq!(world.booking().phase, Phase::Committing);
    world.journal.clear();
    world
}

fn refunded(world: &World) -> Units {
    let refunds = world.booking().payment.refunds.iter();
    refunds.fold(Units::ZERO, |sum, refund| sum.checked_add(refund.units).unwrap())
}

#[test]
fn a_leg_is_given_up_before_anything_is_paid_and_price_and_payment_follow() {
    for phase in [Phase::Pending, Phase::Holding, Phase::AwaitingPayment] {
        let mut world = World::accepted(0, vec![order(20_000, FREE), order(10_000, None)]);
        if phase == Phase::Holding {
            world.leg(1, 1, held());
        }
        if phase == Phase::AwaitingPayment {
            payable(2, &mut world);
        }
        assert_eq!(world.booking().phase, phase);
        let old = world.booking().payment.payment_id;
        let told = cancel_leg(&mut world, 1);
        assert_eq!((told.fee.minor, told.refund.units), (0, Units::ZERO));
        let out = Some(Out::NotHeld { why: EndWhy::CancelledByCustomer });
        assert_eq!((leg(&world, 1).out, leg(&world, 1).wanted), (out, WantedLeg::Released));
        assert_eq!(world.booking().price.minor, 20_000);
        let because = match phase {
            Phase::AwaitingPayment => CloseBecause::Undone,
            _ => CloseBecause::NeverShown,
        };
        let event = Box::new(Event::CloseAsked { because });
        let closed = Event::FurtherPayment { payment_id: old, event };
        assert!(world.journal.iter().any(|entry| entry.event == closed), "{phase:?}");
        if phase != Phase::Pending {
            let asked = world.booking().payment.asked.clone().unwrap();
            assert_eq!(asked.units, euros(20_000));
            assert!(!next_actions(world.booking()).contains(&Action::Pay), "nobody knows where");
        }
        payable(2, &mut world);
        assert_eq!(next_actions(world.booking()), [Action::Pay, Action::Cancel]);
        pay(&mut world);
        world.leg(0, 2, confirmed());
        assert_eq!(world.booking().phase, Phase::Confirmed);
        assert_eq!(world.booking().paid_in_money().minor, 20_000);
    }
}

#[test]
fn money_for_an_amount_that_is_not_asked_for_any_more_goes_back_at_once() {
    let back = |world: &World| -> Vec<Units> {
        let refunds = world.booking().further.iter().flat_map(|one| &one.payment.refunds);
        refunds.map(|refund| refund.units).collect()
    };
    for phase in [Phase::AwaitingPayment, Phase::Committing] {
        let mut world = World::accepted(0, vec![order(20_000, FREE), order(10_000, None)]);
        payable(2, &mut world);
        let (_, old) = ids();
        cancel_leg(&mut world, 1);
        let Fact::PaymentSettled(told) = settled_units(3, euros(30_000)) else { unreachable!() };
        world.tell(&Fact::PaymentSettled(PaymentSettled { payment_id: old, ..told }));
        if phase == Phase::Committing {
            ready(&mut world);
            pay(&mut world);
        }
        assert_eq!((world.booking().phase, back(&world)), (phase, Vec::new()));
        let closing = closed(Closing::AlreadySettled { settled: euros(30_000) });
        let Fact::PaymentClosed(told) = closing else { unreachable!() };
        world.tell(&Fact::PaymentClosed(PaymentClosed { payment_id: old, ..told }));
        assert_eq!((world.booking().phase, back(&world)), (phase, vec![euros(30_000)]));
        if phase == Phase::AwaitingPayment {
            ready(&mut world);
            pay(&mut world);
        }
        world.leg(0, 2, confirmed());
        assert_eq!((world.booking().phase, back(&world)), (Phase::Confirmed, vec![euros(30_000)]));
    }
}

#[test]
fn a_leg_that_points_pay_is_not_given_up_alone_and_neither_is_the_last() {
    let mut world = World::accepted(15_000, vec![order(20_000, FREE), order(10_000, FREE)]);
    let refused = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap_err();
    assert!(matches!(refused, Refusal::PaidByPoints { .. }), "{refused:?}");
    cancel_leg(&mut world, 1);
    let refused = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap_err();
    assert_eq!(refused, Refusal::NotAllowed { allowed: vec![Action::Cancel] });
    // What is left is paid after the points.
    world.leg(0, 1, held());
    world.tell(&points(1, PointsState::Held));
    assert_eq!(world.booking().payment.asked.clone().unwrap().units, euros(5_000));
}

/// Row: A3
#[test]
fn a_leg_whose_money_is_on_its_way_goes_once_that_is_final_as_its_quote_said() {
    for lapses in [false, true] {
        let mut world = World::accepted(0, vec![order(20_000, FREE), order(10_000, FREE)]);
        payable(2, &mut world);
        let asked = world.booking().payment.asked.clone().unwrap();
        let Fact::PaymentSeen(told) = seen(3, 0, true) else { unreachable!() };
        world.tell(&Fact::PaymentSeen(PaymentSeen { received: asked.units, ..told }));
        let told = cancel_leg(&mut world, 1);
        assert_eq!((told.fee.minor, told.refund.units), (0, euros(10_000)));
        assert_eq!(next_actions(world.booking()), [Action::Cancel], "one at a time");
        assert_eq!(world.booking().phase, Phase::AwaitingPayment);
        if lapses {
            // The customer does not want it any more.
            world.leg(1, 2, gone(GoneWhy::Lapsed));
            assert_eq!(world.booking().phase, Phase::AwaitingPayment);
        }
        world.tell(&settled_units(4, asked.units));
        assert_eq!(leg(&world, 1).wanted, WantedLeg::Released);
        assert_eq!(leg(&world, 1).wanted_version, 2, "it was never to be bought");
        assert_eq!(refunded(&world), euros(10_000));
        world.leg(0, 2, confirmed());
        assert_eq!(world.booking().phase, Phase::Confirmed);
        assert_eq!((refunded(&world), world.booking().kept()), (euros(10_000), euros(20_000)));
    }
}

#[test]
fn a_booking_is_cancelled_while_it_is_asked_whether_its_money_came() {
    let mut world = World::accepted(0, vec![order(20_000, FREE), order(10_000, None)]);
    payable(2, &mut world);
    world.tell(&passed(Deadline::Pay));
    assert!(world.booking().payment.close_asked);
    assert_eq!(next_actions(world.booking()), [Action::Cancel, Action::CancelLeg]);
    let mut one = World::accepted(0, vec![order(20_000, FREE), order(10_000, None)]);
    payable(2, &mut one);
    one.tell(&passed(Deadline::Pay));
    world.ask(&CANCEL).unwrap();
    world.tell(&closed(Closing::AlreadySettled { settled: euros(30_000) }));
    world.tell(&settled_units(3, euros(30_000)));
    assert_eq!((world.booking().phase, refunded(&world)), (Phase::Unwinding, euros(30_000)));
    // One leg goes when the answer is that it was paid.
    assert_eq!(cancel_leg(&mut one, 1).refund.units, euros(10_000));
    one.tell(&settled_units(3, euros(30_000)));
    one.tell(&closed(Closing::AlreadySettled { settled: euros(30_000) }));
    assert_eq!((one.booking().phase, refunded(&one)), (Phase::Committing, euros(10_000)));
}

/// Row: A3
#[test]
fn a_booking_that_is_being_bought_is_cancelled_for_what_may_be_bought_and_nothing_more_is() {
    // The first is bought, the second is being bought, the third waits.
    let legs = || vec![order(20_000, FREE), order(10_000, None), order(30_000, None)];
    for bought in [true, false] {
        let mut world = committing(legs());
        world.leg(0, 2, confirmed());
        let unnamed = world.ask(&CANCEL).unwrap_err();
        let told = quote(&world);
        assert_eq!(unnamed, Refusal::AgreementNeeded { quote: Box::new(told.clone()) });
        assert_eq!((told.fee.minor, told.refund.units), (10_000, euros(50_000)));
        let agreed = Some(told.digest);
        world.ask(&Command::Cancel { agreed }).unwrap();
        world.ask(&Command::Cancel { agreed }).unwrap();
        assert_eq!(status(world.booking()), Status::Cancelling);
        assert_eq!(world.booking().phase, Phase::Committing, "nobody knows what it costs");
        assert_eq!(next_actions(world.booking()), []);
        // An answer that stays away is for a person.
        world.leg(1, 2, LegState::InDoubt { since: noon() });
        world.tell(&passed(Deadline::Commit));
        assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CommitStuck);
        world.leg(1, 3, if bought { confirmed() } else { refused() });
        assert_eq!(world.booking().phase, Phase::Unwinding);
        assert_eq!(leg(&world, 2).wanted_version, 2, "it was never to be bought");
        undone(&mut world);
        let (fee, back) = if bought { (Some(10_000), 50_000) } else { (None, 60_000) };
        assert_eq!(world.booking().cancellation.map(|c| c.fee.minor), fee);
        assert_eq!(refunded(&world), euros(back));
        let end = if bought { Status::Cancelled } else { Status::Failed };
        assert_eq!(status(world.booking()), end);
    }
}

#[test]
fn what_costs_nothing_is_cancelled_at_once_also_while_nobody_knows_whether_it_is_bought() {
    let mut world = committing(vec![order(20_000, FREE), order(10_000, None)]);
    world.leg(0, 2, LegState::InDoubt { since: noon() });
    let told = quote(&world);
    assert_eq!((told.fee.minor, told.refund.units), (0, euros(30_000)));
    world.ask(&Command::Cancel { agreed: Some(told.digest) }).unwrap();
    assert_eq!(
        (world.booking().phase, leg(&world, 0).wanted),
        (Phase::Unwinding, WantedLeg::Released)
    );
}

/// Row: A3
#[test]
fn whoever_agrees_to_less_than_what_is_being_bought_costs_now_is_asked_again() {
    let mut world = committing(vec![order(20_000, FREE), order(10_000, None)]);
    let told = quote(&world);
    world.leg(0, 2, confirmed());
    let agreed = Some(told.digest);
    let refused = world.ask(&Command::Cancel { agreed }).unwrap_err();
    let Refusal::AgreementNeeded { quote: now } = refused else { panic!("{refused:?}") };
    assert_eq!((told.fee.minor, now.fee.minor), (0, 10_000));
    // What it costs more by the time it is known is not the customer's.
    let mut dearer = order(20_000, Some(TimeDelta::days(2)));
    let first = CancelStep::new(noon() - TimeDelta::days(1), Money::new(5_000, Currency::Eur));
    dearer.terms.cancel_steps.insert(0, first);
    let mut world = committing(vec![dearer]);
    let told = quote(&world);
    world.ask(&Command::Cancel { agreed: Some(told.digest) }).unwrap();
    world.now += TimeDelta::days(3);
    world.leg(0, 2, confirmed());
    let agreed = world.booking().cancellation.unwrap();
    assert_eq!((agreed.fee.minor, agreed.borne.minor), (5_000, 15_000));
}

#[test]
fn a_leg_that_is_being_bought_costs_its_fee_only_if_it_is_bought_and_the_others_go_on() {
    let legs = || vec![order(20_000, FREE), order(10_000, None), order(30_000, None)];
    for bought in [true, false] {
        let mut world = committing(legs());
        world.leg(0, 2, confirmed());
        let told = cancel_leg(&mut world, 1);
        assert_eq!((told.fee.minor, told.refund.units), (10_000, Units::ZERO));
        assert!(leg(&world, 1).out.is_none(), "nobody knows what it costs");
        world.leg(1, 3, if bought { confirmed() } else { refused() });
        let Some(Out::Cancelled { cancellation }) = leg(&world, 1).out else { panic!() };
        let (fee, back) = if bought { (10_000, Units::ZERO) } else { (0, euros(10_000)) };
        assert_eq!((cancellation.fee.minor, refunded(&world)), (fee, back));
        world.leg(2, 2, confirmed());
        assert_eq!(world.booking().phase, Phase::Confirmed);
    }
    // One that is not asked for yet is never bought.
    let mut world = committing(legs());
    assert_eq!(cancel_leg(&mut world, 2).refund.units, euros(30_000));
    assert_eq!((leg(&world, 2).wanted, refunded(&world)), (WantedLeg::Released, euros(30_000)));
    // One that costs nothing goes at once.
    let mut world = committing(legs());
    world.leg(0, 2, LegState::InDoubt { since: noon() });
    cancel_leg(&mut world, 0);
    assert_eq!((leg(&world, 0).wanted, refunded(&world)), (WantedLeg::Released, euros(20_000)));
}

#[test]
fn another_leg_is_cancelled_once_an_amendment_is_over() {
    for comes in [true, false] {
        let orders = vec![order(10_000, FREE), order(10_500, FREE)];
        let mut world = confirmed_with(0, orders);
        amending::started(&mut world, 9_000);
        cancel_leg(&mut world, 1);
        assert_eq!((world.booking().phase, leg(&world, 1).out), (Phase::Amending, None));
        world.leg(9, 1, held());
        world.leg(9, 2, if comes { confirmed() } else { refused() });
        assert_eq!(world.booking().phase, Phase::Confirmed);
        assert!(matches!(leg(&world, 1).out, Some(Out::Cancelled { .. })));
        let left = if comes { 9_000 } else { 10_000 };
        assert_eq!(
            (world.booking().kept(), world.booking().left_in_money().minor),
            (euros(left), left)
        );
        assert_eq!(refunded(&world), euros(20_500).saturating_sub(euros(left)));
    }
}

#[test]
fn points_that_pay_the_fee_of_what_is_being_bought_are_spent() {
    let mut world = World::accepted(20_000, vec![order(20_000, FREE), order(10_000, None)]);
    world.tell(&points(1, PointsState::Held));
    payable(2, &mut world);
    pay(&mut world);
    world.leg(0, 2, confirmed());
    world.leg(1, 2, LegState::InDoubt { since: noon() });
    let told = cancel_quote(world.booking(), world.now).unwrap();
    assert_eq!((told.fee.minor, told.points_back), (10_000, 20_000));
    let orders = vec![order(20_000, None)];
    let mut world = World::accepted(15_000, orders);
    world.tell(&points(1, PointsState::Held));
    payable(1, &mut world);
    pay(&mut world);
    let told = quote(&world);
    assert_eq!((told.fee.minor, told.points_back), (20_000, 0));
    world.ask(&Command::Cancel { agreed: Some(told.digest) }).unwrap();
    world.leg(0, 2, confirmed());
    assert_eq!(world.booking().phase, Phase::Unwinding);
    assert_eq!(world.booking().points.unwrap().wanted, WantedPoints::Captured);
}
