//! What happens to a refund, told as the treasury, the chain or an impatient customer would.

use contracts::{
    asset::Units,
    messages::{RefundBasis, RefundState},
};
use expect_test::{Expect, expect};
use proptest::{collection::vec, prelude::*};
use uuid::Uuid;

use super::world::{
    Step::{self, Ask, Tell},
    World, hash, head, left, prepare, seen, start, story, units,
};
use crate::{
    Command, Effect, Event, Fact, Payment,
    chain::{BlockRef, TransferKey},
    command::RefundAsked,
    evolve_all,
    fact::Sighted,
    ledger::Account,
    refund::{Finding, RefundChange},
};

pub(super) const ADDRESS: &str = "0x00000000000000000000000000000000000000Aa";
const OTHER: &str = "0x00000000000000000000000000000000000000bb";

pub(super) fn asked(amount: u64, to: Option<&str>) -> Command {
    let (refund_id, to) = (Uuid::from_u128(1), to.map(str::to_owned));
    let basis = RefundBasis::Then;
    Command::Refund(RefundAsked { refund_id, units: units(amount), to, basis, handled_by: None })
}

/// Payout `n` of `amount` in the block `block` of height `block`, seen by `look`.
pub(super) fn payout(n: u8, amount: u64, block: u8, look: u64) -> Fact {
    let key = TransferKey { transaction: hash(n), position: String::new() };
    let block = BlockRef { height: u64::from(block), hash: hash(block) };
    let sighted = Sighted { key, units: units(amount), block, look, stamped_at: start(), rests: 0 };
    Fact::PayoutSeen { refund_id: Uuid::from_u128(1), sighted }
}

fn found(finding: Finding) -> Fact {
    Fact::RefundFound { refund_id: Uuid::from_u128(1), finding }
}

