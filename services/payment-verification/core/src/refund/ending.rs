//! A refund of which no single payout is the proof: what came in parts adds up, or a person answers
//! for what is missing.

use contracts::{asset::Units, messages::RefundState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    event::Event,
    ledger::Account,
    refund::{Refund, RefundChange, arrived},
    state::{Payment, Posted, total},
};

/// How much ended a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    /// What came to its address; what is beyond the refund stays misspent.
    pub came: Units,
    /// What did not come and a person answers for.
    #[serde(default)]
    pub otherwise: Units,
    /// How much was granted, where it goes back by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<Units>,
}

/// Why a person cannot answer for what is missing of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSettled {
    /// There is no such refund.
    #[error("there is no such refund")]
    NoSuchRefund,
    /// It ended.
    #[error("the refund ended already")]
    Ended,
    /// Nobody has let it go yet, so nothing of it was to come.
    #[error("the refund waits for a second person: nobody was asked to send it")]
    Waits,
    /// Nobody knows yet how much is to be sent.
    #[error("it waits for a rate: how much is to be sent is not known yet")]
    NotPriced,
    /// Something of it stands in a block and is not final.
    #[error("a transfer of it is on its way: how deep it gets has to be known first")]
    OnItsWay,
}

impl Ending {
    /// What it moves: the parts were misspent until they added up.
    pub(super) fn moves(&self) -> Vec<(Account, Account, Units)> {
        let sent = total([self.came, self.otherwise].into_iter());
        let mut lines = arrived(sent, self.granted);
        lines.push((Account::PaidOut, Account::Misspent, self.came));
        lines.push((Account::PaidOut, Account::SettledOtherwise, self.otherwise));
        lines
    }
}

impl Refund {
    /// What is final at its address and is not its proof.
    #[must_use]
    pub fn came(&self) -> Units {
        let parts = self.payouts.iter().filter(|(key, _)| Some(*key) != self.proof.as_ref());
        total(parts.map(|(_, payout)| match payout.posted {
            Posted::Final(units) => units,
            Posted::Nothing | Posted::Reversed(_) => Units::ZERO,
        }))
    }

    /// What is missing still; nothing while that is not known.
    #[must_use]
    pub fn missing(&self) -> Option<Units> {
        Some(self.sends()?.saturating_sub(self.came()))
    }

    /// How much of it a person answered for.
    #[must_use]
    pub fn settled_otherwise(&self) -> Option<Units> {
        self.ending.map(|ending| ending.otherwise).filter(|otherwise| !otherwise.is_zero())
    }

    /// The parts bring all of it.
    pub(super) fn adds_up(&self) -> Option<Ending> {
        let open = matches!(self.state, RefundState::Granted | RefundState::Sent);
        let sends = self.sends().filter(|sends| open && self.came() >= *sends)?;
        let granted = self.granted_otherwise();
        Some(Ending { came: sends, otherwise: Units::ZERO, granted })
    }

    /// A part left the chain that it had ended by.
    pub(super) fn falls_short(&self) -> Option<Ending> {
        self.ending.filter(|ending| self.came() < ending.came)
    }
}

/// How a refund ends when a person answers for what is missing.
///
/// # Errors
/// When they cannot.
pub fn may_settle(payment: &Payment, refund_id: Uuid) -> Result<Ending, NotSettled> {
    let refund = payment.refunds.get(&refund_id).ok_or(NotSettled::NoSuchRefund)?;
    match refund.state {
        RefundState::Granted => {}
        RefundState::Sent => return Err(NotSettled::OnItsWay),
        RefundState::Confirmed | RefundState::Failed => return Err(NotSettled::Ended),
    }
    let mut open = refund.payouts.values().filter(|payout| payout.posted == Posted::Nothing);
    if open.any(|payout| payment.stands(payout).is_some()) {
        return Err(NotSettled::OnItsWay);
    }
    if !refund.approval.lets_go() {
        return Err(NotSettled::Waits);
    }
    let sends = refund.sends().ok_or(NotSettled::NotPriced)?;
    let came = refund.came().min(sends);
    let granted = refund.granted_otherwise();
    Ok(Ending { came, otherwise: sends.saturating_sub(came), granted })
}

/// A person answers for what is missing; nothing when they cannot.
pub(crate) fn settled(payment: &Payment, refund_id: Uuid, by: &str, why: &str) -> Vec<Event> {
    let Ok(ending) = may_settle(payment, refund_id) else { return vec![] };
    let (by, why) = (by.to_owned(), why.to_owned());
    vec![Event::Refund { refund_id, change: RefundChange::Settled { ending, by, why } }]
}
