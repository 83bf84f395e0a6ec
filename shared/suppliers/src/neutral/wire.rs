//! The partner API's JSON. Every field that it documents as required is, also where it may be null:
//! what is left out is an answer that does not keep the contract.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::money::{Currency, Money};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Broken, Guest, HttpReply};

/// `POST /v1/offers`.
#[derive(Debug, Deserialize)]
pub(super) struct Offers {
    pub(super) property: Property,
    pub(super) check_in: NaiveDate,
    pub(super) check_out: NaiveDate,
    /// Each a `ShownOffer`, and read by itself.
    pub(super) offers: Vec<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Property {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ShownOffer {
    pub(super) offer_id: String,
    pub(super) room: String,
    #[serde(default)]
    pub(super) room_id: Option<String>,
    pub(super) price: Price,
    pub(super) terms: ShownTerms,
}

/// `POST /v1/offers/{offer_id}/check`.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    pub(super) offer_id: String,
    pub(super) status: String,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) book_token: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) price: Option<Price>,
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) terms: Option<ShownTerms>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Price {
    pub(super) amount: String,
    pub(super) currency: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ShownTerms {
    pub(super) refundable: bool,
    pub(super) cancel_fees: Vec<CancelFee>,
    /// Null where it cannot be held.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) hold_for_s: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CancelFee {
    #[serde(deserialize_with = "utc")]
    pub(super) from: DateTime<Utc>,
    pub(super) fee: String,
}

/// `GET /v1/reservations`.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) reservations: Vec<Box<RawValue>>,
}

/// The proof that something exists, and whose it is.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) reference: String,
    pub(super) client_reference: String,
}

/// A reservation. Personal data.
#[derive(Deserialize)]
pub(super) struct Reservation {
    pub(super) state: String,
    #[serde(deserialize_with = "held_until")]
    pub(super) held_until: Option<DateTime<Utc>>,
    pub(super) check_in: NaiveDate,
    pub(super) check_out: NaiveDate,
    pub(super) price: Price,
    #[serde(default)]
    pub(super) room_id: Option<String>,
    #[serde(default)]
    pub(super) guests: Vec<ShownGuest>,
}

/// Somebody who stays. Personal data: compared, never kept.
#[derive(Deserialize)]
pub(super) struct ShownGuest {
    given_name: String,
    family_name: String,
}

impl From<ShownGuest> for Guest {
    fn from(ShownGuest { given_name, family_name }: ShownGuest) -> Self {
        Self { given_name, family_name }
    }
}

#[derive(Debug, Deserialize)]
struct Failed {
    error: Failure,
}

#[derive(Debug, Deserialize)]
struct Failure {
    code: String,
}

/// An instant in UTC, with its `Z`: an offset would be a local time, which the API has none of.
fn utc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let zulu = text.ends_with('Z').then(|| text.parse().ok()).flatten();
    zulu.ok_or_else(|| serde::de::Error::custom("no instant in UTC"))
}

fn held_until<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    #[derive(Deserialize)]
    struct Instant(#[serde(deserialize_with = "utc")] DateTime<Utc>);
    let read: Option<Instant> = Option::deserialize(deserializer)?;
    Ok(read.map(|Instant(at)| at))
}

/// Reads a body and says where it is not as documented, never what it says there.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Broken> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    let read = read.map_err(|e| Broken::contract(format!("{what} at `{}`", e.path())))?;
    deserializer.end().map_err(|_| Broken::contract(format!("{what}, and more")))?;
    Ok(read)
}

/// The code of an error. Text that is no word is left out: it may be anything, and codes go into
/// logs.
pub(super) fn code(reply: &HttpReply) -> Option<String> {
    let failed: Failed = serde_json::from_slice(&reply.body).ok()?;
    let code = failed.error.code;
    let word = (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    word.then_some(code)
}

/// An amount of a reply.
pub(super) fn money(price: &Price) -> Result<Money, Broken> {
    let odd = || Broken::contract("an amount that is no plain decimal of a currency");
    let currency: Currency = price.currency.parse().map_err(|_| odd())?;
    Money::parse_decimal(&price.amount, currency).map_err(|_| odd())
}
