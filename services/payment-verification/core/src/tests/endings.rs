//! Refunds of which no single payout is the proof: parts that add up, and what a person answers for.

use contracts::messages::{CloseBecause, RefundBasis, RefundState};
use expect_test::expect;
use uuid::Uuid;

use super::{
    refunds::{ADDRESS, asked, check, payout},
    values,
    world::{
        Step::{Ask, Tell},
        World, head, left, prepare, seen, units,
    },
};
use crate::{
    Command, Event, Fact, Payment,
    cases::ends,
    command::RefundAsked,
    evolve,
    refund::{
        Finding,
        ending::{NotSettled, may_settle},
    },
};

const REFUND: Uuid = Uuid::from_u128(1);

fn settled_by(by: &str) -> Fact {
    let (by, why) = (by.to_owned(), "by bank".to_owned());
    Fact::RefundSettled { refund_id: REFUND, by, why }
}

/// Row: C10
#[test]
fn parts_to_the_right_address_add_up_and_fall_short_when_one_leaves() {
    check(
        vec![
            ("refund asked", Ask(asked(100, Some(ADDRESS)))),
            ("half of it", Tell(payout(6, 50, 20, 20))),
            ("deep", Tell(head(22, 22))),
            ("a little more than the rest", Tell(payout(7, 53, 23, 23))),
            ("depth 2", Tell(head(24, 24))),
            ("depth 3", Tell(head(25, 25))),
            ("a reorg deeper than the policy", Tell(left(23, 26))),
            ("mined again", Tell(payout(7, 53, 26, 27))),
            ("deep again", Tell(head(28, 28))),
            ("all of it, once more", Tell(payout(8, 100, 29, 29))),
            ("deep", Tell(head(31, 31))),
        ],
        &expect![[r#"
            refund asked
              refund of 100: due 0, excess 0, price 100
                -> refund #6: Granted 100
                -> post 100 price>customer, 100 customer>refund_granted
            half of it
              payout_seen: 50 in block 20
            deep
              payout_misspent: 50, WrongAmount
                -> post 50 misspent>paid_out
            a little more than the rest
              payout_seen: 53 in block 23
            depth 2
            depth 3
              payout_misspent: 53, WrongAmount
              refund_added_up: 100
                -> post 53 misspent>paid_out
                -> refund #11: Confirmed 100
                -> post 100 refund_granted>paid_out, 100 paid_out>misspent
            a reorg deeper than the policy
              block left
              payout_reversed: 53, proof: false
              refund_fell_short: 100
                -> post 53 paid_out>misspent
                -> refund #14: Granted 100
                -> post 100 paid_out>refund_granted, 100 misspent>paid_out
            mined again
              payout_seen: 53 in block 26
            deep again
              payout_misspent: 53, WrongAmount
              refund_added_up: 100
                -> post 53 misspent>paid_out
                -> refund #17: Confirmed 100
                -> post 100 refund_granted>paid_out, 100 paid_out>misspent
            all of it, once more
              payout_seen: 100 in block 29
            deep
              payout_misspent: 100, Twice
                -> post 100 misspent>paid_out
            account received +0 -100
            account customer +200 -200
            account price +100 -100
            account refund_granted +200 -200
            account paid_out +556 -353
            account misspent +253 -356
        "#]],
    );
}

/// Row: C10
/// Row: C11
#[test]
fn a_person_answers_for_what_is_missing_and_what_comes_all_the_same_is_named() {
    check(
        vec![
            ("refund asked", Ask(asked(100, Some(ADDRESS)))),
            ("half of it", Tell(payout(6, 50, 20, 20))),
            ("not before it is known how deep it gets", Tell(settled_by("anna"))),
            ("deep", Tell(head(22, 22))),
            ("anna settles it", Tell(settled_by("anna"))),
            ("the same again", Tell(settled_by("bo"))),
            ("it comes all the same", Tell(payout(8, 100, 23, 23))),
            ("deep", Tell(head(25, 25))),
        ],
        &expect![[r#"
            refund asked
              refund of 100: due 0, excess 0, price 100
                -> refund #6: Granted 100
                -> post 100 price>customer, 100 customer>refund_granted
            half of it
              payout_seen: 50 in block 20
            not before it is known how deep it gets
            deep
              payout_misspent: 50, WrongAmount
                -> post 50 misspent>paid_out
            anna settles it
              refund_settled: 50 came, anna answers for 50
                -> refund #9: Confirmed 100, 50 otherwise
                -> post 100 refund_granted>paid_out, 50 paid_out>misspent, 50 paid_out>settled_otherwise
            the same again
            it comes all the same
              payout_seen: 100 in block 23
            deep
              payout_misspent: 100, Twice
                -> post 100 misspent>paid_out
            account received +0 -100
            account customer +200 -200
            account price +100 -100
            account refund_granted +100 -100
            account paid_out +250 -100
            account misspent +50 -150
            account settled_otherwise +50 -0
        "#]],
    );
}

#[test]
fn nobody_answers_for_a_refund_that_is_sent_over_or_of_an_amount_that_nobody_knows() {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 100, 10, 2));
    world.tell(&head(12, 4));
    let may = |payment: &Payment| may_settle(payment, REFUND).map(|ending| ending.otherwise);
    assert_eq!(may(&world.payment), Err(NotSettled::NoSuchRefund));
    world.ask(&asked(100, None));
    assert_eq!(may(&world.payment), Ok(units(100)), "nothing came, and nobody knows where to");
    world.ask(&asked(100, Some(ADDRESS)));
    world.tell(&payout(7, 100, 20, 20));
    assert_eq!(world.payment.refunds[&REFUND].state, RefundState::Sent);
    assert_eq!(may(&world.payment), Err(NotSettled::OnItsWay));
    world.tell(&head(22, 22));
    assert_eq!(may(&world.payment), Err(NotSettled::Ended));

    let mut unpriced = values::paid();
    unpriced.ask(&values::asked(1, 100, RefundBasis::Now, Some(ADDRESS)));
    assert_eq!(may(&unpriced.payment), Err(NotSettled::NotPriced));
}

/// What ended which cases, in order.
fn ended(world: &World, events: &[Event]) -> Vec<&'static [&'static str]> {
    let mut payment = Payment::new(world.payment.payment_id, world.payment.booking_id);
    let mut over = vec![];
    for event in &world.journal {
        payment = evolve(payment, event);
        over.extend(ends(&payment, event).filter(|_| events.contains(event)));
    }
    over.into_iter().map(|over| over.reasons).collect()
}

/// Row: C5
#[test]
fn the_case_of_what_is_away_ends_when_nobody_misses_it_any_more() {
    let call_off = |because, refund: Option<u64>| {
        let mut world = World::new();
        world.ask(&prepare(100));
        world.tell(&seen(1, 103, 10, 2));
        world.tell(&head(20, 4));
        refund.map(|amount| world.ask(&asked(amount, Some(ADDRESS))));
        world.tell(&left(10, 5));
        let events = world.ask(&Command::Close(because));
        let ends = ended(&world, &events);
        assert!(world.ask(&Command::Close(because)).is_empty(), "once");
        ends
    };
    assert_eq!(call_off(CloseBecause::CalledOff, None), [["payment_reversed"]]);
    assert!(call_off(CloseBecause::Undone, None).is_empty(), "a fee was to stay");
    assert!(call_off(CloseBecause::CalledOff, Some(3)).is_empty(), "a refund waits for it");
}

/// Row: C10
#[test]
fn the_cases_of_a_refund_end_with_it_and_no_sooner() {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 100, 10, 2));
    world.tell(&head(12, 4));
    world.ask(&asked(100, Some(ADDRESS)));
    for finding in [Finding::Overdue, Finding::Disputed] {
        let found = world.tell(&Fact::RefundFound { refund_id: REFUND, finding });
        assert!(ended(&world, &found).is_empty());
    }
    let sent = world.tell(&payout(7, 100, 20, 20));
    assert!(ended(&world, &sent).is_empty(), "it is not there yet");
    let confirmed = world.tell(&head(22, 22));
    let arrived = ["refund_overdue", "refund_disputed", "refund_reversed"];
    assert_eq!(ended(&world, &confirmed), [arrived.as_slice()]);

    // One that failed is over when what it was of is granted anew.
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 100, 10, 2));
    world.tell(&head(12, 4));
    world.ask(&asked(100, Some(ADDRESS)));
    let failed = world.tell(&Fact::PayoutRejected { refund_id: REFUND });
    assert_eq!(ended(&world, &failed), [["refund_overdue"].as_slice()]);
    for (n, amount, over) in [(2, 40, vec![]), (3, 60, vec![["refund_failed"].as_slice()])] {
        let granted = world.ask(&Command::Refund(RefundAsked {
            refund_id: Uuid::from_u128(n),
            units: units(amount),
            to: None,
            basis: RefundBasis::Then,
            handled_by: None,
        }));
        assert_eq!(ended(&world, &granted), over, "{n}");
    }
}
