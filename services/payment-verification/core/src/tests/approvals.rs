//! Refunds that a second person has to let go.

use contracts::{messages::RefundState, money::Money};
use proptest::prelude::*;
use uuid::Uuid;

use super::world::{World, head, prepare, refund, seen, units};
use crate::{
    Command, Fact,
    refund::{
        approval::{Approval, NotForThem, may_let_go, worth},
        ending::{NotSettled, may_settle},
    },
};

const LARGE: Uuid = Uuid::from_u128(1);

/// Paid for 250 euro with 100 units, of which `cents` may go back by themselves.
fn paid(cents: i64) -> World {
    let mut world = World::new();
    world.alone_max = cents;
    world.ask(&prepare(100));
    world.tell(&seen(1, 100, 10, 2));
    world.tell(&head(12, 4));
    assert!(world.payment.settled);
    world
}

fn let_go(world: &mut World, by: &str) -> usize {
    let (refund_id, by, why) = (LARGE, by.to_owned(), "as the customer agreed".to_owned());
    world.tell(&Fact::RefundApproved { refund_id, by, why }).len()
}

/// Asked for while a member of staff looks into the booking.
fn handled(n: u128, amount: u64, by: &str) -> Command {
    let Command::Refund(mut asked) = refund(n, amount) else { panic!("no refund") };
    asked.handled_by = Some(by.to_owned());
    Command::Refund(asked)
}

/// Row: C10
#[test]
fn beyond_the_limit_a_refund_waits_for_somebody_who_had_no_hand_in_it() {
    let mut world = paid(10_000);
    world.ask(&handled(1, 41, "otto"));
    let known = |world: &World| world.payment.refunds[&LARGE].clone();
    assert_eq!(known(&world).approval, Approval::Waits, "41 of 100 are worth 102.50");
    assert_eq!(known(&world).state, RefundState::Granted);
    assert!(!known(&world).approval.lets_go());
    assert_eq!(may_let_go(&world.payment, LARGE, "otto"), Err(NotForThem::SamePerson));
    assert_eq!(let_go(&mut world, "otto"), 0);
    assert_eq!(may_settle(&world.payment, LARGE), Err(NotSettled::Waits), "nobody was to send it");

    assert_eq!(may_let_go(&world.payment, LARGE, "anna"), Ok(()));
    assert_eq!(let_go(&mut world, "anna"), 1);
    assert_eq!(known(&world).approval, Approval::Given { by: "anna".to_owned() });
    assert!(known(&world).approval.lets_go());
    assert_eq!(may_let_go(&world.payment, LARGE, "adam"), Err(NotForThem::NotWaiting));
    assert_eq!(let_go(&mut world, "adam"), 0, "once is enough");
    let nobody = Uuid::from_u128(9);
    assert_eq!(may_let_go(&world.payment, nobody, "anna"), Err(NotForThem::NoSuchRefund));
}

/// Row: C10
#[test]
fn up_to_the_limit_a_refund_goes_by_itself_and_many_small_ones_are_one_large_one() {
    let mut world = paid(10_000);
    world.ask(&refund(1, 40));
    assert_eq!(world.payment.refunds[&LARGE].approval, Approval::NotNeeded, "100.00 to the cent");
    assert_eq!(may_let_go(&world.payment, LARGE, "anna"), Err(NotForThem::NotWaiting));
    world.ask(&refund(2, 1));
    assert_eq!(world.payment.refunds[&Uuid::from_u128(2)].approval, Approval::Waits);

    // What failed went nowhere.
    let mut world = paid(10_000);
    world.ask(&refund(1, 40));
    world.tell(&Fact::PayoutRejected { refund_id: LARGE });
    world.ask(&refund(2, 40));
    assert_eq!(world.payment.refunds[&Uuid::from_u128(2)].approval, Approval::NotNeeded);
}

#[test]
fn what_cannot_be_compared_waits() {
    let mut world = paid(0);
    world.ask(&refund(1, 1));
    assert_eq!(world.payment.refunds[&LARGE].approval, Approval::Waits, "nothing goes by itself");
    let request = world.payment.request.clone().unwrap();
    assert_eq!(worth(&request, contracts::asset::Units(ruint::aliases::U256::MAX)), None);
}

proptest! {
    /// Row: C11
    #[test]
    fn the_worth_of_parts_is_never_less_than_the_worth_of_the_whole(
        parts in prop::collection::vec(1_u64..1_000, 1..5),
        price in 1_i64..1_000_000,
    ) {
        let world = paid(0);
        let mut request = world.payment.request.unwrap();
        let all: u64 = parts.iter().sum();
        request.terms.amount.units = units(all);
        request.terms.price = Money::new(price, request.terms.price.currency);
        prop_assert_eq!(worth(&request, units(all)), Some(request.terms.price));
        let minor = |part: &u64| worth(&request, units(*part)).unwrap().minor;
        let sum: i64 = parts.iter().map(minor).sum();
        prop_assert!((price..price + 5).contains(&sum));
    }
}
