//! Other guests on a leg that was bought, in the reservation that is there: no other one is made,
//! nothing is given back and nothing is to pay. What its supplier refuses leaves the booking as it
//! was.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ids::LegId, messages::GuestsEnd};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    command::Refusal,
    event::Event,
    state::{Booking, Leg, Phase},
    view::{Action, next_actions_at},
};

/// Other guests of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegGuests {
    /// Of the newest wish.
    pub version: u32,
    /// Under which those are kept whom it names.
    pub party: Uuid,
    /// How it ended; nothing while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<GuestsEnd>,
    /// Under which those are kept who are on it; nothing where nobody but those it was booked for
    /// ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_it: Option<Uuid>,
}

/// Whether others may be put on a leg at `now` without another reservation.
///
/// # Errors
/// When they may not.
pub fn may_change_guests(
    booking: &Booking,
    leg_id: LegId,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let allowed = next_actions_at(booking, now);
    let possible = allowed.contains(&Action::Amend)
        && leg.out.is_none()
        && !leg.stays(now)
        && leg.order.supplier.changes_guests();
    if possible { Ok(()) } else { Err(Refusal::NotAllowed { allowed }) }
}

/// Wishes others on a leg; those are a repeat who were wished last, or are on it.
pub(crate) fn decide(
    booking: &Booking,
    leg_id: LegId,
    party: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let known = booking.legs.iter().find(|leg| leg.leg_id == leg_id).and_then(|leg| leg.guests);
    if known.is_some_and(|guests| guests.party == party || guests.on_it == Some(party)) {
        return Ok(Vec::new());
    }
    may_change_guests(booking, leg_id, now)?;
    let version = known.map_or(0, |guests| guests.version).saturating_add(1);
    let by = now + TimeDelta::seconds(booking.deadlines.commit_for_s);
    Ok(vec![Event::GuestsWished { leg_id, version, party, by }])
}

/// Folds a wish in.
pub(crate) fn wished(leg: &mut Leg, version: u32, party: Uuid) {
    let on_it = leg.guests.and_then(|guests| guests.on_it);
    leg.guests = Some(LegGuests { version, party, end: None, on_it });
}

/// Folds its end in.
pub(crate) fn settled(leg: &mut Leg, end: GuestsEnd) {
    let Some(guests) = &mut leg.guests else { return };
    guests.end = Some(end);
    if end == GuestsEnd::Changed {
        guests.on_it = Some(guests.party);
    }
}

impl Booking {
    /// Whether others are being put on a leg, and nothing else is amended.
    pub(crate) const fn is_changing_guests(&self) -> bool {
        matches!(self.phase, Phase::Amending) && self.amendment.is_none()
    }

    /// Under which those are kept who are on a leg, the newest first; then the leg itself, the one
    /// whose place it takes, and so on.
    pub fn parties_of(&self, leg_id: LegId) -> impl Iterator<Item = Uuid> {
        self.line_of(leg_id).flat_map(|leg_id| {
            let leg = self.legs.iter().find(|leg| leg.leg_id == leg_id);
            let named = leg.and_then(|leg| leg.guests).and_then(|guests| guests.on_it);
            named.into_iter().chain([leg_id.0])
        })
    }
}
