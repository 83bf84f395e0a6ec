//! Money on its way back: the treasury is asked, and sends, or refuses, or errs.

use contracts::{asset::Units, ids::PaymentId, messages::RefundState};
use payment_verification_core::{Event, Fact, Payment, refund::RefundChange};
use uuid::Uuid;

use super::{Happening, World};
use crate::{parcel::Role, sometimes::Sometimes, treasury::Order};

impl World {
    /// A refund with an address is asked for at the treasury, sooner or later.
    pub(super) fn plan_refunds(&mut self, payment: &Payment, events: &[Event]) {
        for event in events {
            let refund_id = match event {
                Event::RefundGranted(grant) if grant.to.is_some() => grant.refund_id,
                Event::Refund { refund_id, change: RefundChange::AddressGiven { .. } } => {
                    *refund_id
                }
                Event::Refund { change: RefundChange::Confirmed { .. }, .. } => {
                    self.hit(Sometimes::RefundArrived);
                    continue;
                }
                _ => continue,
            };
            let seconds = self.seconds(1, 600);
            let payment_id = payment.payment_id;
            self.put_in(seconds, Happening::AskTreasury { payment_id, refund_id });
        }
    }

    pub(super) fn ask_treasury(&mut self, payment_id: PaymentId, refund_id: Uuid) {
        let refund = &self.payments.rows[&payment_id].refunds[&refund_id];
        let (units, to) = (refund.units, refund.to.clone().unwrap());
        if refund.state != RefundState::Granted {
            return;
        }
        let known = self.treasury.orders.get(&refund_id).copied();
        let order = known.unwrap_or_else(|| match self.chance(self.setting.treasury_refuses) {
            true => Order::Refused,
            false => Order::Sent,
        });
        if known.is_none() {
            self.treasury.orders.insert(refund_id, order);
            if order == Order::Sent {
                self.send_refund(payment_id, refund_id, &to, units);
            }
        }
        if order == Order::Refused {
            if self.crashes() {
                self.hit(Sometimes::CrashBeforeCommit);
                return self.put_in(5, Happening::AskTreasury { payment_id, refund_id });
            }
            self.hit(Sometimes::RefundRefused);
            let rejected = Fact::PayoutRejected { refund_id };
            let commit = self.payments.learn(payment_id, &rejected, self.now);
            self.transact(Role::Payments, commit);
        }
    }

    /// It is sent; now and then something else is sent before it, or the same again.
    fn send_refund(&mut self, payment_id: PaymentId, refund_id: Uuid, to: &str, units: Units) {
        let mut sent = vec![units];
        if self.chance(self.setting.treasury_sends_other) {
            self.hit(Sometimes::RefundOfAnotherAmount);
            sent.insert(0, units.checked_add(Units::parse("1").unwrap()).unwrap());
        }
        if self.chance(self.setting.treasury_sends_twice) {
            self.hit(Sometimes::RefundSentTwice);
            sent.push(units);
        }
        for units in sent {
            let transaction = self.chain.send(to, units, true);
            self.payments.named.insert(transaction, (payment_id, refund_id));
        }
        self.plan_block();
    }

    /// What is called final lies as deep as was agreed.
    pub(super) fn check_final(&mut self, payment: &Payment, events: &[Event]) {
        let Some(request) = &payment.request else { return };
        let blocks = u64::try_from(self.chain.blocks.len()).unwrap();
        let keys = events.iter().filter_map(|event| match event {
            Event::Finalised { transfers, .. } => Some(transfers),
            _ => None,
        });
        let shallow = keys.flatten().filter_map(|key| payment.stands(&payment.transfers[key])).any(
            |sighting| blocks.saturating_sub(sighting.height) < u64::from(request.confirmations),
        );
        if shallow {
            let what = format!("final before {} blocks", request.confirmations);
            self.broken("S13", Some(payment.booking_id), what);
        }
    }
}
