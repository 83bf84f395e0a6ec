//! The keys of an offer: to check its price, and to book it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::money::Money;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::BadKey;

const RATE: &str = "duffel1.";
const BOOK: &str = "duffel1b.";

/// What the key of an offer carries: which one, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateKey {
    pub(super) offer: String,
    pub(super) price: Money,
}

/// What the key to book with carries: the supplier wants its own passenger ids and its own price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BookKey {
    pub(super) offer: String,
    pub(super) seats: Vec<Seat>,
}

/// One passenger of an offer, before there is a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seat {
    /// The supplier's id of it.
    pub(super) id: String,
    /// Nothing for an adult.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) age: Option<u8>,
}

impl RateKey {
    pub(super) fn text(&self) -> String {
        text(RATE, self)
    }

    pub(super) fn parse(key: &str) -> Result<Self, BadKey> {
        let read: Self = parse(RATE, key)?;
        if is_id("off_", &read.offer) { Ok(read) } else { Err(BadKey) }
    }
}

impl BookKey {
    pub(super) fn text(&self) -> String {
        text(BOOK, self)
    }

    pub(super) fn parse(key: &str) -> Result<Self, BadKey> {
        let read: Self = parse(BOOK, key)?;
        let ids = read.seats.iter().all(|seat| is_id("pas_", &seat.id));
        if ids && is_id("off_", &read.offer) { Ok(read) } else { Err(BadKey) }
    }
}

/// Whether a text is an id of the supplier's: it goes into paths.
pub(super) fn is_id(prefix: &str, id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let rest = id.strip_prefix(prefix).unwrap_or_default();
    (1..=60).contains(&rest.len()) && rest.bytes().all(plain)
}

fn text(prefix: &str, key: &impl Serialize) -> String {
    let json = serde_json::to_vec(key).unwrap_or_default();
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(json))
}

fn parse<T: DeserializeOwned>(prefix: &str, key: &str) -> Result<T, BadKey> {
    let json = key.strip_prefix(prefix).ok_or(BadKey)?;
    let json = URL_SAFE_NO_PAD.decode(json).map_err(|_| BadKey)?;
    serde_json::from_slice(&json).map_err(|_| BadKey)
}
