//! What the gateway's words mean for a payment, and whether they are about it.

use contracts::{ids::PaymentId, messages::RefundState};
use payment_verification_core::{
    assets::cards::units_of,
    card::{Stage, Told, ToldRefund, ToldState},
    cases::Over,
    refund::Refund as Granted,
    state::Request,
};

use super::{
    api::{Dispute, Intent, Refund},
    charge_of,
};
use crate::store::case::NewCase;

/// The status of a payment whose money was taken.
pub(super) const TAKEN: &str = "succeeded";

const LOST: &str = "lost";
/// The statuses of disputes that are decided.
const OVER: [&str; 4] = [LOST, "won", "warning_closed", "prevented"];

/// What the gateway told of one payment in one round.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) intent: Intent,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
}

/// What was told is not about the payment, and why that is plain. Then nothing of it is believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOurs(pub(super) &'static str);

impl Look {
    /// What it says of the payment with this request.
    pub(super) fn about(&self, id: PaymentId, request: &Request) -> Result<Told, NotOurs> {
        let intent = &self.intent;
        let (currency, amount) = charge_of(request).ok_or(NotOurs("currency"))?;
        if intent.payment() != Some(id) {
            return Err(NotOurs("reference"));
        }
        if !intent.currency.eq_ignore_ascii_case(currency.code()) {
            return Err(NotOurs("currency"));
        }
        let units = request.terms.amount.units;
        let stage = match intent.status.as_str() {
            "requires_payment_method"
            | "requires_confirmation"
            | "requires_action"
            | "processing" => Stage::Waits,
            "requires_capture" if intent.amount_capturable == amount => Stage::Held(units),
            TAKEN if intent.amount_received == amount => Stage::Taken(units),
            "canceled" if intent.amount_received == 0 => Stage::Over,
            "requires_capture" | TAKEN | "canceled" => return Err(NotOurs("amount")),
            _ => return Err(NotOurs("status")),
        };
        if intent.amount != amount {
            return Err(NotOurs("amount"));
        }
        let refund = |told: &Refund| {
            let units = units_of(currency, told.amount).ok_or(NotOurs("amount of a refund"))?;
            let state = match told.status.as_str() {
                "succeeded" => ToldState::Arrived,
                "failed" | "canceled" => ToldState::Failed,
                _ => ToldState::Pending,
            };
            Ok(ToldRefund { id: told.id.clone(), refund_id: told.ours(), units, state })
        };
        Ok(Told {
            intent: intent.id.clone(),
            stage,
            is_lost: self.disputes.iter().any(|dispute| dispute.status == LOST),
            refunds: self.refunds.iter().map(refund).collect::<Result<_, _>>()?,
        })
    }

    /// What a person has to look into: a holder who complains, money that went back and that nobody
    /// here asked for.
    pub(super) fn cases(&self, id: PaymentId) -> Vec<NewCase> {
        let case =
            |reason, subject: String| NewCase { payment_id: id, reason, subject, transfer: None };
        let intent = &self.intent.id;
        let disputed = self.is_in_dispute().then(|| case("card_disputed", intent.clone()));
        let foreign = self.refunds.iter().filter(|refund| refund.ours().is_none());
        let foreign = foreign.map(|refund| case("card_foreign_refund", refund.id.clone()));
        disputed.into_iter().chain(foreign).collect()
    }
}

impl Look {
    fn is_in_dispute(&self) -> bool {
        let over = |dispute: &Dispute| OVER.contains(&dispute.status.as_str());
        self.intent.is_disputed() && (self.disputes.is_empty() || !self.disputes.iter().all(over))
    }

    /// The cases that what was told ends: it is about the payment, and nobody complains any more.
    pub(super) fn over(&self) -> Vec<Over> {
        let over = |reasons, because: &str| Over {
            reasons,
            refund_id: None,
            because: because.to_owned(),
            staff: None,
        };
        let differs = over(&["card_differs"], "the gateway tells of it as it should be");
        let decided = match self.disputes.iter().any(|dispute| dispute.status == LOST) {
            true => "the card's holder has the money back",
            false => "the money stays",
        };
        let disputed = over(&["card_disputed"], decided);
        std::iter::once(differs).chain((!self.is_in_dispute()).then_some(disputed)).collect()
    }
}

/// Whether a refund is still to arrive.
pub(super) const fn is_open(refund: &Granted) -> bool {
    matches!(refund.state, RefundState::Granted | RefundState::Sent)
}
