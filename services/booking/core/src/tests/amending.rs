//! Another leg in the place of one that was bought: told first, bought before anything is given up,
//! and nothing changed when it fails.

use chrono::TimeDelta;
use contracts::messages::WantedLeg;
use expect_test::expect;
use proptest::prelude::*;

use super::{
    cancelling::{cancel, confirmed_with, orders},
    paying, *,
};
use crate::{
    Action, AmendQuote, EndWhy, Event, MoneyAxis, Out, PayPlan, Phase, ReviewWhy, Status,
    amend_quote, cancel_leg_quote, money, next_actions, safe_acts, status,
};

/// The leg that comes.
pub(super) const NEW: u128 = 9;

pub(super) fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

/// One stay of 200.00 EUR that costs 50.00 to give back from day 5, and all from day 10; and one of
/// 100.00 that never comes back.
pub(super) fn two() -> World {
    let mut first = order(20_000, Some(TimeDelta::days(10)));
    let fee = CancelStep::new(noon() + TimeDelta::days(5), eur(5_000));
    first.terms.cancel_steps.insert(0, fee);
    confirmed_with(0, vec![first, order(10_000, None)])
}

/// The same room some days later, at another price.
pub(super) fn plan(n: u128, minor: i64) -> LegPlan {
    let mut order = order(minor, Some(TimeDelta::days(10)));
    order.check_in = NaiveDate::from_ymd_opt(2027, 3, 20).unwrap();
    order.check_out = NaiveDate::from_ymd_opt(2027, 3, 22).unwrap();
    LegPlan { leg_id: leg_id(n), order }
}

fn quote(world: &World, n: u128, minor: i64) -> Result<AmendQuote, Refusal> {
    amend_quote(world.booking(), leg_id(n), &plan(NEW, minor), None, world.now)
}

fn amend(n: u128, minor: i64, agreed: Uuid) -> Command {
    Command::Amend { leg_id: leg_id(n), plan: Box::new(plan(NEW, minor)), agreed, pay: None }
}

/// The amendment of leg 0 is under way.
pub(super) fn started(world: &mut World, minor: i64) -> AmendQuote {
    let told = quote(world, 0, minor).unwrap();
    world.ask(&amend(0, minor, told.digest)).unwrap();
    assert_eq!(world.booking().phase, Phase::Amending);
    told
}

/// The amendment of leg 0 by one that costs more is under way.
fn started_for_more(world: &mut World, minor: i64) -> PaymentId {
    let (plan, rate) = (Box::new(plan(NEW, minor)), paying::rate_of(2_000));
    let told = amend_quote(world.booking(), leg_id(0), &plan, Some(&rate), world.now).unwrap();
    let payment_id = paying::payment(0);
    let (agreed, pay) = (told.digest, Some(Box::new(PayPlan { payment_id, rate })));
    world.ask(&Command::Amend { leg_id: leg_id(0), plan, agreed, pay }).unwrap();
    payment_id
}

pub(super) fn wanted(world: &World, n: u128) -> WantedLeg {
    world.booking().legs.iter().find(|leg| leg.leg_id == leg_id(n)).unwrap().wanted
}

pub(super) fn out(world: &World, n: u128) -> Option<Out> {
    world.booking().legs.iter().find(|leg| leg.leg_id == leg_id(n)).unwrap().out
}

pub(super) fn said(world: &World) -> String {
    world.said.iter().map(|effect| stories::said(effect) + "\n").collect()
}

