//! Duffel's JSON, as far as we read it. What is required here is what the answer means nothing
//! without.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use contracts::money::{Currency, Money};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::Broken;

/// The envelope of everything; `meta` has the cursors of a list (overview, "Pagination").
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: T,
    #[serde(default)]
    pub(super) meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) after: Option<String>,
}

/// `OfferRequest`, as far as it has offers.
#[derive(Debug, Deserialize)]
pub(super) struct OfferRequest {
    pub(super) offers: Vec<Box<RawValue>>,
}

/// `Offer`.
#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) total_amount: String,
    pub(super) total_currency: String,
    pub(super) owner: Carrier,
    pub(super) slices: Vec<Slice>,
    pub(super) passengers: Vec<OfferPassenger>,
    pub(super) payment_requirements: PaymentRequirements,
    pub(super) conditions: Conditions,
}

/// `Airline`.
#[derive(Debug, Deserialize)]
pub(super) struct Carrier {
    pub(super) name: String,
    pub(super) iata_code: Option<String>,
}

/// `OfferSlice` and `OrderSlice`.
#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    pub(super) fare_brand_name: Option<String>,
    pub(super) segments: Vec<Segment>,
}

/// `OfferSliceSegment`; times are local to the airport and have no offset.
#[derive(Debug, Deserialize)]
pub(super) struct Segment {
    pub(super) origin: Place,
    pub(super) destination: Place,
    pub(super) departing_at: NaiveDateTime,
    pub(super) arriving_at: NaiveDateTime,
    pub(super) marketing_carrier: Carrier,
    pub(super) marketing_carrier_flight_number: String,
}

/// `Airport`.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub(super) iata_code: String,
    /// The city's own code: a search may have named the city.
    pub(super) iata_city_code: Option<String>,
}

/// `OfferPassenger`.
#[derive(Debug, Deserialize)]
pub(super) struct OfferPassenger {
    pub(super) id: String,
    pub(super) age: Option<u8>,
    pub(super) r#type: Option<String>,
}

/// `PaymentRequirements`: until when the space is held, and until when the price.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentRequirements {
    pub(super) requires_instant_payment: bool,
    pub(super) payment_required_by: Option<DateTime<Utc>>,
    pub(super) price_guarantee_expires_at: Option<DateTime<Utc>>,
}

/// `FlightsConditions`; null where the airline says nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Conditions {
    pub(super) refund_before_departure: Option<Condition>,
}

/// `FlightsCondition`.
#[derive(Debug, Deserialize)]
pub(super) struct Condition {
    pub(super) allowed: bool,
    pub(super) penalty_amount: Option<String>,
    pub(super) penalty_currency: Option<String>,
}

/// The part of an order that proves that it exists, and whose it is.
#[derive(Debug, Deserialize)]
pub(super) struct OrderHead {
    pub(super) id: String,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

/// What we wrote into an order.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    pub(super) client_reference: Option<String>,
    pub(super) travellers: Option<String>,
}

/// The part of an order that says how it stands. Personal data.
#[derive(Deserialize)]
pub(super) struct OrderDetail {
    pub(super) cancelled_at: Option<DateTime<Utc>>,
    pub(super) payment_status: PaymentStatus,
    pub(super) total_amount: String,
    pub(super) total_currency: String,
    pub(super) slices: Vec<Slice>,
    pub(super) passengers: Vec<OrderPassenger>,
    #[serde(default)]
    pub(super) documents: Vec<Value>,
}

/// `OrderPaymentStatus`.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentStatus {
    pub(super) awaiting_payment: bool,
    pub(super) payment_required_by: Option<DateTime<Utc>>,
    pub(super) price_guarantee_expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) paid_at: Option<DateTime<Utc>>,
}

/// `OrderPassenger`. Personal data: compared, never kept.
#[derive(Deserialize)]
pub(super) struct OrderPassenger {
    pub(super) given_name: String,
    pub(super) family_name: String,
    pub(super) born_on: Option<NaiveDate>,
}

/// `Payment`.
#[derive(Debug, Deserialize)]
pub(super) struct Payment {
    pub(super) id: String,
}

/// `OrderCancellation`.
#[derive(Debug, Deserialize)]
pub(super) struct Cancellation {
    pub(super) id: String,
    pub(super) confirmed_at: Option<DateTime<Utc>>,
    pub(super) refund_amount: Option<String>,
    pub(super) refund_currency: Option<String>,
    pub(super) refund_to: Option<String>,
}

#[derive(Default, Deserialize)]
struct Errors {
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    code: String,
}

/// The error codes of a reply (overview, "Errors"). Text that is no word is left out: it may be
/// anything, and codes go into logs.
pub(super) fn codes(body: &[u8]) -> Vec<String> {
    let errors: Errors = serde_json::from_slice(body).unwrap_or_default();
    let word = |code: &String| {
        (1..=64).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    errors.errors.into_iter().map(|error| error.code).filter(word).collect()
}

/// Reads JSON, and says where it is not what the supplier documents, never what stood there.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Broken> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut from).map_err(|e| broken(what, e.path()))?;
    from.end().map_err(|_| Broken::contract(format!("{what} with something after it")))?;
    Ok(read)
}

/// Names the place; a path can be as long as the reply is deep, and is cut.
fn broken(what: &str, path: &serde_path_to_error::Path) -> Broken {
    let path: String = path.to_string().chars().take(120).collect();
    Broken::contract(format!("{what} at `{path}`"))
}

/// A price in the supplier's words.
pub(super) fn money(amount: &str, currency: &str) -> Result<Money, Broken> {
    let currency: Currency =
        currency.parse().map_err(|_| Broken::contract("an amount in a currency we do not know"))?;
    Money::parse_decimal(amount, currency)
        .ok()
        .filter(|money| money.minor >= 0)
        .ok_or_else(|| Broken::contract("an amount that is no plain decimal"))
}
