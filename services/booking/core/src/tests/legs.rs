//! Trips of several legs: all or nothing, or what could be held; and one leg cancelled alone.

use chrono::TimeDelta;
use contracts::messages::{WantedLeg, WantedPoints};
use expect_test::expect;
use proptest::{collection::vec, prelude::*};

use super::{
    cancelling::{cancel, confirmed_with, orders, quote, undone},
    *,
};
use crate::{
    Action, CancelQuote, EndWhy, Event, MoneyAxis, Out, Phase, ReviewWhy, Status, StuckStep,
    cancel_leg_quote, money, next_actions, status,
};

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn in_days(days: i64) -> DateTime<Utc> {
    noon() + TimeDelta::days(days)
}

/// Bought: 200.00 that cost 50.00 from day 5 and all from day 10; 100.00 that never come back;
/// 150.00 that are free for ten days.
fn three(points: u64) -> World {
    confirmed_with(points, three_orders())
}

fn three_orders() -> Vec<LegOrder> {
    let free = Some(TimeDelta::days(10));
    let mut first = order(20_000, free);
    first.terms.cancel_steps.insert(0, CancelStep::new(in_days(5), eur(5_000)));
    vec![first, order(10_000, None), order(15_000, free)]
}

fn leg_quote(world: &World, n: u128) -> Result<CancelQuote, Refusal> {
    cancel_leg_quote(world.booking(), leg_id(n), world.now)
}

fn cancel_leg(n: u128, agreed: Option<Uuid>) -> Command {
    Command::CancelLeg { leg_id: leg_id(n), agreed }
}

fn without_leg(world: &mut World, n: u128) -> CancelQuote {
    let quote = leg_quote(world, n).unwrap();
    world.ask(&cancel_leg(n, Some(quote.digest))).unwrap();
    quote
}

/// Which leg was wished to be what, in order.
fn wishes(world: &World) -> Vec<(u128, WantedLeg)> {
    let number = |wished: LegId| (0..9_u128).find(|n| leg_id(*n) == wished).unwrap();
    let wish = |entry: &Recorded| match entry.event {
        Event::LegWished { leg_id, wanted, .. } => Some((number(leg_id), wanted)),
        _ => None,
    };
    world.journal.iter().filter_map(wish).collect()
}

fn said(world: &World) -> String {
    world.said.iter().map(|effect| stories::said(effect) + "\n").collect()
}

/// Row: L1
#[test]
fn a_refused_second_leg_releases_everything_backwards_at_once_and_is_told_once() {
    let free = Some(TimeDelta::days(10));
    let mut world = World::accepted(500, vec![order(20_000, free); 3]);
    world.tell(&points(1, PointsState::Held));
    world.leg(0, 1, held());
    world.journal.clear();
    world.leg(1, 1, refused());
    let released = |n| (n, WantedLeg::Released);
    assert_eq!(wishes(&world), [released(2), released(1), released(0)]);
    let at_once: Vec<_> = world.journal.iter().map(|entry| entry.at).collect();
    assert!(at_once.iter().all(|at| *at == noon()));
    let points_wished = |e: &Recorded| {
        matches!(e.event, Event::PointsWished { wanted: WantedPoints::Released, .. })
    };
    assert!(world.journal.iter().any(points_wished));
    // Whoever answers first, nothing is called undone before all of it is.
    world.tell(&points(2, PointsState::Released));
    world.tell(&closed(nothing_came()));
    world.leg(0, 5, gone(GoneWhy::Released));
    world.leg(1, 5, gone(GoneWhy::NeverMade));
    assert_eq!(status(world.booking()), Status::Failing);
    world.leg(2, 5, gone(GoneWhy::NeverMade));
    assert_eq!(
        (status(world.booking()), money(world.booking())),
        (Status::Failed, MoneyAxis::None)
    );
    let told = |effect: &&Effect| matches!(effect, Effect::Failed(_) | Effect::Cancelled(_));
    assert_eq!(world.said.iter().filter(told).count(), 1);
}

