//! What a supplier has that is not what we have: each a case with both values, seen from the leg
//! just after an event.

use chrono::NaiveDate;
use contracts::{
    messages::{GoneWhy, LegState, WantedLeg},
    offer::FlightSegment,
};
use serde_json::{Value, json};

use crate::{
    event::{Event, Recorded},
    evidence::{Reservation, Stage},
    policy::Policy,
    state::{Attempt, Leg},
};

/// A difference between us and the supplier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    pub kind: DriftKind,
    /// The supplier's reference of the reservation.
    pub reference: String,
    pub ours: Value,
    pub theirs: Value,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftKind {
    /// We have it, they cancelled it.
    Status,
    /// Other days; of a flight, other times too.
    Dates,
    Names,
    Price,
    /// Another room, another rate.
    Room,
    /// We have it, they show it no more and do not say why.
    Missing,
    /// They have it, and we had given it up.
    Orphan,
}

impl DriftKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Status,
        Self::Dates,
        Self::Names,
        Self::Price,
        Self::Room,
        Self::Missing,
        Self::Orphan,
    ];

    /// The word used in rows and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Dates => "dates",
            Self::Names => "names",
            Self::Price => "price",
            Self::Room => "room",
            Self::Missing => "missing",
            Self::Orphan => "orphan",
        }
    }
}

/// The differences that an event shows. The same one may be shown again by a later event.
#[must_use]
pub fn drifts(leg: &Leg, recorded: &Recorded, policy: &Policy) -> Vec<Drift> {
    match &recorded.event {
        Event::Mismatch { reference, .. } => content(leg, reference),
        Event::Told { state: LegState::Gone { why: GoneWhy::CancelledBySupplier }, .. } => {
            cancelled(leg)
        }
        Event::Answered { outcome, .. } => {
            let named = outcome.references();
            let orphans = named.filter_map(|reference| orphan(leg, reference, recorded));
            missing(leg, policy).into_iter().chain(orphans).collect()
        }
        Event::Wanted { .. }
        | Event::GuestsWanted { .. }
        | Event::GuestsSettled { .. }
        | Event::AttemptMade { .. }
        | Event::Began { .. }
        | Event::LeaseRanOut { .. }
        | Event::Hinted { .. }
        | Event::LookAsked { .. }
        | Event::Adopted { .. }
        | Event::CancelAsked { .. }
        | Event::DeclaredAbsent { .. }
        | Event::AttemptProvenDead { .. }
        | Event::GaveUp { .. }
        | Event::Agreed { .. }
        | Event::Told { .. }
        | Event::InvariantBroken { .. } => Vec::new(),
    }
}

/// Other days or flights, another price.
fn content(leg: &Leg, reference: &str) -> Vec<Drift> {
    let found = leg.reservations().find(|(_, known, _)| *known == reference);
    let Some(read) = found.and_then(|(_, _, reservation)| reservation.content.as_ref()) else {
        return Vec::new();
    };
    let order = &leg.order;
    let drift = |kind, ours, theirs| Drift { kind, reference: reference.to_owned(), ours, theirs };
    let other_days = read.check_in.is_some_and(|day| day != order.check_in)
        || read.check_out.is_some_and(|day| day != order.check_out);
    let other_flights = !read.segments.is_empty();
    let dates = (other_days || other_flights).then(|| {
        let (from, to) = (order.check_in, order.check_out);
        let days = |from: Option<NaiveDate>, to: Option<NaiveDate>, flights: &[FlightSegment]| {
            match other_flights {
                true => json!({ "check_in": from, "check_out": to, "segments": flights }),
                false => json!({ "check_in": from, "check_out": to }),
            }
        };
        let ours = days(Some(from), Some(to), order.product.segments());
        let theirs = days(read.check_in, read.check_out, &read.segments);
        drift(DriftKind::Dates, ours, theirs)
    });
    let price = read.price.filter(|price| *price != order.cost());
    let price = price.map(|price| drift(DriftKind::Price, json!(order.cost()), json!(price)));
    dates.into_iter().chain(price).collect()
}

/// What is wanted was cancelled by the supplier.
fn cancelled(leg: &Leg) -> Vec<Drift> {
    let ours = match leg.wanted {
        WantedLeg::Held => "held",
        WantedLeg::Confirmed => "confirmed",
        WantedLeg::Released => return Vec::new(),
    };
    let by_them = Stage::Gone { why: GoneWhy::CancelledBySupplier };
    let gone = leg.reservations().filter(|(_, _, reservation)| reservation.stage == by_them);
    let drift = |(_, reference, _): (u32, &str, &Reservation)| Drift {
        kind: DriftKind::Status,
        reference: reference.to_owned(),
        ours: json!({ "status": ours }),
        theirs: json!({ "status": "gone" }),
    };
    gone.map(drift).collect()
}

/// What is bought and wanted does not show, although it must have by now.
fn missing(leg: &Leg, policy: &Policy) -> Vec<Drift> {
    if leg.wanted == WantedLeg::Released {
        return Vec::new();
    }
    let lost = leg.reservations().filter(|(_, _, reservation)| {
        reservation.stage == Stage::Confirmed && reservation.is_missing_past(policy.window())
    });
    let drift = |(_, reference, reservation): (u32, &str, &Reservation)| Drift {
        kind: DriftKind::Missing,
        reference: reference.to_owned(),
        ours: json!({ "status": "confirmed", "first_seen_at": reservation.first_seen_at }),
        theirs: json!({
            "status": "not_found",
            "first_asked_at": reservation.missing.map(|missing| missing.first_asked_at),
        }),
    };
    lost.map(drift).collect()
}

/// Something shows up for the first time that we had proven dead, or done with.
fn orphan(leg: &Leg, reference: &str, recorded: &Recorded) -> Option<Drift> {
    let mut all = leg.reservations();
    let (number, _, reservation) = all.find(|(_, known, _)| *known == reference)?;
    let new = reservation.first_seen_at == recorded.at && !reservation.is_said_gone();
    let dead = leg.attempt(number).is_some_and(|attempt: &Attempt| attempt.proven_dead);
    let over = leg.told.as_ref().is_some_and(|told| match told.state {
        LegState::Gone { .. } | LegState::Refused { .. } => true,
        LegState::Held { .. } | LegState::Confirmed { .. } | LegState::InDoubt { .. } => false,
    });
    (new && (dead || over)).then(|| Drift {
        kind: DriftKind::Orphan,
        reference: reference.to_owned(),
        ours: json!({ "status": if dead { "proven_dead" } else { "gone" } }),
        theirs: json!({ "status": reservation.stage.word() }),
    })
}
