//! Legs and callbacks: what is wanted of supplier-sync, and what it and supplier-callback say.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message;
use crate::{
    ids::{BookingId, CallbackId, LegId},
    money::Money,
    offer::{FlightSegment, LegOrder, Terms},
    supplier::Supplier,
};

/// The state a leg is wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WantedLeg {
    /// The space held, nothing bought.
    Held,
    /// Bought.
    Confirmed,
    /// Nothing of it left at the supplier, however it got there.
    Released,
}

/// Command to supplier-sync: the wanted state of a leg, with a version that only grows.
///
/// A lower version than one already taken has no effect; `Released` for a leg that was never sent
/// is remembered, so that a `Held` that comes later does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegWanted {
    /// Whose leg.
    pub booking_id: BookingId,
    /// Which leg.
    pub leg_id: LegId,
    /// Grows with every wish for this leg.
    pub version: u32,
    /// The wish.
    pub wanted: WantedLeg,
    /// What it is to be.
    pub order: LegOrder,
    /// What the supplier made of it that the customer agreed to, and nothing else than exactly
    /// that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<LegContent>,
}
message!(LegWanted, Command, "holdfast.leg.wanted.v1", booking_id);

/// Why there is surely nothing of a leg at its supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefusedWhy {
    /// Nothing left.
    SoldOut,
    /// Only at another price.
    PriceChanged,
    /// The key to book with is too old.
    RateExpired,
    /// The supplier found fault with the request.
    Rejected,
    /// It was never asked: for too long the request could not be sent.
    CouldNotBeSent,
    /// It was never asked: it has not answered others, and is left alone.
    Unavailable,
}

/// Why a reservation is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GoneWhy {
    /// We released it.
    Released,
    /// Its hold ran out.
    Lapsed,
    /// The supplier cancelled it.
    CancelledBySupplier,
    /// Nothing was ever made.
    NeverMade,
}

/// What became of a leg, as supplier-sync knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum LegState {
    /// The space is held.
    Held {
        /// The supplier's reference.
        reference: String,
        /// Until when; nothing where the supplier does not say.
        until: Option<DateTime<Utc>>,
    },
    /// Bought.
    Confirmed {
        /// The supplier's reference.
        reference: String,
    },
    /// It was there, or might have been, and is not any more.
    Gone {
        /// Why.
        why: GoneWhy,
    },
    /// The supplier said no, surely.
    Refused {
        /// Why.
        why: RefusedWhy,
    },
    /// An answer is outstanding; look-ups go on.
    InDoubt {
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// What a reservation is, as the supplier has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegContent {
    /// The supplier's reference.
    pub reference: String,
    /// Its first local day.
    pub check_in: NaiveDate,
    /// Its last local day.
    pub check_out: NaiveDate,
    /// What the supplier asks for it.
    pub price: Money,
    /// Its flights, where those are others than ordered, or fly at other times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<FlightSegment>,
}

/// What a supplier that refused an order asks for the same now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegAsks {
    /// The key to book with.
    pub book_key: String,
    /// The price now.
    pub price: Money,
    /// The terms now.
    pub terms: Terms,
}

/// What a leg's news rests on. It is for whoever reads the history; no rule hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegEvidence {
    /// How it came to be known.
    pub source: EvidenceSource,
    /// The numbered attempt that it is about.
    pub attempt: u32,
    /// Our reference of that attempt.
    pub client_reference: String,
    /// The supplier's reference, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The exchange whose answer showed it, by its number within the leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<u32>,
}

/// How something of a supplier's came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// The supplier answered a call that was to change something.
    Answer,
    /// We looked by ourselves.
    LookUp,
    /// We looked because the supplier called.
    Callback,
}

/// An undo that was tried and did not succeed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UndoFailing {
    /// How often it was tried.
    pub attempts: u32,
    /// How the last try ended.
    pub why: UndoFailedWhy,
}

/// How a try to undo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UndoFailedWhy {
    /// The supplier said no.
    Refused,
    /// Nobody knows; look-ups show it still there.
    Unknown,
    /// It could not be sent.
    NotSent,
}

/// Event of supplier-sync: a leg changed. A higher `seq` of the same leg is newer, whatever came
/// first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegChanged {
    /// Whose leg.
    pub booking_id: BookingId,
    /// Which leg.
    pub leg_id: LegId,
    /// The version of the leg at supplier-sync.
    pub seq: u64,
    /// The highest wish it had taken by then.
    pub wanted_version: u32,
    /// What became of it.
    pub state: LegState,
    /// What this rests on, where it rests on something of the supplier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<LegEvidence>,
    /// That giving it back was tried and did not succeed so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_failing: Option<UndoFailing>,
    /// What the supplier has of what was bought, where that is not what was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<LegContent>,
    /// What the supplier asks now, where it refused because the price is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Box<LegAsks>>,
    /// Whether the supplier says that it was bought and nobody came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_show: bool,
}
message!(LegChanged, Event, "holdfast.leg.changed.v1", booking_id);

/// Command to supplier-sync: others are to be on a leg that is bought, in the reservation that is
/// there.
///
/// A lower version than one already taken has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegGuestsWanted {
    /// Whose leg.
    pub booking_id: BookingId,
    /// Which leg.
    pub leg_id: LegId,
    /// Grows with every such wish for this leg.
    pub version: u32,
    /// Under which the booking tells who they are.
    pub party: Uuid,
}
message!(LegGuestsWanted, Command, "holdfast.leg.guests_wanted.v1", booking_id);

/// How a wish to have others on a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum GuestsEnd {
    /// The supplier has the reservation in their names.
    Changed,
    /// It is in the names that it was in, surely.
    Kept {
        /// Why.
        why: RefusedWhy,
    },
}

/// Event of supplier-sync: a wish to have others on a leg ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LegGuestsSettled {
    /// Whose leg.
    pub booking_id: BookingId,
    /// Which leg.
    pub leg_id: LegId,
    /// Which wish.
    pub version: u32,
    /// How.
    pub end: GuestsEnd,
    /// What this rests on, where it rests on something of the supplier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<LegEvidence>,
}
message!(LegGuestsSettled, Event, "holdfast.leg.guests_settled.v1", booking_id);

/// What a callback says of the reservation that it names: never believed, only held against what is
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallbackClaim {
    /// It was made.
    Made,
    /// It is bought.
    Confirmed,
    /// It is cancelled.
    Gone,
}

/// Event of supplier-callback: a supplier pushed something whose signature held; a hint to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallbackReceived {
    /// The stored callback.
    pub callback_id: CallbackId,
    /// Who pushed.
    pub supplier: Supplier,
    /// Our client reference, where the callback names it.
    pub client_reference: Option<String>,
    /// The supplier's reference, where the callback names it.
    pub reference: Option<String>,
    /// What it says of that reservation, where it says one of these and its signature covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<CallbackClaim>,
    /// When it was stored.
    pub received_at: DateTime<Utc>,
}
message!(CallbackReceived, Event, "holdfast.callback.received.v1", callback_id);
