//! payment-verification's shell without its servers: commands and blocks in, transactions out.

use std::{collections::BTreeMap, convert::Infallible};

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, MessageId, PaymentId},
    message::Message as _,
    messages::{PaymentClose, PaymentPrepare, PaymentRefund},
    money::{Currency, Money},
};
use messaging_core::{Cause, Trouble};
use payment_verification_core::{
    Command, Effect, Event, Fact, Payment,
    assets::Registry,
    card::is_card,
    chain::{BlockRef, Hash32},
    closing::answered_after,
    decide,
    decide::{Means, Patience, needs_deposit, refused},
    effects, evolve,
    fact::Sighted,
    learn,
    matching::{Match, Moved, judge},
    state::{Deposit, Posted, Transfer},
    translate::{Asked, Said, said},
};
use uuid::Uuid;

use crate::{
    chain::{Block, Chain, Cursor},
    commit::{Commit, Handled, PaymentKey, Rows},
    parcel::Parcel,
};

/// How many blocks the watcher takes in at once.
const BLOCKS_AT_ONCE: usize = 16;
/// What may go back of a payment before a second person has to let it go, in cents.
pub(crate) const REFUND_ALONE_MAX: i64 = 20_000;

/// payment-verification's rows.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) registry: Registry,
    pub(crate) patience: Patience,
    pub(crate) rows: BTreeMap<PaymentKey, Payment>,
    pub(crate) journals: BTreeMap<PaymentKey, Vec<Event>>,
    pub(crate) owners: BTreeMap<String, PaymentId>,
    /// The transactions that the treasury named, and the refunds they are for.
    pub(crate) named: BTreeMap<Hash32, (PaymentId, Uuid)>,
    pub(crate) cursor: Cursor,
}

/// Payments that one transaction works on.
struct Desk<'a> {
    payments: &'a Payments,
    open: BTreeMap<PaymentId, (Payment, Vec<Event>)>,
    said: Vec<Parcel>,
    now: DateTime<Utc>,
}

impl Payments {
    pub(crate) fn hear(&self, parcel: &Parcel, now: DateTime<Utc>) -> Handled {
        let Asked { booking_id, payment_id, command } = match parcel.kind {
            PaymentPrepare::TYPE => parcel.open::<PaymentPrepare>().into(),
            PaymentClose::TYPE => parcel.open::<PaymentClose>().into(),
            PaymentRefund::TYPE => parcel.open::<PaymentRefund>().into(),
            other => panic!("payment-verification does not hear {other}"),
        };
        let known = self.rows.get(&payment_id);
        if known.is_some_and(|payment| payment.booking_id != booking_id) {
            return Err(Trouble::Permanent(Cause::Rejected));
        }
        let payment = known.cloned().unwrap_or_else(|| Payment::new(payment_id, booking_id));
        let deposit = needs_deposit(&payment, &command).then(|| {
            // Far from the addresses of people.
            let index = u32::try_from(self.owners.len()).unwrap();
            Deposit { address: format!("0x{index:040x}"), index }
        });
        let asset = match &command {
            Command::Prepare(terms) => self.registry.asset(&terms.amount.asset),
            Command::Close(_) | Command::Refund(_) => None,
        };
        let refund_alone_max = Some(Money::new(REFUND_ALONE_MAX, Currency::Eur));
        let patience = self.patience;
        let means = Means { asset, deposit, patience, refund_alone_max, into: None, head: None };
        let events = match decide(&payment, &command, &means, now) {
            Ok(events) => events,
            Err(refusal) => vec![refused(&payment, &command, refusal)],
        };
        let mut desk = self.desk(now);
        desk.open.insert(payment_id, (payment, Vec::new()));
        desk.apply(payment_id, events);
        Ok(desk.commit())
    }

    /// What was learnt of a payment elsewhere than on its chain.
    pub(crate) fn learn(&self, id: PaymentId, fact: &Fact, now: DateTime<Utc>) -> Commit {
        self.learn_all(id, std::slice::from_ref(fact), now)
    }

    /// Several things at once.
    pub(crate) fn learn_all(&self, id: PaymentId, facts: &[Fact], now: DateTime<Utc>) -> Commit {
        let mut desk = self.desk(now);
        for fact in facts {
            desk.tell(id, fact);
        }
        desk.commit()
    }

    /// Which block time the first of the closings that wait is waiting for.
    pub(crate) fn closing_waits_for(&self) -> Option<DateTime<Utc>> {
        self.rows.values().filter(|payment| is_watched(payment)).filter_map(answered_after).min()
    }

    /// One step of the watcher; nothing when it has seen everything.
    pub(crate) fn watch(&self, chain: &Chain, now: DateTime<Utc>) -> Option<Commit> {
        let cursor = &self.cursor;
        let standing = cursor.blocks.iter().rposition(|ours| chain.has(ours)).unwrap();
        if standing + 1 < cursor.blocks.len() {
            return Some(self.take_back(standing, now));
        }
        let from = usize::try_from(cursor.at().height).unwrap() + 1;
        let blocks: Vec<&Block> = chain.blocks.iter().skip(from).take(BLOCKS_AT_ONCE).collect();
        (!blocks.is_empty()).then(|| self.take_in(&blocks, now))
    }

