//! What holds for every account, whatever is asked of it in whatever order.

use std::collections::BTreeMap;

use contracts::messages::WantedPoints::{Captured, Held, Released};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Book, RedemptionState, Stage};

const GRANT: u128 = 1_000;

/// One booking's life as messages, in the order they were sent.
fn life(n: u128, redeem: u64, paid: i64, ends: u8) -> Vec<Input> {
    let held = want(n, 1, Held, redeem);
    let captured = want(n, 2, Captured, redeem);
    match ends % 6 {
        0 => vec![held, captured, confirmed(n, paid, day(0))],
        1 => vec![
            held,
            captured,
            confirmed(n, paid, day(0)),
            want(n, 3, Released, redeem),
            cancelled(n),
        ],
        4 => {
            vec![confirmed(n, paid, day(0)), leg_cancelled(n, paid / 2), leg_cancelled(n, paid / 3)]
        }
        5 => vec![confirmed(n, paid, day(0)), leg_cancelled(n, paid / 2), cancelled(n)],
        2 => vec![
            held,
            want(n, 2, Released, redeem),
            Input::Fact(Fact::Failed { booking_id: booking(n) }),
        ],
        _ => vec![held, Input::Fact(Fact::Completed { booking_id: booking(n), taken: None })],
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    let wanted = prop_oneof![Just(Held), Just(Captured), Just(Released)];
    prop_oneof![
        (1..4_u128, 1..200_u64).prop_map(|(n, points)| grant(n, points)),
        (0..6_u128, 0..5_u32, wanted, 0..150_u64)
            .prop_map(|(n, version, wanted, points)| want(n, version, wanted, points)),
        (0..6_u128, 0..10_000_i64, 0..400_i64).prop_map(|(n, paid, over)| confirmed(
            n,
            paid,
            day(over)
        )),
        (0..6_u128).prop_map(cancelled),
        (0..6_u128, 0..10_000_i64).prop_map(|(n, paid)| leg_cancelled(n, paid)),
        (0..6_u128, 1..5_u64, any::<bool>()).prop_map(|(n, version, away)| money(n, version, away)),
        Just(due()),
    ]
}

fn run(account: Account, inputs: &[Input], now: DateTime<Utc>) -> Account {
    inputs.iter().fold(account, |account, input| apply(&account, input, now).0)
}

/// Sums of the ledger by book.
fn ledger(events: &[Event]) -> BTreeMap<Book, i64> {
    let mut sums: BTreeMap<_, _> = Book::ALL.into_iter().map(|book| (book, 0)).collect();
    for line in events.iter().flat_map(postings) {
        *sums.entry(line.book).or_default() += line.points;
    }
    sums
}

fn signed(points: u64) -> i64 {
    points.try_into().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Row: F2
    #[test]
    fn any_order_and_any_repetition_of_the_same_messages_give_the_same_balances(
        lives in vec((0..300_u64, 0..50_000_i64, any::<u8>()), 1..5),
        order in vec(any::<prop::sample::Index>(), 0..60),
        after in 0..10_i64,
    ) {
        let now = day(after);
        // Enough for every wish: whether points suffice depends on who comes first, and should.
        let start = apply(&Account::default(), &grant(GRANT, 10_000), day(0)).0;
        let sent: Vec<_> = lives
            .iter()
            .zip(1..)
            .flat_map(|((redeem, paid, ends), n)| life(n, *redeem, *paid, *ends))
            .collect();
        let straight = run(start.clone(), &sent, now);

        // Some in any order and repeatedly, then whatever is missing, backwards.
        let mut mixed: Vec<_> = order.iter().map(|index| index.get(&sent).clone()).collect();
        mixed.extend(sent.iter().rev().cloned());
        let shuffled = run(start, &mixed, now);
        prop_assert_eq!(shuffled.balances(), straight.balances());
        prop_assert_eq!(
            run(shuffled.clone(), &mixed, now), shuffled, "hearing everything again changes nothing"
        );
    }

    /// Row: E5
    /// Row: E8
    #[test]
    fn the_ledger_sums_to_zero_and_agrees_with_the_lots_after_every_event(
        inputs in vec((any_input(), 0..120_i64), 1..60),
    ) {
        let mut account = Account::default();
        let mut events = Vec::new();
        let mut now = day(0);
        for (input, days) in inputs {
            now += TimeDelta::days(days);
            for event in apply(&account, &input, now).1 {
                prop_assert_eq!(postings(&event).iter().map(|line| line.points).sum::<i64>(), 0);
                account = evolve(account, &event);
                events.push(event);
                let sums = ledger(&events);
                let balances = account.balances();
                prop_assert_eq!(sums[&Book::Available], signed(balances.available + balances.frozen));
                prop_assert_eq!(sums[&Book::Pending], signed(balances.pending));
                prop_assert_eq!(sums[&Book::Held], signed(balances.held));
                prop_assert_eq!(sums[&Book::Debt], -signed(balances.debt));
                let expired: u64 = account.lots.values().map(|lot| lot.expired).sum();
                prop_assert_eq!(sums[&Book::Expired], signed(expired));
                prop_assert!(sums[&Book::Spent] >= 0);
                let lines = events.iter().flat_map(postings);
                let given = lines.filter(|line| line.book == Book::Issued);
                let mut by_lot = BTreeMap::<_, i64>::new();
                given.for_each(|line| *by_lot.entry(line.lot).or_default() += line.points);
                let more = by_lot.values().any(|points| *points > 0);
                prop_assert!(!more, "more is taken back of a lot than it ever had");
            }
            // A refusal does nothing, not even what was due.
            let due_anyway = apply(&account, &due(), now).1;
            account = due_anyway.iter().fold(account, evolve);
            events.extend(due_anyway);
            let settled = account.balances();
            prop_assert!(settled.debt == 0 || settled.available == 0, "owes and has");
            prop_assert!(account.wake_at().is_none_or(|at| at > now), "something due was left");
            let live = account.lots.iter().filter(|(id, lot)| {
                lot.stage != Stage::Pending && (lot.expires_at > now || account.is_frozen(id))
            });
            let live = live.map(|(_, lot)| lot.free).sum::<u64>();
            prop_assert_eq!(settled.available + settled.frozen, live);
        }
        let replayed = events.iter().fold(Account::default(), evolve);
        prop_assert_eq!(replayed, account, "the fold of the events is the account");
    }

    /// Row: E6
    #[test]
    fn redemptions_never_take_more_than_there_is(
        given in 0..300_u64,
        wishes in vec((0..8_u128, 1..5_u32, 0..3_u8, 0..200_u64), 1..40),
    ) {
        let mut account = apply(&Account::default(), &grant(GRANT, given.max(1)), day(0)).0;
        for (n, version, wanted, points) in wishes {
            let wanted = [Held, Captured, Released][usize::from(wanted)];
            account = apply(&account, &want(n, version, wanted, points), day(0)).0;
            let taken = account.redemptions.values().filter(|r| {
                matches!(r.state, RedemptionState::Held | RedemptionState::Captured)
            });
            let taken: u64 = taken.flat_map(|r| r.parts.values()).sum();
            prop_assert_eq!(taken + account.balances().available, given.max(1));
        }
    }

    /// Row: E2
    #[test]
    fn a_cancelled_booking_is_as_if_it_had_never_earned(
        paid in 0..50_000_i64,
        spend in 0..400_u64,
        over in -5..10_i64,
        days in 0..10_i64,
        spent_before in any::<bool>(),
    ) {
        let start = apply(&Account::default(), &grant(GRANT, 400), day(0)).0;
        let spends = [want(7, 1, Held, spend), want(7, 2, Captured, spend)];
        let earns = [confirmed(1, paid, day(over)), Input::Fact(Fact::Due), cancelled(1)];
        let never = run(start.clone(), &spends, day(days));
        let all = if spent_before {
            run(run(start, &spends, day(days)), &earns, day(days))
        } else {
            let earned = run(start, &earns[..2], day(days));
            run(run(earned, &spends, day(days)), &earns[2..], day(days))
        };
        prop_assert_eq!(all.balances(), never.balances());
        prop_assert_eq!(run(all.clone(), &earns[2..], day(days)), all, "a repeat does nothing");
    }

    /// Row: E3
    #[test]
    fn who_earns_spends_and_cancels_owes_what_was_spent_and_keeps_nothing(
        paid in 0..50_000_i64,
        given in 1..400_u64,
        spend in 1..2_000_u64,
        a_leg_first in any::<bool>(),
        repeats in 1..3_usize,
    ) {
        let start = apply(&Account::default(), &grant(GRANT, given), day(0)).0;
        let earned = run(start, &[confirmed(1, paid, day(-10)), due()], day(5));
        let spend = spend.min(earned.balances().available);
        let spent = run(earned, &[want(7, 1, Held, spend), want(7, 2, Captured, spend)], day(5));
        let part = a_leg_first.then(|| leg_cancelled(1, paid / 3));
        let ends: Vec<Input> = part.into_iter().chain([cancelled(1)]).collect();
        let mut account = spent;
        for _ in 0..repeats {
            account = run(account, &ends, day(6));
        }
        let after = account.balances();
        let (available, debt) = (signed(after.available), signed(after.debt));
        prop_assert_eq!(available - debt, signed(given) - signed(spend), "as if never earned");
        prop_assert!(after.available == 0 || after.debt == 0, "a debt is paid first");
        if after.debt > 0 {
            let refused = run(account.clone(), &[want(8, 1, Held, 1)], day(6));
            prop_assert_eq!(refused.balances(), after, "who owes redeems nothing");
            let given_again = run(account, &[grant(GRANT + 1, after.debt)], day(6));
            prop_assert_eq!(given_again.balances().available, 0, "what comes pays the debt");
        }
    }

    /// Row: E4
    #[test]
    fn a_release_leaves_every_lot_as_it_was_before_the_hold(
        grants in vec((1..200_u64, 0..30_i64), 1..6),
        points in 0..600_u64,
        captured in any::<bool>(),
    ) {
        let mut account = Account::default();
        for ((given, after), n) in grants.into_iter().zip(1..) {
            account = apply(&account, &grant(n, given), day(after)).0;
        }
        let before = account.lots.clone();
        account = run(account, &[want(7, 1, Held, points)], day(40));
        if captured {
            account = run(account, &[want(7, 2, Captured, points)], day(41));
        }
        account = run(account, &[want(7, 3, Released, points)], day(42));
        prop_assert_eq!(account.lots, before);
    }

    #[test]
    fn a_timer_that_runs_late_leaves_the_same_sums_as_one_that_runs_on_time(
        inputs in vec(any_input(), 1..30),
        later in 0..1_500_i64,
    ) {
        let account = run(Account::default(), &inputs, day(0));
        let late = run(account.clone(), &[due()], day(later));
        let mut on_time = account;
        while let Some(at) = on_time.wake_at().filter(|at| *at <= day(later)) {
            on_time = run(on_time, &[due()], at);
        }
        prop_assert_eq!(on_time.balances(), late.balances());
    }
}
