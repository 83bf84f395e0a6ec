//! Another leg that costs more: held, paid for by a payment of its own, bought, and only then in
//! the place of the old one. Whatever comes of it otherwise, the booking is what it was.

use chrono::TimeDelta;
use contracts::messages::{CloseBecause, WantedLeg};
use expect_test::expect;

use super::{
    amending::{NEW, eur, out, plan, said, two, wanted, without_new},
    cancelling::cancel,
    *,
};
use crate::{
    Action, AmendQuote, Event, MoneyAxis, Out, PayPlan, Phase, ReviewWhy, Status, amend_quote,
    cancel_leg_quote, money, next_actions, status,
};

/// 100.00 EUR at 2000 EUR per coin, in wei.
const DIFFERENCE: u64 = 50_000_000_000_000_000;

pub(super) fn rate_of(per_coin: u64) -> Rate {
    Rate { micro_minor_per_coin: per_coin * 100_000_000, ..rate() }
}

pub(super) const fn payment(n: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(0x300 + n))
}

/// The same of a payment beside the first.
pub(super) fn of(payment_id: PaymentId, fact: Fact) -> Fact {
    match fact {
        Fact::PaymentPrepared(mut prepared) => {
            prepared.payment_id = payment_id;
            prepared.instruction.instruction.payment_id = payment_id;
            Fact::PaymentPrepared(prepared)
        }
        Fact::PaymentSeen(seen) => Fact::PaymentSeen(PaymentSeen { payment_id, ..seen }),
        Fact::PaymentSettled(settled) => {
            Fact::PaymentSettled(PaymentSettled { payment_id, ..settled })
        }
        Fact::PaymentReversed(reversed) => {
            Fact::PaymentReversed(PaymentReversed { payment_id, ..reversed })
        }
        Fact::PaymentClosed(closed) => Fact::PaymentClosed(PaymentClosed { payment_id, ..closed }),
        Fact::Refund(changed) => Fact::Refund(PaymentRefundChanged { payment_id, ..changed }),
        other => other,
    }
}

fn quote(world: &World, minor: i64, rate: &Rate) -> Result<AmendQuote, Refusal> {
    amend_quote(world.booking(), leg_id(0), &plan(NEW, minor), Some(rate), world.now)
}

fn pay() -> Option<Box<PayPlan>> {
    Some(Box::new(PayPlan { payment_id: payment(0), rate: rate_of(2_000) }))
}

/// On day 6, when giving the old one back costs 50.00, it is to be replaced by one of 250.00.
fn started() -> World {
    let mut world = two();
    world.now += TimeDelta::days(6);
    let agreed = quote(&world, 25_000, &rate_of(2_000)).unwrap().digest;
    let plan = Box::new(plan(NEW, 25_000));
    world.ask(&Command::Amend { leg_id: leg_id(0), plan, agreed, pay: pay() }).unwrap();
    world
}

/// The new one is held, and what to pay is known.
fn payable() -> World {
    let mut world = started();
    world.leg(NEW, 1, held());
    world.tell(&of(payment(0), prepared(DIFFERENCE)));
    world
}

fn tell(world: &mut World, fact: Fact) {
    world.tell(&of(payment(0), fact));
}

fn closings(world: &World) -> Vec<(PaymentId, CloseBecause)> {
    let closings = world.said.iter().filter_map(|effect| match effect {
        Effect::Close(close) => Some((close.payment_id, close.because)),
        _ => None,
    });
    closings.collect()
}

/// What was asked to go back, by payment.
fn refunds(world: &World) -> Vec<(PaymentId, Units)> {
    let refunds = world.said.iter().filter_map(|effect| match effect {
        Effect::Refund(refund) => Some((refund.payment_id, refund.units)),
        _ => None,
    });
    refunds.collect()
}