/// Row: L11
#[test]
fn what_cannot_be_bought_last_costs_the_customer_nothing_of_what_was_bought_first() {
    let free = Some(TimeDelta::days(10));
    let mut world = World::accepted(0, vec![order(30_000, None), order(10_000, free)]);
    for n in 0..2 {
        world.leg(n, 1, held());
    }
    let paid = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(paid.clone()));
    world.journal.clear();
    world.tell(&settled_units(3, paid.units));
    assert_eq!(wishes(&world), [(1, WantedLeg::Confirmed)]);
    world.leg(1, 2, confirmed());
    assert_eq!(wishes(&world).last(), Some(&(0, WantedLeg::Confirmed)));
    world.journal.clear();
    world.leg(0, 2, refused());
    assert_eq!(wishes(&world), [(1, WantedLeg::Released), (0, WantedLeg::Released)]);
    undone(&mut world);
    assert!(world.booking().cancellation.is_none());
    let refunds = &world.booking().payment.refunds;
    assert_eq!(refunds.iter().map(|r| r.units).collect::<Vec<_>>(), [paid.units]);
}

/// Row: A9
#[test]
fn what_goes_back_for_a_leg_is_what_the_others_do_not_need_where_the_rate_rounds() {
    // A coin of a hundred units costs 3.00: one of three legs of 1.00 is 34 units, all are 100.
    let rate = Rate { decimals: 2, micro_minor_per_coin: 300_000_000, ..rate() };
    let Command::Accept(mut asked) = accept(0, vec![order(100, Some(TimeDelta::days(10))); 3])
    else {
        unreachable!()
    };
    asked.quoted.decimals = 2;
    asked.quoted.units = rate.units_for(asked.price).unwrap();
    asked.rate = rate;
    let quoted = asked.quoted.clone();
    assert_eq!(quoted.units, units(100));
    let mut world = World::asked(&Command::Accept(asked));
    for n in 0..3 {
        world.leg(n, 1, held());
    }
    world.tell(&prepared_for(quoted.clone()));
    world.tell(&settled_units(3, quoted.units));
    for n in 0..3 {
        world.leg(n, 2, confirmed());
    }
    for n in [1, 0] {
        assert_eq!(
            without_leg(&mut world, n).refund.units,
            units(33),
            "not its own price in units"
        );
    }
    assert_eq!(world.booking().kept(), units(34));
}

