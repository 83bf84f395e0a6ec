//! Cards: the gateway is looked at, asked for what a payment wishes, and pushes what it did, which
//! is only a reason to look.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::Units,
    ids::{BookingId, PaymentId},
    messages::RefundState,
};
use payment_verification_core::{
    Fact, Payment,
    card::{self, Stage, ToldState, Wish, is_card},
    closing::answered_after,
    state::Request,
};
use uuid::Uuid;

use super::{Happening, World};
use crate::{mixed, parcel::Role, sometimes::Sometimes};

/// How often it is looked at while a customer may pay.
const CUSTOMER_EVERY: i64 = 120;
/// The same while a refund is on its way.
const REFUND_EVERY: i64 = 1_800;

/// What is asked for by card, ready or not.
fn charge(payment: &Payment) -> Option<&Request> {
    payment.request.as_ref().or(payment.asked.as_ref()).filter(|request| is_card(request))
}

impl World {
    /// A payment by card is looked at soon after anything about it changed.
    pub(super) fn wake_card(&mut self, payment: &Payment) {
        if charge(payment).is_some() {
            self.plan_look(payment.payment_id, self.now + TimeDelta::seconds(1));
        }
    }

    fn plan_look(&mut self, id: PaymentId, at: DateTime<Utc>) {
        if self.looks.get(&id).is_none_or(|planned| at < *planned) {
            self.looks.insert(id, at);
            self.agenda.put(at, Happening::LookAtCard(id));
        }
    }