/// Row: A4
#[test]
fn other_dates_are_bought_before_the_old_ones_are_given_up_and_the_difference_goes_back() {
    let mut world = two();
    world.now += TimeDelta::days(6);
    let before = world.booking().clone();
    assert_eq!(next_actions(&before), [Action::Cancel, Action::CancelLeg, Action::Amend]);
    let told = quote(&world, 0, 9_000).unwrap();
    assert_eq!((told.fee, told.back), (eur(5_000), eur(6_000)));
    assert_eq!(told.changes_at, Some(noon() + TimeDelta::days(10)));
    let at_rate = |minor| rate().units_for(eur(minor)).unwrap();
    assert_eq!(told.refund.units, at_rate(30_000).saturating_sub(at_rate(24_000)));
    assert_eq!(*world.booking(), before, "a quote changes nothing");

    started(&mut world, 9_000);
    assert_eq!(status(world.booking()), Status::Amending);
    assert_eq!(wanted(&world, 0), WantedLeg::Confirmed, "the old one stays");
    world.leg(NEW, 1, held());
    assert_eq!(
        (wanted(&world, 0), wanted(&world, NEW)),
        (WantedLeg::Confirmed, WantedLeg::Confirmed)
    );
    assert!(world.booking().payment.refunds.is_empty(), "nothing goes back before it is bought");
    assert_eq!(world.booking().phase, Phase::Amending);
    world.leg(NEW, 2, confirmed());
    assert_eq!(status(world.booking()), Status::Confirmed);
    expect![[r#"
        wake Amend in 519000s
        leg Held v1
        leg Confirmed v2
        wake Amend in 520200s
        leg replaced, paid 240.00 EUR, over 2027-03-23 12:00:00 UTC
        wake Unwind in 520200s
        wake Over in 5803200s
        leg Released v3
        refund 24000000000000000
    "#]]
    .assert_eq(&said(&world));
    let standing: Vec<_> = world.booking().standing().map(|leg| leg.leg_id).collect();
    assert_eq!(standing, [leg_id(1), leg_id(NEW)]);
    assert_eq!(world.booking().payment.refunds[0].units, told.refund.units);
    assert_eq!(money(world.booking()), MoneyAxis::RefundDue);

    // The old one is given back; only then is the trip over when its days are.
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    let refund = world.booking().payment.refunds[0].clone();
    world.tell(&refund_of(refund.refund_id, refund.units, 11, RefundState::Confirmed));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world.leg(0, 8, gone(GoneWhy::Released));
    assert_eq!(world.booking().phase, Phase::Completed);
    assert_eq!(money(world.booking()), MoneyAxis::Settled);
}

/// What a booking is but for what was written down of an amendment that failed.
pub(super) fn without_new(booking: &crate::Booking) -> crate::Booking {
    let mut booking = booking.clone();
    booking.legs.retain(|leg| leg.leg_id != leg_id(NEW));
    booking.deadlines.passed.clear();
    booking.further.clear();
    (booking.version, booking.changed_at) = (0, noon());
    booking
}

/// Row: A4
#[test]
fn an_amendment_that_fails_leaves_the_booking_exactly_as_it_was() {
    type End = (&'static str, fn(&mut World));
    let ends: [End; 6] = [
        ("refused", |w| {
            w.leg(NEW, 1, refused());
        }),
        ("another price", |w| {
            w.leg(NEW, 1, LegState::Refused { why: RefusedWhy::PriceChanged });
        }),
        ("not held in time", |w| {
            w.tell(&passed(Deadline::Amend));
        }),
        ("nobody knows in time", |w| {
            w.leg(NEW, 1, LegState::InDoubt { since: noon() });
            w.tell(&passed(Deadline::Amend));
        }),
        ("lapsed", |w| {
            w.leg(NEW, 1, held());
            w.leg(NEW, 2, gone(GoneWhy::Lapsed));
        }),
        ("refused when it was to be bought", |w| {
            w.leg(NEW, 1, held());
            w.tell(&passed(Deadline::Amend));
            assert_eq!(w.booking().review.unwrap().why, ReviewWhy::AmendmentStuck);
            w.leg(NEW, 2, refused());
        }),
    ];
    for (name, end) in ends {
        let mut world = two();
        let before = without_new(world.booking());
        started(&mut world, 9_000);
        end(&mut world);
        assert_eq!(without_new(world.booking()), before, "{name}");
        assert!(matches!(out(&world, NEW), Some(Out::NotTaken { .. })), "{name}");
        assert_eq!(wanted(&world, NEW), WantedLeg::Released, "{name}: what may be there goes");
        let failed = |e: &&Recorded| matches!(e.event, Event::AmendmentFailed { .. });
        assert_eq!(world.journal.iter().filter(failed).count(), 1, "{name}: told once");
        // Another try waits until nothing of the first is left.
        let waits = !next_actions(world.booking()).contains(&Action::Amend);
        assert!(waits, "{name}");
        world.leg(NEW, 5, gone(GoneWhy::NeverMade));
        assert!(next_actions(world.booking()).contains(&Action::Amend), "{name}");
        assert_eq!(world.booking().legs.iter().find(|l| l.leg_id == leg_id(0)).unwrap().out, None);
    }
}

/// Row: A4
/// Row: A5
#[test]
fn what_may_be_bought_is_given_up_by_nobody_and_a_late_answer_ends_it() {
    let mut world = two();
    started(&mut world, 9_000);
    world.leg(NEW, 1, held());
    world.leg(NEW, 2, LegState::InDoubt { since: noon() });
    world.tell(&passed(Deadline::Amend));
    assert_eq!(status(world.booking()), Status::Amending);
    let review = world.booking().review.unwrap();
    assert_eq!(review.why, ReviewWhy::AmendmentStuck);
    let repair = contracts::internal::SafeAct::RepairLeg { leg_id: leg_id(NEW) };
    assert!(safe_acts(world.booking(), world.now).contains(&repair));
    assert_eq!(
        (wanted(&world, 0), wanted(&world, NEW)),
        (WantedLeg::Confirmed, WantedLeg::Confirmed)
    );
    world.leg(NEW, 3, confirmed());
    assert_eq!((status(world.booking()), world.booking().review), (Status::Confirmed, None));
    assert_eq!(wanted(&world, 0), WantedLeg::Released);
}

#[test]
fn what_comes_late_of_an_amendment_that_failed_touches_nothing() {
    let mut world = two();
    started(&mut world, 9_000);
    world.tell(&passed(Deadline::Amend));
    // It was held all the same, and shows late.
    world.tell(&leg_news(NEW, 3, 1, held()));
    assert_eq!(
        (status(world.booking()), wanted(&world, NEW)),
        (Status::Confirmed, WantedLeg::Released)
    );
    assert_eq!(wanted(&world, 0), WantedLeg::Confirmed);
    // What does not go in its time is for a person.
    world.tell(&passed(Deadline::Unwind));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck);
    world.leg(NEW, 9, gone(GoneWhy::Released));
    assert_eq!(world.booking().review, None);
}

/// Row: A3
/// Row: A4
#[test]
fn an_amendment_that_makes_no_sense_now_is_refused_with_what_can_be_done() {
    let mut world = two();
    let told = quote(&world, 0, 9_000).unwrap();
    // Another one's quote, and one from before the fee rose.
    let other = quote(&world, 0, 9_500).unwrap();
    let needed = Refusal::AmendmentToAgree { quote: Box::new(told.clone()) };
    assert_eq!(world.ask(&amend(0, 9_000, other.digest)), Err(needed));
    world.now += TimeDelta::days(6);
    let now = quote(&world, 0, 9_000).unwrap();
    let needed = Refusal::AmendmentToAgree { quote: Box::new(now.clone()) };
    assert_eq!(world.ask(&amend(0, 9_000, told.digest)), Err(needed));
    assert_eq!(quote(&world, 7, 9_000), Err(Refusal::NoSuchLeg));
    assert_eq!(quote(&world, 0, 0), Err(Refusal::QuoteBroken));
    let mut unheld = plan(NEW, 9_000);
    unheld.order.terms.holdable = false;
    let refused = amend_quote(world.booking(), leg_id(0), &unheld, None, world.now);
    assert_eq!(refused, Err(Refusal::NotHoldable));
    assert_eq!(world.journal, []);

    // The same click twice is one amendment; a second one beside it is not taken.
    world.ask(&amend(0, 9_000, now.digest)).unwrap();
    let version = world.booking().version;
    world.ask(&amend(0, 9_000, now.digest)).unwrap();
    assert_eq!(world.booking().version, version);
    let none = Refusal::NotAllowed { allowed: vec![Action::Cancel, Action::CancelLeg] };
    let second = Command::Amend {
        leg_id: leg_id(0),
        plan: Box::new(plan(8, 9_000)),
        agreed: now.digest,
        pay: None,
    };
    assert_eq!(world.ask(&second), Err(none));

    // While the old one is being given back nothing else is replaced; a leg that was replaced never
    // is again.
    // What is being bought in its place is waited for.
    world.leg(NEW, 1, held());
    let none = Refusal::NotAllowed { allowed: vec![Action::Cancel, Action::CancelLeg] };
    assert_eq!(cancel_leg_quote(world.booking(), leg_id(0), world.now), Err(none));
    world.leg(NEW, 2, confirmed());
    assert!(!next_actions(world.booking()).contains(&Action::Amend));
    world.leg(0, 8, LegState::InDoubt { since: noon() });
    let again =
        |world: &World| amend_quote(world.booking(), leg_id(0), &plan(8, 1), None, world.now);
    let allowed = next_actions(world.booking());
    assert_eq!(again(&world), Err(Refusal::NotAllowed { allowed }));
    world.leg(0, 9, gone(GoneWhy::Released));
    let allowed = next_actions(world.booking());
    assert!(allowed.contains(&Action::Amend));
    assert_eq!(again(&world), Err(Refusal::NotAllowed { allowed }));

    // While a cancellation is in doubt, and after the stay.
    let mut world = two();
    let fee = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap().digest;
    world.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed: Some(fee) }).unwrap();
    world.leg(0, 5, LegState::InDoubt { since: noon() });
    for n in [0, 1] {
        let allowed = vec![Action::Cancel, Action::Refund];
        assert_eq!(quote(&world, n, 5_000), Err(Refusal::NotAllowed { allowed }));
    }
    let mut over = two();
    over.tell(&passed(Deadline::Over));
    assert_eq!(quote(&over, 0, 9_000), Err(Refusal::NotAllowed { allowed: Vec::new() }));
}