/// Row: A9
#[test]
fn one_leg_is_cancelled_by_its_own_terms_and_the_others_stay() {
    let mut world = three(0);
    world.now = in_days(6);
    let before = world.booking().clone();
    assert_eq!(next_actions(&before), [Action::Cancel, Action::CancelLeg, Action::Amend]);
    let told = leg_quote(&world, 0).unwrap();
    assert_eq!((told.fee, told.changes_at), (eur(5_000), Some(in_days(10))));
    let at_rate = |minor| rate().units_for(eur(minor)).unwrap();
    assert_eq!(told.refund.units, at_rate(45_000).saturating_sub(at_rate(30_000)));
    assert_eq!(*world.booking(), before, "a quote changes nothing");

    let agreed = without_leg(&mut world, 0);
    assert_eq!(agreed, told);
    assert_eq!(wishes(&world), [(0, WantedLeg::Released)]);
    let wanted = world.booking().legs.iter().map(|leg| leg.wanted);
    let (gone_, kept) = (WantedLeg::Released, WantedLeg::Confirmed);
    assert_eq!(wanted.collect::<Vec<_>>(), [gone_, kept, kept]);
    expect![[r#"
        leg cancelled, paid 300.00 EUR
        wake Unwind in 520200s
        leg Released v3
        refund 60000000000000000
    "#]]
    .assert_eq(&said(&world));
    assert_eq!(status(world.booking()), Status::Confirmed);
    assert_eq!(money(world.booking()), MoneyAxis::RefundDue);

    // The money goes to where the customer says, the leg goes, the others are travelled.
    assert!(next_actions(world.booking()).contains(&Action::Refund));
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    let refund = world.booking().payment.refunds[0].clone();
    assert_eq!((refund.units, refund.to.as_deref()), (told.refund.units, Some("0xme")));
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Confirmed, "a leg is still to be given back");
    world.leg(0, 8, gone(GoneWhy::Released));
    world.tell(&refund_of(refund.refund_id, refund.units, 11, RefundState::Confirmed));
    assert_eq!(
        (status(world.booking()), money(world.booking())),
        (Status::Completed, MoneyAxis::Settled)
    );
    assert!(world.booking().review.is_none());
}

/// Row: A3
/// Row: A9
#[test]
fn a_leg_is_cancelled_once_alone_and_only_for_the_quote_that_holds_now() {
    let mut world = three(0);
    let told = leg_quote(&world, 0).unwrap();
    assert_eq!(told.fee.minor, 0);
    let other = leg_quote(&world, 2).unwrap();
    let whole = quote(&world);
    world.now = in_days(6);
    let now = leg_quote(&world, 0).unwrap();
    let needed = Refusal::AgreementNeeded { quote: Box::new(now.clone()) };
    for digest in [None, Some(told.digest), Some(other.digest), Some(whole.digest)] {
        assert_eq!(world.ask(&cancel_leg(0, digest)), Err(needed.clone()));
    }
    assert_eq!(world.journal, []);
    assert_eq!(world.ask(&cancel_leg(7, None)), Err(Refusal::NoSuchLeg));
    world.ask(&cancel_leg(0, Some(now.digest))).unwrap();

    let both = Refusal::NotAllowed { allowed: next_actions(world.booking()) };
    assert_eq!(next_actions(world.booking()).first(), Some(&Action::Cancel));
    assert_eq!(leg_quote(&world, 0), Err(both.clone()));
    let before = world.booking().clone();
    assert_eq!(world.ask(&cancel_leg(0, Some(now.digest))), Ok(()), "the same click again");
    assert_eq!(world.ask(&cancel_leg(0, Some(Uuid::nil()))), Err(both));
    assert_eq!(*world.booking(), before);
    // Two at once: the second was told before the first was done, and holds as it is.
    world.ask(&cancel_leg(2, Some(other.digest))).unwrap();
    // The last one goes with the booking.
    let last = Refusal::NotAllowed { allowed: vec![Action::Cancel, Action::Refund] };
    assert_eq!(leg_quote(&world, 1), Err(last));

    let mut over = three(0);
    over.tell(&passed(Deadline::Over));
    let none = Refusal::NotAllowed { allowed: Vec::new() };
    assert_eq!(over.ask(&cancel_leg(0, Some(told.digest))), Err(none));
}

/// Row: A9
#[test]
fn a_leg_that_points_paid_for_goes_only_with_the_booking() {
    let mut world = three(40_000);
    let allowed = next_actions(world.booking());
    // 50.00 were paid in money, and 150.00 would go back.
    assert_eq!(leg_quote(&world, 2), Err(Refusal::PaidByPoints { allowed }));
    assert_eq!(without_leg(&mut world, 1).fee.minor, 10_000);
    assert!(world.booking().payment.refunds.is_empty(), "what never comes back pays its own fee");
    assert_eq!(status(world.booking()), Status::Confirmed);
}

/// Row: A6
/// Row: A7
#[test]
fn a_cancelled_leg_that_does_not_go_is_for_a_person_and_late_news_of_it_touches_no_other() {
    let mut world = three(0);
    without_leg(&mut world, 2);
    // It was bought by an earlier attempt, and says so late.
    world.tell(&leg_news(2, 7, 2, confirmed()));
    world.tell(&passed(Deadline::Unwind));
    let review = world.booking().review.unwrap();
    assert_eq!(review.why, ReviewWhy::Stuck);
    assert_eq!(review.stuck.unwrap().step, StuckStep::ReleaseLeg { leg_id: leg_id(2) });
    world.tell(&passed(Deadline::Over));
    assert_eq!(world.booking().phase, Phase::Confirmed);
    world.leg(2, 9, gone(GoneWhy::Released));
    assert_eq!((world.booking().phase, world.booking().review), (Phase::Completed, None));
    assert_eq!(wishes(&world), [(2, WantedLeg::Released)]);

    // Another leg has its own time.
    let mut world = three(0);
    without_leg(&mut world, 2);
    world.leg(2, 9, gone(GoneWhy::Released));
    world.tell(&passed(Deadline::Unwind));
    without_leg(&mut world, 0);
    assert_eq!(world.booking().review, None);
    world.tell(&passed(Deadline::Unwind));
    assert!(world.booking().review.is_some());
}

#[test]
fn a_leg_that_does_not_go_stays_a_persons_when_another_is_cancelled() {
    let mut world = three(0);
    without_leg(&mut world, 2);
    world.tell(&passed(Deadline::Unwind));
    let review = world.booking().review;
    assert_eq!(review.unwrap().why, ReviewWhy::Stuck);
    without_leg(&mut world, 0);
    world.leg(0, 9, gone(GoneWhy::Released));
    assert_eq!(world.booking().review, review);
    world.leg(2, 9, gone(GoneWhy::Released));
    assert_eq!(world.booking().review, None);
}

/// Row: C10
#[test]
fn money_of_a_leg_that_fails_or_is_late_is_for_a_person_also_after_the_stay() {
    for state in [RefundState::Failed, RefundState::Sent] {
        let mut world = three(0);
        world.ask(&Command::Refund { to: "0xme".to_owned() }).ok();
        without_leg(&mut world, 2);
        world.leg(2, 9, gone(GoneWhy::Released));
        world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
        world.tell(&passed(Deadline::Over));
        assert_eq!((world.booking().phase, world.booking().review), (Phase::Completed, None));
        let first = world.booking().payment.refunds[0].clone();
        world.tell(&refund_of(first.refund_id, first.units, 11, state));
        world.now += TimeDelta::hours(24);
        world.tell(&passed(Deadline::Refund));
        assert_eq!(world.booking().review.unwrap().why, ReviewWhy::Stuck);
        assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
        if state == RefundState::Failed {
            world.ask(&Command::Refund { to: "0xother".to_owned() }).unwrap();
            assert_eq!(world.booking().payment.refunds.len(), 2);
            assert_eq!(money(world.booking()), MoneyAxis::RefundDue);
        }
        let last = world.booking().payment.refunds.last().unwrap().clone();
        world.tell(&refund_of(last.refund_id, last.units, 12, RefundState::Confirmed));
        assert_eq!((world.booking().phase, world.booking().review), (Phase::Completed, None));
        assert_eq!(money(world.booking()), MoneyAxis::Settled);
    }
}

#[test]
fn a_leg_that_the_supplier_took_away_is_cancelled_free_and_needs_nobody_any_more() {
    let mut world = three(0);
    world.leg(1, 5, gone(GoneWhy::CancelledBySupplier));
    assert_eq!(world.booking().review.unwrap().why, ReviewWhy::CancelledBySupplier);
    let quote = without_leg(&mut world, 1);
    assert_eq!(quote.fee.minor, 0);
    assert_eq!(world.booking().review, None);
    assert_eq!(status(world.booking()), Status::Confirmed);
}

#[test]
fn the_booking_can_be_cancelled_after_a_leg_was() {
    let mut world = three(0);
    world.now = in_days(6);
    without_leg(&mut world, 0);
    let whole = quote(&world);
    assert_eq!(whole.fee, eur(10_000), "of the legs that are left");
    assert_eq!(whole.legs.len(), 2);
    cancel(&mut world);
    undone(&mut world);
    let kept = rate().units_for(eur(15_000)).unwrap();
    assert_eq!(world.booking().kept(), kept);
    assert_eq!(status(world.booking()), Status::Cancelled);
}

/// A trip of three that keeps what can be held.
fn keeping(points: u64) -> World {
    let orders = vec![order(20_000, None), order(10_000, None), order(15_000, None)];
    World::asked(&accept_or(OnRefusal::KeepHeld, points, orders))
}

fn asked(world: &World) -> Option<Units> {
    world.booking().payment.asked.as_ref().map(|asked| asked.units)
}

#[test]
fn price_and_payment_follow_what_could_be_held_where_the_customer_chose_so() {
    let mut world = keeping(0);
    assert_eq!(asked(&world), None, "the amount is not known yet");
    world.leg(0, 1, held());
    world.leg(1, 1, refused());
    assert_eq!((world.booking().phase, asked(&world)), (Phase::Holding, None));
    world.leg(2, 1, held());
    let price = eur(35_000);
    assert_eq!((world.booking().price, asked(&world)), (price, rate().units_for(price).ok()));
    assert!(matches!(world.booking().legs[1].out, Some(Out::NotHeld { .. })));
    assert_eq!(wishes(&world).last(), Some(&(1, WantedLeg::Released)));
    let amount = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(amount.clone()));
    world.tell(&settled_units(3, amount.units));
    world.leg(0, 2, confirmed());
    world.leg(2, 2, confirmed());
    assert_eq!(status(world.booking()), Status::Confirmed);
    let Some(Effect::Confirmed(told)) =
        world.said.iter().find(|effect| matches!(effect, Effect::Confirmed(_)))
    else {
        panic!("nobody was told")
    };
    assert_eq!((told.legs.len(), told.paid), (2, price));
}

