//! ETG's JSON, as far as we read it. What is required here is what the answer means nothing
//! without.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Broken;

/// What every answer is wrapped in (page "Errors"): `status` is `ok`, `processing` or `error`, and
/// `error` then says which.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) status: String,
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
}

/// Page "Errors": the limit of the endpoint that answered.
#[derive(Debug, Deserialize)]
pub(super) struct Limit {
    pub(super) is_limited: bool,
    pub(super) remaining: i64,
    pub(super) requests_number: u64,
    pub(super) reset: Option<NaiveDateTime>,
}

#[derive(Deserialize)]
struct Debugged {
    debug: Debug,
}

#[derive(Deserialize)]
struct Debug {
    api_endpoint: Limit,
}

/// Page "Retrieve hotelpage" and page "Prebook rate from hotelpage step".
#[derive(Debug, Deserialize)]
pub(super) struct Hotels {
    pub(super) hotels: Vec<Hotel>,
    #[serde(default)]
    pub(super) changes: Option<Changes>,
}

/// Whether a prebook found the rate at another price.
#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    pub(super) price_changed: bool,
}

/// One hotel; `id` is its old name, `hid` its number.
#[derive(Debug, Deserialize)]
pub(super) struct Hotel {
    pub(super) id: String,
    pub(super) hid: Option<u64>,
    /// Each a `Rate`, and read by itself.
    pub(super) rates: Vec<Value>,
}

/// One rate.
#[derive(Debug, Deserialize)]
pub(super) struct Rate {
    pub(super) book_hash: String,
    pub(super) room_name: String,
    pub(super) payment_options: PaymentOptions,
    pub(super) is_package: bool,
}

/// How a rate may be paid.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentOptions {
    pub(super) payment_types: Vec<PaymentType>,
}

/// One way to pay a rate: `amount` is what we are charged, in our contract's currency.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentType {
    pub(super) r#type: String,
    pub(super) amount: String,
    pub(super) currency_code: String,
    pub(super) is_need_credit_card_data: bool,
    pub(super) cancellation_penalties: Penalties,
    #[serde(default)]
    pub(super) tax_data: TaxData,
}

/// The taxes of a rate.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TaxData {
    #[serde(default)]
    pub(super) taxes: Vec<Tax>,
}

/// A tax; one that is not included is paid at the hotel, in a currency of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Tax {
    pub(super) name: String,
    pub(super) included_by_supplier: bool,
    pub(super) amount: String,
    pub(super) currency_code: String,
}

/// What cancelling costs; every time is in UTC and written without an offset.
#[derive(Debug, Deserialize)]
pub(super) struct Penalties {
    pub(super) policies: Vec<Penalty>,
    pub(super) free_cancellation_before: Option<NaiveDateTime>,
}

/// One stretch of the penalties; without a start it has always begun, without an end it never ends.
#[derive(Debug, Deserialize)]
pub(super) struct Penalty {
    pub(super) start_at: Option<NaiveDateTime>,
    pub(super) end_at: Option<NaiveDateTime>,
    pub(super) amount_charge: String,
}

/// Page "Create booking process".
#[derive(Debug, Deserialize)]
pub(super) struct Form {
    pub(super) order_id: u64,
    pub(super) partner_order_id: String,
    pub(super) payment_types: Vec<FormPayment>,
}

/// One way to pay a booking process.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FormPayment {
    pub(super) r#type: String,
    pub(super) amount: String,
    pub(super) currency_code: String,
    pub(super) is_need_credit_card_data: bool,
}

/// Page "Retrieve bookings".
#[derive(Debug, Deserialize)]
pub(super) struct Orders {
    pub(super) orders: Vec<Value>,
}

/// The part of an order that proves that it exists.
#[derive(Debug, Deserialize)]
pub(super) struct OrderHead {
    pub(super) order_id: u64,
    pub(super) partner_data: PartnerData,
}

/// Our own reference of an order.
#[derive(Debug, Deserialize)]
pub(super) struct PartnerData {
    pub(super) order_id: String,
}

/// The part of an order that says what it is. Personal data.
#[derive(Deserialize)]
pub(super) struct OrderDetail {
    pub(super) status: String,
    pub(super) checkin_at: NaiveDate,
    pub(super) checkout_at: NaiveDate,
    pub(super) amount_sell: Option<Amount>,
    #[serde(default)]
    pub(super) rooms_data: Vec<OrderRoom>,
}

/// A room of an order: it has a name, and no id.
#[derive(Deserialize)]
pub(super) struct OrderRoom {
    #[serde(default)]
    pub(super) guest_data: GuestData,
}

/// Who sleeps there.
#[derive(Default, Deserialize)]
pub(super) struct GuestData {
    #[serde(default)]
    pub(super) guests: Vec<OrderGuest>,
}

/// Somebody, as written when it was ordered, and as the hotel is told. Personal data: compared,
/// never kept.
#[derive(Deserialize)]
pub(super) struct OrderGuest {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) first_name_original: Option<String>,
    pub(super) last_name_original: Option<String>,
}

/// Page "Cancel booking".
#[derive(Debug, Deserialize)]
pub(super) struct Cancelled {
    pub(super) amount_payable: Amount,
}

/// An amount with its currency.
#[derive(Debug, Deserialize)]
pub(super) struct Amount {
    pub(super) amount: String,
    pub(super) currency_code: String,
}

/// Page "Receive booking status webhook".
#[derive(Debug, Deserialize)]
pub(super) struct Push {
    /// Not signed, so it may be anything.
    #[serde(default)]
    pub(super) data: Value,
    pub(super) signature: PushSignature,
}

/// What proves a push.
#[derive(Debug, Deserialize)]
pub(super) struct PushSignature {
    pub(super) signature: String,
    pub(super) timestamp: i64,
    pub(super) token: String,
}

/// Reads what an answer is wrapped in; nothing where it is not wrapped so.
pub(super) fn envelope(body: &[u8]) -> Option<Envelope> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let known = ["ok", "processing", "error", "3ds"].contains(&envelope.status.as_str());
    let sound = (envelope.status == "error") == envelope.error.is_some();
    (known && sound).then_some(envelope)
}

/// What an answer says of its endpoint's limit, where it says so.
pub(super) fn limit(body: &[u8]) -> Option<Limit> {
    let read: Debugged = serde_json::from_slice(body).ok()?;
    Some(read.debug.api_endpoint)
}

/// What stands for the status `3ds`: a payment that waits for its holder. The error of that name is
/// one that failed.
const WAITS: &str = "waits_for_3ds";

/// The word of an answer: the error's, else the status itself.
///
/// Text that is no word is left out: it may be anything, and codes go into logs.
pub(super) fn code(body: &[u8]) -> Option<String> {
    let envelope = envelope(body)?;
    let status = if envelope.status == "3ds" { WAITS.to_owned() } else { envelope.status };
    let code = envelope.error.unwrap_or(status);
    let word = (1..=64).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    word.then_some(code)
}

/// Reads the data of an answer, and says where it is not what the supplier documents, never what
/// stood there.
pub(super) fn data<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T, Broken> {
    let envelope = envelope(body).ok_or_else(|| Broken::contract(format!("{what} unwrapped")))?;
    part(what, &envelope.data)
}

/// Reads a part of JSON already read.
pub(super) fn part<T: DeserializeOwned>(what: &str, value: &Value) -> Result<T, Broken> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path: String = error.path().to_string().chars().take(120).collect();
        Broken::contract(format!("{what} at `{path}`"))
    })
}
