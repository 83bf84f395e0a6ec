//! A supplier's whole list beside what a leg knows: what of it is news.
//!
//! A list is no evidence: nothing says when its pages were true. What it shows and the leg does not
//! know is a reason to look, and the look-up, which is numbered, finds the difference and makes the
//! case. Only what no look-up can bring up again is told from the list itself.

use chrono::{DateTime, Utc};
use serde_json::json;
use suppliers::{Listed, SeenReservation, SeenState};

use crate::{
    drift::{Drift, DriftKind},
    evidence::{Reservation, Stage},
    policy::Policy,
    state::Leg,
};

/// What follows of something on a list that is not as a leg knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// An attempt is to be looked up, whatever is believed of it: a supplier that says that it took
    /// nothing may have booked all the same.
    Look { kind: DriftKind, attempt: u32 },
    /// A case for a person.
    Tell(Drift),
}

/// What a reservation on a list says that its leg does not know.
#[must_use]
pub fn listed(leg: &Leg, listed: &Listed) -> Option<News> {
    let seen = &listed.seen;
    let attempt = leg.attempt_about(listed.client_reference.as_deref(), Some(&seen.reference))?;
    let look = |kind| News::Look { kind, attempt };
    let found = leg.reservations().find(|(_, reference, _)| *reference == seen.reference);
    let is_there = match seen.state {
        SeenState::Held { .. } | SeenState::Confirmed | SeenState::NoShow => true,
        SeenState::Gone | SeenState::Unclear => false,
    };
    let Some((_, _, known)) = found else {
        return (seen.state != SeenState::Gone).then_some(look(DriftKind::Orphan));
    };
    if known.is_said_gone() {
        // That it is gone was the supplier's own word, which a look-up does not take back.
        return is_there.then(|| News::Tell(back(seen)));
    }
    status(known, seen).or_else(|| content(leg, known, seen)).map(look)
}

/// The reservations of a leg that a list begun at `begun_at` should have shown and that the leg has
/// not missed before.
pub fn expected<'a>(
    leg: &'a Leg,
    policy: &'a Policy,
    begun_at: DateTime<Utc>,
) -> impl Iterator<Item = &'a str> {
    leg.live(policy).filter_map(move |(number, reference, known)| {
        let sent_until = leg.attempt(number).and_then(|attempt| attempt.sent_until);
        let shows_from = sent_until.unwrap_or(known.first_seen_at).max(known.first_seen_at);
        let shows = shows_from + policy.window() <= begun_at;
        let lapsed = known.stage < Stage::Confirmed && known.until.is_some_and(|at| at <= begun_at);
        let missed = known.missing.is_some();
        (shows && !lapsed && !missed).then_some(reference)
    })
}

/// What we know to be gone stands on the list.
fn back(seen: &SeenReservation) -> Drift {
    Drift {
        kind: DriftKind::Orphan,
        reference: seen.reference.clone(),
        ours: json!({ "status": "gone" }),
        theirs: json!({ "status": seen.state.word() }),
    }
}

fn status(known: &Reservation, seen: &SeenReservation) -> Option<DriftKind> {
    let further = match seen.state {
        SeenState::Gone => true,
        SeenState::Confirmed => known.stage < Stage::Confirmed,
        SeenState::NoShow => known.stage < Stage::Confirmed || !known.no_show,
        SeenState::Held { .. } | SeenState::Unclear => false,
    };
    further.then_some(DriftKind::Status)
}

/// Other days, other flights or another price than the newest read; than the order, where none
/// spoke of them.
fn content(leg: &Leg, known: &Reservation, seen: &SeenReservation) -> Option<DriftKind> {
    let order = &leg.order;
    let read = known.content.as_ref();
    let check_in = read.and_then(|read| read.check_in).unwrap_or(order.check_in);
    let check_out = read.and_then(|read| read.check_out).unwrap_or(order.check_out);
    let price = read.and_then(|read| read.price).unwrap_or_else(|| order.cost());
    let other_days = seen.check_in.is_some_and(|day| day != check_in)
        || seen.check_out.is_some_and(|day| day != check_out);
    let ordered = order.product.segments();
    let flights = read.map(|read| read.segments.as_slice()).filter(|read| !read.is_empty());
    let flights = flights.unwrap_or(ordered);
    let other_flights =
        !ordered.is_empty() && !seen.segments.is_empty() && seen.segments != flights;
    if other_days || other_flights {
        return Some(DriftKind::Dates);
    }
    seen.price.is_some_and(|told| told != price).then_some(DriftKind::Price)
}
