//! Points: what booking asks of rewards, and what that says.

use serde::{Deserialize, Serialize};

use super::message;
use crate::ids::{AccountId, BookingId};

/// The state redeemed points are wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WantedPoints {
    /// Set aside for this booking.
    Held,
    /// Spent.
    Captured,
    /// Given back to the lots they came from.
    Released,
}

/// Command to rewards: the wanted state of a booking's redeemed points, with a version that only
/// grows.
///
/// `Released` for points that were never held is remembered, so that a `Held` that comes later does
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PointsWanted {
    /// For which booking.
    pub booking_id: BookingId,
    /// Whose points.
    pub account_id: AccountId,
    /// Grows with every wish.
    pub version: u32,
    /// The wish.
    pub wanted: WantedPoints,
    /// How many.
    pub points: u64,
}
message!(PointsWanted, Command, "holdfast.points.wanted.v1", booking_id);

/// What became of the redeemed points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PointsState {
    /// Set aside.
    Held,
    /// There are not enough.
    Refused,
    /// Spent.
    Captured,
    /// Given back, or never taken.
    Released,
}

/// Event of rewards: redeemed points changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PointsChanged {
    /// For which booking.
    pub booking_id: BookingId,
    /// The wish this answers.
    pub version: u32,
    /// What became of them.
    pub state: PointsState,
    /// How many.
    pub points: u64,
}
message!(PointsChanged, Event, "holdfast.points.changed.v1", booking_id);
