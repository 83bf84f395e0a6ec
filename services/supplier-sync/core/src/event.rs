//! Everything that has happened to a leg, as its journal keeps it.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    ids::{BookingId, CallbackId, LegId},
    messages::{
        CallbackClaim, GuestsEnd, LegAsks, LegContent, LegEvidence, LegState, RefusedWhy,
        UndoFailing, WantedLeg,
    },
    money::Money,
    offer::{FlightSegment, LegOrder},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::state::Doing;

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// 1 for the first.
    pub version: u64,
    pub at: DateTime<Utc>,
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A wish with a higher version than any before.
    Wanted {
        booking_id: BookingId,
        leg_id: LegId,
        wanted_version: u32,
        wanted: WantedLeg,
        /// Nothing where it is the one already known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Box<LegOrder>>,
    },
    /// Others are wanted on what is bought, with a higher version than any before.
    GuestsWanted { version: u32, party: Uuid },
    /// That wish ended, and the booking is told how.
    GuestsSettled {
        version: u32,
        end: GuestsEnd,
        /// What that rests on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<LegEvidence>,
    },
    /// A numbered attempt with a client reference of its own, before anything of it is sent.
    AttemptMade { attempt: u32, client_reference: String },
    /// An exchange was given its number and its lease; it is sent right after the commit.
    Began {
        exchange: u32,
        doing: Doing,
        attempt: u32,
        /// The reservation it is about; nothing for a reserve and a look-up, which are about an
        /// attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        lease_until: DateTime<Utc>,
    },
    /// An exchange ended; `outcome` is what the supplier's answer proves.
    Answered { exchange: u32, outcome: Outcome },
    /// Nobody said how an exchange ended before its lease ran out: it may have been sent until
    /// then.
    LeaseRanOut { exchange: u32 },
    /// A callback said that there is something to see.
    Hinted {
        attempt: u32,
        /// The stored callback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback_id: Option<CallbackId>,
        /// The reservation that it names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// What it says of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<CallbackClaim>,
    },
    /// A member of staff wants an attempt looked up now.
    LookAsked {
        attempt: u32,
        by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A member of staff took a reservation as the newest read shows it, though it is dearer than
    /// ordered; or its customer did, though it is for other days.
    Adopted { attempt: u32, reference: String, by: String, why: String },
    /// A member of staff wants a reservation given back now.
    CancelAsked { attempt: u32, reference: String, by: String, why: String },
    /// A member of staff said, on evidence from the supplier, that nothing of an attempt exists, or
    /// that a reservation is gone. An answer that shows otherwise counts more.
    DeclaredAbsent {
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        by: String,
        why: String,
        evidence: String,
    },
    /// Proof that nothing of an attempt exists: not found twice, the later time after everything
    /// that was sent could have ended and shown.
    AttemptProvenDead {
        attempt: u32,
        first_asked_at: DateTime<Utc>,
        last_asked_at: DateTime<Utc>,
        sent_until: DateTime<Utc>,
    },
    /// An attempt that could not be sent for too long is not tried any more; nothing of it exists.
    GaveUp { attempt: u32 },
    /// A reservation has other dates or another price than was ordered: a case for a person.
    Mismatch {
        reference: String,
        check_in: Option<NaiveDate>,
        check_out: Option<NaiveDate>,
        price: Option<Money>,
    },
    /// A later read of a mismatched reservation agrees with the order.
    Agreed { reference: String },
    /// The booking is told what became of the leg.
    Told {
        state: LegState,
        /// What that rests on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<LegEvidence>,
        /// That something unwanted could not be given back so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo_failing: Option<UndoFailing>,
        /// What the supplier has, where that is not what was ordered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        theirs: Option<LegContent>,
        /// What the supplier asks now, where it refused because the price is another one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asks: Option<Box<LegAsks>>,
        /// Whether the supplier says that nobody came.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        no_show: bool,
    },
    /// A rule of the core was found broken; a person has to look.
    InvariantBroken { what: String },
}

/// What an answer proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Nothing left this machine.
    NotSent,
    /// Anything may have happened.
    Unknown,
    /// Something of another client reference was made; what is there under ours is not known.
    Misnamed,
    /// These reservations exist or existed.
    Seen { reservations: Vec<Seen> },
    /// The supplier knew of nothing.
    NotFound,
    /// Surely not done.
    Refused {
        why: RefusedWhy,
        /// What it asks for the same now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asks: Option<Box<LegAsks>>,
    },
    /// Done, and final.
    Accepted,
    /// Not sent: the dialect has to look the reservation up first.
    NoHandle,
    /// Not sent: the supplier is not to be asked before then.
    PutOff { until: DateTime<Utc> },
    /// Not sent, and not to be: the supplier is left alone.
    TurnedAway,
}

impl Outcome {
    /// The supplier's references it names.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let seen = match self {
            Self::Seen { reservations } => reservations.as_slice(),
            Self::NotSent
            | Self::Unknown
            | Self::Misnamed
            | Self::NotFound
            | Self::Refused { .. }
            | Self::Accepted
            | Self::NoHandle
            | Self::PutOff { .. }
            | Self::TurnedAway => &[],
        };
        seen.iter().map(|reservation| reservation.reference.as_str())
    }

    /// Before when it is not to be tried again, where that was said.
    #[must_use]
    pub(crate) const fn put_off_until(&self) -> Option<DateTime<Utc>> {
        if let Self::PutOff { until } = self { Some(*until) } else { None }
    }

    /// Whether the supplier may have got the request.
    #[must_use]
    pub const fn may_have_been_sent(&self) -> bool {
        match self {
            Self::NotSent | Self::NoHandle | Self::PutOff { .. } | Self::TurnedAway => false,
            Self::Unknown
            | Self::Misnamed
            | Self::Seen { .. }
            | Self::NotFound
            | Self::Refused { .. }
            | Self::Accepted => true,
        }
    }
}

/// One reservation as one answer showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub reference: String,
    /// The dialect's own way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    pub stage: SeenStage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Its flights, where they are said and are not those that were ordered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<FlightSegment>,
    /// Whether it is in the names that are wanted by now, where that could be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_wanted: Option<bool>,
    /// Of what is held and not bought: whether it is in the names of nobody who travels, where that
    /// could be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_others: Option<bool>,
}

/// The state one answer showed a reservation in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum SeenStage {
    /// It is there; how it stands was not said.
    Listed,
    Held {
        until: Option<DateTime<Utc>>,
    },
    Confirmed,
    /// Bought, and nobody came.
    NoShow,
    Gone,
}
