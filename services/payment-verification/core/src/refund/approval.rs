//! Refunds that a second person has to let go: all that goes back of one payment beyond what the
//! policy lets go by itself.
//!
//! What counts is the sum of a payment's refunds, so that no large one goes as many small ones, and
//! its worth when the price was made. Who looked into the booking, or had a hand in the refund,
//! does not let it go.

use contracts::{
    asset::Units, messages::RefundState, money::Money, mutants::mutant, staff::same_person,
};
use ruint::aliases::U256;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    event::Event,
    refund::{Refund, RefundChange},
    state::{Payment, Request},
};

/// Whether a second person has to let a refund go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Approval {
    /// It goes by itself.
    #[default]
    NotNeeded,
    /// Nobody has let it go yet.
    Waits,
    /// Somebody has.
    Given {
        /// Who.
        by: String,
    },
}

impl Approval {
    /// Whether it may be sent.
    #[must_use]
    pub fn lets_go(&self) -> bool {
        *self != Self::Waits || mutant("sent_unapproved")
    }
}

/// Why somebody cannot let a refund go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotForThem {
    /// There is no such refund.
    #[error("there is no such refund")]
    NoSuchRefund,
    /// It does not wait for that.
    #[error("the refund does not wait for a second person")]
    NotWaiting,
    /// They had a hand in it.
    #[error("whoever looked into the booking does not let its refund go")]
    SamePerson,
}

/// What units of a payment were worth when its price was made, rounded up; nothing when that is
/// past all bounds.
#[must_use]
pub fn worth(request: &Request, units: Units) -> Option<Money> {
    let price = request.terms.price;
    let minor = U256::from(u64::try_from(price.minor).ok()?);
    let of_price = units.0.checked_mul(minor)?;
    let all = request.terms.amount.units.0;
    let (whole, rest) = (of_price.checked_div(all)?, of_price.checked_rem(all)?);
    let rounded = if rest.is_zero() { whole } else { whole.checked_add(U256::ONE)? };
    Some(Money::new(i64::try_from(u64::try_from(rounded).ok()?).ok()?, price.currency))
}

/// Whether a refund of so much more is beyond what goes by itself.
pub(crate) fn is_needed(
    payment: &Payment,
    request: &Request,
    more: Units,
    alone_max: Option<Money>,
) -> bool {
    let sum = payment.refunded().checked_add(more);
    let worth = sum.and_then(|sum| worth(request, sum));
    match (worth, alone_max) {
        (Some(worth), Some(most)) => worth.currency != most.currency || worth > most,
        (None, _) | (_, None) => true,
    }
}

/// Whether somebody can let a refund go.
///
/// # Errors
/// When they cannot.
pub fn may_let_go(payment: &Payment, refund_id: Uuid, by: &str) -> Result<(), NotForThem> {
    let refund = payment.refunds.get(&refund_id).ok_or(NotForThem::NoSuchRefund)?;
    if refund.approval != Approval::Waits || refund.state != RefundState::Granted {
        return Err(NotForThem::NotWaiting);
    }
    if had_a_hand(refund, by) {
        return Err(NotForThem::SamePerson);
    }
    Ok(())
}

fn had_a_hand(refund: &Refund, by: &str) -> bool {
    refund.handled_by.as_deref().is_some_and(|looked| same_person(looked, by))
}

/// Somebody let a refund go; nothing when they cannot.
pub(crate) fn approved(payment: &Payment, refund_id: Uuid, by: &str, why: &str) -> Vec<Event> {
    if may_let_go(payment, refund_id, by).is_err() {
        return vec![];
    }
    let change = RefundChange::Approved { by: by.to_owned(), why: why.to_owned() };
    vec![Event::Refund { refund_id, change }]
}