/// Row: A4
/// Row: C1
#[test]
fn what_another_leg_costs_more_is_paid_before_it_is_bought_and_the_old_one_goes_last() {
    let mut world = two();
    world.now += TimeDelta::days(6);
    let told = quote(&world, 25_000, &rate_of(2_000)).unwrap();
    let due = told.pay.clone().unwrap();
    assert_eq!((told.fee, told.back, due.price), (eur(5_000), eur(0), eur(10_000)));
    assert_eq!((due.amount.units, told.refund.units), (units(DIFFERENCE), Units::ZERO));

    let mut world = started();
    assert!(world.booking().due().unwrap().payment.asked.is_none(), "nothing is held so far");
    assert_eq!(money(world.booking()), MoneyAxis::Settled);
    world.leg(NEW, 1, held());
    assert_eq!(wanted(&world, NEW), WantedLeg::Held, "not bought before it is paid");
    assert_eq!(
        next_actions(world.booking()),
        [Action::Cancel, Action::CancelLeg],
        "nobody knows where to pay"
    );
    tell(&mut world, prepared(DIFFERENCE));
    assert_eq!(next_actions(world.booking()), [Action::Pay, Action::Cancel, Action::CancelLeg]);
    assert_eq!(money(world.booking()), MoneyAxis::Due);
    tell(&mut world, seen(2, 1, false));
    assert_eq!(money(world.booking()), MoneyAxis::Part);
    tell(&mut world, seen(3, DIFFERENCE, true));
    assert_eq!(money(world.booking()), MoneyAxis::Confirming);
    assert_eq!(wanted(&world, NEW), WantedLeg::Held, "seen is not final");
    tell(&mut world, settled(4, DIFFERENCE));
    assert_eq!(
        (wanted(&world, 0), wanted(&world, NEW)),
        (WantedLeg::Confirmed, WantedLeg::Confirmed)
    );
    world.leg(NEW, 2, confirmed());
    assert_eq!((status(world.booking()), world.booking().review), (Status::Confirmed, None));
    assert_eq!(
        (wanted(&world, 0), money(world.booking())),
        (WantedLeg::Released, MoneyAxis::Settled)
    );
    assert_eq!(world.booking().left_in_money(), eur(40_000));
    expect![[r#"
        wake Amend in 519000s
        leg Held v1
        prepare 50000000000000000 for 100.00 EUR
        wake Difference in 519600s
        wake Amend in 523200s
        leg Confirmed v2
        wake Amend in 520200s
        leg replaced, paid 400.00 EUR, over 2027-03-23 12:00:00 UTC
        wake Unwind in 520200s
        wake Over in 5803200s
        leg Released v3
    "#]]
    .assert_eq(&said(&world));
    assert_eq!(refunds(&world), [], "nothing goes back");
}

/// Row: C10
/// Row: C11
#[test]
fn what_goes_back_of_two_payments_goes_back_of_the_newer_one_first_at_its_own_rate() {
    let mut world = payable();
    tell(&mut world, settled(4, DIFFERENCE));
    world.leg(NEW, 2, confirmed());
    world.leg(0, 8, gone(GoneWhy::Released));
    let first = world.booking().payment.settled;
    // The new one, of 250.00, is free to cancel for four days more.
    let told = cancel_leg_quote(world.booking(), leg_id(NEW), world.now).unwrap();
    assert_eq!(told.fee, eur(0));
    let agreed = Some(told.digest);
    world.ask(&Command::CancelLeg { leg_id: leg_id(NEW), agreed }).unwrap();
    // 100.00 at 2000 EUR, and 150.00 at 2500 EUR.
    let of_first = rate().units_for(eur(15_000)).unwrap();
    let mut back = refunds(&world);
    back.sort_unstable();
    assert_eq!(back, [(ids().1, of_first), (payment(0), units(DIFFERENCE))]);
    let all = of_first.checked_add(units(DIFFERENCE)).unwrap();
    assert_eq!(told.refund.units, all);
    assert_eq!(world.booking().left_in_money(), eur(15_000));
    assert_eq!(world.booking().kept(), first.saturating_sub(of_first));
    // The rest costs all that is left, to the last unit.
    let told = cancel(&mut world);
    assert_eq!((told.fee, told.refund.units), (eur(10_000), Units::ZERO));
    let asked = closings(&world);
    assert_eq!(asked.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [ids().1, payment(0)]);
    let first = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled: first }));
    tell(&mut world, closed_at(6, Closing::AlreadySettled { settled: units(DIFFERENCE) }));
    // One address is for both.
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    let addressed = world.booking().refunds().filter(|r| r.to.as_deref() == Some("0xme"));
    assert_eq!(addressed.count(), 2);
}

