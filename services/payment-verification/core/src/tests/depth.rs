//! How deep money must lie, and how much of it is there when it is mined again.

use super::world::{World, head, left, prepare, seen, units};
use crate::{Event, Fact, Payment, fact::Sighted, ledger::Account};

/// Amounts of more than 1000 lie six deep, smaller ones three.
const DEEP: u64 = 6;

fn is_final(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Finalised { .. }))
}

fn head_and_final(height: u64, look: u64, finalized: Option<u64>) -> Fact {
    Fact::HeadMoved { head: height, look, finalized }
}

/// Row: C1
#[test]
fn a_small_price_makes_no_large_amount_final_early() {
    let mut world = World::new();
    world.ask(&prepare(100));
    // In two parts that are small each.
    world.tell(&seen(1, 900, 10, 2));
    world.tell(&seen(2, 200, 10, 3));
    assert!(!is_final(&world.tell(&head(12, 4))), "three deep is for a thousand at most");
    assert!(!is_final(&world.tell(&head(10 + DEEP - 2, 5))));
    assert!(is_final(&world.tell(&head(10 + DEEP - 1, 6))));
    assert!(world.payment.settled);
    assert_eq!(world.payment.book.credit_of(Account::Excess), units(1_000));
}

/// Row: C5
#[test]
fn money_that_is_mined_again_counts_as_what_it_moves_now() {
    for (now, gone, excess) in [(100, 0, 0), (60, 40, 0), (130, 0, 30)] {
        let mut world = World::new();
        world.ask(&prepare(100));
        world.tell(&seen(1, 100, 10, 2));
        world.tell(&head(12, 3));
        assert!(world.payment.settled);
        world.tell(&left(10, 4));
        assert_eq!(world.payment.away_units(), units(100));
        world.tell(&seen(1, now, 13, 5));
        world.tell(&head(20, 6));
        let payment = &world.payment;
        assert_eq!(payment.final_units(), units(now));
        assert_eq!((payment.gone_units(), payment.away_units()), (units(gone), units(gone)));
        assert_eq!(payment.book.credit_of(Account::Excess), units(excess));
        let (debits, credits) = payment.book.0.values().fold((0, 0), |(debits, credits), sides| {
            let number = |units: contracts::asset::Units| units.to_string().parse::<u64>().unwrap();
            (debits + number(sides.debit), credits + number(sides.credit))
        });
        assert_eq!(debits, credits);
    }
}

/// Row: C1
#[test]
fn the_largest_amounts_wait_for_the_chains_own_word_where_it_gives_one() {
    let mut world = World::on_a_chain_that_says_what_is_final();
    world.ask(&prepare(5_000));
    world.tell(&seen(1, 5_000, 10, 2));
    for (look, told) in [(3, None), (4, Some(9))] {
        assert!(!is_final(&world.tell(&head_and_final(40, look, told))), "{told:?}");
    }
    assert!(is_final(&world.tell(&head_and_final(40, 5, Some(10)))));

    let mut small = World::on_a_chain_that_says_what_is_final();
    small.ask(&prepare(100));
    small.tell(&seen(1, 100, 10, 2));
    assert!(is_final(&small.tell(&head_and_final(12, 3, None))), "the tier alone");
    // What comes on top is a large amount.
    small.tell(&seen(2, 5_000, 20, 4));
    assert!(!is_final(&small.tell(&head_and_final(60, 5, Some(19)))));
    assert!(is_final(&small.tell(&head_and_final(60, 6, Some(20)))));
}

/// Row: C11
#[test]
fn an_amount_of_256_bits_is_taken_as_it_is_and_no_sum_wraps() {
    use contracts::asset::Units;
    use ruint::aliases::U256;

    let mut world = World::new();
    world.ask(&prepare(100));
    for (n, look) in [(1, 2), (2, 3)] {
        let Fact::TransferSeen(sighted) = seen(n, 1, 10, look) else { panic!() };
        world.tell(&Fact::TransferSeen(Sighted { units: Units(U256::MAX), ..sighted }));
        assert_eq!(world.payment.seen.received, Units(U256::MAX));
        world.tell(&head(40, look + 10));
    }
    assert!(world.payment.settled);
    let json = serde_json::to_string(&world.payment).unwrap();
    assert_eq!(serde_json::from_str::<Payment>(&json).unwrap(), world.payment);
}
