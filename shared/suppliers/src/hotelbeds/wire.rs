//! Hotelbeds' JSON, as far as we read it. What is required here is what the answer means nothing
//! without.
//!
//! Amounts are JSON numbers and are kept as their text, so that no float ever holds money.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::money::{Currency, Money};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{Broken, HttpReply};

/// Page availability, the response.
#[derive(Debug, Deserialize)]
pub(super) struct Availability {
    /// Each an `Activity`, and read by itself.
    pub(super) activities: Vec<Box<RawValue>>,
    pub(super) pagination: Option<Pagination>,
}

/// Page detail simple, the response.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    pub(super) activity: Activity,
}

/// One of `activities` of availability, `activity` of details.
#[derive(Debug, Deserialize)]
pub(super) struct Activity {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) modalities: Vec<Modality>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Modality {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) rates: Vec<Rate>,
    /// Page activities-questions: some must be answered, or nothing can be booked.
    #[serde(default)]
    pub(super) questions: Vec<Question>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    pub(super) required: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rate {
    pub(super) rate_code: String,
    pub(super) rate_class: String,
    pub(super) rate_details: Vec<RateDetail>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RateDetail {
    pub(super) rate_key: String,
    pub(super) operation_dates: Vec<OperationDate>,
    pub(super) total_amount: Total,
    /// Where one of several must be chosen.
    #[serde(default)]
    pub(super) sessions: Vec<Choice>,
    #[serde(default)]
    pub(super) languages: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationDate {
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
    #[serde(default)]
    pub(super) cancellation_policies: Vec<CancellationPolicy>,
}

/// Page cancellation-policies.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancellationPolicy {
    pub(super) date_from: String,
    pub(super) amount: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Total {
    pub(super) amount: Box<RawValue>,
}

/// Page booking-details: what confirm, preconfirm, reconfirm and cancel answer as well.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookingReply {
    pub(super) audit_data: Option<AuditData>,
    pub(super) booking: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AuditData {
    pub(super) time: Option<DateTime<Utc>>,
}

/// The proof that something exists, and whose it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookingHead {
    pub(super) reference: String,
    pub(super) client_reference: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Booking {
    pub(super) status: String,
    pub(super) currency: String,
    pub(super) total: Box<RawValue>,
    pub(super) activities: Vec<Booked>,
}

/// Of it. Personal data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Booked {
    pub(super) date_from: NaiveDate,
    pub(super) date_to: NaiveDate,
    pub(super) code: Option<String>,
    pub(super) modality: Option<BookedModality>,
    #[serde(default)]
    pub(super) paxes: Vec<BookedPax>,
}

#[derive(Deserialize)]
pub(super) struct BookedModality {
    pub(super) code: Option<String>,
}

/// Personal data: compared, never kept.
#[derive(Deserialize)]
pub(super) struct BookedPax {
    pub(super) name: Option<String>,
    pub(super) surname: Option<String>,
}

/// Page booking-list.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) bookings: Vec<Box<RawValue>>,
    pub(super) pagination: Pagination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    pub(super) total_items: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Error>,
}

#[derive(Debug, Deserialize)]
struct Error {
    code: String,
}

/// Reads a body and says where it is not as documented, never what it says there.
pub(super) fn read<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Broken> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    let read = read.map_err(|e| Broken::contract(format!("{what} at `{}`", e.path())))?;
    deserializer.end().map_err(|_| Broken::contract(format!("{what}, and more")))?;
    Ok(read)
}

/// The supplier's words for what is wrong: of the gateway (a header), then of the API. Text that is
/// no word is left out: it may be anything, and codes go into logs.
pub(super) fn codes(reply: &HttpReply) -> Vec<String> {
    let gateway =
        reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-mashery-error-code"));
    let said: Errors = serde_json::from_slice(&reply.body).unwrap_or_default();
    let said = said.errors.into_iter().map(|error| error.code);
    let word = |code: &String| {
        (1..=64).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    gateway.map(|(_, code)| code.clone()).chain(said).filter(word).collect()
}

/// An amount of a reply.
pub(super) fn money(amount: &RawValue, currency: Currency) -> Result<Money, Broken> {
    Money::parse_decimal(amount.get(), currency)
        .map_err(|_| Broken::contract("an amount that is no plain decimal"))
}
