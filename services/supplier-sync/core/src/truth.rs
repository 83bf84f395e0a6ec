//! What the booking is told: what is true of the leg, in the words of the contract.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{
        EvidenceSource, GoneWhy, LegContent, LegEvidence, LegState, RefusedWhy, UndoFailing,
        WantedLeg,
    },
    mutants::mutant,
};

use crate::{
    event::Event,
    evidence::{Blind, Reservation, Stage},
    policy::Policy,
    state::{Attempt, Doing, Leg, Told},
};

/// The news, if what is true was not told for this wish yet.
pub(crate) fn told(leg: &Leg, policy: &Policy) -> Option<Event> {
    let failing = undo_failing(leg, policy);
    let state = truth(leg, policy, failing)?;
    let undo_failing = failing.map(|(_, failing)| failing);
    let theirs = theirs(leg, policy, &state);
    let no_show = no_show(leg, &state);
    let known = leg.heard.is_none()
        && leg.told.as_ref().is_some_and(|told| {
            told.wanted_version == leg.wanted_version
                && told.undo_failing == undo_failing
                && told.theirs == theirs
                && told.no_show == no_show
                && same(&told.state, &state)
        });
    let evidence = || evidence(leg, policy, &state);
    let price = LegState::Refused { why: RefusedWhy::PriceChanged };
    let asks = || leg.attempts.last().filter(|_| state == price)?.asks.clone();
    (!known).then(|| Event::Told {
        evidence: evidence(),
        undo_failing,
        state: state.clone(),
        theirs: theirs.clone(),
        asks: asks().map(Box::new),
        no_show,
    })
}

/// Whether the supplier says of what is told as bought that nobody came.
fn no_show(leg: &Leg, state: &LegState) -> bool {
    let LegState::Confirmed { reference } = state else { return false };
    let mut all = leg.reservations();
    all.any(|(_, known, reservation)| known == reference && reservation.no_show)
}

/// What the supplier made of what was bought, where that is not what was ordered. What was never
/// bought is given back instead.
fn theirs(leg: &Leg, policy: &Policy, state: &LegState) -> Option<LegContent> {
    let LegState::InDoubt { .. } = state else { return None };
    let (_, reference, reservation) =
        leg.chosen(policy).filter(|_| leg.wanted == WantedLeg::Confirmed)?;
    let changed =
        reservation.stage == Stage::Confirmed && leg.is_mismatched(reference, reservation);
    let content = reservation.content.as_ref().filter(|_| changed && !mutant("change_not_told"));
    content.map(|content| content.of(reference, &leg.order))
}

/// What cannot be given back so far, and since when. What was told of stands while the next try is
/// looked into.
fn undo_failing(leg: &Leg, policy: &Policy) -> Option<(DateTime<Utc>, UndoFailing)> {
    let unwanted = leg.unwanted(policy);
    let failing = unwanted.iter().filter_map(|(_, _, one)| one.undo_failing());
    let told = || leg.told.as_ref().and_then(|told| told.undo_failing);
    let since = || unwanted.iter().filter_map(|(_, _, one)| one.undo).map(|undo| undo.since).min();
    failing.max_by_key(|(_, failing)| failing.attempts).or_else(|| since().zip(told()))
}

/// What the news rests on: the answer that showed it, or the callback that made us look.
fn evidence(leg: &Leg, policy: &Policy, state: &LegState) -> Option<LegEvidence> {
    let named = subject(leg, policy, state);
    let heard = leg.heard.as_ref();
    let number = heard.map(|heard| heard.attempt).or(named.map(|(number, _, _)| number));
    let attempt = number.map_or(leg.attempts.last(), |number| leg.attempt(number))?;
    let showed = named.and_then(|(_, _, reservation)| match state {
        LegState::Held { .. } | LegState::Confirmed { .. } => reservation.shown,
        LegState::Gone { .. } => reservation.shown.filter(|_| reservation.is_said_gone()),
        LegState::Refused { .. } | LegState::InDoubt { .. } => None,
    });
    let (source, exchange) = match (heard, showed.or(attempt.answered)) {
        (Some(heard), _) => (EvidenceSource::Callback, heard.exchange),
        (None, Some(shown)) => (shown.source, shown.exchange),
        (None, None) => return None,
    };
    let reference = named.map(|(_, reference, _)| reference.to_owned());
    Some(LegEvidence {
        source,
        attempt: attempt.number,
        client_reference: attempt.client_reference.clone(),
        reference: reference.or_else(|| heard.and_then(|heard| heard.reference.clone())),
        exchange: Some(exchange),
    })
}

