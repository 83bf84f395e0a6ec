//! What holds for every story.

use std::collections::BTreeMap;

use contracts::{
    asset::Units,
    messages::{Closing, RefundState},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::world::{
    World, head, left, made_at, not_paid, prepare, read_up_to, refund, seen, undone, units,
};
use crate::{
    Effect, Event, Fact,
    chain::Hash32,
    evolve_all,
    ledger::{Account, Sides, postings},
    state::Payment,
};

/// A chain's life: blocks come with transfers in them, and leave.
#[derive(Debug, Clone)]
enum Turn {
    Mined(Vec<u8>),
    Reorg(usize),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let mined = vec(0..4_u8, 0..3).prop_map(Turn::Mined);
    let turn = prop_oneof![4 => mined, 1 => (1..4_usize).prop_map(Turn::Reorg)];
    vec(turn, 1..25)
}

/// What a watcher reports of such a life, and what stands at its end.
fn watch(turns: &[Turn]) -> (Vec<Fact>, BTreeMap<u8, u64>) {
    let (mut facts, mut chain, mut look, mut names) = (vec![], Vec::<(u8, Vec<u8>)>::new(), 0, 0);
    for turn in turns {
        match turn {
            Turn::Mined(transfers) => {
                names += 1;
                look += 1;
                let height = u64::try_from(chain.len()).unwrap();
                let known: Vec<u8> = chain.iter().flat_map(|(_, t)| t.clone()).collect();
                let mut new: Vec<u8> =
                    transfers.iter().copied().filter(|t| !known.contains(t)).collect();
                new.sort_unstable();
                new.dedup();
                for transfer in &new {
                    let Fact::TransferSeen(mut sighted) =
                        seen(100 + transfer, 40 + u64::from(*transfer), names, look)
                    else {
                        unreachable!()
                    };
                    sighted.block.height = height;
                    facts.push(Fact::TransferSeen(sighted));
                }
                chain.push((names, new));
                facts.push(head(height, look));
            }
            Turn::Reorg(depth) => {
                for _ in 0..*depth {
                    let Some((name, transfers)) = chain.pop() else { break };
                    look += 1;
                    if !transfers.is_empty() {
                        facts.push(left(name, look));
                    }
                }
            }
        }
    }
    let standing = chain.iter().flat_map(|(_, t)| t).map(|t| (*t, 40 + u64::from(*t)));
    (facts, standing.collect())
}

fn sums(journal: &[Event]) -> BTreeMap<Account, Sides> {
    let mut book = crate::ledger::Book::default();
    for event in journal {
        for posting in postings(event) {
            book.post(posting);
        }
    }
    book.0
}

fn fold(world: &World) -> Payment {
    let (payment, booking) = (world.payment.payment_id, world.payment.booking_id);
    evolve_all(Payment::new(payment, booking), &world.journal)
}

fn check_invariants(world: &World) -> Result<(), TestCaseError> {
    let settled = world.journal.iter().filter(|e| matches!(e, Event::Settled { .. })).count();
    prop_assert!(settled <= 1, "settled {settled} times");
    let closed = world.journal.iter().filter(|e| matches!(e, Event::Closed { .. })).count();
    prop_assert!(closed <= 1, "closed {closed} times");
    for event in &world.journal {
        let (mut out, mut into) = (Units::ZERO, Units::ZERO);
        for posting in postings(event) {
            out = out.checked_add(posting.units).unwrap();
            into = into.checked_add(posting.units).unwrap();
            prop_assert_ne!(posting.debit, posting.credit);
        }
        prop_assert_eq!(out, into);
    }
    let payment = &world.payment;
    if payment.settled || payment.closing.is_some() {
        let customer = payment.book.0.get(&Account::Customer).copied().unwrap_or_default();
        prop_assert_eq!(customer.debit, customer.credit, "the customer's account is not empty");
    }
    prop_assert_eq!(&sums(&world.journal), &payment.book.0);
    prop_assert_eq!(&fold(world), payment, "the journal does not give the payment");
    let json = serde_json::to_string(payment).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Payment>(&json).unwrap(), payment);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Facts that come twice and in any order leave what the chain's last state says.
    #[test]
    fn any_order_and_any_repetition_receives_the_same(
        turns in turns(),
        order in vec(any::<Index>(), 0..200),
        close_at in any::<Index>(),
    ) {
        let (facts, standing) = watch(&turns);
        let expected: u64 = standing.values().sum();
        let mut straight = World::new();
        straight.ask(&prepare(100));
        for fact in &facts {
            straight.tell(fact);
            check_invariants(&straight)?;
        }
        prop_assert_eq!(straight.payment.received(), units(expected));
        prop_assert_eq!(straight.payment.seen.received, units(expected));

        let mut shuffled = World::new();
        shuffled.ask(&prepare(100));
        let mut script: Vec<&Fact> = vec![];
        if !facts.is_empty() {
            script.extend(order.iter().map(|index| index.get(&facts)));
        }
        script.extend(facts.iter().rev());
        let closing_at = close_at.index(script.len() + 1);
        for (n, fact) in script.iter().enumerate() {
            if n == closing_at {
                shuffled.ask(&undone());
                shuffled.tell(&read_up_to(1_000_000));
            }
            shuffled.tell(fact);
            check_invariants(&shuffled)?;
        }
        prop_assert_eq!(shuffled.payment.received(), units(expected));
        prop_assert_eq!(shuffled.payment.seen.received, units(expected));
    }

    /// Whatever the chain does, a payment is called unpaid only when what stands in blocks made in
    /// time does not pay; and once everything is read, it is answered.
    #[test]
    fn no_deadline_beats_money_that_was_mined_in_time(
        turns in turns(),
        asked_at in 0..25_usize,
        behind in vec(any::<bool>(), 25),
    ) {
        let mut world = World::new();
        world.ask(&prepare(100));
        let (mut chain, mut look, mut names) = (Vec::<(u8, i64, Vec<u8>)>::new(), 0, 0);
        for (n, turn) in turns.iter().enumerate() {
            if n == asked_at {
                world.ask(&not_paid());
            }
            let mut facts = vec![];
            match turn {
                Turn::Mined(transfers) => {
                    (names, look) = (names + 1, look + 1);
                    let (height, made) = (u64::try_from(chain.len()).unwrap(), i64::from(names) * 150);
                    let known: Vec<u8> = chain.iter().flat_map(|(.., t)| t.clone()).collect();
                    let mut new = transfers.clone();
                    new.retain(|t| !known.contains(t));
                    new.sort_unstable();
                    new.dedup();
                    for transfer in &new {
                        let amount = 40 + u64::from(*transfer);
                        let Fact::TransferSeen(mut sighted) =
                            made_at(seen(100 + transfer, amount, names, look), made)
                        else {
                            unreachable!()
                        };
                        sighted.block.height = height;
                        facts.push(Fact::TransferSeen(sighted));
                    }
                    chain.push((names, made, new));
                    facts.push(head(height, look));
                    if !behind[n] {
                        facts.push(read_up_to(made));
                    }
                }
                Turn::Reorg(depth) => for _ in 0..*depth {
                    let Some((name, _, transfers)) = chain.pop() else { break };
                    look += 1;
                    if !transfers.is_empty() {
                        facts.push(left(name, look));
                    }
                }
            }
            for fact in &facts {
                let events = world.tell(fact);
                check_invariants(&world)?;
                let unpaid =
                    |e: &Event| matches!(e, Event::Closed { closing: Closing::Closed { .. }, .. });
                if events.iter().any(unpaid) {
                    let in_time = chain.iter().filter(|(_, made, _)| *made <= 1_800);
                    let money = in_time.flat_map(|(.., t)| t).map(|t| 40 + u64::from(*t));
                    prop_assert!(money.sum::<u64>() < 98, "called unpaid, and it is paid");
                }
            }
        }
        world.ask(&not_paid());
        let top = u64::try_from(chain.len()).unwrap();
        world.tell(&head(top + 9, look + 1));
        world.tell(&read_up_to(1_000_000));
        check_invariants(&world)?;
        prop_assert!(world.payment.closing.is_some(), "everything is read, and nothing is said");
    }

    /// Nothing goes back that is not final, and nothing twice.
    ///
    /// Row: S7
    #[test]
    fn refunds_never_pass_what_is_final(
        turns in turns(),
        asks in vec((1..6_u128, 1..150_u64, any::<Index>()), 0..12),
        close_at in any::<Index>(),
    ) {
        let (facts, _) = watch(&turns);
        let mut world = World::new();
        world.ask(&prepare(100));
        let closing_at = close_at.index(facts.len() + 1);
        for (n, fact) in facts.iter().enumerate() {
            if n == closing_at {
                world.ask(&undone());
                world.tell(&read_up_to(1_000_000));
            }
            for (id, amount, _) in asks.iter().filter(|(_, _, at)| at.index(facts.len()) == n) {
                let (before, known) = (world.payment.final_units(), world.payment.refunds.len());
                let events = world.ask(&refund(*id, *amount));
                if world.payment.refunds.len() > known {
                    prop_assert!(world.payment.refunded() <= before);
                    let grants = events.iter().filter(|e| matches!(e, Event::RefundGranted(_)));
                    prop_assert_eq!(grants.count(), 1);
                }
            }
            world.tell(fact);
            check_invariants(&world)?;
        }
        let granted = world.said.iter().filter(|e| {
            matches!(e, Effect::SayRefund(said) if said.state == RefundState::Granted)
        });
        let granted = granted.count();
        prop_assert_eq!(granted, world.payment.refunds.len());
    }
}

#[test]
fn keys_and_hashes_read_as_they_are_written() {
    let key = crate::chain::TransferKey { transaction: Hash32([9; 32]), position: "3".to_owned() };
    assert_eq!(key.to_string().parse(), Ok(key));
    let bare = "0".repeat(64);
    assert_eq!(bare.parse::<Hash32>(), format!("0x{bare}").parse(), "as some chains write it");
    assert_eq!(Hash32([9; 32]).on_chain("bip122:12"), "09".repeat(32));
    for bad in ["", "0x", "12", &"0".repeat(65), &"g".repeat(64), &format!("0x{}", "g".repeat(64))]
    {
        assert!(bad.parse::<Hash32>().is_err(), "{bad}");
    }
}
