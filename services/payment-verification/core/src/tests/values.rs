//! Refunds that go back by value: of now, or in the currency of the price.

use contracts::{
    asset::{AssetId, Rate, Units},
    instruction::place_of_payment,
    messages::{RefundBasis, RefundState, RefundValue},
    money::{Currency, Money},
};
use proptest::prelude::*;
use ruint::aliases::U512;
use uuid::Uuid;

use super::world::{World, hash, head, left, prepare, seen, start, undone, units};
use crate::{
    Command, Effect, Event, Fact, Payment,
    chain::{BlockRef, TransferKey},
    command::RefundAsked,
    evolve_all,
    fact::Sighted,
    ledger::Account,
    rates::Believed,
    refund::{Refund, RefundChange},
};

const WALLET: &str = "0x00000000000000000000000000000000000000Aa";
/// A tenth of an ether; 250 euro are paid with it.
const PAID: u64 = 100_000_000_000_000_000;

/// Paid for 250 euro at 2,500 euro an ether.
pub(super) fn paid() -> World {
    paid_with(PAID)
}

fn paid_with(came: u64) -> World {
    let mut world = World::new();
    world.ask(&prepare(PAID));
    world.tell(&seen(1, came, 10, 2));
    world.tell(&head(16, 4));
    world
}

pub(super) fn asked(n: u128, amount: u64, basis: RefundBasis, to: Option<&str>) -> Command {
    let (refund_id, to) = (Uuid::from_u128(n), to.map(str::to_owned));
    Command::Refund(RefundAsked { refund_id, units: units(amount), to, basis, handled_by: None })
}

/// What an ether costs, in whole euro.
fn rate(n: u128, euro: u64) -> Fact {
    rate_in(n, euro * 100_000_000, Currency::Eur)
}

fn rate_in(n: u128, micro_minor_per_coin: u64, currency: Currency) -> Fact {
    let asset = AssetId::parse("eth").unwrap();
    let rate = Rate { asset, decimals: 18, currency, micro_minor_per_coin };
    let believed = Believed { rate, as_of: start() };
    Fact::RateBelieved { refund_id: Uuid::from_u128(n), believed }
}

fn payout(n: u128, transaction: u8, amount: u64, block: u8, look: u64) -> Fact {
    let key = TransferKey { transaction: hash(transaction), position: String::new() };
    let block = BlockRef { height: u64::from(block), hash: hash(block) };
    let sighted = Sighted { key, units: units(amount), block, look, stamped_at: start(), rests: 0 };
    Fact::PayoutSeen { refund_id: Uuid::from_u128(n), sighted }
}

fn refund(world: &World, n: u128) -> &Refund {
    &world.payment.refunds[&Uuid::from_u128(n)]
}

fn worth(world: &World, n: u128) -> Option<i64> {
    refund(world, n).value.as_ref().map(|value| value.worth.minor)
}

/// Credit less debit.
fn balance(payment: &Payment, account: Account) -> i128 {
    let sides = payment.book.0.get(&account).copied().unwrap_or_default();
    let number = |units: Units| units.to_string().parse::<i128>().unwrap();
    number(sides.credit) - number(sides.debit)
}

fn told(world: &World) -> (RefundState, Option<RefundValue>) {
    let told = world.said.iter().rev().find_map(|effect| {
        let Effect::SayRefund(told) = effect else { return None };
        Some((told.state, told.value.clone()))
    });
    told.unwrap()
}

/// Row: C10
/// Row: C11
#[test]
fn a_refund_of_now_sends_what_is_worth_today_what_was_paid_and_only_that_proves_it() {
    let mut world = paid();
    world.ask(&asked(1, PAID / 2, RefundBasis::Now, None));
    let (state, value) = told(&world);
    assert_eq!((state, value.unwrap().worth.minor), (RefundState::Granted, 12_500));
    assert_eq!(refund(&world, 1).sends(), None, "how much that is, is not known yet");
    // An ether costs twice as much by now; what it costs later is nobody's business.
    world.tell(&rate(1, 5_000));
    assert!(world.tell(&rate(1, 10_000)).is_empty());
    assert_eq!(refund(&world, 1).sends(), Some(units(PAID / 4)));
    let priced = told(&world).1.and_then(|value| value.priced).unwrap();
    assert_eq!((priced.units, priced.as_of), (units(PAID / 4), start()));
    assert_eq!(priced.rate.micro_minor_per_coin, 500_000_000_000);

    world.ask(&asked(1, PAID / 2, RefundBasis::Now, Some(WALLET)));
    world.tell(&payout(1, 7, PAID / 2, 20, 20));
    assert_eq!(refund(&world, 1).state, RefundState::Granted, "as many units as then");
    world.tell(&payout(1, 8, PAID / 4, 21, 21));
    assert_eq!(refund(&world, 1).state, RefundState::Sent);
    world.tell(&head(40, 40));
    assert_eq!(refund(&world, 1).state, RefundState::Confirmed);
    let of = |world: &World, account| balance(&world.payment, account);
    let quarter = i128::from(PAID / 4);
    assert_eq!(of(&world, Account::RefundGranted), 0);
    assert_eq!(of(&world, Account::ExchangeDifference), quarter, "what was not sent is ours");
    assert_eq!(of(&world, Account::Misspent), -2 * quarter);
    assert_eq!(of(&world, Account::PaidOut), 3 * quarter);
    // Its block leaves after all: what came too much is all of it, and more.
    world.tell(&left(21, 41));
    assert!(refund(&world, 1).proof.is_none() && refund(&world, 1).ending.is_some());
    assert_eq!(of(&world, Account::ExchangeDifference), quarter);
    assert_eq!(of(&world, Account::Misspent), -quarter);
    // That leaves, too: as if nothing had ever been sent.
    world.tell(&left(20, 42));
    assert_eq!(of(&world, Account::ExchangeDifference), 0);
    assert_eq!(of(&world, Account::Misspent), 0);
    assert_eq!(of(&world, Account::RefundGranted), 2 * quarter);
}

