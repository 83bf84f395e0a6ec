//! What is asked of a payment: answered by events, or refused.

use contracts::{asset::Units, messages::Closing};
use serde::{Deserialize, Serialize};

use crate::{
    assets::Asset,
    command::{Command, RefundAsked, Terms},
    event::{Event, Grant},
    ledger::Account,
    state::{Deposit, Payment, Request},
};

/// Why something that was asked cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    /// The payment was closed before it was asked for.
    #[error("the payment is closed")]
    Closed,
    /// It was asked for with other terms before.
    #[error("the payment has other terms")]
    OtherTerms,
    /// The registry has no such asset, or with other decimals.
    #[error("the asset is not in the registry")]
    UnknownAsset,
    /// The amount is nothing.
    #[error("there is nothing to pay")]
    NothingToPay,
    /// The refund was asked for with another amount or place before.
    #[error("the refund has other terms")]
    OtherRefund,
    /// The refund is of nothing.
    #[error("there is nothing to refund")]
    NothingToRefund,
    /// The payment is neither settled nor closed, so its money is not to go back.
    #[error("the payment is still open")]
    StillOpen,
    /// Only final money goes back, and only once.
    #[error("more than what is final and not yet granted")]
    NotSettled {
        /// How much could be granted.
        available: Units,
    },
}

/// What a preparation needs from outside: what the registry knows of the asset, and an address.
#[derive(Debug, Clone)]
pub struct Means<'a> {
    /// The asset asked for, if the registry has it.
    pub asset: Option<&'a Asset>,
    /// An address that was never given to anybody.
    pub deposit: Option<Deposit>,
}

/// Whether a command will use up an address; the shell asks before it takes one.
#[must_use]
pub fn needs_deposit(payment: &Payment, command: &Command) -> bool {
    let asked = matches!(command, Command::Prepare(_));
    asked && payment.request.is_none() && payment.closing.is_none()
}

/// Decides what was asked; nothing for a repeat.
///
/// # Errors
/// When it cannot be; the shell keeps the refusal in the journal.
pub fn decide(
    payment: &Payment,
    command: &Command,
    means: &Means<'_>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Prepare(terms) => prepare(payment, terms, means),
        Command::Close => Ok(close(payment)),
        Command::Refund(asked) => refund(payment, asked),
    }
}

fn prepare(payment: &Payment, terms: &Terms, means: &Means<'_>) -> Result<Vec<Event>, Refusal> {
    match (&payment.request, &payment.closing) {
        (Some(request), _) if request.terms == *terms => return Ok(vec![]),
        (Some(_), _) => return Err(Refusal::OtherTerms),
        (None, Some(_)) => return Err(Refusal::Closed),
        (None, None) => {}
    }
    if terms.amount.units.is_zero() {
        return Err(Refusal::NothingToPay);
    }
    let known =
        means.asset.filter(|a| a.id == terms.amount.asset && a.decimals == terms.amount.decimals);
    let (Some(asset), Some(deposit)) = (known, &means.deposit) else {
        return Err(Refusal::UnknownAsset);
    };
    Ok(vec![Event::Prepared(Request {
        terms: terms.clone(),
        chain: asset.chain.clone(),
        contract: asset.contract.clone(),
        deposit: deposit.clone(),
        confirmations: asset.confirmations_for(terms.amount.units),
        dust: asset.dust,
    })])
}

fn close(payment: &Payment) -> Vec<Event> {
    if payment.closing.is_some() {
        return vec![];
    }
    let settled = payment.final_units();
    let closing = if payment.settled {
        Closing::AlreadySettled { settled }
    } else {
        Closing::Closed { received: payment.received(), settled }
    };
    vec![Event::Closed { closing, due: payment.book.credit_of(Account::Customer) }]
}

fn refund(payment: &Payment, asked: &RefundAsked) -> Result<Vec<Event>, Refusal> {
    if let Some(granted) = payment.refunds.get(&asked.refund_id) {
        let same = granted.units == asked.units && granted.to == asked.to;
        return if same { Ok(vec![]) } else { Err(Refusal::OtherRefund) };
    }
    if asked.units.is_zero() {
        return Err(Refusal::NothingToRefund);
    }
    if !payment.settled && payment.closing.is_none() {
        return Err(Refusal::StillOpen);
    }
    let available = payment.final_units().saturating_sub(payment.refunded());
    if asked.units > available {
        return Err(Refusal::NotSettled { available });
    }
    let of_due = asked.units.min(payment.book.credit_of(Account::RefundDue));
    let of_excess = asked.units.saturating_sub(of_due).min(payment.book.credit_of(Account::Excess));
    Ok(vec![Event::RefundGranted(Grant {
        refund_id: asked.refund_id,
        units: asked.units,
        to: asked.to.clone(),
        of_due,
        of_excess,
        of_price: asked.units.saturating_sub(of_due).saturating_sub(of_excess),
    })])
}
