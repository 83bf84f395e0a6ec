//! The money of one booking: payment-verification's core that ships, the blocks that it reads, and
//! whoever sends refunds.

use std::convert::Infallible;

use super::Bounds;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::Units,
    ids::{BookingId, PaymentId},
    messages::RefundState,
    money::{Currency, Money},
};
use payment_verification_core::{
    Command, Fact, Payment,
    assets::Registry,
    chain::{BlockRef, Hash32, TransferKey},
    closing::answered_after,
    decide,
    decide::{Means, Patience, needs_deposit, refused},
    effects, evolve,
    fact::Sighted,
    learn,
    state::{Deposit, Posted},
    translate::{Said, said},
};

/// Blocks on top of a transfer until nobody waits for more.
const DEEP: u64 = 20;

/// What can happen to the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The customer sends the amount, and it is mined.
    Pay { late: bool },
    /// Blocks come on top of everything.
    Deepen,
    /// The block that holds the n-th transfer leaves, before it was deep.
    Leave(usize),
    /// What left is mined again.
    MineAgain(usize),
    /// The treasury sends the n-th refund.
    Send(usize),
    /// The treasury cannot send it.
    Reject(usize),
}

/// A transfer of the customer's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Coin {
    key: TransferKey,
    units: Units,
    /// Nothing while it is in no block.
    block: Option<BlockRef>,
}

/// The money of one booking at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Till {
    pub(super) payment: Payment,
    coins: Vec<Coin>,
    head: u64,
    look: u64,
    names: u8,
    /// The newest block that was read was made then.
    read_to: DateTime<Utc>,
}

/// What payment-verification needs from outside.
pub(super) struct Office {
    pub(super) registry: Registry,
    pub(super) patience: Patience,
}

impl Till {
    pub(super) fn new(payment_id: PaymentId, booking_id: BookingId, now: DateTime<Utc>) -> Self {
        let payment = Payment::new(payment_id, booking_id);
        Self { payment, coins: Vec::new(), head: 1, look: 0, names: 0, read_to: now }
    }

    /// What is sure to come: blocks, and refunds that have an address.
    pub(super) fn owed(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        if self.coins.iter().any(|coin| coin.block.is_some() && !self.is_final(coin)) {
            turns.push(Turn::Deepen);
        }
        turns.extend(self.sendable().map(Turn::Send));
        turns
    }

    /// What may come, or not; `asked` while the customer is to pay.
    pub(super) fn possible(&self, left: &Bounds, asked: bool) -> Vec<Turn> {
        let mut turns = Vec::new();
        if asked && left.payments > 0 {
            turns.push(Turn::Pay { late: false });
        }
        if !asked && left.late > 0 {
            turns.push(Turn::Pay { late: true });
        }
        for (n, coin) in self.coins.iter().enumerate() {
            match coin.block {
                Some(_) if left.reorgs > 0 && !self.is_final(coin) => turns.push(Turn::Leave(n)),
                None => turns.push(Turn::MineAgain(n)),
                Some(_) => {}
            }
        }
        if left.rejections > 0 {
            turns.extend(self.sendable().map(Turn::Reject));
        }
        turns
    }

    fn is_final(&self, coin: &Coin) -> bool {
        let known = self.payment.transfers.get(&coin.key);
        known.is_some_and(|known| matches!(known.posted, Posted::Final(_)))
    }

    fn sendable(&self) -> impl Iterator<Item = usize> {
        self.payment.refunds.values().enumerate().filter_map(|(n, refund)| {
            let waits = refund.state == RefundState::Granted && refund.payouts.is_empty();
            (waits && refund.to.is_some()).then_some(n)
        })
    }

    /// Takes a turn; what is said.
    pub(super) fn take(&mut self, turn: Turn, left: &mut Bounds, now: DateTime<Utc>) -> Vec<Said> {
        let mut facts = Vec::new();
        match turn {
            Turn::Pay { late } => {
                left.payments -= u32::from(!late);
                left.late -= u32::from(late);
                let units = self.payment.request.as_ref().unwrap().terms.amount.units;
                let key = TransferKey { transaction: self.name(), position: String::new() };
                self.coins.push(Coin { key, units, block: None });
                facts.extend(self.mine(self.coins.len() - 1, now));
            }
            Turn::MineAgain(n) => facts.extend(self.mine(n, now)),
            Turn::Deepen => facts.extend(self.rise(DEEP, now)),
            Turn::Leave(n) => {
                left.reorgs -= 1;
                self.look += 1;
                let block = self.coins[n].block.take().unwrap().hash;
                facts.push(Fact::BlockLeft { block, look: self.look });
            }
            Turn::Send(n) => {
                let (refund_id, refund) = self.payment.refunds.iter().nth(n).unwrap();
                let (refund_id, units) = (*refund_id, refund.units);
                let key = TransferKey { transaction: self.name(), position: String::new() };
                let sighted = self.sighted(key, units, now);
                facts.push(Fact::PayoutSeen { refund_id, sighted });
                facts.extend(self.rise(DEEP, now));
            }
            Turn::Reject(n) => {
                left.rejections -= 1;
                let refund_id = *self.payment.refunds.keys().nth(n).unwrap();
                facts.push(Fact::PayoutRejected { refund_id });
            }
        }
        facts.iter().flat_map(|fact| self.learn(fact, now)).collect()
    }