/// The reservation that a state is about.
fn subject<'a>(
    leg: &'a Leg,
    policy: &Policy,
    state: &LegState,
) -> Option<(u32, &'a str, &'a Reservation)> {
    leg.reservations().find(|(_, known, reservation)| match state {
        LegState::Held { reference, .. } | LegState::Confirmed { reference } => known == reference,
        LegState::Gone { why } => reservation.why_gone(policy) == Some(*why),
        LegState::Refused { .. } => reservation.refused_to_sell().is_some(),
        LegState::InDoubt { .. } => reservation.is_live(policy),
    })
}

/// A doubt that goes on is told once.
fn same(told: &LegState, state: &LegState) -> bool {
    match (told, state) {
        (LegState::InDoubt { .. }, LegState::InDoubt { .. }) => true,
        (told, state) => told == state,
    }
}

/// What is true; nothing while it is just being made so.
fn truth(
    leg: &Leg,
    policy: &Policy,
    failing: Option<(DateTime<Utc>, UndoFailing)>,
) -> Option<LegState> {
    match (leg.wanted, failing) {
        (WantedLeg::Held | WantedLeg::Confirmed, _) => kept(leg, policy),
        (WantedLeg::Released, Some((since, _))) if !leg.is_mutating() => {
            Some(LegState::InDoubt { since })
        }
        (WantedLeg::Released, _) => released(leg, policy),
    }
}

fn kept(leg: &Leg, policy: &Policy) -> Option<LegState> {
    let Some((number, reference, reservation)) = leg.chosen(policy) else {
        return none_there(leg, policy);
    };
    if is_overtaken(leg, number, reference) {
        return None;
    }
    if let Some(why) = reservation.refused_to_sell().or_else(|| leg.refuses(policy, reservation)) {
        return Some(LegState::Refused { why });
    }
    if leg.is_mismatched(reference, reservation) {
        return Some(LegState::InDoubt { since: reservation.first_seen_at });
    }
    there(leg, policy, reference, reservation)
}

fn there(
    leg: &Leg,
    policy: &Policy,
    reference: &str,
    reservation: &Reservation,
) -> Option<LegState> {
    let cancelling = leg.in_flight.as_ref().is_some_and(|exchange| {
        exchange.doing == Doing::Cancel && exchange.reference.as_deref() == Some(reference)
    });
    if cancelling {
        return None;
    }
    match reservation.in_doubt_since(policy) {
        // A refusal, or a missing handle, is looked into at once: no doubt worth a message yet.
        Some(_) if reservation.is_looked_into_at_once() => return None,
        Some(since) => return Some(LegState::InDoubt { since }),
        None => {}
    }
    let (reference, until) = (reference.to_owned(), reservation.until);
    match reservation.stage {
        Stage::Confirmed if reservation.is_read() => Some(LegState::Confirmed { reference }),
        // What was bought in place of a hold, and is not read yet, is as good as held; what is to
        // be bought is read before it is told of.
        Stage::Confirmed if leg.wanted == WantedLeg::Held => {
            Some(LegState::Held { reference, until })
        }
        Stage::Confirmed => None,
        Stage::Listed => Some(LegState::InDoubt { since: reservation.first_seen_at }),
        Stage::Held if leg.wanted == WantedLeg::Held => Some(LegState::Held { reference, until }),
        // It is being bought; that it is held was told, or will be told as bought.
        Stage::Held => None,
        Stage::Gone { why } => Some(LegState::Gone { why }),
    }
}

