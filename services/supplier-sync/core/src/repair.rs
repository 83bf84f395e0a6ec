//! What staff may do about a leg: what is safe, as things stand, and what follows from it.
//!
//! No act says how things are: it makes us look, or it weighs what the supplier's own answers show.
//! Declaring something absent needs evidence from outside, and is believed only while no answer of
//! the supplier says otherwise.

use chrono::{DateTime, Utc};
use contracts::{internal::LegAct, messages::WantedLeg};

use crate::{
    command::{Act, Refusal},
    event::Event,
    evidence::Reservation,
    policy::Policy,
    state::{Attempt, Doing, Leg},
};

/// Everything that is safe to do now.
#[must_use]
pub fn safe_acts(leg: &Leg, policy: &Policy, now: DateTime<Utc>) -> Vec<LegAct> {
    let sent = leg.attempts.iter().any(|attempt| leg.may_have_sent(attempt));
    let mut safe = Vec::from_iter(sent.then_some(LegAct::LookUp {}));
    for (number, reference, reservation) in leg.live(policy) {
        let named = || reference.to_owned();
        let adopt = can_adopt(leg, reference, reservation);
        safe.extend(adopt.then(|| LegAct::Adopt { reference: named() }));
        let cancel = can_cancel(leg, policy, reference, reservation);
        safe.extend(cancel.then(|| LegAct::Cancel { reference: named() }));
        let absent = reservation.is_missing_past(policy.window());
        let gone = || LegAct::DeclareAbsent { attempt: number, reference: Some(named()) };
        safe.extend(absent.then(gone));
    }
    let open = leg.attempts.iter().filter(|attempt| is_silent(leg, attempt, policy, now));
    let dead =
        |attempt: &Attempt| LegAct::DeclareAbsent { attempt: attempt.number, reference: None };
    safe.extend(open.map(dead));
    safe
}

/// Dearer than ordered, for the days that were ordered: whether we bear that is a person's to say.
fn can_adopt(leg: &Leg, reference: &str, reservation: &Reservation) -> bool {
    leg.wanted != WantedLeg::Released
        && leg.is_mismatched(reference, reservation)
        && reservation.content.as_ref().is_some_and(|content| content.has_days_of(&leg.order))
}

/// Not the one that is wanted, or not what was ordered. What the booking wants, only the booking
/// gives up.
fn can_cancel(leg: &Leg, policy: &Policy, reference: &str, reservation: &Reservation) -> bool {
    let cancelling = leg.in_flight.as_ref().is_some_and(|exchange| {
        exchange.doing == Doing::Cancel && exchange.reference.as_deref() == Some(reference)
    });
    let unwanted = leg.unwanted(policy).iter().any(|(_, known, _)| *known == reference);
    !cancelling && (unwanted || leg.is_mismatched(reference, reservation))
}

/// In doubt although everything that was sent must have ended and shown by now.
fn is_silent(leg: &Leg, attempt: &Attempt, policy: &Policy, now: DateTime<Utc>) -> bool {
    let sending = leg.is_mutating();
    let over = attempt.window_ends_at(policy).is_some_and(|end| end <= now);
    attempt.in_doubt_since().is_some() && over && !sending
}

/// Decides about an act.
pub(crate) fn repair(
    leg: &Leg,
    asked: &Act,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let Act { by, why, evidence, act } = asked;
    let (by, why) = (by.clone(), why.clone());
    let evidence = evidence.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if matches!(act, LegAct::DeclareAbsent { .. }) && evidence.is_none() {
        return Err(Refusal::EvidenceNeeded);
    }
    let safe = safe_acts(leg, policy, now);
    if !safe.contains(act) {
        return Err(Refusal::NotSafe { safe });
    }
    let owner = |wanted: &str| {
        let mut all = leg.reservations();
        all.find(|(_, known, _)| *known == wanted).map_or(0, |(number, _, _)| number)
    };
    Ok(match act {
        LegAct::LookUp {} => leg
            .attempts
            .iter()
            .filter(|attempt| leg.may_have_sent(attempt))
            .map(|attempt| Event::LookAsked {
                attempt: attempt.number,
                by: by.clone(),
                why: Some(why.clone()),
            })
            .collect(),
        LegAct::Adopt { reference } => {
            let (attempt, reference) = (owner(reference), reference.clone());
            vec![Event::Adopted { attempt, reference, by, why }]
        }
        LegAct::Cancel { reference } => {
            let (attempt, reference) = (owner(reference), reference.clone());
            vec![Event::CancelAsked { attempt, reference, by, why }]
        }
        LegAct::DeclareAbsent { attempt, reference } => {
            let (attempt, reference) = (*attempt, reference.clone());
            let evidence = evidence.unwrap_or_default().to_owned();
            vec![Event::DeclaredAbsent { attempt, reference, by, why, evidence }]
        }
    })
}
