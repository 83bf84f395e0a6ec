//! The key of an offer: the rate's hash, and what its price check is compared with.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::money::Money;
use serde::{Deserialize, Serialize};

use crate::BadKey;

/// Says which dialect, and which form, a key is of.
const PREFIX: &str = "etg1.";
/// A hash is 1 to 256 characters (page "Prebook rate from hotelpage step").
const HASH_MAX: usize = 256;

/// What an offer's key carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateKey {
    pub(super) hash: String,
    pub(super) price: Money,
}

impl RateKey {
    /// The key as text, for others to carry.
    pub(super) fn text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads a key back; its hash is checked again, for the key has been through other hands.
    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let json = text.strip_prefix(PREFIX).ok_or(BadKey)?;
        let json = URL_SAFE_NO_PAD.decode(json).map_err(|_| BadKey)?;
        let key: Self = serde_json::from_slice(&json).map_err(|_| BadKey)?;
        checked_hash(&key.hash).ok_or(BadKey)?;
        Ok(key)
    }
}

/// A hash, if it is one: words of letters and digits between hyphens.
pub(super) fn checked_hash(hash: &str) -> Option<&str> {
    let plain = hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    ((1..=HASH_MAX).contains(&hash.len()) && plain).then_some(hash)
}