/// Row: C10
#[test]
fn a_refund_in_the_currency_of_the_price_is_priced_when_it_may_be_sent_and_not_before() {
    let mut world = paid();
    world.alone_max = 10_000;
    world.ask(&asked(1, PAID, RefundBasis::Fiat, None));
    assert_eq!(worth(&world, 1), Some(25_000));
    assert!(world.tell(&rate(1, 5_000)).is_empty(), "nobody knows where to");
    world.ask(&asked(1, PAID, RefundBasis::Fiat, Some(WALLET)));
    assert!(world.tell(&rate(1, 5_000)).is_empty(), "nobody let it go");
    let (by, why) = ("anna".to_owned(), "agreed".to_owned());
    let refund_id = Uuid::from_u128(1);
    world.tell(&Fact::RefundApproved { refund_id, by, why });
    assert!(refund(&world, 1).wants_rate());
    // More than came: an ether is worth half of what it was, and the rest is ours to bear.
    world.tell(&rate(1, 1_250));
    assert!(!refund(&world, 1).wants_rate());
    assert_eq!(refund(&world, 1).sends(), Some(units(2 * PAID)));
    world.tell(&payout(1, 7, 2 * PAID, 20, 20));
    world.tell(&head(40, 40));
    assert_eq!(refund(&world, 1).state, RefundState::Confirmed);
    let paid = i128::from(PAID);
    assert_eq!(balance(&world.payment, Account::ExchangeDifference), -paid);
    assert_eq!(balance(&world.payment, Account::PaidOut), 2 * paid);
    assert_eq!(balance(&world.payment, Account::Customer), 0);
}

/// Row: C10
#[test]
fn a_refund_waits_for_a_rate_of_its_own_asset_and_currency() {
    let mut world = paid();
    world.ask(&asked(1, PAID, RefundBasis::Now, Some(WALLET)));
    let Fact::RateBelieved { refund_id, mut believed } = rate(1, 5_000) else { unreachable!() };
    believed.rate.asset = AssetId::parse("btc").unwrap();
    assert!(world.tell(&Fact::RateBelieved { refund_id, believed: believed.clone() }).is_empty());
    believed.rate = Rate { asset: AssetId::parse("eth").unwrap(), decimals: 8, ..believed.rate };
    assert!(world.tell(&Fact::RateBelieved { refund_id, believed }).is_empty());
    assert!(world.tell(&rate_in(1, 500_000_000_000, Currency::Usd)).is_empty());
    assert!(world.tell(&rate_in(1, 0, Currency::Eur)).is_empty(), "a price of nothing");
    assert!(world.tell(&rate(2, 5_000)).is_empty(), "another refund");
    assert!(refund(&world, 1).wants_rate());
    // A coin that is dear beyond all measure still brings something that can be proven.
    world.tell(&rate_in(1, u64::MAX, Currency::Eur));
    assert!(!refund(&world, 1).sends().unwrap().is_zero());
}

/// Row: C10
#[test]
fn what_never_paid_goes_back_as_it_came() {
    let now = RefundBasis::Now;
    // Too much: a coin that fell does not make more of it.
    let mut world = paid_with(PAID + PAID / 2);
    world.ask(&asked(1, PAID / 2, now, Some(WALLET)));
    assert_eq!((worth(&world, 1), refund(&world, 1).sends()), (None, Some(units(PAID / 2))));
    world.ask(&asked(2, PAID / 2, now, Some(WALLET)));
    assert_eq!(worth(&world, 2), Some(12_500), "the rest had paid");
    world.tell(&rate(2, 1_250));
    assert_eq!(refund(&world, 2).sends(), Some(units(PAID)));

    // Both in one.
    let mut world = paid_with(PAID + PAID / 2);
    world.ask(&asked(1, PAID + PAID / 2, now, Some(WALLET)));
    assert_eq!(worth(&world, 1), Some(25_000));
    world.tell(&rate(1, 1_250));
    assert_eq!(refund(&world, 1).sends(), Some(units(2 * PAID + PAID / 2)));

    // Too little, and too late.
    let mut world = World::new();
    world.ask(&prepare(PAID));
    world.ask(&undone());
    world.tell(&seen(1, PAID, 10, 2));
    world.tell(&crate::tests::world::read_up_to(1_000));
    world.tell(&head(16, 4));
    world.ask(&asked(1, PAID, now, Some(WALLET)));
    assert!(!world.payment.settled);
    assert_eq!((worth(&world, 1), refund(&world, 1).sends()), (None, Some(units(PAID))));
}

