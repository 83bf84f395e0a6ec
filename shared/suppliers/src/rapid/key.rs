//! The key of an offer: its price-check link, and what a price check does not repeat.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::NaiveDate;
use contracts::money::Money;
use serde::{Deserialize, Serialize};

use super::{link::PRICE_CHECK, terms::Policy};
use crate::BadKey;

/// Says which dialect, and which form, a key is of.
const PREFIX: &str = "rapid1.";

/// What an offer's key carries.
///
/// A price check answers with prices only (spec `RoomPriceCheck`), so the policy of the search goes
/// along, and is applied to the prices that the check gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateKey {
    pub(super) href: String,
    pub(super) occupancy: String,
    pub(super) check_in: NaiveDate,
    pub(super) check_out: NaiveDate,
    pub(super) price: Money,
    pub(super) policy: Policy,
}

impl RateKey {
    /// The key as text, for others to carry.
    pub(super) fn text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// The property and the rate, from
    /// `/v3/properties/{property_id}/rooms/{room_id}/rates/{rate_id}`.
    pub(super) fn room(&self) -> Option<String> {
        let path = self.href.split('?').next()?.strip_prefix("/v3/properties/")?;
        match path.split('/').collect::<Vec<_>>().as_slice() {
            [property, "rooms", _, "rates", rate] => Some(format!("{property}/{rate}")),
            _ => None,
        }
    }

    /// Reads a key back; its link is checked again, for the key has been through other hands.
    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let json = text.strip_prefix(PREFIX).ok_or(BadKey)?;
        let json = URL_SAFE_NO_PAD.decode(json).map_err(|_| BadKey)?;
        let key: Self = serde_json::from_slice(&json).map_err(|_| BadKey)?;
        PRICE_CHECK.checked(&key.href).ok_or(BadKey)?;
        Ok(key)
    }
}