/// Row: L1
#[test]
fn what_nobody_knows_of_when_the_time_is_over_is_left_out_and_the_rest_is_kept() {
    let mut world = keeping(0);
    world.leg(0, 1, held());
    world.leg(2, 1, held());
    world.leg(1, 1, LegState::InDoubt { since: noon() });
    world.now += TimeDelta::minutes(10);
    world.tell(&passed(Deadline::Payable));
    assert_eq!(status(world.booking()), Status::Holding);
    assert_eq!(
        (world.booking().price, asked(&world)),
        (eur(35_000), rate().units_for(eur(35_000)).ok())
    );
    assert_eq!(wishes(&world).last(), Some(&(1, WantedLeg::Released)), "what may be there goes");
    let pay_by = world.booking().deadlines.pay_by;
    let wake = Effect::WakeAt { deadline: Deadline::Payable, at: pay_by };
    assert!(world.said.contains(&wake), "the rest has a time as well");
    // Held after all, it is given back.
    world.tell(&leg_news(1, 2, 1, held()));
    let amount = world.booking().payment.asked.clone().unwrap();
    world.tell(&prepared_for(amount));
    assert_eq!(next_actions(world.booking()), [Action::Pay, Action::Cancel, Action::CancelLeg]);

    // What is not payable then is undone.
    let late = |world: &mut World| {
        world.now += TimeDelta::minutes(10);
        world.tell(&passed(Deadline::Payable));
        world.booking().end.map(|end| end.why)
    };
    let mut world = keeping(0);
    world.leg(0, 1, held());
    assert_eq!((late(&mut world), late(&mut world)), (None, Some(EndWhy::NotHeldInTime)));
    // So is what cannot be gone on with: nothing is held, points are in doubt or pay more than the
    // rest costs, what is held is over, or all was wanted.
    let mut nothing = keeping(0);
    assert_eq!(late(&mut nothing), Some(EndWhy::NotHeldInTime));
    let mut points_unknown = keeping(500);
    points_unknown.leg(0, 1, held());
    assert_eq!(late(&mut points_unknown), Some(EndWhy::NotHeldInTime));
    let mut rich = keeping(20_001);
    rich.tell(&points(1, PointsState::Held));
    rich.leg(0, 1, held());
    assert_eq!(late(&mut rich), Some(EndWhy::NotHeldInTime));
    let mut lapsed = keeping(0);
    let until = Some(noon() + TimeDelta::minutes(9));
    lapsed.leg(0, 1, LegState::Held { reference: "R1".to_owned(), until });
    assert_eq!(late(&mut lapsed), Some(EndWhy::NotHeldInTime));
    let mut all = World::accepted(0, three_orders());
    all.leg(0, 1, held());
    assert_eq!(late(&mut all), Some(EndWhy::NotHeldInTime));
}