#[test]
fn what_costs_more_than_was_paid_for_the_old_one_is_refused_with_what_is_missing() {
    let mut world = two();
    let allowed = next_actions(world.booking());
    let missing = |price, fee, missing| {
        let allowed = allowed.clone();
        Err(Refusal::NeedsPayment {
            price: eur(price),
            fee: eur(fee),
            missing: eur(missing),
            allowed,
        })
    };
    assert_eq!(quote(&world, 0, 20_001), missing(20_001, 0, 1));
    assert_eq!(quote(&world, 0, 20_000).unwrap().back, eur(0));
    world.now += TimeDelta::days(6);
    assert_eq!(quote(&world, 0, 16_000), missing(16_000, 5_000, 1_000));
    assert_eq!(quote(&world, 1, 1_000), missing(1_000, 10_000, 1_000));
    // Points that paid for it come back with the whole trip only.
    let rich = confirmed_with(19_000, vec![order(20_000, Some(TimeDelta::days(10)))]);
    let allowed = next_actions(rich.booking());
    assert_eq!(quote(&rich, 0, 18_000), Err(Refusal::PaidByPoints { allowed }));
    assert_eq!(quote(&rich, 0, 19_500).unwrap().back, eur(500));
}

#[test]
fn an_old_leg_that_the_supplier_takes_away_meanwhile_costs_no_fee() {
    let mut world = two();
    world.now += TimeDelta::days(6);
    let told = started(&mut world, 9_000);
    assert_eq!(told.fee, eur(5_000));
    world.leg(NEW, 1, held());
    world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { cancellation, by }) = out(&world, 0) else { panic!("not replaced") };
    assert_eq!((by, cancellation.fee, cancellation.back), (leg_id(NEW), eur(0), eur(11_000)));
    assert_eq!(world.booking().review, None);
    // The same where it made something else of it.
    let mut world = two();
    world.now += TimeDelta::days(6);
    started(&mut world, 9_000);
    world.leg(NEW, 1, held());
    let moved = leg_moved(0, 5, world.wanted_version(0), 7);
    world.tell(&moved);
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { cancellation, .. }) = out(&world, 0) else { panic!("not replaced") };
    assert_eq!((cancellation.fee, cancellation.back), (eur(0), eur(11_000)));
    // Without a new one, it is as if nobody had wanted one.
    let mut world = two();
    started(&mut world, 9_000);
    world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(world.booking().phase, Phase::Amending);
    world.leg(NEW, 1, refused());
    assert_eq!(world.booking().phase, Phase::Confirmed);
    assert!(world.booking().review.is_some());
}

