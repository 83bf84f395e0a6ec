//! How values of the contracts look in JSON, for the document only: the contracts know of no HTTP.
//! A test holds live answers against these shapes.
#![expect(dead_code, reason = "only their shape is used")]

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A whole number of the smallest units, as a text, so that no reader loses digits.
#[derive(Serialize, ToSchema)]
#[schema(pattern = "^[0-9]+$", example = "15000")]
pub(crate) struct Units(String);

/// A price: `15000` minor units at scale 2 are 150.00.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Money {
    #[schema(pattern = "^-?[0-9]+$", example = "15000")]
    minor: String,
    #[schema(example = 2)]
    scale: u8,
    #[schema(example = "EUR", pattern = "^[A-Z]{3}$")]
    currency: String,
}

/// An amount of an asset in its smallest unit.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AssetAmount {
    units: Units,
    /// How many decimals one whole coin has.
    decimals: u8,
    /// The asset's name, as in `/v1/assets`.
    #[schema(example = "eth")]
    asset: String,
}

/// Who sells it.
#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Supplier {
    Rapid,
    Etg,
    Hotelbeds,
    Duffel,
    Neutral,
}

/// Who sleeps in a room.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Occupancy {
    #[schema(minimum = 1, maximum = 8)]
    adults: u8,
    /// The age of each child; absent when there is none.
    #[schema(required = false)]
    children: Vec<u8>,
}

/// What goes with a price.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    /// Whether anything comes back at all.
    refundable: bool,
    /// Earliest first; before the first, cancelling is free if refundable.
    cancel_steps: Vec<CancelStep>,
    /// Whether the space is held free before it is paid.
    holdable: bool,
    /// What the property itself collects besides the price; absent where there is nothing.
    #[schema(required = false)]
    due_at_property: Vec<DueAtProperty>,
}

/// One thing that is paid at the property.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DueAtProperty {
    /// What it is, in the supplier's word.
    #[schema(example = "city_tax")]
    what: String,
    /// How much for the whole stay, as the supplier estimates it: a plain decimal number.
    #[schema(example = "14.20")]
    amount: String,
    /// ISO 4217: the property's own, which need not be the one of the price.
    #[schema(example = "HUF")]
    currency: String,
}

/// What only one kind of product has; absent for a stay.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Product {
    /// A room for some nights.
    Stay,
    /// Seats on flights; `property_id` is the route, `check_in` the day of departure and
    /// `check_out` the day of the last arrival.
    Flight {
        /// Every flight, in the order they are flown.
        segments: Vec<FlightSegment>,
    },
    /// Something to do; `property_id` is its code.
    Activity {
        /// When it begins, in the supplier's words, where it has a session.
        #[schema(required = false)]
        session: Option<String>,
    },
}

/// One flight; times are local to each airport.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlightSegment {
    #[schema(example = "LHR")]
    origin: String,
    #[schema(example = "JFK")]
    destination: String,
    #[schema(example = "2027-03-14T09:30:00")]
    departs_at: String,
    #[schema(example = "2027-03-14T12:40:00")]
    arrives_at: String,
    #[schema(example = "BA117")]
    flight: String,
}

/// From this instant on, cancelling costs this much.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelStep {
    from: DateTime<Utc>,
    fee: Money,
    /// Where that instant comes from; absent where the supplier named it, with its offset from UTC.
    #[schema(required = false)]
    basis: StepBasis,
}

/// Where the instant of a step comes from.
#[derive(Serialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum StepBasis {
    /// The supplier named it, with its offset from UTC.
    Instant,
    /// The supplier named a local time and not its time zone: 14 hours before that time in UTC, the
    /// earliest it could be.
    LocalEarliest,
}

/// One supplier's part of an answer.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SupplierPart {
    supplier: Supplier,
    state: Freshness,
}

/// How fresh a part is.
#[derive(Serialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Freshness {
    Fresh,
    /// Old, and being asked anew; a quote asks for the price now in any case.
    Stale,
    Unavailable,
}

/// What one can pay with.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assets {
    /// When the oldest of the rates was read.
    as_of: DateTime<Utc>,
    assets: Vec<Asset>,
}

/// One asset.
#[derive(Serialize, ToSchema)]
pub(crate) struct Asset {
    #[schema(example = "eth")]
    asset: String,
    name: String,
    /// As CAIP-2 writes it.
    #[schema(example = "eip155:1")]
    chain: String,
    /// The token's contract; null for the chain's own coin.
    contract: Option<String>,
    decimals: u8,
    /// How long a payment of the largest tier takes to be final, in seconds.
    settles_in_s: u32,
    /// The same for each tier of amounts, smallest first.
    settling: Vec<Settling>,
    /// Less than this is not asked for.
    minimum: Units,
    /// Why it cannot be paid with; null when it can.
    not_payable: Option<NotPayable>,
    /// Empty when no rate is young enough.
    rates: Vec<Rate>,
}

