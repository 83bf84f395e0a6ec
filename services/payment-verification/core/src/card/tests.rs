//! A payment by card from its beginning to its end, told by a gateway that is a value here.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::TimeDelta;
use contracts::{
    asset::{AssetAmount, AssetId},
    ids::{BookingId, PaymentId},
    instruction::CARD,
    messages::{Closing, RefundBasis},
    money::{Currency, Money},
};
use proptest::prelude::*;

use super::*;
use crate::{
    Command, Effect, Event,
    assets::{self, Registry},
    command::{RefundAsked, Terms},
    decide::{Means, Patience, decide, refused},
    effects, evolve, learn,
    ledger::Account,
};

const PRICE: u64 = 12_000;
static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::parse(assets::DEFAULT).unwrap().with_cards());

fn units(n: u64) -> Units {
    Units::parse(&n.to_string()).unwrap()
}

/// The gateway as far as a payment's rules go.
#[derive(Debug, Clone)]
struct Gateway {
    stage: Stage,
    is_lost: bool,
    refunds: Vec<ToldRefund>,
}

impl Gateway {
    fn told(&self) -> Told {
        let (stage, is_lost) = (self.stage, self.is_lost);
        Told { intent: "pi_1".to_owned(), stage, is_lost, refunds: self.refunds.clone() }
    }

    /// Does what is wished as a gateway does: what is over stays over, what was taken stays taken.
    fn perform(&mut self, wish: &Wish) {
        match (wish, self.stage) {
            (Wish::Take, Stage::Held(units)) => self.stage = Stage::Taken(units),
            (Wish::LetGo, Stage::Waits | Stage::Held(_)) => self.stage = Stage::Over,
            (Wish::GiveBack { refund_id, units }, Stage::Taken(_)) => {
                self.refunds.push(ToldRefund {
                    id: format!("re_{}", self.refunds.len()),
                    refund_id: Some(*refund_id),
                    units: *units,
                    state: ToldState::Arrived,
                });
            }
            (Wish::Wait | Wish::Take | Wish::LetGo | Wish::GiveBack { .. }, _) => {}
        }
    }

    /// What the customer is without.
    fn charged(&self) -> u64 {
        let went = self.refunds.iter().filter(|refund| refund.state != ToldState::Failed);
        let back: u64 = went.map(|refund| number(refund.units)).sum();
        match self.stage {
            Stage::Taken(units) => number(units).checked_sub(back).expect("too much went back"),
            Stage::Waits | Stage::Held(_) | Stage::Over => 0,
        }
    }
}

fn number(units: Units) -> u64 {
    units.to_string().parse().unwrap()
}

/// A payment, its gateway, and everything that it said.
struct Till {
    payment: Payment,
    gateway: Gateway,
    now: DateTime<Utc>,
    kinds: Vec<&'static str>,
    said: Vec<Effect>,
    alone_max: i64,
}

impl Till {
    fn asked() -> Self {
        let mut till = Self {
            payment: Payment::new(PaymentId(Uuid::nil()), BookingId(Uuid::nil())),
            gateway: Gateway { stage: Stage::Waits, is_lost: false, refunds: vec![] },
            now: DateTime::UNIX_EPOCH,
            kinds: vec![],
            said: vec![],
            alone_max: i64::MAX,
        };
        let asset = AssetId::parse("card-eur").unwrap();
        let amount = AssetAmount { units: units(PRICE), decimals: 2, asset };
        let price = Money::new(12_000, Currency::Eur);
        let pay_by = till.now + TimeDelta::minutes(15);
        till.ask(Command::Prepare(Terms { amount, price, pay_by }));
        till
    }

    fn opened() -> Self {
        let mut till = Self::asked();
        till.learn(&Fact::CardOpened { secret: "pi_1_secret".to_owned() });
        till
    }

    /// Settled for the price.
    fn settled() -> Self {
        let mut till = Self::opened();
        till.gateway.stage = Stage::Held(units(PRICE));
        till.step();
        assert!(till.payment.settled);
        till
    }

    fn ask(&mut self, command: Command) {
        let asset = REGISTRY.asset(&AssetId::parse("card-eur").unwrap());
        let patience = Patience { grace: TimeDelta::minutes(1), block_time: TimeDelta::zero() };
        let refund_alone_max = Some(Money::new(self.alone_max, Currency::Eur));
        let means =
            Means { asset, deposit: None, patience, refund_alone_max, into: None, head: None };
        let decided = decide(&self.payment, &command, &means, self.now);
        let events =
            decided.unwrap_or_else(|refusal| vec![refused(&self.payment, &command, refusal)]);
        self.apply(events);
    }