#[test]
fn the_fee_that_was_agreed_to_stays_and_what_giving_back_costs_by_then_is_ours() {
    let mut world = two();
    world.now += TimeDelta::days(6);
    started(&mut world, 9_000);
    world.leg(NEW, 1, held());
    world.now += TimeDelta::days(5);
    world.leg(NEW, 2, confirmed());
    let Some(Out::Replaced { cancellation, .. }) = out(&world, 0) else { panic!("not replaced") };
    assert_eq!((cancellation.fee, cancellation.back), (eur(5_000), eur(6_000)));
    assert_eq!(cancellation.borne, 15_000);
}

/// Row: A3
/// Row: A4
#[test]
fn a_booking_is_cancelled_while_another_leg_is_to_come_and_nothing_of_either_stays() {
    type Before = fn(&mut World);
    // How far the new one is, and whether its terms count by then.
    let ways: [(&str, Before, i64); 4] = [
        ("nothing is heard of it", |_| {}, 15_000),
        (
            "nobody knows whether it is held",
            |w| {
                w.leg(NEW, 1, LegState::InDoubt { since: noon() });
            },
            15_000,
        ),
        (
            "it is being bought",
            |w| {
                w.leg(NEW, 1, held());
            },
            24_000,
        ),
        (
            "nobody knows whether it is bought",
            |w| {
                w.leg(NEW, 1, held());
                w.leg(NEW, 2, LegState::InDoubt { since: noon() });
                w.tell(&passed(Deadline::Amend));
                assert!(w.booking().review.is_some());
            },
            24_000,
        ),
    ];
    for (name, before, fee) in ways {
        let mut world = two();
        world.now += TimeDelta::days(6);
        let mut plan = plan(NEW, 9_000);
        plan.order.terms = order(9_000, None).terms;
        let told = amend_quote(world.booking(), leg_id(0), &plan, None, world.now).unwrap();
        let (plan, agreed) = (Box::new(plan), told.digest);
        world.ask(&Command::Amend { leg_id: leg_id(0), plan, agreed, pay: None }).unwrap();
        before(&mut world);
        assert_eq!(next_actions(world.booking()), [Action::Cancel, Action::CancelLeg], "{name}");
        let paid = world.booking().payment.settled;
        let told = cancel(&mut world);
        assert_eq!(told.fee, eur(fee), "{name}");
        assert_eq!(status(world.booking()), Status::Cancelling, "{name}");
        assert_eq!((&world.booking().amendment, world.booking().review), (&None, None), "{name}");
        for n in [0, 1, NEW] {
            assert_eq!(wanted(&world, n), WantedLeg::Released, "{name}: {n}");
        }
        // A late yes of the one that was to come is no way back.
        world.tell(&leg_news(NEW, 6, 2, confirmed()));
        for n in [0, 1] {
            world.leg(n, 8, gone(GoneWhy::Released));
        }
        world.tell(&closed(Closing::AlreadySettled { settled: paid }));
        assert_eq!(world.booking().phase, Phase::Unwinding, "{name}: one is left");
        world.leg(NEW, 8, gone(GoneWhy::Released));
        assert_eq!(world.booking().phase, Phase::Cancelled, "{name}");
        let [refund] = world.booking().payment.refunds.as_slice() else { panic!("{name}") };
        assert_eq!(refund.units, told.refund.units, "{name}");
        let all = refund.units.checked_add(world.booking().kept());
        assert_eq!(all, Some(paid), "{name}");
    }
}

