//! Joins what happened, and lets the whole picture say what follows.

use chrono::{DateTime, Utc};

use crate::{
    event::Event,
    fact::Fact,
    next::settle_down,
    policy::Policy,
    state::{Leg, State},
    translate::outcome,
};

/// Learns `fact`. A repeat gives nothing; a fact about no leg gives nothing.
#[must_use]
pub fn learn(state: &State, fact: &Fact, policy: &Policy, now: DateTime<Utc>) -> Vec<Event> {
    let Some(leg) = state else { return Vec::new() };
    match join(leg, fact) {
        Some(event) => settle_down(state, vec![event], policy, now),
        None => match fact {
            Fact::Due => settle_down(state, Vec::new(), policy, now),
            Fact::Answered { .. } | Fact::NoHandle { .. } | Fact::Hinted { .. } => Vec::new(),
        },
    }
}

/// The news in `fact`.
fn join(leg: &Leg, fact: &Fact) -> Option<Event> {
    match fact {
        Fact::Answered { exchange, answer } => open(leg, *exchange)
            .then(|| Event::Answered { exchange: *exchange, outcome: outcome(answer) }),
        Fact::NoHandle { exchange } => open(leg, *exchange).then_some(Event::Answered {
            exchange: *exchange,
            outcome: crate::event::Outcome::NoHandle,
        }),
        Fact::Hinted { client_reference, reference } => {
            let attempt = hinted(leg, client_reference.as_deref(), reference.as_deref())?;
            Some(Event::Hinted { attempt })
        }
        Fact::Due => None,
    }
}

/// Whether the end of an exchange was not learnt before.
fn open(leg: &Leg, exchange: u32) -> bool {
    leg.in_flight.iter().chain(&leg.overdue).any(|open| open.number == exchange)
}

/// The attempt a callback is about; the newest where it names none that we know.
fn hinted(leg: &Leg, client_reference: Option<&str>, reference: Option<&str>) -> Option<u32> {
    let ours = leg.attempts.iter().find(|a| client_reference == Some(a.client_reference.as_str()));
    let theirs = || {
        let named = |r: &str| leg.attempts.iter().find(|a| a.reservations.contains_key(r));
        reference.and_then(named)
    };
    ours.or_else(theirs).or_else(|| leg.attempts.last()).map(|attempt| attempt.number)
}
