//! Money that is due back of one payment and pays another.

use contracts::{
    ids::{BookingId, PaymentId},
    instruction::place_of_payment,
    messages::{RefundBasis, RefundState},
};
use uuid::Uuid;

use super::world::{World, head, left, not_paid, prepare, read_up_to, seen, undone, units};
use crate::{
    Command, Effect, Event, Fact, Payment,
    command::RefundAsked,
    ledger::Account,
    moving::{arrives, destination},
};

pub(super) const OTHER: PaymentId = PaymentId(Uuid::from_u128(11));

/// Closed unpaid, and `came` afterwards.
fn late(came: u64) -> World {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.ask(&not_paid());
    world.tell(&read_up_to(100_000));
    world.tell(&seen(1, came, 10, 2));
    world.tell(&head(20, 3));
    world
}

/// Closed unpaid, and so much afterwards in the tenth block, which is final and three deep.
fn shallow(came: u64) -> World {
    let mut world = World::new();
    world.ask(&prepare(100));
    world.ask(&not_paid());
    world.tell(&read_up_to(100_000));
    world.tell(&seen(1, came, 10, 2));
    world.tell(&head(12, 3));
    assert_eq!(of(&world, Account::RefundDue), came);
    world
}

/// A payment of so much that waits.
fn waiting(amount: u64) -> World {
    named(OTHER, World::new(), amount)
}

fn named(id: PaymentId, world: World, amount: u64) -> World {
    let mut world = world;
    world.payment = Payment::new(id, BookingId(Uuid::from_u128(12)));
    world.ask(&prepare(amount));
    world
}

fn move_to(amount: u64, into: PaymentId) -> Command {
    move_as(7, amount, into)
}

fn move_as(n: u128, amount: u64, into: PaymentId) -> Command {
    Command::Refund(RefundAsked {
        refund_id: Uuid::from_u128(n),
        units: units(amount),
        to: Some(place_of_payment(into)),
        basis: RefundBasis::Then,
        handled_by: None,
    })
}

/// Asks one to pay the other, in one step as the shell does; what was told of the refund.
pub(super) fn moved(from: &mut World, into: &mut World, amount: u64) -> Vec<RefundState> {
    moved_as(7, from, into, amount)
}

fn moved_as(n: u128, from: &mut World, into: &mut World, amount: u64) -> Vec<RefundState> {
    let command = move_as(n, amount, into.payment.payment_id);
    assert_eq!(destination(&command), Some(into.payment.payment_id));
    from.into = Some(into.payment.clone());
    let said = from.said.len();
    let events = from.ask(&command);
    for event in &events {
        if let Some((payment, fact)) = arrives(&from.payment, event) {
            assert_eq!(payment, into.payment.payment_id);
            into.tell(&fact);
            assert!(into.tell(&fact).is_empty(), "once");
        }
    }
    let told = from.said[said..].iter().filter_map(|effect| {
        if let Effect::SayRefund(told) = effect { Some(told.state) } else { None }
    });
    told.collect()
}

fn of(world: &World, account: Account) -> u64 {
    world.payment.book.credit_of(account).to_string().parse().unwrap()
}

fn out_of(world: &World, account: Account) -> u64 {
    let sides = world.payment.book.0.get(&account).copied().unwrap_or_default();
    sides.debit.saturating_sub(sides.credit).to_string().parse().unwrap()
}

/// Row: C3
/// Row: C11
#[test]
fn late_money_pays_another_payment_once_and_both_ledgers_say_so() {
    let (mut from, mut into) = (late(100), waiting(100));
    assert_eq!(of(&from, Account::RefundDue), 100);
    let told = moved(&mut from, &mut into, 100);
    assert_eq!(told, [RefundState::Granted, RefundState::Confirmed]);
    assert!(into.payment.settled && into.payment.received() == units(100));
    assert_eq!((of(&from, Account::Moved), out_of(&into, Account::Moved)), (100, 100));
    assert_eq!((of(&from, Account::RefundGranted), of(&from, Account::PaidOut)), (0, 0));
    assert_eq!((of(&into, Account::Price), of(&into, Account::Customer)), (100, 0));
    assert_eq!(into.payment.at_address(), units(0), "nothing lies at its address");
    // Said again it is the same; nothing is left to go anywhere.
    from.into = Some(into.payment.clone());
    assert!(from.ask(&move_to(100, OTHER)).is_empty());
    let Command::Refund(asked) = move_to(1, OTHER) else { unreachable!() };
    let again = RefundAsked { refund_id: Uuid::from_u128(8), to: None, ..asked };
    let events = from.ask(&Command::Refund(again));
    assert!(!events.iter().any(|event| matches!(event, Event::RefundGranted(_))), "{events:?}");
}

#[test]
fn what_is_missing_is_paid_at_the_address_and_what_is_too_much_is_the_customers() {
    let (mut from, mut into) = (late(60), waiting(100));
    moved(&mut from, &mut into, 60);
    assert!(!into.payment.settled && !into.payment.seen.complete);
    assert_eq!(into.payment.seen.received, units(60));
    into.tell(&seen(2, 40, 30, 5));
    assert!(into.payment.seen.complete && !into.payment.settled);
    into.tell(&head(40, 6));
    assert!(into.payment.settled);
    assert_eq!((of(&into, Account::Price), of(&into, Account::Excess)), (100, 0));

    let (mut from, mut into) = (late(130), waiting(100));
    moved(&mut from, &mut into, 130);
    assert_eq!((of(&into, Account::Price), of(&into, Account::Excess)), (100, 30));
}