/// Row: A3
/// Row: A4
#[test]
fn the_leg_that_is_to_go_is_cancelled_alone_while_nothing_is_bought_for_it_and_that_ends_it() {
    for held_by_then in [false, true] {
        let mut world = two();
        world.now += TimeDelta::days(6);
        let alone = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap();
        let pay = started_for_more(&mut world, 26_000);
        if held_by_then {
            world.leg(NEW, 1, held());
        }
        let told = cancel_leg_quote(world.booking(), leg_id(0), world.now).unwrap();
        assert_eq!((told.fee, told.refund.clone()), (alone.fee, alone.refund), "as without it");
        let agreed = Some(told.digest);
        world.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed }).unwrap();
        assert_eq!(status(world.booking()), Status::Confirmed);
        let gone_for = |out: Option<Out>| matches!(out, Some(Out::Cancelled { .. }));
        assert!(gone_for(out(&world, 0)));
        let why = EndWhy::CancelledByCustomer;
        assert_eq!(out(&world, NEW), Some(Out::NotTaken { why }));
        for n in [0, NEW] {
            assert_eq!(wanted(&world, n), WantedLeg::Released);
        }
        assert_eq!(wanted(&world, 1), WantedLeg::Confirmed);
        let refund = &world.booking().payment.refunds[0];
        assert_eq!(refund.units, told.refund.units);
        // What comes for the difference all the same goes back.
        let due = world.booking().further[0].payment.quoted.units;
        if held_by_then {
            world.tell(&paying::of(pay, closed(Closing::AlreadySettled { settled: due })));
            let further = &world.booking().further[0];
            assert_eq!((further.payment.refunds[0].units, further.kept), (due, Units::ZERO));
        }
        // The same click again.
        let version = world.booking().version;
        world.ask(&Command::CancelLeg { leg_id: leg_id(0), agreed }).unwrap();
        assert_eq!(world.booking().version, version);
    }
}

