//! Final money that left its chain for good, and a person who says so.

use contracts::messages::RefundState;
use uuid::Uuid;

use super::world::{World, head, left, prepare, refund, seen, units};
use crate::{
    Effect, Event, Fact, Payment, evolve_all,
    ledger::Account,
    loss::{NotLost, may_write_off},
};

/// Paid, and gone from its chain.
fn away(came: u64) -> World {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, came, 10, 2));
    world.tell(&head(20, 4));
    world.tell(&left(10, 5));
    world
}

fn write_off(world: &mut World) -> Vec<Event> {
    world.tell(&Fact::WrittenOff { by: "ada".to_owned(), why: "the bank says so".to_owned() })
}

/// What was last told of money that is away: away, final, lost.
fn told(world: &World) -> [u64; 3] {
    let told = world.said.iter().rev().find_map(|effect| {
        let Effect::SayReversed(told) = effect else { return None };
        Some([told.gone, told.settled, told.lost])
    });
    told.unwrap().map(|units| units.to_string().parse().unwrap())
}

fn balance(world: &World, account: Account) -> i64 {
    let sides = world.payment.book.0.get(&account).copied().unwrap_or_default();
    let number = |units: contracts::asset::Units| units.to_string().parse::<i64>().unwrap();
    number(sides.credit) - number(sides.debit)
}

fn adds_up(world: &World) {
    let sum: i64 = world.payment.book.0.keys().map(|account| balance(world, *account)).sum();
    assert_eq!(sum, 0);
    assert_eq!(balance(world, Account::Customer), 0);
    let (id, booking) = (world.payment.payment_id, world.payment.booking_id);
    assert_eq!(evolve_all(Payment::new(id, booking), &world.journal), world.payment);
}

/// Row: C5
/// Row: C11
#[test]
fn money_that_is_lost_for_good_is_waited_for_by_nobody_and_its_ledger_sums_to_zero() {
    let mut world = World::new();
    world.ask(&prepare(100));
    assert_eq!(may_write_off(&world.payment), Err(NotLost::NothingAway));
    let mut world = away(100);
    assert_eq!(told(&world), [100, 0, 0]);
    assert_eq!(write_off(&mut world).len(), 1);
    assert_eq!(told(&world), [0, 0, 100]);
    assert_eq!(
        (balance(&world, Account::WrittenOff), balance(&world, Account::Reversed)),
        (-100, 0)
    );
    assert_eq!(balance(&world, Account::Price), 100, "the booking stands as it was sold");
    adds_up(&world);
    assert!(write_off(&mut world).is_empty(), "once");

    // Mined again after all: it makes good what was lost.
    world.tell(&seen(1, 100, 30, 40));
    world.tell(&head(40, 41));
    assert_eq!(told(&world), [0, 100, 0]);
    assert_eq!((balance(&world, Account::WrittenOff), balance(&world, Account::Reversed)), (0, 0));
    adds_up(&world);
}

/// Row: C5
#[test]
fn what_the_customer_would_get_of_lost_money_is_theirs_no_more() {
    // 30 too much, and 40 to go back, of which nothing was sent.
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 130, 10, 2));
    world.tell(&head(20, 4));
    world.ask(&refund(1, 70));
    world.tell(&left(10, 5));
    write_off(&mut world);
    let state = world.payment.refunds[&Uuid::from_u128(1)].state;
    assert_eq!(state, RefundState::Failed, "nobody sends it any more");
    assert_eq!((balance(&world, Account::RefundDue), balance(&world, Account::Excess)), (0, 0));
    assert_eq!(balance(&world, Account::WrittenOff), -60, "the price less what was to go back");
    adds_up(&world);
    assert_eq!(world.payment.final_units(), units(0));
    // Nothing of it can go back, and all that comes back makes good the loss first.
    let refused = world.ask(&refund(2, 1));
    assert!(!refused.iter().any(|event| matches!(event, Event::RefundGranted(_))), "{refused:?}");
    world.tell(&seen(1, 130, 30, 40));
    world.tell(&head(40, 41));
    assert_eq!(
        (balance(&world, Account::WrittenOff), balance(&world, Account::RefundDue)),
        (0, 70)
    );
    adds_up(&world);
}

/// Row: C5
#[test]
fn a_refund_that_is_covered_or_on_its_way_is_not_lost() {
    // What is left covers it.
    let mut world = World::new();
    world.ask(&prepare(100));
    world.tell(&seen(1, 60, 10, 2));
    world.tell(&seen(2, 40, 11, 2));
    world.tell(&head(20, 4));
    world.ask(&refund(1, 40));
    world.tell(&left(11, 5));
    write_off(&mut world);
    assert_eq!(world.payment.refunds[&Uuid::from_u128(1)].state, RefundState::Granted);
    assert_eq!((balance(&world, Account::WrittenOff), told(&world)), (-40, [0, 60, 40]));
    adds_up(&world);

    let mut sent = World::new();
    sent.ask(&prepare(100));
    sent.tell(&seen(1, 100, 10, 2));
    sent.tell(&head(20, 4));
    sent.ask(&refund(1, 100));
    sent.tell(&super::refunds::payout(7, 100, 21, 22));
    sent.tell(&left(10, 23));
    assert_eq!(may_write_off(&sent.payment), Err(NotLost::RefundUnderWay));
    assert!(write_off(&mut sent).is_empty());
    // Once it arrived, what it brought is lost to us.
    sent.tell(&head(40, 41));
    write_off(&mut sent);
    assert_eq!(sent.payment.refunds[&Uuid::from_u128(1)].state, RefundState::Confirmed);
    assert_eq!(balance(&sent, Account::WrittenOff), -100);
    adds_up(&sent);
}

/// Row: C5
#[test]
fn what_was_paid_anew_takes_the_place_of_what_is_lost() {
    let mut world = away(100);
    world.tell(&seen(2, 100, 30, 40));
    world.tell(&head(40, 41));
    assert_eq!(told(&world), [0, 100, 0]);
    write_off(&mut world);
    assert_eq!(told(&world), [0, 100, 0], "nothing is lost to us");
    assert_eq!((balance(&world, Account::Excess), balance(&world, Account::WrittenOff)), (0, 0));
    adds_up(&world);
}