/// Row: C3
#[test]
fn money_stays_due_where_the_other_payment_needs_none_any_more() {
    let closed = || {
        let mut into = waiting(100);
        into.ask(&undone());
        into.tell(&read_up_to(100_000));
        assert!(into.payment.closing.is_some());
        into
    };
    let closing = || {
        let mut into = waiting(100);
        into.ask(&not_paid());
        assert!(into.payment.closing.is_none());
        into
    };
    let paid = || {
        let mut into = waiting(100);
        into.tell(&seen(2, 100, 30, 5));
        into.tell(&head(40, 6));
        assert!(into.payment.settled);
        into
    };
    let of_other_asset = || {
        let mut into = waiting(100);
        into.payment.request.as_mut().unwrap().contract = Some("0xaa".to_owned());
        into
    };
    for mut into in [closed(), closing(), paid(), of_other_asset()] {
        let before = into.payment.clone();
        let mut from = late(100);
        assert_eq!(moved(&mut from, &mut into, 100), [RefundState::Failed]);
        assert_eq!(into.payment, before);
        assert_eq!(of(&from, Account::RefundDue), 100, "it is the customer's still");
    }
    // Nobody knows it, or it is itself.
    let mut from = late(100);
    from.ask(&move_to(100, OTHER));
    assert_eq!(of(&from, Account::RefundDue), 100);
    // What left its chain is not there to move.
    let (mut from, mut into) = (late(100), waiting(100));
    from.tell(&left(10, 9));
    assert_eq!(moved(&mut from, &mut into, 100), [RefundState::Failed]);
}

/// Row: C1
/// Row: C3
#[test]
fn several_small_amounts_make_no_large_price_final_early() {
    // Amounts of more than 1000 lie six deep, smaller ones three.
    let (mut one, mut two) = (shallow(900), shallow(900));
    let mut into = waiting(1_800);
    let before = into.payment.clone();
    for (n, from) in [(7, &mut one), (8, &mut two)] {
        assert_eq!(moved_as(n, from, &mut into, 900), [RefundState::Failed]);
        assert_eq!(of(from, Account::RefundDue), 900, "it is the customer's still");
    }
    assert_eq!(into.payment, before);
    for (n, from) in [(7, &mut one), (8, &mut two)] {
        from.tell(&head(14, 4));
        assert_eq!(moved_as(n, from, &mut into, 900), [RefundState::Failed], "five deep");
        from.tell(&head(15, 5));
        let told = moved_as(n, from, &mut into, 900);
        assert_eq!(told, [RefundState::Granted, RefundState::Confirmed]);
    }
    assert!(into.payment.settled);
    assert_eq!(of(&into, Account::Price), 1_800);

    // A small price takes it as soon as it is final, unless it is much by then.
    let (mut one, mut two, mut small) = (shallow(900), shallow(900), waiting(1_000));
    assert_eq!(moved(&mut one, &mut small, 900).last(), Some(&RefundState::Confirmed));
    assert_eq!(moved_as(8, &mut two, &mut small, 900), [RefundState::Failed]);
    // What comes to its address on top is as much together.
    small.tell(&seen(3, 200, 30, 5));
    small.tell(&head(32, 6));
    assert!(!small.payment.settled, "three deep");
    small.tell(&head(35, 7));
    assert!(small.payment.settled);
}

/// Row: C1
#[test]
fn money_that_moved_before_is_no_older_for_that() {
    let mut first = shallow(900);
    let mut between = named(PaymentId(Uuid::from_u128(13)), World::new(), 900);
    assert_eq!(moved(&mut first, &mut between, 900).last(), Some(&RefundState::Confirmed));
    assert!(between.payment.settled);
    // What it paid is given back, and lies where it lay.
    let mut into = waiting(1_800);
    between.tell(&head(12, 4));
    assert_eq!(moved_as(8, &mut between, &mut into, 900), [RefundState::Failed]);
    between.tell(&head(15, 5));
    let told = moved_as(8, &mut between, &mut into, 900);
    assert_eq!(told.last(), Some(&RefundState::Confirmed));
    assert_eq!(into.payment.received(), units(900));
}

/// Row: C1
#[test]
fn what_moves_into_the_largest_price_waits_for_the_chains_own_word_too() {
    let mut from = late(900);
    let world = World::on_a_chain_that_says_what_is_final();
    let mut into = named(OTHER, world, 5_000);
    let told = |height, finalized| Fact::HeadMoved { head: height, look: 9, finalized };
    for finalized in [None, Some(9)] {
        from.tell(&told(40, finalized));
        assert_eq!(moved(&mut from, &mut into, 900), [RefundState::Failed], "{finalized:?}");
    }
    from.tell(&told(40, Some(10)));
    assert_eq!(moved(&mut from, &mut into, 900).last(), Some(&RefundState::Confirmed));
}
