//! A quote: what was promised to whom, at which price, in which asset. Pure.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Rate},
    ids::{AccountId, LegId, QuoteId},
    money::Money,
    offer::LegOrder,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A price lock with all that a booking needs of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    pub quote_id: QuoteId,
    pub account_id: AccountId,
    pub legs: Vec<QuotedLeg>,
    pub price: Money,
    pub rate: Rate,
    pub amount: AssetAmount,
    pub rate_as_of: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// One leg of a quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotedLeg {
    pub leg_id: LegId,
    pub property_name: String,
    pub room_name: String,
    pub order: LegOrder,
}

impl Quote {
    /// A digest of everything that is promised: account, rate, stay, currency, crypto rate, terms.
    ///
    /// # Errors
    /// Never in practice: a quote is plain data.
    pub fn terms(&self) -> Result<String, serde_json::Error> {
        let promised = serde_json::to_vec(self)?;
        Ok(hex::encode(Sha256::digest(promised)))
    }

    /// How many people may travel, all legs together.
    #[must_use]
    pub fn guests_max(&self) -> usize {
        self.legs.iter().map(QuotedLeg::guests_max).sum()
    }
}

impl QuotedLeg {
    /// How many people may be on it.
    #[must_use]
    pub fn guests_max(&self) -> usize {
        usize::from(self.order.occupancy.adults) + self.order.occupancy.children.len()
    }
}
