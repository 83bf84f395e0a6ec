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
pub(crate) struct Quote {
    pub(crate) quote_id: QuoteId,
    pub(crate) account_id: AccountId,
    pub(crate) legs: Vec<QuotedLeg>,
    pub(crate) price: Money,
    pub(crate) rate: Rate,
    pub(crate) amount: AssetAmount,
    pub(crate) rate_as_of: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// One leg of a quote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotedLeg {
    pub(crate) leg_id: LegId,
    pub(crate) property_name: String,
    pub(crate) room_name: String,
    pub(crate) order: LegOrder,
}

impl Quote {
    /// A digest of everything that is promised: account, rate, stay, currency, crypto rate, terms.
    pub(crate) fn terms(&self) -> Result<String, serde_json::Error> {
        let promised = serde_json::to_vec(self)?;
        Ok(hex::encode(Sha256::digest(promised)))
    }

    /// How many people may sleep there.
    pub(crate) fn guests_max(&self) -> usize {
        let guests = |leg: &QuotedLeg| {
            usize::from(leg.order.occupancy.adults) + leg.order.occupancy.children.len()
        };
        self.legs.iter().map(guests).sum()
    }
}
