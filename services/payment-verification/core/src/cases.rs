//! What ends a case: the kinds that end by themselves, and by what. The others show something that
//! only a person can see to, and are closed by one.

use contracts::messages::CloseBecause;
use uuid::Uuid;

use crate::{
    event::Event,
    ledger::Account,
    refund::{Refund, RefundChange},
    state::Payment,
};

/// Cases of a payment that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Of which kinds.
    pub reasons: &'static [&'static str],
    /// Of which refund; of the whole payment where of none.
    pub refund_id: Option<Uuid>,
    /// Why.
    pub because: String,
    /// The member of staff who ended them, where one did.
    pub staff: Option<String>,
}

const LATE: &[&str] = &["refund_overdue"];
/// What is said of a refund while nobody knows whether it arrives.
const ON_ITS_WAY: &[&str] = &["refund_overdue", "refund_disputed", "refund_reversed"];
const IN_PARTS: &[&str] =
    &["refund_overdue", "refund_disputed", "refund_reversed", "refund_wrong_amount"];
const SETTLED: &[&str] = &[
    "refund_overdue",
    "refund_disputed",
    "refund_reversed",
    "refund_wrong_amount",
    "refund_astray",
];
const AWAY: &[&str] = &["payment_reversed"];
const FAILED: &[&str] = &["refund_failed"];

/// What an event ends; `payment` is the payment after it.
#[must_use]
pub fn ends(payment: &Payment, event: &Event) -> Option<Over> {
    match event {
        Event::Refund { refund_id, change } => {
            ends_of_refund(payment.refunds.get(refund_id)?, *refund_id, change)
        }
        // What had failed is given back by another refund, or lost.
        Event::RefundGranted(_) => nothing_due(payment, "granted anew"),
        Event::WrittenOff { .. } => nothing_due(payment, "its money is written off"),
        Event::Closed { .. } => nobody_misses(payment),
        Event::Prepared(_)
        | Event::CardAsked(_)
        | Event::Refused { .. }
        | Event::TransferSeen(_)
        | Event::BlockLeft { .. }
        | Event::SeenChanged { .. }
        | Event::MovedIn { .. }
        | Event::Finalised { .. }
        | Event::Settled { .. }
        | Event::Exceeded { .. }
        | Event::CloseAsked(_)
        | Event::GraceBegun { .. }
        | Event::CameLate { .. }
        | Event::Withdrawn { .. }
        | Event::Reversed { .. }
        | Event::Restored { .. }
        | Event::Recovered { .. } => None,
    }
}

/// What is away was to pay a booking that is undone, and nothing of it is promised to anybody.
fn nobody_misses(payment: &Payment) -> Option<Over> {
    let asked = payment.close_asked.map(|asked| asked.because);
    let over = asked == Some(CloseBecause::CalledOff)
        && !payment.gone_units().is_zero()
        && payment.refunded().is_zero();
    let because = "its booking is undone and keeps nothing of it: what comes back goes back";
    let because = because.to_owned();
    over.then_some(Over { reasons: AWAY, refund_id: None, because, staff: None })
}

fn nothing_due(payment: &Payment, because: &str) -> Option<Over> {
    let none = payment.book.credit_of(Account::RefundDue).is_zero();
    let because = because.to_owned();
    none.then_some(Over { reasons: FAILED, refund_id: None, because, staff: None })
}

fn ends_of_refund(refund: &Refund, refund_id: Uuid, change: &RefundChange) -> Option<Over> {
    let over = |reasons, because: String| {
        Some(Over { reasons, refund_id: Some(refund_id), because, staff: None })
    };
    match change {
        RefundChange::Confirmed { payout, .. } => {
            over(ON_ITS_WAY, format!("it arrived by {}", payout.transaction))
        }
        RefundChange::Moved { into, .. } => over(ON_ITS_WAY, format!("it pays {into} instead")),
        // What came beyond it is nobody's yet.
        RefundChange::AddedUp(ending) if refund.came() > ending.came => {
            over(ON_ITS_WAY, "more than it arrived".to_owned())
        }
        RefundChange::AddedUp(_) => over(IN_PARTS, "it arrived in parts".to_owned()),
        RefundChange::Settled { by, why, .. } => Some(Over {
            reasons: SETTLED,
            refund_id: Some(refund_id),
            because: format!("settled: {why}"),
            staff: Some(by.clone()),
        }),
        RefundChange::Failed { .. } | RefundChange::AddressRefused { .. } => {
            over(LATE, "it failed".to_owned())
        }
        RefundChange::Refused { .. }
        | RefundChange::Approved { .. }
        | RefundChange::Priced(_)
        | RefundChange::AddressGiven { .. }
        | RefundChange::PayoutSeen(_)
        | RefundChange::Sent { .. }
        | RefundChange::Unsent
        | RefundChange::FellShort(_)
        | RefundChange::Misspent { .. }
        | RefundChange::Reversed { .. }
        | RefundChange::Found(_)
        | RefundChange::ProofNamed { .. } => None,
    }
}