    /// One round with the gateway: open, look, learn, and ask it for what follows.
    pub(super) fn look_at_card(&mut self, id: PaymentId) {
        if self.looks.get(&id) != Some(&self.now) {
            return;
        }
        self.looks.remove(&id);
        let again = self.now + TimeDelta::seconds(self.seconds(1, 30));
        if self.chance(self.faults.node_away) {
            return self.plan_look(id, again + TimeDelta::seconds(60));
        }
        let payment = self.payments.rows[&id].clone();
        let Some(units) = charge(&payment).map(|request| request.terms.amount.units) else {
            return;
        };
        let mut facts = Vec::new();
        if payment.request.is_none() && payment.closing.is_none() {
            if !self.reaches_gateway(|gateway| gateway.open(id, units)) {
                return self.plan_look(id, again);
            }
            facts.push(Fact::CardOpened { secret: format!("secret of {id}") });
        }
        let Some(told) = self.gateway.told(id) else { return };
        facts.extend(card::facts(&payment, &told, self.now));
        let commit = self.payments.learn_all(id, &facts, self.now);
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.plan_look(id, again);
        }
        self.transact(Role::Payments, commit);
        let payment = self.payments.rows[&id].clone();
        let wish = card::wish(&payment, &told, self.now);
        if wish == Wish::Wait {
            return self.look_later(&payment, told.stage);
        }
        self.check_wish(&payment, &wish);
        let mut changed = false;
        if !self.reaches_gateway(|gateway| changed = gateway.perform(id, &wish)) && changed {
            self.hit(Sometimes::CardAnswerLost);
        }
        if changed {
            self.note_done(&payment, &wish);
            self.push_card(id);
        }
        self.plan_look(id, again);
    }

    /// Asks the gateway; whether its answer comes back. Whoever hears nothing does not know.
    fn reaches_gateway(&mut self, act: impl FnOnce(&mut crate::gateway::Gateway)) -> bool {
        if self.chance(self.faults.request_lost) {
            return false;
        }
        act(&mut self.gateway);
        !self.chance(self.faults.answer_lost)
    }

    fn look_later(&mut self, payment: &Payment, stage: Stage) {
        let on_its_way = |state| matches!(state, RefundState::Granted | RefundState::Sent);
        let refunds = payment.refunds.values().any(|refund| on_its_way(refund.state));
        let seconds = match stage {
            Stage::Over if answered_after(payment).is_none() => return,
            Stage::Taken(_) if refunds => REFUND_EVERY,
            Stage::Taken(_) => return,
            Stage::Waits | Stage::Held(_) | Stage::Over => CUSTOMER_EVERY,
        };
        self.plan_look(payment.payment_id, self.now + TimeDelta::seconds(seconds));
    }

    fn note_done(&mut self, payment: &Payment, wish: &Wish) {
        let about = Some(payment.booking_id);
        self.tell(about, || format!("the card gateway does: {wish:?}"));
        match wish {
            Wish::Wait => {}
            Wish::Take => {
                self.hit(Sometimes::CardTaken);
                self.may_be_lost(payment.payment_id);
            }
            Wish::LetGo => self.hit(Sometimes::CardLetGo),
            Wish::GiveBack { refund_id, .. } => {
                self.hit(Sometimes::CardGivesBack);
                let (payment_id, refund_id) = (payment.payment_id, *refund_id);
                let seconds = self.seconds(1, 40_000);
                self.put_in(seconds, Happening::CardRefundEnds { payment_id, refund_id });
            }
        }
    }

    /// Some get from their bank what their card was charged, hours or days later.
    ///
    /// Drawn from the payment alone, so that everybody else meets what they met before.
    fn may_be_lost(&mut self, id: PaymentId) {
        let (high, low) = id.0.as_u64_pair();
        let drawn = mixed(high ^ low);
        if drawn % 1_000 < u64::from(self.faults.disputed) {
            let seconds = 600 + i64::try_from(mixed(drawn) % (72 * 3_600)).unwrap();
            self.put_in(seconds, Happening::CardLost(id));
        }
    }

    /// The holder's bank takes it back for good. That is pushed until somebody heard it.
    pub(super) fn card_lost(&mut self, id: PaymentId) {
        if self.gateway.lose(id) {
            self.hit(Sometimes::CardLost);
            let about = self.payments.rows.get(&id).map(|payment| payment.booking_id);
            self.tell(about, || "the card's bank takes back what was charged".to_owned());
            self.push_card(id);
            let seconds = self.seconds(1, 40_000);
            self.put_in(seconds, Happening::CardPush(id));
        }
    }

    /// The customer's bank has it, or sends it back.
    pub(super) fn card_refund_ends(&mut self, payment_id: PaymentId, refund_id: Uuid) {
        let fails = self.chance(self.setting.treasury_refuses);
        let state = if fails { ToldState::Failed } else { ToldState::Arrived };
        if fails {
            self.hit(Sometimes::CardRefundFailed);
        }
        self.gateway.end_refund(payment_id, refund_id, state);
        self.push_card(payment_id);
    }

    /// The customer pays by card, or tries to.
    pub(super) fn pay_by_card(&mut self, booking_id: BookingId, id: PaymentId) {
        let held = self.gateway.allow(id);
        self.tell(Some(booking_id), || format!("the customer pays by card, held: {held}"));
        if held {
            self.push_card(id);
        }
    }

    /// The gateway pushes that something changed: never, once, twice or hours later.
    fn push_card(&mut self, id: PaymentId) {
        let mut pushes = 1;
        if self.chance(self.faults.callback_lost) {
            pushes = 0;
        } else if self.chance(self.faults.callback_repeated) {
            pushes = 2;
            self.hit(Sometimes::CardPushRepeated);
        }
        for _ in 0..pushes {
            let late = i64::from(self.faults.callback_late_max_s);
            let seconds = self.seconds(0, late.max(3));
            self.put_in(seconds, Happening::CardPush(id));
        }
    }

    /// A push is no news: it only brings the next look forward, where one is to come.
    pub(super) fn card_pushed(&mut self, id: PaymentId) {
        self.plan_look(id, self.now);
    }

    /// Nothing is taken of a booking that is undone, and no more given back than was taken.
    fn check_wish(&mut self, payment: &Payment, wish: &Wish) {
        let about = Some(payment.booking_id);
        let closed = payment.closing.is_some() && !payment.settled;
        let Some(charge) = self.gateway.charges.get(&payment.payment_id) else { return };
        let given = charge.given_back();
        let what = match wish {
            Wish::Take if closed => "a card is charged for what is closed",
            Wish::GiveBack { refund_id, .. } if !payment.refunds[refund_id].approval.lets_go() => {
                "it goes back to a card before somebody let it go"
            }
            Wish::GiveBack { units, .. } if given.checked_add(*units) > Some(charge.units) => {
                "more goes back to a card than it was charged"
            }
            _ => return,
        };
        self.broken("L4", about, what.to_owned());
    }

    /// What a card gave, or what stands at an address.
    pub(crate) fn stands_at(&self, payment: &Payment, request: &Request) -> Units {
        match is_card(request) {
            true => self.gateway.taken(payment.payment_id),
            false => self.chain.balance(&request.deposit.address),
        }
    }

    /// What is wrong with what the gateway has in the end.
    pub(crate) fn card_at_rest(&self, payment: &Payment) -> Option<String> {
        let charge = self.gateway.charges.get(&payment.payment_id)?;
        if matches!(charge.stage, Stage::Waits | Stage::Held(_)) && payment.closing.is_some() {
            return Some("a card is held for what is closed".to_owned());
        }
        let (given, known) = (charge.given_back(), payment.refunded());
        let asked = |refund: &payment_verification_core::refund::Refund| {
            refund.state == RefundState::Granted && !refund.approval.lets_go()
        };
        // What the bank took back cannot be given back, until somebody says that it is lost.
        let waits = charge.is_lost || payment.refunds.values().any(asked);
        (given != known && !waits).then(|| format!("a card got {given} back, {known} is known"))
    }
}