    fn learn(&mut self, fact: &Fact) {
        let events = learn(&self.payment, fact, self.now);
        self.apply(events);
    }

    fn apply(&mut self, events: Vec<Event>) {
        for event in events {
            self.payment = evolve(self.payment.clone(), &event);
            self.kinds.push(event.kind());
            self.said.extend(effects(&self.payment, &event));
        }
    }

    /// Asks the gateway once and learns what it tells; what is wished then.
    fn look(&mut self) -> Wish {
        let told = self.gateway.told();
        for fact in facts(&self.payment, &told, self.now) {
            self.learn(&fact);
        }
        wish(&self.payment, &told, self.now)
    }

    /// Looks and does what is wished until nothing is.
    fn step(&mut self) {
        for _ in 0..20 {
            match self.look() {
                Wish::Wait => return,
                wish @ (Wish::Take | Wish::LetGo | Wish::GiveBack { .. }) => {
                    self.gateway.perform(&wish);
                }
            }
        }
        panic!("never at rest: {:?}", self.payment);
    }

    fn refund(&mut self, id: u128, amount: u64) -> Uuid {
        let refund_id = Uuid::from_u128(id);
        let (units, to) = (units(amount), Some(CARD.to_owned()));
        self.ask(Command::Refund(RefundAsked {
            refund_id,
            units,
            to,
            basis: RefundBasis::Then,
            handled_by: None,
        }));
        refund_id
    }

    fn holds(&self, account: Account) -> u64 {
        number(self.payment.book.credit_of(account))
    }
}

/// Row: L4
#[test]
fn what_is_held_is_seen_and_only_what_is_taken_is_final() {
    let mut till = Till::asked();
    assert!(till.said.is_empty(), "nobody can pay before the gateway answered");
    till.learn(&Fact::CardOpened { secret: "pi_1_secret".to_owned() });
    let [Effect::SayPrepared(instruction)] = till.said.as_slice() else {
        panic!("{:?}", till.said)
    };
    assert!(instruction.is_card() && instruction.address == "pi_1_secret");
    assert_eq!(till.look(), Wish::Wait);

    till.gateway.stage = Stage::Held(units(PRICE));
    assert_eq!(till.look(), Wish::Take);
    assert!(till.payment.seen.complete && !till.payment.settled);
    assert_eq!(till.holds(Account::Price), 0, "what is held is not ours");
    let before = till.payment.clone();
    assert_eq!(till.look(), Wish::Take);
    assert_eq!(till.payment, before, "the same told again is nothing new");

    till.gateway.perform(&Wish::Take);
    assert_eq!(till.look(), Wish::Wait);
    assert_eq!(till.holds(Account::Price), PRICE);
    let kinds = [
        "card_asked",
        "prepared",
        "transfer_seen",
        "seen_changed",
        "transfer_seen",
        "finalised",
        "settled",
    ];
    assert_eq!(till.kinds, kinds);
}

/// Row: L4
#[test]
fn what_is_held_for_a_booking_that_is_undone_is_let_go_and_never_taken() {
    let mut till = Till::opened();
    till.gateway.stage = Stage::Held(units(PRICE));
    till.look();
    till.ask(Command::Close(CloseBecause::Undone));
    assert_eq!(till.payment.closing, None, "not before it is gone");
    assert_eq!(till.look(), Wish::LetGo);
    till.now += TimeDelta::seconds(1);
    till.step();
    let nothing = Closing::Closed { received: Units::ZERO, settled: Units::ZERO };
    assert_eq!(till.payment.closing, Some(nothing));
    assert_eq!((till.gateway.stage, till.gateway.charged()), (Stage::Over, 0));
}

/// Row: L4
#[test]
fn what_was_taken_for_a_booking_that_is_undone_goes_back_once() {
    let mut till = Till::settled();
    till.ask(Command::Close(CloseBecause::Undone));
    let settled = Closing::AlreadySettled { settled: units(PRICE) };
    assert_eq!(till.payment.closing, Some(settled));
    let part = till.refund(1, 2_000);
    let wanted = Wish::GiveBack { refund_id: part, units: units(2_000) };
    assert_eq!(till.look(), wanted);
    till.gateway.perform(&wanted);
    till.gateway.refunds[0].state = ToldState::Pending;
    assert_eq!(till.look(), Wish::Wait, "it is on its way");
    till.gateway.refunds[0].state = ToldState::Arrived;
    till.step();
    till.refund(2, 10_000);
    till.step();
    assert_eq!(till.payment.refunds[&part].state, RefundState::Confirmed);
    assert_eq!((till.gateway.refunds.len(), till.gateway.charged()), (2, 0));
    assert_eq!(till.holds(Account::PaidOut), PRICE);
}