    /// The block that a closing waits for, if it is not read.
    pub(super) fn waits_for(&self) -> Option<DateTime<Utc>> {
        let after = answered_after(&self.payment)?;
        (self.read_to <= after).then(|| after + TimeDelta::seconds(1))
    }

    /// A block of now is read.
    pub(super) fn read(&mut self, now: DateTime<Utc>) -> Vec<Said> {
        self.rise(1, now).iter().flat_map(|fact| self.learn(fact, now)).collect()
    }

    /// Something is asked.
    pub(super) fn ask(
        &mut self,
        command: &Command,
        office: &Office,
        now: DateTime<Utc>,
    ) -> Vec<Said> {
        let deposit = needs_deposit(&self.payment, command)
            .then(|| Deposit { address: address(1), index: 0 });
        let asset = match command {
            Command::Prepare(terms) => office.registry.asset(&terms.amount.asset),
            Command::Close(_) | Command::Refund(_) => None,
        };
        // Nobody has to let a refund go here: the simulation has people for that.
        let refund_alone_max = Some(Money::new(i64::MAX, Currency::Eur));
        let patience = office.patience;
        let means = Means { asset, deposit, patience, refund_alone_max, into: None, head: None };
        let events = decide(&self.payment, command, &means, now);
        let events = events.unwrap_or_else(|no| vec![refused(&self.payment, command, no)]);
        self.happen(events)
    }

    /// All that was granted to go back and did not fail.
    pub(super) fn goes_back(&self) -> Units {
        self.payment.refunded()
    }

    /// Whether all that was granted to go back is there.
    pub(super) fn all_back(&self) -> bool {
        let over = |state| matches!(state, RefundState::Confirmed | RefundState::Failed);
        self.payment.refunds.values().all(|refund| over(refund.state))
    }

    fn learn(&mut self, fact: &Fact, now: DateTime<Utc>) -> Vec<Said> {
        let events = learn(&self.payment, fact, now);
        self.happen(events)
    }

    fn happen(&mut self, events: Vec<payment_verification_core::Event>) -> Vec<Said> {
        let mut all = Vec::new();
        for event in events {
            self.payment = evolve(self.payment.clone(), &event);
            for effect in effects(&self.payment, &event) {
                let signed =
                    said(&self.payment, &effect, |_| Ok::<_, Infallible>("signed".to_owned()));
                all.extend(signed.unwrap());
            }
        }
        all
    }

    fn mine(&mut self, n: usize, now: DateTime<Utc>) -> Vec<Fact> {
        let Coin { key, units, .. } = self.coins[n].clone();
        let sighted = self.sighted(key, units, now);
        self.coins[n].block = Some(sighted.block);
        vec![Fact::TransferSeen(sighted), Fact::ReadUpTo { stamped_at: now }]
    }

    fn sighted(&mut self, key: TransferKey, units: Units, now: DateTime<Utc>) -> Sighted {
        self.head += 1;
        self.look += 1;
        self.read_to = now;
        let block = BlockRef { height: self.head, hash: self.name() };
        Sighted { key, units, block, look: self.look, stamped_at: now, rests: 0 }
    }

    fn rise(&mut self, blocks: u64, now: DateTime<Utc>) -> [Fact; 2] {
        self.head += blocks;
        self.look += 1;
        self.read_to = now;
        let (head, look) = (self.head, self.look);
        [Fact::HeadMoved { head, look, finalized: None }, Fact::ReadUpTo { stamped_at: now }]
    }

    fn name(&mut self) -> Hash32 {
        self.names += 1;
        Hash32([self.names; 32])
    }
}

/// The n-th address of this world.
pub(super) fn address(n: u32) -> String {
    format!("0x{n:040x}")
}
