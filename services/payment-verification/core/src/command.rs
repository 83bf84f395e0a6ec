//! Everything that can be asked of a payment.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    messages::{CloseBecause, RefundBasis},
    money::Money,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is asked of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make the request ready to be shown.
    Prepare(Terms),
    /// Say whether money came, once that can be known; what comes later goes back.
    Close(CloseBecause),
    /// Give back final money.
    Refund(RefundAsked),
}

/// What is to be paid, by when, as booking asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What is to be paid, to the last unit.
    pub amount: AssetAmount,
    /// The price that it pays.
    pub price: Money,
    /// Until when money must be seen.
    pub pay_by: DateTime<Utc>,
}

/// A refund as booking asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAsked {
    /// The refund; asking again is the same refund.
    pub refund_id: Uuid,
    /// How much.
    pub units: Units,
    /// Where the customer wants it, if that was said.
    pub to: Option<String>,
    /// At which value.
    pub basis: RefundBasis,
    /// The member of staff who looks into the booking, if one does.
    pub handled_by: Option<String>,
}