/// Row: C10
/// Row: L4
#[test]
fn a_refund_that_the_bank_sends_back_has_failed_and_another_one_brings_it() {
    let mut till = Till::settled();
    till.ask(Command::Close(CloseBecause::Undone));
    let failed = till.refund(1, PRICE);
    till.step();
    assert_eq!(till.payment.refunds[&failed].state, RefundState::Confirmed);
    till.gateway.refunds[0].state = ToldState::Failed;
    till.step();
    let refund = &till.payment.refunds[&failed];
    assert_eq!((refund.state, &refund.proof), (RefundState::Failed, &None));
    assert!(till.kinds.contains(&"payout_reversed"), "a case");
    assert_eq!(till.gateway.refunds.len(), 1, "it is not sent again by itself");
    let told = till.said.iter().rev().find_map(|effect| {
        let Effect::SayRefund(changed) = effect else { return None };
        Some(changed.state)
    });
    assert_eq!(told, Some(RefundState::Failed));
    till.refund(2, PRICE);
    till.step();
    assert_eq!((till.gateway.refunds.len(), till.gateway.charged()), (2, 0));
    assert_eq!(till.holds(Account::PaidOut), PRICE);

    let mut till = Till::settled();
    let refused = till.refund(1, PRICE);
    till.learn(&Fact::PayoutRejected { refund_id: refused });
    till.step();
    assert_eq!(till.payment.refunds[&refused].state, RefundState::Failed);
    till.refund(2, PRICE);
    till.step();
    assert_eq!(till.gateway.charged(), 0);
}

/// Row: L4
#[test]
fn what_was_held_too_late_and_taken_all_the_same_is_unpaid_and_due_back() {
    let mut till = Till::opened();
    till.now += TimeDelta::minutes(17);
    till.gateway.stage = Stage::Held(units(PRICE));
    assert_eq!(till.look(), Wish::Take, "nobody looked into the deadline yet");
    till.ask(Command::Close(CloseBecause::NotPaid));
    till.gateway.perform(&Wish::Take);
    till.now += TimeDelta::seconds(1);
    assert_eq!(till.look(), Wish::Wait);
    let late = Closing::Closed { received: units(PRICE), settled: units(PRICE) };
    assert_eq!(till.payment.closing, Some(late));
    till.refund(1, PRICE);
    till.step();
    assert_eq!(till.gateway.charged(), 0);
}

#[test]
fn nothing_is_given_back_of_what_the_bank_took_back() {
    let mut till = Till::settled();
    till.gateway.is_lost = true;
    till.refund(1, PRICE);
    assert_eq!(till.look(), Wish::Wait);
    assert_eq!(till.gateway.charged(), PRICE);
}

/// Row: C5
/// Row: L4
#[test]
fn a_lost_dispute_is_waited_for_by_nobody_once_a_person_wrote_it_off() {
    let mut till = Till::settled();
    till.gateway.is_lost = true;
    assert_eq!(till.look(), Wish::Wait);
    assert_eq!(number(till.payment.away_units()), PRICE);
    let (by, why) = ("ada".to_owned(), "the bank decided".to_owned());
    till.learn(&Fact::WrittenOff { by, why });
    let Some(Effect::SayReversed(told)) =
        till.said.iter().rev().find(|effect| matches!(effect, Effect::SayReversed(_)))
    else {
        panic!("{:?}", till.said)
    };
    assert_eq!((number(told.gone), number(told.lost)), (0, PRICE));
    assert_eq!(till.look(), Wish::Wait);
    assert_eq!(till.kinds.last(), Some(&"written_off"), "nothing new comes of asking again");
}

/// Row: C10
/// Row: L4
#[test]
fn money_goes_back_to_a_card_only_once_a_second_person_let_it_go_where_one_has_to() {
    let mut till = Till::settled();
    till.alone_max = 100;
    let refund_id = till.refund(1, PRICE);
    assert_eq!(till.look(), Wish::Wait);
    let (by, why) = ("anna".to_owned(), "agreed".to_owned());
    till.learn(&Fact::RefundApproved { refund_id, by, why });
    assert_eq!(till.look(), Wish::GiveBack { refund_id, units: units(PRICE) });
    till.step();
    assert_eq!(till.gateway.charged(), 0);
}

