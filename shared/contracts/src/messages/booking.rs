//! What booking tells everyone about a booking.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::message;
use crate::{
    ids::{AccountId, BookingId, LegId},
    money::Money,
    supplier::Supplier,
};

/// A leg of a confirmed booking, without names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfirmedLeg {
    /// Which leg.
    pub leg_id: LegId,
    /// Who sold it.
    pub supplier: Supplier,
    /// The supplier's reference.
    pub reference: String,
    /// Local date of arrival.
    pub check_in: NaiveDate,
    /// Local date of departure.
    pub check_out: NaiveDate,
    /// What it cost.
    pub price: Money,
}

/// Event of booking: everything is bought and paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingConfirmed {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// The legs.
    pub legs: Vec<ConfirmedLeg>,
    /// What was paid in money; points are earned on it.
    pub paid: Money,
    /// The instant the last leg is over (end of the last check-out day, UTC).
    pub over_at: DateTime<Utc>,
}
message!(BookingConfirmed, Event, "holdfast.booking.confirmed.v1", booking_id);

/// Event of booking: it ended without being confirmed, against the customer's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingFailed {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
}
message!(BookingFailed, Event, "holdfast.booking.failed.v1", booking_id);

/// Event of booking: it was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingCancelled {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
}
message!(BookingCancelled, Event, "holdfast.booking.cancelled.v1", booking_id);

/// Event of booking: one leg of a confirmed booking was cancelled alone, the others stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingLegCancelled {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which leg.
    pub leg_id: LegId,
    /// What is still paid in money for all of it; only ever less. Points are earned on it.
    pub paid: Money,
}
message!(BookingLegCancelled, Event, "holdfast.booking.leg_cancelled.v1", booking_id);

/// Event of booking: another leg took the place of one of a confirmed booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingLegReplaced {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which leg the booking goes on without.
    pub leg_id: LegId,
    /// The one it goes on with instead; bought before the other was given up.
    pub by: ConfirmedLeg,
    /// What is paid in money for all of it now. Points are earned on it, but on no more than was
    /// paid at first.
    pub paid: Money,
    /// The instant the last leg is over from now on.
    pub over_at: DateTime<Utc>,
}
message!(BookingLegReplaced, Event, "holdfast.booking.leg_replaced.v1", booking_id);

/// Event of booking: a leg is on other days, as the supplier has it and the customer accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingMoved {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which leg.
    pub leg_id: LegId,
    /// Its local date of arrival from now on.
    pub check_in: NaiveDate,
    /// Its local date of departure from now on.
    pub check_out: NaiveDate,
    /// The instant the last leg is over from now on.
    pub over_at: DateTime<Utc>,
}
message!(BookingMoved, Event, "holdfast.booking.moved.v1", booking_id);

/// Event of booking: money that paid it left its chain, or all of it is final again. It says how it
/// stands, so the newest version is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingMoneyReversed {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether money is away; points that were earned on it cannot be spent meanwhile.
    pub away: bool,
}
message!(BookingMoneyReversed, Event, "holdfast.booking.money_reversed.v1", booking_id);

/// Event of booking: the stay is over. A later one of the same booking tells what a supplier said
/// only afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BookingCompleted {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose.
    pub account_id: AccountId,
    /// The version of the booking.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What was paid in money for the legs that somebody came to, where suppliers say of others
    /// that nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Money>,
}
message!(BookingCompleted, Event, "holdfast.booking.completed.v1", booking_id);
