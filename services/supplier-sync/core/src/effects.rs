//! What must follow from an event: calls and messages, as values.

use chrono::{DateTime, Utc};
use contracts::{
    ids::{BookingId, LegId},
    messages::{LegChanged, LegGuestsSettled},
    offer::LegOrder,
    supplier::Supplier,
};

use crate::{
    amend::{Guests, Naming},
    event::{Event, Recorded},
    state::{Doing, Leg},
};

/// Something to do or to say. (When to be woken is [`crate::wake_at`], seen from the leg.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// An exchange to be made once the event is committed.
    Call(Box<Call>),
    Tell(Box<LegChanged>),
    TellGuests(Box<LegGuestsSettled>),
}

/// One exchange with the supplier, and all that it needs but the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub leg_id: LegId,
    pub booking_id: BookingId,
    pub supplier: Supplier,
    pub exchange: u32,
    pub attempt: u32,
    pub doing: Doing,
    pub client_reference: String,
    pub reference: Option<String>,
    pub handle: Option<String>,
    /// Others who are wanted on it, or are on it since.
    pub naming: Option<Naming>,
    pub order: Box<LegOrder>,
    pub began_at: DateTime<Utc>,
    /// Past this it must not be sent: others take it as sent by then.
    pub lease_until: DateTime<Utc>,
}

/// What follows from `recorded`, seen from the leg just after it.
#[must_use]
pub fn effects(leg: &Leg, recorded: &Recorded) -> Vec<Effect> {
    match &recorded.event {
        Event::Began { exchange, doing, attempt, reference, lease_until } => {
            let Some(made) = leg.attempt(*attempt) else { return Vec::new() };
            let known = reference.as_ref().and_then(|r| made.reservations.get(r));
            vec![Effect::Call(Box::new(Call {
                leg_id: leg.leg_id,
                booking_id: leg.booking_id,
                supplier: leg.order.supplier,
                exchange: *exchange,
                attempt: *attempt,
                doing: *doing,
                client_reference: made.client_reference.clone(),
                reference: reference.clone(),
                handle: known.and_then(|reservation| reservation.handle.clone()),
                naming: leg.guests.as_ref().and_then(Guests::naming),
                order: leg.order.clone(),
                began_at: recorded.at,
                lease_until: *lease_until,
            }))]
        }
        Event::Told { state, evidence, undo_failing, theirs, asks, no_show } => {
            vec![Effect::Tell(Box::new(LegChanged {
                booking_id: leg.booking_id,
                leg_id: leg.leg_id,
                seq: recorded.version,
                wanted_version: leg.wanted_version,
                state: state.clone(),
                evidence: evidence.clone(),
                undo_failing: *undo_failing,
                theirs: theirs.clone(),
                asks: asks.clone(),
                no_show: *no_show,
            }))]
        }
        Event::GuestsSettled { version, end, evidence } => {
            vec![Effect::TellGuests(Box::new(LegGuestsSettled {
                booking_id: leg.booking_id,
                leg_id: leg.leg_id,
                version: *version,
                end: *end,
                evidence: evidence.clone(),
            }))]
        }
        Event::Wanted { .. }
        | Event::GuestsWanted { .. }
        | Event::AttemptMade { .. }
        | Event::Answered { .. }
        | Event::LeaseRanOut { .. }
        | Event::Hinted { .. }
        | Event::LookAsked { .. }
        | Event::Adopted { .. }
        | Event::CancelAsked { .. }
        | Event::DeclaredAbsent { .. }
        | Event::AttemptProvenDead { .. }
        | Event::GaveUp { .. }
        | Event::Mismatch { .. }
        | Event::Agreed { .. }
        | Event::InvariantBroken { .. } => Vec::new(),
    }
}