/// Row: L4
#[test]
fn what_nobody_paid_is_let_go_after_the_deadline_and_its_grace() {
    let mut till = Till::opened();
    till.now += TimeDelta::minutes(15) + TimeDelta::seconds(30);
    till.ask(Command::Close(CloseBecause::NotPaid));
    assert_eq!(till.look(), Wish::Wait, "in its grace");
    let mut paid = Till { gateway: till.gateway.clone(), ..Till::opened() };
    (paid.payment, paid.now) = (till.payment.clone(), till.now);
    paid.gateway.stage = Stage::Held(units(PRICE));
    paid.step();
    assert!(paid.payment.settled, "it came in time");

    till.now += TimeDelta::minutes(1);
    till.gateway.stage = Stage::Held(units(PRICE));
    assert_eq!(till.look(), Wish::LetGo, "it came too late");
    till.step();
    let nothing = Closing::Closed { received: Units::ZERO, settled: Units::ZERO };
    assert_eq!(till.payment.closing, Some(nothing));
}

#[test]
fn an_authorisation_that_runs_out_is_not_there_any_more() {
    let mut till = Till::opened();
    till.gateway.stage = Stage::Held(units(PRICE));
    till.look();
    till.gateway.stage = Stage::Over;
    assert_eq!(till.look(), Wish::Wait);
    assert!(till.payment.received().is_zero() && !till.payment.seen.complete);
}

#[test]
fn money_that_the_bank_takes_back_for_good_is_reversed_once() {
    let mut till = Till::settled();
    till.gateway.is_lost = true;
    till.step();
    till.step();
    let reversed = till.kinds.iter().filter(|kind| **kind == "reversed").count();
    assert_eq!((reversed, till.holds(Account::Reversed)), (1, 0));
    assert!(till.payment.settled, "the booking stands; a person looks");
}

#[test]
fn what_the_gateway_opens_for_a_closed_payment_is_shown_to_nobody_and_let_go() {
    let mut till = Till::asked();
    till.ask(Command::Close(CloseBecause::NeverShown));
    till.learn(&Fact::CardOpened { secret: "pi_1_secret".to_owned() });
    assert_eq!(till.payment.request, None);
    assert_eq!(till.look(), Wish::LetGo);
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Pays,
    /// Looks, and does what is wished.
    Looks,
    /// Looks, and dies before it does.
    Dies,
    Undo,
    Deadline,
    Later,
    Expires,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        Just(Move::Pays),
        Just(Move::Looks),
        Just(Move::Looks),
        Just(Move::Dies),
        Just(Move::Undo),
        Just(Move::Deadline),
        Just(Move::Later),
        Just(Move::Expires),
    ];
    prop::collection::vec(one, 0..30)
}

proptest! {
    /// Row: L4
    #[test]
    fn in_the_end_the_card_was_charged_the_price_or_nothing(moves in moves()) {
        let mut till = Till::opened();
        let mut undone = false;
        for one in moves {
            match one {
                Move::Pays if till.gateway.stage == Stage::Waits => {
                    till.gateway.stage = Stage::Held(units(PRICE));
                }
                Move::Expires if matches!(till.gateway.stage, Stage::Held(_)) => {
                    till.gateway.stage = Stage::Over;
                }
                Move::Pays | Move::Expires => {}
                Move::Looks => {
                    let wish = till.look();
                    till.gateway.perform(&wish);
                }
                Move::Dies => drop(till.look()),
                Move::Undo => {
                    undone = true;
                    till.ask(Command::Close(CloseBecause::Undone));
                }
                Move::Deadline => {
                    till.now = till.now.max(DateTime::UNIX_EPOCH + TimeDelta::minutes(15));
                    till.ask(Command::Close(CloseBecause::NotPaid));
                }
                Move::Later => till.now += TimeDelta::minutes(6),
            }
        }
        till.now += TimeDelta::hours(1);
        till.ask(Command::Close(CloseBecause::NotPaid));
        till.step();
        till.now += TimeDelta::hours(1);
        till.step();
        prop_assert!(till.payment.closing.is_some(), "{:?}", till.payment);
        let taken = matches!(till.gateway.stage, Stage::Taken(_));
        if taken && (undone || !till.payment.settled) {
            // What booking does with money of a booking that is undone, or was called unpaid.
            till.refund(1, PRICE);
            till.step();
        }
        let expected = if till.payment.settled && !undone { PRICE } else { 0 };
        prop_assert_eq!(till.gateway.charged(), expected);
        let accounts: BTreeSet<_> = till.payment.book.0.keys().copied().collect();
        let kept: u64 = accounts.iter().map(|account| till.holds(*account)).sum();
        prop_assert!(till.holds(Account::Customer) == 0 && kept <= PRICE);
    }
}