/// Row: C11
#[test]
fn another_leg_is_cancelled_while_a_difference_is_waited_for_and_each_payment_pays_its_own() {
    for ends_well in [true, false] {
        let mut world = confirmed_with(
            0,
            vec![
                order(20_000, Some(TimeDelta::days(10))),
                order(10_000, Some(TimeDelta::days(10))),
            ],
        );
        let pay = started_for_more(&mut world, 26_000);
        let due = world.booking().due().unwrap().payment.quoted.units;
        let told = cancel_leg_quote(world.booking(), leg_id(1), world.now).unwrap();
        let agreed = Some(told.digest);
        world.ask(&Command::CancelLeg { leg_id: leg_id(1), agreed }).unwrap();
        assert_eq!(status(world.booking()), Status::Amending, "the other one goes on");
        assert_eq!(world.booking().payment.refunds[0].units, told.refund.units);
        world.leg(NEW, 1, held());
        world.tell(&paying::of(pay, settled_units(3, due)));
        let at_rate = |minor| rate().units_for(eur(minor)).unwrap();
        if ends_well {
            world.leg(NEW, 2, confirmed());
            assert_eq!(world.booking().further[0].kept, due);
        } else {
            world.leg(NEW, 2, refused());
            world.tell(&paying::of(pay, closed(Closing::AlreadySettled { settled: due })));
            assert_eq!(world.booking().further[0].kept, Units::ZERO);
            assert_eq!(world.booking().further[0].payment.refunds[0].units, due);
        }
        assert_eq!(world.booking().kept(), at_rate(20_000));
        let left = if ends_well { 26_000 } else { 20_000 };
        assert_eq!(world.booking().left_in_money(), eur(left));
    }
}

#[test]
fn what_a_supplier_makes_of_a_leg_that_stays_is_noted_while_another_is_amended() {
    let mut world = two();
    started(&mut world, 9_000);
    let moved = leg_moved(1, 5, world.wanted_version(1), 7);
    world.tell(&moved);
    let change = world.booking().legs[1].change.clone().unwrap();
    assert_eq!(change.since, world.now, "it has its time from now on");
    // As it was agreed to again, it is none any more.
    world.leg(1, 6, confirmed());
    assert_eq!(world.booking().legs[1].change, None);
    let moved = leg_moved(1, 7, world.wanted_version(1), 7);
    world.tell(&moved);
    world.leg(NEW, 1, held());
    world.leg(NEW, 2, confirmed());
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::ChangedBySupplier);
    assert!(next_actions(world.booking()).contains(&Action::RefundChange));
}

#[test]
fn a_stay_that_was_moved_is_over_when_its_new_days_are() {
    let mut world = two();
    started(&mut world, 9_000);
    world.leg(NEW, 1, held());
    // The days of the old one end while nobody knows whether the new one is bought.
    world.tell(&passed(Deadline::Over));
    world.leg(NEW, 2, confirmed());
    world.leg(0, 8, gone(GoneWhy::Released));
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Completed);
}