/// Row: C10
#[test]
fn what_failed_is_worth_the_same_when_it_is_granted_anew() {
    let mut world = paid();
    world.ask(&asked(1, PAID, RefundBasis::Now, Some(WALLET)));
    world.tell(&rate(1, 5_000));
    world.tell(&Fact::PayoutRejected { refund_id: Uuid::from_u128(1) });
    world.ask(&asked(2, PAID, RefundBasis::Now, Some(WALLET)));
    assert_eq!(worth(&world, 2), Some(25_000));
    assert!(refund(&world, 2).wants_rate() && !refund(&world, 1).wants_rate());
    // At another value it is another refund.
    let refused = world.ask(&asked(2, PAID, RefundBasis::Fiat, Some(WALLET)));
    assert!(matches!(refused.as_slice(), [Event::Refused { .. }]), "{refused:?}");
}

/// Row: C3
#[test]
fn what_pays_another_payment_moves_as_it_came() {
    let mut world = paid();
    let mut other = World::new();
    other.payment.payment_id = contracts::ids::PaymentId(Uuid::from_u128(77));
    other.ask(&prepare(PAID));
    world.ask(&asked(1, PAID, RefundBasis::Now, None));
    world.tell(&rate(1, 5_000));
    world.into = Some(other.payment.clone());
    let place = place_of_payment(other.payment.payment_id);
    let events = world.ask(&asked(1, PAID, RefundBasis::Now, Some(&place)));
    let moved = events.iter().find_map(|event| {
        let Event::Refund { change: RefundChange::Moved { units, .. }, .. } = event else {
            return None;
        };
        Some(*units)
    });
    assert_eq!(moved, Some(units(PAID)));
    assert_eq!(balance(&world.payment, Account::ExchangeDifference), 0);
    assert_eq!(balance(&world.payment, Account::RefundGranted), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Row: C11
    #[test]
    fn refunds_by_value_add_up_to_the_price_and_every_unit_is_accounted_for(
        parts in prop::collection::vec((1_u64..1_000_000, 1_u64..100_000_000_000_000), 1..8),
        price in 1_i64..10_000_000_000,
        currency in 0..Currency::ALL.len(),
    ) {
        let currency = Currency::ALL[currency];
        let all: u64 = parts.iter().map(|(part, _)| part).sum();
        let mut world = World::new();
        let Command::Prepare(mut terms) = prepare(all) else { unreachable!() };
        terms.price = Money::new(price, currency);
        world.ask(&Command::Prepare(terms));
        world.tell(&seen(1, all, 10, 2));
        world.tell(&head(16, 4));
        let (mut look, mut sent, mut worths) = (20_u64, 0_i128, 0_i64);
        for (n, (part, micro)) in (1_u128..).zip(&parts) {
            world.ask(&asked(n, *part, RefundBasis::Now, Some(WALLET)));
            let events = world.tell(&rate_in(n, *micro, currency));
            let Some(sends) = refund(&world, n).sends() else {
                prop_assert!(events.is_empty());
                continue;
            };
            let minor = worth(&world, n).unwrap();
            // Rounded down to a whole unit, and never nothing.
            let bought = U512::from(sends.0) * U512::from(*micro);
            let of_it = U512::from(minor.unsigned_abs()) * U512::from(10_u8).pow(U512::from(24_u8));
            prop_assert!(sends == units(1) || bought <= of_it);
            worths += minor;
            sent += sends.to_string().parse::<i128>().unwrap();
            let amount: u64 = match sends.to_string().parse() {
                Ok(amount) => amount,
                Err(_) => continue,
            };
            look += 1;
            let block = u8::try_from(look).unwrap();
            world.tell(&payout(n, block, amount, block, look));
            world.tell(&head(look + 6, look));
            prop_assert_eq!(refund(&world, n).state, RefundState::Confirmed);
        }
        let payment = &world.payment;
        prop_assert_eq!(balance(payment, Account::Customer), 0);
        let open: i128 = payment.refunds.values().filter(|r| r.state != RefundState::Confirmed)
            .map(|r| r.units.to_string().parse::<i128>().unwrap()).sum();
        prop_assert_eq!(balance(payment, Account::RefundGranted), open);
        let sum: i128 = payment.book.0.keys().map(|account| balance(payment, *account)).sum();
        prop_assert_eq!(sum, 0);
        if open == 0 {
            prop_assert_eq!(worths, price, "the parts are worth the whole");
            prop_assert_eq!(balance(payment, Account::PaidOut), sent);
        }
        let (id, booking) = (payment.payment_id, payment.booking_id);
        prop_assert_eq!(&evolve_all(Payment::new(id, booking), &world.journal), payment);
        let json = serde_json::to_string(&world.journal).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<Event>>(&json).unwrap(), &world.journal);
        let json = serde_json::to_string(payment).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Payment>(&json).unwrap(), payment);
    }
}
