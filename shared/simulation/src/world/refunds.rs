//! Money on its way back: the treasury is asked, and sends, or refuses, or errs.

use contracts::{asset::Units, ids::PaymentId, messages::RefundState};
use payment_verification_core::{
    Event, Fact, Payment,
    card::is_card,
    loss::may_write_off,
    refund::{Refund, RefundChange, approval::Approval},
};
use ruint::aliases::U256;
use uuid::Uuid;

use super::{Happening, World};
use crate::{
    mixed, parcel::Role, payments::REFUND_ALONE_MAX, sometimes::Sometimes, treasury::Order,
};

impl World {
    /// A refund with an address is asked for at the treasury, sooner or later.
    pub(super) fn plan_refunds(&mut self, payment: &Payment, events: &[Event]) {
        for event in events {
            if matches!(event, Event::Reversed { .. }) {
                self.may_be_written_off(payment.payment_id);
            }
            if let Event::RefundGranted(grant) = event
                && payment.refunds[&grant.refund_id].approval == Approval::Waits
            {
                let (payment_id, refund_id) = (payment.payment_id, grant.refund_id);
                let seconds = self.seconds(1, 600);
                self.put_in(seconds, Happening::LetRefundGo { payment_id, refund_id });
            }
            let refund_id = match event {
                Event::RefundGranted(grant) if grant.to.is_some() => grant.refund_id,
                Event::Refund {
                    refund_id,
                    change: RefundChange::AddressGiven { .. } | RefundChange::Approved { .. },
                } if payment.refunds[refund_id].to.is_some() => *refund_id,
                Event::Refund {
                    change: RefundChange::Confirmed { .. } | RefundChange::AddedUp(_),
                    ..
                } => {
                    self.hit(Sometimes::RefundArrived);
                    continue;
                }
                _ => continue,
            };
            if payment.request.as_ref().is_some_and(is_card) {
                // The gateway is asked, with the next look.
                continue;
            }
            let seconds = self.seconds(1, 600);
            let payment_id = payment.payment_id;
            self.put_in(seconds, Happening::AskTreasury { payment_id, refund_id });
        }
    }

    pub(super) fn ask_treasury(&mut self, payment_id: PaymentId, refund_id: Uuid) {
        let refund = &self.payments.rows[&payment_id].refunds[&refund_id];
        let (units, to) = (refund.units, refund.to.clone().unwrap());
        if refund.state != RefundState::Granted || !refund.approval.lets_go() {
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

    /// Somebody who looked into nothing lets a large refund go.
    pub(super) fn let_refund_go(&mut self, payment_id: PaymentId, refund_id: Uuid) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(5, Happening::LetRefundGo { payment_id, refund_id });
        }
        self.hit(Sometimes::RefundLetGo);
        let (by, why) = ("anna".to_owned(), "as agreed".to_owned());
        let approved = Fact::RefundApproved { refund_id, by, why };
        let commit = self.payments.learn(payment_id, &approved, self.now);
        self.transact(Role::Payments, commit);
    }

    /// Of some money that left somebody finds out, a day or two later, that it does not come back.
    ///
    /// Drawn from the payment alone, so that everybody else meets what they met before.
    fn may_be_written_off(&mut self, id: PaymentId) {
        let (high, low) = id.0.as_u64_pair();
        let drawn = mixed(!(high ^ low));
        if drawn.is_multiple_of(2) {
            let seconds = 4 * 3_600 + i64::try_from(mixed(drawn) % (40 * 3_600)).unwrap();
            self.put_in(seconds, Happening::WriteOff(id));
        }
    }

    /// A member of staff says that what is away is lost, where no refund may arrive yet.
    pub(super) fn write_off(&mut self, id: PaymentId) {
        let payment = &self.payments.rows[&id];
        let handed = |(id, refund): (&Uuid, &Refund)| {
            let sent = self.treasury.orders.get(id) == Some(&Order::Sent);
            sent && refund.state == RefundState::Granted
        };
        if may_write_off(payment).is_err() || payment.refunds.iter().any(handed) {
            return;
        }
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(5, Happening::WriteOff(id));
        }
        self.hit(Sometimes::LossWrittenOff);
        let (by, why) = ("anna".to_owned(), "it was spent otherwise".to_owned());
        let commit = self.payments.learn(id, &Fact::WrittenOff { by, why }, self.now);
        self.transact(Role::Payments, commit);
    }

    /// What is sent is small, or somebody let it go.
    fn check_let_go(&mut self, payment_id: PaymentId, refund_id: Uuid) {
        let payment = &self.payments.rows[&payment_id];
        let terms = &payment.request.as_ref().unwrap().terms;
        let price = U256::from(terms.price.minor);
        let limit = U256::from(REFUND_ALONE_MAX) * terms.amount.units.0;
        let is_large = payment.refunds[&refund_id].units.0 * price > limit;
        let was_let_go = self.payments.journals[&payment_id].iter().any(|event| {
            matches!(event, Event::Refund { refund_id: id, change: RefundChange::Approved { .. } }
                if *id == refund_id)
        });
        let booking_id = payment.booking_id;
        if is_large && !was_let_go {
            let what = format!("refund {refund_id} is sent and nobody let it go");
            self.broken("C10", Some(booking_id), what);
        }
    }

    /// It is sent; now and then something else is sent before it, or the same again.
    fn send_refund(&mut self, payment_id: PaymentId, refund_id: Uuid, to: &str, units: Units) {
        self.check_let_go(payment_id, refund_id);
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
        if is_card(request) {
            let is_final = |event: &Event| matches!(event, Event::Finalised { .. });
            let taken = !self.gateway.taken(payment.payment_id).is_zero();
            if events.iter().any(is_final) && !taken {
                let what = "final, and nothing was taken from the card".to_owned();
                self.broken("S13", Some(payment.booking_id), what);
            }
            return;
        }
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
        let finalised = events.iter().filter_map(|event| match event {
            Event::Finalised { transfers, .. } => Some(transfers),
            _ => None,
        });
        let left = finalised.flatten().any(|key| !self.chain.holds(key));
        // What leaves after it counted as final is a case of its own.
        if left && self.sometimes.of(Sometimes::ReorgBelowFinal) == 0 {
            let what = "final, and in no block of the chain".to_owned();
            self.broken("S13", Some(payment.booking_id), what);
        }
    }
}