/// Row: A4
/// Row: C3
#[test]
fn a_difference_that_does_not_come_in_time_leaves_the_booking_as_it_was_and_what_came_goes_back() {
    let mut before = two();
    before.now += TimeDelta::days(6);
    let before = without_new(before.booking());
    let mut world = payable();
    tell(&mut world, seen(2, 7, false));
    world.tell(&passed(Deadline::Difference));
    assert_eq!(closings(&world), [(payment(0), CloseBecause::NotPaid)]);
    assert_eq!(world.booking().phase, Phase::Amending, "payment-verification decides");
    let part = Closing::Closed { received: units(7), settled: Units::ZERO };
    tell(&mut world, closed_at(3, part));
    assert_eq!(without_new(world.booking()), before);
    assert!(matches!(out(&world, NEW), Some(Out::NotTaken { .. })));
    assert_eq!(wanted(&world, NEW), WantedLeg::Released);
    assert_eq!(refunds(&world), [], "it is not final");
    tell(&mut world, settled(5, 7));
    assert_eq!(refunds(&world), [(payment(0), units(7))]);
    assert_eq!(world.booking().phase, Phase::Confirmed);
    // What comes still later goes back as well.
    tell(&mut world, settled(6, 9));
    assert_eq!(refunds(&world), [(payment(0), units(7)), (payment(0), units(2))]);
    assert!(next_actions(world.booking()).contains(&Action::Refund), "nobody said where to");
}

/// Another leg of 300.00, after an earlier one was paid for or was not.
fn dearer_again(world: &mut World, n: u128, old: LegId) {
    let (plan, rate) = (plan(n, 30_000), rate_of(2_000));
    let told = amend_quote(world.booking(), old, &plan, Some(&rate), world.now).unwrap();
    let due = told.pay.unwrap().amount;
    let pay = Some(Box::new(PayPlan { payment_id: payment(1), rate }));
    let (plan, agreed) = (Box::new(plan), told.digest);
    world.ask(&Command::Amend { leg_id: old, plan, agreed, pay }).unwrap();
    world.leg(n, 1, held());
    world.tell(&of(payment(1), prepared_for(due.clone())));
    assert_eq!(next_actions(world.booking()), [Action::Pay, Action::Cancel, Action::CancelLeg]);
    assert!(!world.booking().due().unwrap().payment.close_asked);
    world.tell(&of(payment(1), settled_units(4, due.units)));
    world.leg(n, 2, confirmed());
    assert_eq!(status(world.booking()), Status::Confirmed);
    assert_eq!(out(world, n), None, "it stands");
    // Its own time to pay ends like any other.
    world.tell(&passed(Deadline::Difference));
    assert_eq!(status(world.booking()), Status::Confirmed);
}

/// Row: A4
#[test]
fn a_second_leg_that_costs_more_has_its_whole_time_to_be_paid_whatever_became_of_the_first() {
    let mut world = payable();
    tell(&mut world, settled(4, DIFFERENCE));
    world.leg(NEW, 2, confirmed());
    world.leg(0, 8, gone(GoneWhy::Released));
    // The timer of the first fires after all of it was paid.
    world.tell(&passed(Deadline::Difference));
    world.now += TimeDelta::days(1);
    dearer_again(&mut world, 10, leg_id(NEW));

    let mut world = payable();
    world.tell(&passed(Deadline::Difference));
    tell(&mut world, closed_at(3, nothing_came()));
    world.leg(NEW, 8, gone(GoneWhy::Released));
    dearer_again(&mut world, 10, leg_id(0));
}

