//! Closes the gap between what is wanted and what is there, one step after the other.
//!
//! While anything that was sent is in doubt, only look-ups go out.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{messages::WantedLeg, mutants::mutant};
use suppliers::dialect;

use crate::{
    amend,
    event::Event,
    evidence::{Blind, Reservation, Stage},
    ladder,
    policy::Policy,
    record,
    state::{Attempt, Doing, Leg, State},
    truth,
};

/// Steps of one leg end long before this; more is a loop in the rules.
const ROUNDS_MAX: usize = 24;
const AT_ONCE: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;
/// The longest wait between tries of what could not be sent.
const NOT_SENT_WAIT_MAX: TimeDelta = TimeDelta::seconds(30);

/// Adds to `events` what follows from them, until nothing follows any more.
pub(crate) fn settle_down(
    state: &State,
    mut events: Vec<Event>,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let (mut after, _) = record(state.clone(), events.clone(), now);
    for _ in 0..ROUNDS_MAX {
        let Some(more) = after.as_deref().and_then(|leg| next(leg, policy, now)) else {
            return events;
        };
        events.push(more.clone());
        (after, _) = record(after, vec![more], now);
    }
    events.push(Event::InvariantBroken { what: "the rules do not settle down".to_owned() });
    events
}

/// The one thing that has to happen now; nothing when the leg only waits.
fn next(leg: &Leg, policy: &Policy, now: DateTime<Utc>) -> Option<Event> {
    run_out(leg, now)
        .or_else(|| proof(leg, policy))
        .or_else(|| give_up(leg, policy, now))
        .or_else(|| case(leg, policy))
        .or_else(|| truth::told(leg, policy))
        .or_else(|| amend::settled(leg, policy, now))
        .or_else(|| begin(leg, policy, now))
}

fn run_out(leg: &Leg, now: DateTime<Utc>) -> Option<Event> {
    let exchange = leg.in_flight.as_ref().filter(|exchange| exchange.lease_until <= now)?;
    Some(Event::LeaseRanOut { exchange: exchange.number })
}

fn proof(leg: &Leg, policy: &Policy) -> Option<Event> {
    leg.attempts.iter().filter(|attempt| !attempt.proven_dead).find_map(|attempt| {
        let (first_asked_at, last_asked_at) = attempt.death(policy)?;
        Some(Event::AttemptProvenDead {
            attempt: attempt.number,
            first_asked_at,
            last_asked_at,
            sent_until: attempt.sent_until?,
        })
    })
}

fn give_up(leg: &Leg, policy: &Policy, now: DateTime<Utc>) -> Option<Event> {
    let attempt = leg.attempts.last()?;
    let first_at = attempt.not_sent?.first_at;
    let late = first_at + policy.retry_not_sent_for <= now;
    let idle = attempt.blind == Blind::NotSent && !attempt.gave_up && !leg.is_mutating();
    (late && idle).then_some(Event::GaveUp { attempt: attempt.number })
}

fn case(leg: &Leg, policy: &Policy) -> Option<Event> {
    leg.live(policy).find_map(|(_, reference, reservation)| {
        let content = reservation.content.as_ref()?;
        let reference = reference.to_owned();
        if reservation.mismatch_recorded {
            return (reservation.odd_reads == 0).then_some(Event::Agreed { reference });
        }
        leg.is_mismatched(&reference, reservation).then_some(Event::Mismatch {
            reference,
            check_in: content.check_in,
            check_out: content.check_out,
            price: content.price,
        })
    })
}

fn begin(leg: &Leg, policy: &Policy, now: DateTime<Utc>) -> Option<Event> {
    if leg.in_flight.is_some() && !mutant("two_at_a_time") {
        return None;
    }
    if needs_attempt(leg, policy) {
        let attempt = leg.attempts.last().map_or(0, |attempt| attempt.number).saturating_add(1);
        let client_reference = dialect(leg.order.supplier).client_reference(leg.leg_id, attempt);
        return Some(Event::AttemptMade { attempt, client_reference });
    }
    let exchange = leg.exchanges.saturating_add(1);
    let began = |doing, attempt, reference| Event::Began {
        exchange,
        doing,
        attempt,
        reference,
        lease_until: now + policy.lease_for(doing),
    };
    if let Some(sending) = sending(leg, policy).filter(|sending| sending.at <= now) {
        let reference = sending.reference.map(str::to_owned);
        return Some(began(sending.doing, sending.attempt, reference));
    }
    let look = ladder::next_look(leg, policy).filter(|look| look.at <= now)?;
    Some(began(Doing::LookUp { why: look.why }, look.attempt, None))
}