    fn take_back(&self, standing: usize, now: DateTime<Utc>) -> Commit {
        let mut cursor = self.cursor.clone();
        cursor.look += 1;
        let left: Vec<BlockRef> = cursor.blocks.drain(standing + 1..).collect();
        let mut desk = self.desk(now);
        for (id, payment) in &self.rows {
            for block in &left {
                let touches = |t: &Transfer| t.sightings.contains_key(&block.hash);
                let payouts = payment.refunds.values().flat_map(|refund| refund.payouts.values());
                if payment.transfers.values().chain(payouts).any(touches) {
                    desk.tell(*id, &Fact::BlockLeft { block: block.hash, look: cursor.look });
                }
            }
        }
        let mut commit = desk.commit();
        commit.rows.push(Rows::Watched(cursor));
        commit
    }

    fn take_in(&self, blocks: &[&Block], now: DateTime<Utc>) -> Commit {
        let mut cursor = self.cursor.clone();
        let mut desk = self.desk(now);
        for block in blocks {
            cursor.look += 1;
            for transfer in &block.transfers {
                let sighted = Sighted {
                    key: transfer.key.clone(),
                    units: transfer.units,
                    block: block.at,
                    look: cursor.look,
                    stamped_at: block.stamped_at,
                    rests: 0,
                };
                if let Some((id, refund_id)) = self.named.get(&transfer.key.transaction) {
                    let (id, refund_id) = (*id, *refund_id);
                    desk.tell(id, &Fact::PayoutSeen { refund_id, sighted });
                    continue;
                }
                let Some(id) = self.owners.get(&transfer.to) else { continue };
                let request = self.rows.get(id).and_then(|payment| payment.request.as_ref());
                let moved =
                    Moved { chain: crate::chain::ID, contract: None, units: transfer.units };
                if judge(request.unwrap(), moved) == Match::Pays {
                    desk.tell(*id, &Fact::TransferSeen(sighted));
                }
            }
            cursor.blocks.push(block.at);
        }
        let waits = |payment: &Payment| {
            let moving = |posted| !matches!(posted, Posted::Final(_));
            let payouts = payment.refunds.values().flat_map(|refund| refund.payouts.values());
            payment.transfers.values().chain(payouts).any(|transfer| moving(transfer.posted))
        };
        let touched: Vec<PaymentId> = desk.open.keys().copied().collect();
        let watched = || self.rows.iter().filter(|(_, payment)| is_watched(payment));
        let waiting = watched().filter(|(_, payment)| waits(payment)).map(|(id, _)| *id);
        let stamped_at = blocks.last().unwrap().stamped_at;
        let closing = watched().filter(|(_, p)| answered_after(p).is_some());
        let told: std::collections::BTreeSet<PaymentId> =
            waiting.chain(touched).chain(closing.map(|(id, _)| *id)).collect();
        let head = cursor.at().height;
        for id in told {
            desk.tell(id, &Fact::HeadMoved { head, look: cursor.look, finalized: None });
            desk.tell(id, &Fact::ReadUpTo { stamped_at });
        }
        let mut commit = desk.commit();
        commit.rows.push(Rows::Watched(cursor));
        commit
    }

    fn desk(&self, now: DateTime<Utc>) -> Desk<'_> {
        Desk { payments: self, open: BTreeMap::new(), said: Vec::new(), now }
    }
}

impl Desk<'_> {
    fn tell(&mut self, id: PaymentId, fact: &Fact) {
        let row = self.payments.rows.get(&id);
        let (payment, _) =
            self.open.entry(id).or_insert_with(|| (row.unwrap().clone(), Vec::new()));
        let events = learn(payment, fact, self.now);
        self.apply(id, events);
    }

    fn apply(&mut self, id: PaymentId, events: Vec<Event>) {
        let (payment, journal) = self.open.get_mut(&id).unwrap();
        for event in events {
            let before = std::mem::replace(payment, Payment::new(id, BookingId(id.0)));
            *payment = evolve(before, &event);
            for (n, effect) in (0..).zip(effects(payment, &event)) {
                let message = MessageId::caused_by(self.now, id.0, payment.seq, n);
                self.said.extend(parcel(payment, &effect, message));
            }
            journal.push(event);
        }
    }

    fn commit(self) -> Commit {
        let changed = self.open.into_values().filter(|(_, events)| !events.is_empty());
        let rows = changed.map(|(payment, events)| Rows::Payment(Box::new(payment), events));
        Commit { rows: rows.collect(), said: self.said, ..Commit::default() }
    }
}

/// Whether its money is on the chain; a card's is at the gateway.
fn is_watched(payment: &Payment) -> bool {
    let request = payment.request.as_ref().or(payment.asked.as_ref());
    !request.is_some_and(is_card)
}

fn parcel(payment: &Payment, effect: &Effect, id: MessageId) -> Option<Parcel> {
    let signed = said(payment, effect, |_| Ok::<_, Infallible>("signed".to_owned()));
    signed.unwrap().map(|said| match said {
        Said::Prepared(message) => Parcel::of(id, &message),
        Said::Seen(message) => Parcel::of(id, &message),
        Said::Settled(message) => Parcel::of(id, &message),
        Said::Reversed(message) => Parcel::of(id, &message),
        Said::Closed(message) => Parcel::of(id, &message),
        Said::Refund(message) => Parcel::of(id, &message),
    })
}