/// Row: C3
#[test]
fn money_that_came_in_time_wins_over_the_time_to_pay() {
    let mut world = payable();
    world.tell(&passed(Deadline::Difference));
    // Told of after closing was asked for, it may have come after it.
    tell(&mut world, settled(4, DIFFERENCE));
    assert_eq!(wanted(&world, NEW), WantedLeg::Held);
    tell(&mut world, closed_at(5, Closing::AlreadySettled { settled: units(DIFFERENCE) }));
    assert_eq!(wanted(&world, NEW), WantedLeg::Confirmed);
    // Seen in time, it may be final later.
    let mut world = payable();
    tell(&mut world, seen(2, DIFFERENCE, true));
    world.tell(&passed(Deadline::Difference));
    assert_eq!(closings(&world), []);
    world.tell(&passed(Deadline::Amend));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::MoneyNotFinal);
    tell(&mut world, settled(4, DIFFERENCE));
    assert_eq!((wanted(&world, NEW), world.booking().review), (WantedLeg::Confirmed, None));
}

/// Row: A4
/// Row: C10
#[test]
fn a_leg_that_is_lost_after_its_difference_was_paid_gives_all_of_it_back() {
    type End = fn(&mut World);
    let ends: [(&str, End); 2] = [
        ("lapsed while it was paid", |w| {
            w.leg(NEW, 2, gone(GoneWhy::Lapsed));
            tell(w, settled(4, DIFFERENCE));
        }),
        ("refused when it was to be bought", |w| {
            tell(w, settled(4, DIFFERENCE));
            w.leg(NEW, 2, refused());
        }),
    ];
    for (name, end) in ends {
        let mut world = payable();
        let before = without_new(two().booking());
        end(&mut world);
        assert_eq!(without_new(world.booking()), before, "{name}");
        assert_eq!(closings(&world), [(payment(0), CloseBecause::Undone)], "{name}");
        assert_eq!(refunds(&world), [], "{name}: not before it is known what came");
        tell(&mut world, closed_at(5, Closing::AlreadySettled { settled: units(DIFFERENCE) }));
        assert_eq!(refunds(&world), [(payment(0), units(DIFFERENCE))], "{name}");
        let refund = world.booking().refunds().next().unwrap().clone();
        assert_eq!(money(world.booking()), MoneyAxis::RefundDue, "{name}");
        world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
        tell(&mut world, refund_of(refund.refund_id, refund.units, 9, RefundState::Failed));
        assert_eq!(world.booking().refund_to(), None, "{name}: it cannot be sent there");
        assert_eq!(refunds(&world).len(), 2, "{name}: not by itself");
        assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck, "{name}");
        world.ask(&Command::Refund { to: "0xother".to_owned() }).unwrap();
        let again = world.booking().refunds().last().unwrap().clone();
        tell(&mut world, refund_of(again.refund_id, again.units, 19, RefundState::Confirmed));
        assert_eq!((money(world.booking()), world.booking().review), (MoneyAxis::Settled, None));
    }
}

/// Row: A3
/// Row: A4
#[test]
fn a_booking_that_is_cancelled_while_a_difference_is_waited_for_gives_both_payments_back() {
    for paid in [false, true] {
        let mut world = payable();
        if paid {
            tell(&mut world, settled(4, DIFFERENCE));
        }
        let told = cancel(&mut world);
        assert_eq!(told.fee, eur(15_000));
        for n in [0, 1, NEW] {
            world.leg(n, 8, gone(GoneWhy::Released));
        }
        let settled = world.booking().payment.settled;
        world.tell(&closed(Closing::AlreadySettled { settled }));
        assert_eq!(world.booking().phase, Phase::Unwinding, "the other payment is open");
        let closing = match paid {
            true => Closing::AlreadySettled { settled: units(DIFFERENCE) },
            false => nothing_came(),
        };
        tell(&mut world, closed_at(6, closing));
        assert_eq!(world.booking().phase, Phase::Cancelled);
        let back = refunds(&world);
        let add = |sum: Units, (_, more): &(PaymentId, Units)| sum.checked_add(*more).unwrap();
        assert_eq!(back.iter().fold(Units::ZERO, add), told.refund.units);
        assert_eq!(back.iter().any(|(id, _)| *id == payment(0)), paid);
    }
}

