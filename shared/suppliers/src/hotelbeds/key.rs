//! The keys of an offer and of a booking.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::NaiveDate;
use contracts::{money::Money, offer::Occupancy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::BadKey;

/// Says which dialect, and which form, a key is of.
const PREFIX: &str = "hotelbeds1.";
/// A rate key is some 26 characters; more than this is none.
const RATE_KEY_MAX: usize = 512;

/// What an offer's key carries: how to find the same rate again.
///
/// The supplier's own rate key is not in it: each look at the details gives out a new one, and the
/// old one lives half an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateKey {
    pub(super) activity: String,
    pub(super) modality: String,
    pub(super) rate: String,
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
    pub(super) who: Occupancy,
    pub(super) price: Money,
}

impl RateKey {
    /// The key as text, for others to carry.
    pub(super) fn text(&self) -> String {
        text(self)
    }

    /// Reads a key back.
    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        parse(text)
    }
}

/// What a booking is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookKey {
    pub(super) rate_key: String,
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
}

impl BookKey {
    pub(super) fn text(&self) -> String {
        text(self)
    }

    pub(super) fn parse(text: &str) -> Result<Self, BadKey> {
        let key: Self = parse(text)?;
        let fits = (1..=RATE_KEY_MAX).contains(&key.rate_key.len());
        if fits { Ok(key) } else { Err(BadKey) }
    }
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