/// Why an asset cannot be paid with.
#[derive(Serialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum NotPayable {
    /// Nobody watches its chain here.
    NoNode,
}

/// How long payments of a tier usually take to be final, once they are seen.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settling {
    /// Up to which amount; null for the last tier.
    up_to: Option<Units>,
    /// Nineteen of twenty are final within so many seconds.
    within_s: u32,
    /// Of how many payments that was measured; 0 when it is depth times block time.
    measured: u32,
}

/// What one whole coin costs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rate {
    asset: String,
    decimals: u8,
    currency: String,
}

/// The points of an account.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Points {
    as_of: DateTime<Utc>,
    /// Can be redeemed.
    available: i64,
    /// Earned, not to be redeemed yet.
    pending: i64,
    /// Set aside for bookings under way.
    held: i64,
    /// Owed, because spent points had to be taken back.
    debt: i64,
}

/// One entry of an account.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PointsEntry {
    at: DateTime<Utc>,
    #[schema(example = "earned")]
    kind: String,
    booking_id: Option<Uuid>,
    /// Signed, as the account's owner sees it.
    points: i64,
}

/// A request for a quote.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuoteRequest {
    /// Ids of offers, one for each leg of the trip, all in one currency; three rooms are three
    /// legs.
    #[schema(min_items = 1, max_items = 8)]
    offers: Vec<String>,
    /// An asset of `/v1/assets`.
    #[schema(example = "eth")]
    pay_with: String,
}

/// A request for a booking.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BookingRequest {
    quote_id: Uuid,
    /// The quote's `terms`; when given, a quote that promises others is refused.
    terms: Option<String>,
    /// The whole party, the lead traveller first.
    #[schema(min_items = 1)]
    travellers: Vec<Traveller>,
    /// Who is on a leg, where that is not the whole party.
    #[schema(min_items = 1, max_items = 8)]
    legs: Option<Vec<LegTravellers>>,
    contact: Contact,
    #[schema(max_length = 500)]
    special_requests: Option<String>,
    /// Points that pay a part.
    redeem_points: Option<u64>,
    /// Where money goes should it have to go back: an address of the chain that is paid on, as
    /// wallets show it: it carries a checksum, on an EVM chain in its upper and lower case. On a
    /// chain of the Bitcoin family it is one of segregated witness.
    #[schema(min_length = 20, max_length = 128)]
    refund_to: Option<String>,
    /// What becomes of the other legs when one cannot be held: `undo_all`, which it is when nothing
    /// is said, or `keep_held`: then price and payment follow what could be held, before any
    /// address is shown. From then on it is all or nothing.
    #[schema(example = "undo_all")]
    on_refusal: Option<String>,
    /// The same again; needed where `refund_to` is of an EVM chain, all in one case, and so carries
    /// no checksum.
    #[schema(min_length = 20, max_length = 128)]
    refund_to_confirm: Option<String>,
}

/// Who is on one leg.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegTravellers {
    /// A leg of the quote.
    leg_id: Uuid,
    /// The lead traveller first.
    #[schema(min_items = 1)]
    travellers: Vec<Traveller>,
}

/// Who travels.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traveller {
    #[schema(min_length = 1, max_length = 50)]
    given_name: String,
    #[schema(min_length = 1, max_length = 50)]
    family_name: String,
    /// Whoever flies has to give it.
    #[schema(required = false)]
    born_on: Option<chrono::NaiveDate>,
    /// As in the passport; whoever flies has to give it.
    #[schema(required = false)]
    gender: Option<Gender>,
}

/// A gender, as airlines know them.
#[derive(Serialize, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Gender {
    Female,
    Male,
}

/// How to reach the customer.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    #[schema(format = Email)]
    email: String,
    /// With its country code.
    #[schema(example = "+49 30 901820")]
    phone: String,
}

/// A booking that was accepted.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    booking_id: Uuid,
    #[schema(example = "pending")]
    status: String,
}

/// What is wrong (RFC 9457). Some problems carry more members, such as a new price.
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    #[schema(example = "https://holdfast.dev/problems/invalid")]
    r#type: String,
    title: String,
    status: u16,
    /// A stable word for programs.
    #[schema(example = "invalid")]
    code: String,
    detail: Option<String>,
    /// Every field that is wrong.
    errors: Option<Vec<FieldError>>,
    /// Leads to the cause, of errors that are ours.
    trace_id: Option<String>,
    /// What can be done instead, where a booking refuses.
    next_actions: Option<Vec<String>>,
}

/// One field that is wrong.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldError {
    /// A JSON pointer into the body, or `?name` for a parameter.
    #[schema(example = "/travellers/0/given_name")]
    pointer: String,
    /// `missing`, `unknown`, `wrong_type`, `invalid`, or a word of its own.
    code: String,
    detail: String,
}