/// Whether a newer attempt, still unresolved, may yet take the place of a reservation not told of.
fn is_overtaken(leg: &Leg, number: u32, reference: &str) -> bool {
    let told = leg.told.as_ref().is_some_and(|told| names(&told.state, reference));
    let unresolved = |attempt: &&Attempt| {
        let sending = leg
            .in_flight
            .as_ref()
            .is_some_and(|exchange| exchange.attempt == attempt.number && exchange.doing.mutates());
        attempt.number > number && (sending || attempt.in_doubt_since().is_some())
    };
    !told && leg.attempts.iter().any(|attempt| unresolved(&attempt))
}

fn names(state: &LegState, wanted: &str) -> bool {
    match state {
        LegState::Held { reference, .. } | LegState::Confirmed { reference } => reference == wanted,
        LegState::Gone { .. } | LegState::Refused { .. } | LegState::InDoubt { .. } => false,
    }
}

fn none_there(leg: &Leg, policy: &Policy) -> Option<LegState> {
    if leg.is_mutating() {
        return None;
    }
    if let Some(since) = leg.in_doubt_since(policy) {
        return Some(LegState::InDoubt { since });
    }
    if leg.wanted == WantedLeg::Held && !leg.order.terms.holdable && leg.attempts.is_empty() {
        return Some(LegState::Refused { why: RefusedWhy::Rejected });
    }
    let attempt = leg.attempts.last()?;
    if let Some(why) = gone_why(attempt, policy) {
        return Some(LegState::Gone { why });
    }
    let spent = leg.attempts.len() >= policy.attempts_max;
    match attempt.blind {
        Blind::Refused { why } => Some(LegState::Refused { why }),
        Blind::NotSent => attempt.gave_up.then_some(LegState::Refused {
            why: match attempt.turned_away {
                true => RefusedWhy::Unavailable,
                false => RefusedWhy::CouldNotBeSent,
            },
        }),
        Blind::NotFound { .. } if attempt.proven_dead && spent => {
            Some(LegState::Gone { why: GoneWhy::NeverMade })
        }
        Blind::Unknown | Blind::NotFound { .. } => None,
    }
}

fn released(leg: &Leg, policy: &Policy) -> Option<LegState> {
    if leg.is_mutating() {
        return None;
    }
    let live = leg.live(policy).next().filter(|_| !mutant("told_gone_too_early"));
    if let Some((_, reference, reservation)) = live {
        return being_released(leg, policy, reference, reservation);
    }
    if let Some(since) = leg.in_doubt_since(policy) {
        return Some(LegState::InDoubt { since });
    }
    let why = leg.attempts.iter().filter_map(|attempt| gone_why(attempt, policy)).min();
    Some(LegState::Gone { why: why.unwrap_or(GoneWhy::NeverMade) })
}

/// What is there and is not wanted is told only where it is news: in doubt, or thought gone.
fn being_released(
    leg: &Leg,
    policy: &Policy,
    reference: &str,
    reservation: &Reservation,
) -> Option<LegState> {
    let doubt = leg.in_doubt_since(policy);
    if let Some(since) = doubt.filter(|_| !reservation.is_looked_into_at_once()) {
        return Some(LegState::InDoubt { since });
    }
    let thought_gone = match leg.told.as_ref().map(|told: &Told| &told.state) {
        Some(LegState::Gone { .. } | LegState::Refused { .. }) => true,
        Some(LegState::Held { .. } | LegState::Confirmed { .. } | LegState::InDoubt { .. })
        | None => false,
    };
    let reference = reference.to_owned();
    let until = reservation.until;
    thought_gone.then_some(match reservation.stage {
        Stage::Confirmed => LegState::Confirmed { reference },
        Stage::Held => LegState::Held { reference, until },
        Stage::Listed | Stage::Gone { .. } => {
            LegState::InDoubt { since: reservation.first_seen_at }
        }
    })
}

/// Why what the supplier named under an attempt is gone.
fn gone_why(attempt: &Attempt, policy: &Policy) -> Option<GoneWhy> {
    attempt.reservations.values().filter_map(|reservation| reservation.why_gone(policy)).min()
}
