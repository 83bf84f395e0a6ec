//! Answers what is asked: events, or a refusal. Changes nothing.

use chrono::{DateTime, Utc};
use contracts::mutants::mutant;

use crate::{
    command::{Command, Refusal},
    event::Event,
    next::settle_down,
    policy::Policy,
    repair::repair,
    state::{Leg, State},
};

/// Decides about `command`. A wish that is not newer than the one taken gives nothing.
///
/// # Errors
/// When the leg is another booking's or at another supplier, or an act is not safe.
pub fn decide(
    state: &State,
    command: &Command,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let known = state.as_deref();
    let (booking_id, leg_id, version, wanted, order) = match command {
        Command::Want { booking_id, leg_id, version, wanted, order } => {
            (booking_id, leg_id, version, wanted, order)
        }
        Command::Act(act) => {
            let events = repair(known.ok_or(Refusal::Unknown)?, act, policy, now)?;
            return Ok(settle_down(state, events, policy, now));
        }
    };
    if known.is_some_and(|leg| leg.booking_id != *booking_id) {
        return Err(Refusal::OtherBooking);
    }
    if known.is_some_and(|leg| leg.order.supplier != order.supplier) {
        return Err(Refusal::OtherSupplier);
    }
    if known.is_some_and(|leg| leg.wanted_version >= *version) && !mutant("old_wish_wins") {
        return Ok(Vec::new());
    }
    // What an attempt was made for stays what its answers are compared with.
    let settled = |leg: &Leg| !leg.attempts.is_empty() || leg.order == *order;
    let event = Event::Wanted {
        booking_id: *booking_id,
        leg_id: *leg_id,
        wanted_version: *version,
        wanted: *wanted,
        order: (!known.is_some_and(settled)).then(|| order.clone()),
    };
    Ok(settle_down(state, vec![event], policy, now))
}
