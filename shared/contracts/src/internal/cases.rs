//! What a person may have to look into at payment-verification.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    asset::{AssetId, Units},
    ids::{BookingId, PaymentId},
};

/// Answer to `GET /internal/cases` of payment-verification: at most the newest 1,000, of the open
/// ones with `?open=true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CasesReply {
    /// The cases, newest first.
    pub cases: Vec<PaymentCase>,
    /// How many are open in all.
    #[serde(default)]
    pub open: u64,
}

/// Something odd about a payment: `GET /internal/cases/{case}` of payment-verification. No personal
/// data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentCase {
    /// The case.
    pub case_id: Uuid,
    /// Why, in a word: `look_alike_token`, `other_asset`, `other_chain`, `failed_receipt`, …
    pub reason: String,
    /// What it is about.
    pub subject: String,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// Of which booking.
    pub booking_id: BookingId,
    /// On which chain, as CAIP-2 writes it, where a transaction shows it.
    pub chain: Option<String>,
    /// The transaction that shows it.
    pub transaction: Option<String>,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// How much was moved.
    pub units: Option<Units>,
    /// Of what, where the registry knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// How much in whole coins, for people, where the registry knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_decimal: Option<String>,
    /// Since when it is known.
    pub opened_at: DateTime<Utc>,
    /// Since when it is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    /// The member of staff who says so; nothing while it is open, or where it closed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
    /// Why it is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_because: Option<String>,
}