/// Whether a new numbered attempt is allowed and needed: nothing is there, and nothing can come of
/// any earlier one any more.
fn needs_attempt(leg: &Leg, policy: &Policy) -> bool {
    let wanted = match leg.wanted {
        WantedLeg::Held => leg.order.terms.holdable,
        WantedLeg::Confirmed => true,
        WantedLeg::Released => false,
    };
    let dead = |attempt: &Attempt| {
        let dead = attempt.proven_dead
            || (mutant("attempt_while_in_doubt") && attempt.unknown_since.is_some());
        dead && attempt.reservations.is_empty()
    };
    wanted && leg.attempts.len() < policy.attempts_max && leg.attempts.iter().all(dead)
}

/// A mutating exchange that is to be made, and not before when.
pub(crate) struct Sending<'a> {
    pub(crate) at: DateTime<Utc>,
    pub(crate) doing: Doing,
    pub(crate) attempt: u32,
    pub(crate) reference: Option<&'a str>,
}

/// The next mutating exchange, if one is needed and none is in doubt.
pub(crate) fn sending<'a>(leg: &'a Leg, policy: &Policy) -> Option<Sending<'a>> {
    if leg.in_doubt_since(policy).is_some() && !mutant("sent_while_in_doubt") {
        return None;
    }
    if leg.wanted == WantedLeg::Released {
        return undo(leg, policy);
    }
    let Some(chosen) = leg.chosen(policy) else {
        return reserve(leg).or_else(|| undo(leg, policy));
    };
    let (_, reference, reservation) = chosen;
    let buyable = reservation.stage == Stage::Held
        && (reservation.is_read() || mutant("bought_unread"))
        && reservation.refused_to_sell().is_none()
        && !leg.is_told_refused()
        && !leg.is_mismatched(reference, reservation);
    if leg.wanted == WantedLeg::Confirmed && buyable {
        return Some(about(Doing::Confirm, chosen));
    }
    let amend = amend::sending(leg, policy, NOT_SENT_WAIT_MAX);
    let amend = amend.map(|(at, one)| Sending { at, ..about(Doing::Amend, one) });
    undo(leg, policy).into_iter().chain(amend).min_by_key(|sending| sending.at)
}

/// Whether the supplier kept it until the stay was over, and that was told: nothing asks it back by
/// itself any more. Whoever looks into it may still.
pub(crate) fn is_left_there(leg: &Leg, reservation: &Reservation, policy: &Policy) -> bool {
    let again = reservation.undo_at(policy);
    let over = again.is_some_and(|again| again >= ladder::swept_until(leg));
    over && reservation.undo_failing().is_some()
}

/// What has to be given back next: one that the supplier keeps holds up no other.
fn undo<'a>(leg: &'a Leg, policy: &Policy) -> Option<Sending<'a>> {
    let each = leg.unwanted(policy).into_iter().filter_map(|one| {
        let sending = about(Doing::Cancel, one);
        let at = one.2.undo_at(policy).map_or(sending.at, |undo| undo.max(sending.at));
        (!is_left_there(leg, one.2, policy)).then_some(Sending { at, ..sending })
    });
    each.min_by_key(|sending| sending.at)
}

/// The reserve of the newest attempt, if it was surely never sent.
fn reserve(leg: &Leg) -> Option<Sending<'_>> {
    let attempt = leg.attempts.last()?;
    let fresh = attempt.blind == Blind::NotSent && !attempt.gave_up;
    (fresh && attempt.reservations.is_empty()).then(|| Sending {
        at: attempt.not_sent.map_or(AT_ONCE, |tries| tries.again_at(NOT_SENT_WAIT_MAX)),
        doing: Doing::Reserve { hold: leg.wanted == WantedLeg::Held },
        attempt: attempt.number,
        reference: None,
    })
}

fn about<'a>(doing: Doing, one: (u32, &'a str, &Reservation)) -> Sending<'a> {
    let (attempt, reference, reservation) = one;
    let at = reservation.not_sent.map_or(AT_ONCE, |tries| tries.again_at(NOT_SENT_WAIT_MAX));
    Sending { at, doing, attempt, reference: Some(reference) }
}
