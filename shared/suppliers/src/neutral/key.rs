//! The keys of an offer and of a booking.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::NaiveDate;
use contracts::money::Money;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::BadKey;

/// Says which dialect, and which form, a key is of.
const PREFIX: &str = "neutral1.";
/// `book_token` is opaque and no longer than this.
const TOKEN_MAX: usize = 512;

/// What an offer's key carries: its id, the price it was offered at, and of which room it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateKey {
    pub(super) offer_id: String,
    pub(super) price: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) room_id: Option<String>,
}

impl RateKey {
    /// The key as text, for others to carry.
    pub(super) fn text(&self) -> String {
        text(self)
    }

    /// Reads a key back.
    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let key: Self = parse(text)?;
        if is_id(&key.offer_id) { Ok(key) } else { Err(BadKey) }
    }
}

/// What a booking is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookKey {
    pub(super) book_token: String,
}

impl BookKey {
    pub(super) fn text(&self) -> String {
        text(self)
    }

    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let key: Self = parse(text)?;
        if is_token(&key.book_token) { Ok(key) } else { Err(BadKey) }
    }
}

/// `offer_id` and `reference`: they become parts of a path, so nothing else may be in them.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `book_token`: visible ASCII.
pub(super) fn is_token(text: &str) -> bool {
    (1..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// The stay that an order is for, as a reply shows it.
pub(super) fn is_stay(check_in: NaiveDate, check_out: NaiveDate) -> bool {
    check_in < check_out
}

fn text(key: &impl Serialize) -> String {
    let json = serde_json::to_vec(key).unwrap_or_default();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, BadKey> {
    let json = text.strip_prefix(PREFIX).ok_or(BadKey)?;
    let json = URL_SAFE_NO_PAD.decode(json).map_err(|_| BadKey)?;
    serde_json::from_slice(&json).map_err(|_| BadKey)
}