#[test]
fn a_difference_costs_what_was_agreed_to_at_the_rate_that_was_agreed_to() {
    let mut world = two();
    let told = quote(&world, 25_000, &rate_of(2_000)).unwrap();
    let plan = || Box::new(plan(NEW, 25_000));
    let rate = rate_of(1_900);
    let pay_at = Some(Box::new(PayPlan { payment_id: payment(0), rate: rate.clone() }));
    let agreed = told.digest;
    let refused =
        world.ask(&Command::Amend { leg_id: leg_id(0), plan: plan(), agreed, pay: pay_at });
    let quote = Box::new(quote(&world, 25_000, &rate).unwrap());
    assert_eq!(refused, Err(Refusal::AmendmentToAgree { quote }));
    let refused = world.ask(&Command::Amend { leg_id: leg_id(0), plan: plan(), agreed, pay: None });
    assert!(matches!(refused, Err(Refusal::NeedsPayment { .. })));
    // Refunds of both payments go to one place, so both are of one asset.
    let other = Rate { asset: AssetId::parse("btc").unwrap(), ..rate_of(2_000) };
    let refused = amend_quote(world.booking(), leg_id(0), &plan(), Some(&other), world.now);
    assert_eq!(refused, Err(Refusal::QuoteBroken));
    assert_eq!(world.journal, []);
}

#[test]
fn an_old_leg_that_the_supplier_takes_away_while_another_is_paid_gives_its_fee_back() {
    let mut world = payable();
    tell(&mut world, settled(4, DIFFERENCE));
    world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { cancellation, .. }) = out(&world, 0) else { panic!("not replaced") };
    // 50.00 of the 100.00 were for a fee that is nobody's.
    assert_eq!((cancellation.fee, cancellation.back), (eur(0), eur(-5_000)));
    assert_eq!(refunds(&world), [(payment(0), units(DIFFERENCE / 2))]);
    assert_eq!(world.booking().left_in_money(), eur(35_000));
}

#[test]
fn money_beyond_the_difference_goes_back_and_money_that_left_is_for_a_person() {
    let mut world = payable();
    tell(&mut world, settled(4, DIFFERENCE + 5));
    assert_eq!(refunds(&world), [(payment(0), units(5))]);
    world.leg(NEW, 2, confirmed());
    tell(&mut world, reversed(8, DIFFERENCE, 5));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::MoneyReversed);
    assert_eq!(money(world.booking()), MoneyAxis::Reversed);
    let told = |world: &World| {
        world.said.iter().rev().find_map(|effect| match effect {
            Effect::MoneyReversed(message) => Some(message.away),
            _ => None,
        })
    };
    assert_eq!(told(&world), Some(true), "its points wait");
    tell(&mut world, reversed(9, 0, DIFFERENCE + 5));
    assert_eq!((world.booking().review, told(&world)), (None, Some(false)));
    let broken = |e: &Recorded| matches!(e.event, Event::InvariantBroken { .. });
    assert!(!world.journal.iter().any(broken));
}

/// Row: C5
#[test]
fn another_leg_whose_money_is_lost_before_it_is_bought_leaves_the_booking_as_it_was() {
    let mut world = payable();
    tell(&mut world, reversed(5, DIFFERENCE, 0));
    tell(&mut world, settled(4, DIFFERENCE));
    assert_eq!(wanted(&world, NEW), WantedLeg::Held, "it is away");
    tell(&mut world, lost(9, DIFFERENCE));
    assert_eq!((status(world.booking()), world.booking().review), (Status::Confirmed, None));
    assert_eq!(wanted(&world, NEW), WantedLeg::Released);
    assert!(world.booking().amendment.is_none());
}
