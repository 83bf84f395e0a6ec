//! Answers what is asked: events, or a refusal. Changes nothing.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{LegContent, WantedLeg},
    mutants::mutant,
};

use crate::{
    command::{Command, Refusal},
    event::Event,
    evidence::Stage,
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
    let (booking_id, leg_id, version, wanted, order, accepts) = match command {
        Command::Want { booking_id, leg_id, version, wanted, order, accepts } => {
            (booking_id, leg_id, version, wanted, order, accepts)
        }
        Command::WantGuests { booking_id, version, party } => {
            let leg = known.ok_or(Refusal::Unknown)?;
            if leg.booking_id != *booking_id {
                return Err(Refusal::OtherBooking);
            }
            if leg.guests.as_ref().is_some_and(|guests| guests.version >= *version) {
                return Ok(Vec::new());
            }
            let events = vec![Event::GuestsWanted { version: *version, party: *party }];
            return Ok(settle_down(state, events, policy, now));
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
    let accepts = accepts.as_ref().filter(|_| *wanted != WantedLeg::Released);
    let adopted = known.zip(accepts).and_then(|(leg, accepted)| adopted(leg, accepted));
    // What was agreed to is the order also where the supplier has something else again by now: that
    // is told as a change of it.
    let agreed = accepts.is_some() && known.is_some_and(|leg| leg.order != *order);
    let ordered = !known.is_some_and(settled) || adopted.is_some() || agreed;
    let event = Event::Wanted {
        booking_id: *booking_id,
        leg_id: *leg_id,
        wanted_version: *version,
        wanted: *wanted,
        order: ordered.then(|| order.clone()),
    };
    let events = [event].into_iter().chain(adopted).collect();
    Ok(settle_down(state, events, policy, now))
}

/// Takes what the customer agreed to, if that is what the newest read shows; from then on it is
/// what was ordered. What has changed again meanwhile is told anew.
fn adopted(leg: &Leg, accepted: &LegContent) -> Option<Event> {
    let mut all = leg.reservations();
    let (attempt, reference, _) = all.find(|(_, reference, reservation)| {
        let content = reservation.content.as_ref().map(|content| content.of(reference, &leg.order));
        let same = content.as_ref() == Some(accepted) || mutant("any_change_accepted");
        reservation.stage == Stage::Confirmed && same && !reservation.is_adopted()
    })?;
    let (by, why) = ("customer".to_owned(), "agreed to what the supplier changed".to_owned());
    Some(Event::Adopted { attempt, reference: reference.to_owned(), by, why })
}