#[test]
fn an_amount_that_was_asked_for_never_changes_whatever_the_customer_chose() {
    let mut world = keeping(0);
    for n in 0..3 {
        world.leg(n, 1, held());
    }
    let amount = world.booking().payment.asked.clone().unwrap();
    assert_eq!(amount.units, rate().units_for(eur(45_000)).unwrap());
    let mut early = World::asked(&accept_or(OnRefusal::KeepHeld, 0, three_orders()));
    for world in [&mut world, &mut early] {
        world.tell(&prepared_for(amount.clone()));
    }
    world.leg(1, 2, gone(GoneWhy::Lapsed));
    assert_eq!(status(world.booking()), Status::Failing);
    // Nothing left to keep, or points that would pay more than the rest costs.
    for n in 0..3 {
        early.leg(n, 1, refused());
    }
    assert_eq!(status(early.booking()), Status::Failing);
    let mut rich = keeping(40_000);
    rich.tell(&points(1, PointsState::Held));
    rich.leg(0, 1, refused());
    assert_eq!(status(rich.booking()), Status::Failing);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Row: A9
    /// Row: C11
    #[test]
    fn legs_cancelled_one_by_one_add_up_to_the_last_unit(
        orders in orders(),
        share in 0..=100_u64,
        turns in vec((0..3_u128, 0..200_i64), 0..4),
        whole in any::<bool>(),
        address in any::<bool>(),
    ) {
        let price: i64 = orders.iter().map(|o| o.price.minor).sum();
        let redeemed = if share < 60 { 0 } else { u64::try_from(price).unwrap() * share / 100 };
        let mut world = confirmed_with(redeemed, orders);
        let paid = world.booking().payment.settled;
        if address {
            world.ask(&Command::Refund { to: "0xme".to_owned() }).ok();
        }
        for (n, hours) in turns {
            world.now += TimeDelta::hours(hours);
            let left = world.booking().kept();
            let Ok(told) = leg_quote(&world, n) else { continue };
            let leg = world.booking().legs.iter().find(|l| l.leg_id == leg_id(n)).unwrap().clone();
            prop_assert_eq!(told.fee, leg.cancel_fee(world.now));
            world.ask(&cancel_leg(n, Some(told.digest))).unwrap();
            prop_assert_eq!(world.booking().kept().checked_add(told.refund.units).unwrap(), left);
            // Its price less its fee, give or take the unit that rounding is about.
            let exact = rate().units_for(leg.order.price.minus(told.fee).unwrap()).unwrap();
            let back = told.refund.units;
            let off = exact.saturating_sub(back).0 + back.saturating_sub(exact).0;
            prop_assert!(off <= ruint::aliases::U256::from(1_u64), "{exact} {back}");
            prop_assert_eq!(world.booking().phase, Phase::Confirmed);
        }
        let fees: i64 = world.booking().cancelled_legs().map(|c| c.fee.minor).sum();
        if whole {
            let fees_now = world.booking().standing().map(|leg| leg.cancel_fee(world.now).minor);
            let terms: i64 = fees_now.sum();
            let told = cancel(&mut world);
            prop_assert!(told.fee.minor <= terms && told.fee.minor >= 0);
            undone(&mut world);
            let agreed = world.booking().cancellation.unwrap();
            prop_assert_eq!(told.fee.minor + agreed.borne.minor, terms);
            if redeemed == 0 {
                prop_assert_eq!(agreed.kept, rate().units_for(eur(fees + terms)).unwrap());
            }
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