/// Paid, closed, and what is told of the refund of 100 from there.
fn after_payment(mut steps: Vec<(&'static str, Step)>) -> String {
    let mut all = vec![
        ("asked", Ask(prepare(100))),
        ("money", Tell(seen(1, 100, 10, 2))),
        ("deep", Tell(head(12, 4))),
    ];
    all.append(&mut steps);
    let told = story(all);
    let (_before, refund) = told.split_once("refund asked").unwrap();
    format!("refund asked{refund}")
}

pub(super) fn check(steps: Vec<(&'static str, Step)>, expected: &Expect) {
    expected.assert_eq(&after_payment(steps));
}

#[test]
fn a_refund_waits_for_its_address_gets_it_once_and_is_proven_at_depth() {
    check(
        vec![
            ("refund asked without address", Ask(asked(100, None))),
            ("the same again", Ask(asked(100, None))),
            ("its address", Ask(asked(100, Some(ADDRESS)))),
            ("a second click", Ask(asked(100, Some(&ADDRESS.to_lowercase())))),
            ("another address", Ask(asked(100, Some(OTHER)))),
            ("another amount", Ask(asked(99, Some(ADDRESS)))),
            ("sent", Tell(payout(7, 100, 20, 20))),
            ("seen again", Tell(payout(7, 100, 20, 20))),
            ("depth 2", Tell(head(21, 21))),
            ("depth 3", Tell(head(22, 22))),
            ("depth 3 again", Tell(head(22, 22))),
            ("overdue", Tell(found(Finding::Overdue))),
        ],
        &expect![[r#"
            refund asked without address
              refund of 100: due 0, excess 0, price 100
                -> refund #6: Granted 100
                -> post 100 price>customer, 100 customer>refund_granted
            the same again
            its address
              refund_address_given: 0x00000000000000000000000000000000000000Aa
            a second click
            another address
              refused: the refund has other terms
            another amount
              refused: the refund has other terms
            sent
              payout_seen: 100 in block 20
              refund_sent
                -> refund #11: Sent 100
            seen again
            depth 2
            depth 3
              refund_confirmed: 100
                -> refund #12: Confirmed 100
                -> post 100 refund_granted>paid_out
            depth 3 again
            overdue
            account received +0 -100
            account customer +200 -200
            account price +100 -100
            account refund_granted +100 -100
            account paid_out +100 -0
        "#]],
    );
}

/// Row: C10
#[test]
fn a_refund_whose_customer_names_an_address_of_no_use_fails_and_is_due_again() {
    let nobody = format!("0x{}", "0".repeat(40));
    let of_another_family = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    let anew = Command::Refund(RefundAsked {
        refund_id: Uuid::from_u128(2),
        units: units(100),
        to: Some(OTHER.to_owned()),
        basis: RefundBasis::Then,
        handled_by: None,
    });
    for useless in ["ada", &nobody, of_another_family] {
        check(
            vec![
                ("refund asked without address", Ask(asked(100, None))),
                ("an address of no use", Ask(asked(100, Some(useless)))),
                ("the same again", Ask(asked(100, Some(useless)))),
                ("a good one, too late for this refund", Ask(asked(100, Some(ADDRESS)))),
                ("granted anew, to another address", Ask(anew.clone())),
                ("a useless address, once there is one", Ask(asked(100, Some(useless)))),
            ],
            &expect![[r#"
                refund asked without address
                  refund of 100: due 0, excess 0, price 100
                    -> refund #6: Granted 100
                    -> post 100 price>customer, 100 customer>refund_granted
                an address of no use
                  refund_address_refused: 100
                    -> refund #7: Failed 100
                    -> post 100 refund_granted>refund_due
                the same again
                  refused: the refund has no address that can receive it
                a good one, too late for this refund
                  refused: the refund has other terms
                granted anew, to another address
                  refund of 100: due 100, excess 0, price 0
                    -> refund #10: Granted 100
                    -> post 100 refund_due>customer, 100 customer>refund_granted
                a useless address, once there is one
                  refused: the refund has no address that can receive it
                account received +0 -100
                account customer +300 -300
                account price +100 -100
                account refund_due +100 -100
                account refund_granted +200 -100
            "#]],
        );
    }
}

#[test]
fn a_payout_whose_block_left_is_not_sent_and_counts_once_when_it_is_mined_again() {
    check(
        vec![
            ("refund asked", Ask(asked(100, Some(ADDRESS)))),
            ("sent", Tell(payout(7, 100, 20, 20))),
            ("its block leaves", Tell(left(20, 21))),
            ("the chain goes on", Tell(head(25, 25))),
            ("mined again", Tell(payout(7, 100, 26, 26))),
            ("deep", Tell(head(28, 28))),
            ("a reorg deeper than the policy", Tell(left(26, 29))),
            ("mined a third time", Tell(payout(7, 100, 29, 30))),
            ("deep again", Tell(head(31, 31))),
        ],
        &expect![[r#"
            refund asked
              refund of 100: due 0, excess 0, price 100
                -> refund #6: Granted 100
                -> post 100 price>customer, 100 customer>refund_granted
            sent
              payout_seen: 100 in block 20
              refund_sent
                -> refund #8: Sent 100
            its block leaves
              block left
              refund_unsent
                -> refund #10: Granted 100
            the chain goes on
            mined again
              payout_seen: 100 in block 26
              refund_sent
                -> refund #12: Sent 100
            deep
              refund_confirmed: 100
                -> refund #13: Confirmed 100
                -> post 100 refund_granted>paid_out
            a reorg deeper than the policy
              block left
              payout_reversed: 100, proof: true
                -> refund #15: Granted 100
                -> post 100 paid_out>refund_granted
            mined a third time
              payout_seen: 100 in block 29
              refund_sent
                -> refund #17: Sent 100
            deep again
              refund_confirmed: 100
                -> refund #18: Confirmed 100
                -> post 100 refund_granted>paid_out
            account received +0 -100
            account customer +200 -200
            account price +100 -100
            account refund_granted +200 -200
            account paid_out +200 -100
        "#]],
    );
}

#[test]
fn what_the_treasury_sends_wrong_never_proves_and_is_named() {
    check(
        vec![
            ("refund asked", Ask(asked(100, Some(ADDRESS)))),
            ("half of it", Tell(payout(6, 50, 20, 20))),
            ("deep", Tell(head(22, 22))),
            ("all of it, twice in one block", Tell(payout(8, 100, 23, 23))),
            ("the other one", Tell(payout(7, 100, 23, 23))),
            ("deep", Tell(head(25, 25))),
            ("a transaction that brings nothing", Tell(found(Finding::Astray(hash(9))))),
            ("the same again", Tell(found(Finding::Astray(hash(9))))),
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
            all of it, twice in one block
              payout_seen: 100 in block 23
              refund_sent
                -> refund #10: Sent 100
            the other one
              payout_seen: 100 in block 23
            deep
              refund_confirmed: 100
              payout_misspent: 100, Twice
                -> refund #12: Confirmed 100
                -> post 100 refund_granted>paid_out
                -> post 100 misspent>paid_out
            a transaction that brings nothing
              refund_finding: Astray(0x0909090909090909090909090909090909090909090909090909090909090909)
            the same again
            account received +0 -100
            account customer +200 -200
            account price +100 -100
            account refund_granted +100 -100
            account paid_out +250 -0
            account misspent +0 -150
        "#]],
    );
}

#[test]
fn a_refund_that_the_treasury_cannot_send_is_due_again() {
    let again = Command::Refund(RefundAsked {
        refund_id: Uuid::from_u128(2),
        units: units(100),
        to: Some(OTHER.to_owned()),
        basis: RefundBasis::Then,
        handled_by: None,
    });
    check(
        vec![
            ("refund asked", Ask(asked(100, Some(ADDRESS)))),
            ("the treasury has something else under its id", Tell(found(Finding::Disputed))),
            ("more than there is", Ask(again.clone())),
            ("the treasury cannot", Tell(Fact::PayoutRejected { refund_id: Uuid::from_u128(1) })),
            ("granted anew", Ask(again)),
            ("the first one comes all the same", Tell(payout(7, 100, 20, 20))),
            ("deep", Tell(head(22, 22))),
        ],
        &expect![[r#"
            refund asked
              refund of 100: due 0, excess 0, price 100
                -> refund #6: Granted 100
                -> post 100 price>customer, 100 customer>refund_granted
            the treasury has something else under its id
              refund_finding: Disputed
            more than there is
              refund_refused: more than what is final and not yet granted
                -> refund #8: Failed 100
            the treasury cannot
              refund_failed: 100
                -> refund #9: Failed 100
                -> post 100 refund_granted>refund_due
            granted anew
              refund of 100: due 100, excess 0, price 0
                -> refund #10: Granted 100
                -> post 100 refund_due>customer, 100 customer>refund_granted
            the first one comes all the same
              payout_seen: 100 in block 20
            deep
              payout_misspent: 100, AfterFailure
                -> post 100 misspent>paid_out
            account received +0 -100
            account customer +300 -300
            account price +100 -100
            account refund_due +100 -100
            account refund_granted +200 -100
            account paid_out +100 -0
            account misspent +0 -100
        "#]],
    );
}

/// A life of payouts: they stand in blocks of their own, blocks leave, the head moves.
fn lives() -> impl Strategy<Value = Vec<Fact>> {
    let turn = prop_oneof![
        3 => (0..3_u8, 20..26_u8).prop_map(|(n, block)| (0_u8, n, block)),
        1 => (20..26_u8).prop_map(|block| (1, 0, block)),
        2 => (20..32_u8).prop_map(|height| (2, 0, height)),
    ];
    vec(turn, 0..30).prop_map(|turns| {
        let looks = 20_u64..;
        let fact = |((kind, n, block), look): ((u8, u8, u8), u64)| match kind {
            // A transfer may move another amount in another block, never in the same.
            0 => payout(100 + n, if (n + block) % 4 == 0 { 50 } else { 100 }, block, look),
            1 => left(block, look),
            _ => head(u64::from(block), look),
        };
        turns.into_iter().zip(looks).map(fact).collect()
    })
}

fn balance(payment: &Payment, account: Account) -> i64 {
    let sides = payment.book.0.get(&account).copied().unwrap_or_default();
    let number = |units: Units| units.to_string().parse::<i64>().unwrap();
    number(sides.credit) - number(sides.debit)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Row: C11
    #[test]
    fn one_payout_at_most_proves_a_refund_and_every_unit_is_accounted_for(
        facts in lives(),
        repeats in vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut world = World::new();
        world.ask(&prepare(100));
        world.tell(&seen(1, 100, 10, 2));
        world.tell(&head(12, 4));
        world.ask(&asked(100, Some(ADDRESS)));
        let mut script = facts.clone();
        if !facts.is_empty() {
            script.extend(repeats.iter().map(|index| index.get(&facts).clone()));
        }
        for fact in &script {
            world.tell(fact);
            let payment = &world.payment;
            let refund = &payment.refunds[&Uuid::from_u128(1)];
            let proven = refund.state == RefundState::Confirmed;
            prop_assert_eq!(proven, refund.proof.is_some() || refund.ending.is_some());
            prop_assert!(refund.proof.is_none() || refund.ending.is_none());
            prop_assert_eq!(balance(payment, Account::Customer), 0);
            prop_assert_eq!(balance(payment, Account::RefundGranted), if proven { 0 } else { 100 });
            let paid_out = balance(payment, Account::PaidOut);
            let wasted = -balance(payment, Account::Misspent);
            prop_assert_eq!(paid_out - wasted, if proven { 100 } else { 0 });
            if let Some(proof) = &refund.proof {
                let stands = payment.stands(&refund.payouts[proof]);
                prop_assert_eq!(stands.map(|sighting| sighting.units), Some(units(100)));
            }
            let mine = payment.book.0.values();
            let (debit, credit) = mine.fold((0, 0), |(debit, credit), sides| {
                let number = |units: Units| units.to_string().parse::<i64>().unwrap();
                (debit + number(sides.debit), credit + number(sides.credit))
            });
            prop_assert_eq!(debit, credit);
        }
        let (payment, booking) = (world.payment.payment_id, world.payment.booking_id);
        let folded = evolve_all(Payment::new(payment, booking), &world.journal);
        prop_assert_eq!(&folded, &world.payment);
        let json = serde_json::to_string(&world.journal).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<Event>>(&json).unwrap(), &world.journal);
        let json = serde_json::to_string(&world.payment).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Payment>(&json).unwrap(), &world.payment);
        // What was said last is how it is.
        let said = world.said.iter().rev().find_map(|effect| match effect {
            Effect::SayRefund(message) => Some(message.state),
            Effect::SayPrepared(_)
            | Effect::SaySeen(_)
            | Effect::SaySettled(_)
            | Effect::SayReversed(_)
            | Effect::SayClosed(_)
            | Effect::Post(_) => None,
        });
        prop_assert_eq!(said, Some(world.payment.refunds[&Uuid::from_u128(1)].state));
        let seen = |event: &&Event| {
            matches!(event, Event::Refund { change: RefundChange::PayoutSeen(_), .. })
        };
        prop_assert!(world.journal.iter().filter(seen).count() <= facts.len());
    }
}