/// What is ours of all payments.
fn kept(world: &World) -> Units {
    let further = world.booking().further.iter();
    let add = |sum: Units, one: &crate::Further| sum.checked_add(one.kept).unwrap();
    further.fold(world.booking().kept(), add)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Row: C11
    #[test]
    fn amended_and_cancelled_money_adds_up_to_the_last_unit(
        orders in orders(),
        share in 0..=60_u64,
        turns in proptest::collection::vec((0..3_u128, 0..180_u64, 0..80_i64, 1_500..3_500_u64), 1..5),
        whole in any::<bool>(),
    ) {
        let price: i64 = orders.iter().map(|o| o.price.minor).sum();
        let redeemed = if share < 40 { 0 } else { u64::try_from(price).unwrap() * share / 100 };
        let mut world = confirmed_with(redeemed, orders);
        let paid = world.booking().payment.settled;
        for (turn, (n, percent, hours, per_coin)) in (20_u128..).zip(turns) {
            world.now += TimeDelta::hours(hours);
            let Some(old) = world.booking().standing().nth(usize::try_from(n).unwrap()) else {
                continue;
            };
            let (old_id, minor) = (old.leg_id, old.order.price.minor);
            let minor = (minor * i64::try_from(percent).unwrap() / 100).max(1);
            let fee = old.cancel_fee(world.now);
            let price = old.order.price;
            let plan = plan(turn, minor);
            let left = kept(&world);
            let rate = paying::rate_of(per_coin);
            let told = amend_quote(world.booking(), old_id, &plan, Some(&rate), world.now);
            let Ok(told) = told else { continue };
            prop_assert_eq!(told.fee, fee);
            let back = price.minor - fee.minor - minor;
            prop_assert_eq!(told.back.minor, back.max(0));
            prop_assert_eq!(told.pay.as_ref().map_or(0, |due| due.price.minor), (-back).max(0));
            let payment_id = paying::payment(turn);
            let pay = Some(Box::new(PayPlan { payment_id, rate }));
            let money = world.booking().left_in_money().minor;
            let agreed = told.digest;
            world.ask(&Command::Amend { leg_id: old_id, plan: Box::new(plan), agreed, pay }).unwrap();
            world.leg(turn, 1, held());
            let due = told.pay.map_or(Units::ZERO, |due| due.amount.units);
            if !due.is_zero() {
                world.tell(&paying::of(payment_id, settled_units(3, due)));
            }
            let before = left.checked_add(due).unwrap();
            prop_assert_eq!(kept(&world), before, "nothing goes back before it is bought");
            world.leg(turn, 2, confirmed());
            prop_assert_eq!(world.booking().phase, Phase::Confirmed);
            prop_assert_eq!(kept(&world).checked_add(told.refund.units).unwrap(), before);
            prop_assert_eq!(world.booking().left_in_money().minor, money - back);
            let seq = world.booking().version;
            let old = world.booking().legs.iter().find(|l| l.leg_id == old_id).unwrap();
            let news = LegChanged {
                booking_id: world.booking().booking_id,
                leg_id: old_id,
                seq,
                wanted_version: old.wanted_version,
                state: gone(GoneWhy::Released),
                evidence: None,
                undo_failing: None,
                theirs: None,
                asks: None,
                no_show: false,
            };
            world.tell(&Fact::Leg(news));
        }
        if whole {
            cancel(&mut world);
            let settled = world.booking().payment.settled;
            if world.booking().payment.close_asked {
                world.tell(&closed(Closing::AlreadySettled { settled }));
            }
            for further in world.booking().further.clone() {
                let settled = further.payment.settled;
                let fact = closed(Closing::AlreadySettled { settled });
                world.tell(&paying::of(further.payment.payment_id, fact));
            }
        }
        for further in &world.booking().further {
            let add = |sum: Units, more: &crate::Refund| sum.checked_add(more.units).unwrap();
            let back = further.payment.refunds.iter().fold(Units::ZERO, add);
            prop_assert_eq!(further.kept.checked_add(back).unwrap(), further.payment.settled);
        }
        let payment = &world.booking().payment;
        let add = |sum: Units, more: &crate::Refund| sum.checked_add(more.units).unwrap();
        let back = payment.refunds.iter().fold(Units::ZERO, add);
        prop_assert_eq!(world.booking().kept().checked_add(back).unwrap(), paid);
        prop_assert!(world.booking().not_given_back().is_zero());
        let broken = |e: &Recorded| matches!(e.event, Event::InvariantBroken { .. });
        prop_assert!(!world.journal.iter().any(broken));
    }
}
