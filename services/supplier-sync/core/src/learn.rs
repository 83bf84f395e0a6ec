//! Joins what happened, and lets the whole picture say what follows.

use chrono::{DateTime, Utc};
use contracts::messages::RefusedWhy;

use crate::{
    amend::compared,
    event::{Event, Outcome},
    fact::Fact,
    next::settle_down,
    policy::Policy,
    state::{Attempt, Leg, State},
    translate::outcome,
};

/// Learns `fact`. A repeat gives nothing; a fact about no leg gives nothing.
#[must_use]
pub fn learn(state: &State, fact: &Fact, policy: &Policy, now: DateTime<Utc>) -> Vec<Event> {
    let Some(leg) = state else { return Vec::new() };
    let news = join(leg, fact, now);
    if news.is_empty() && *fact != Fact::Due {
        return Vec::new();
    }
    settle_down(state, news, policy, now)
}

/// The news in `fact`.
fn join(leg: &Leg, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    match fact {
        Fact::Answered { exchange, answer } => {
            ended(leg, *exchange, || outcome(answer, &leg.order))
        }
        Fact::Named { exchange, answer, names, strangers } => {
            let read = || compared(outcome(answer, &leg.order), names, strangers);
            ended(leg, *exchange, read)
        }
        Fact::Repriced { exchange, asks } => {
            let (why, asks) = (RefusedWhy::PriceChanged, Some(Box::new(asks.clone())));
            ended(leg, *exchange, || Outcome::Refused { why, asks })
        }
        Fact::NoHandle { exchange } => ended(leg, *exchange, || Outcome::NoHandle),
        Fact::PutOff { exchange, wait } => {
            ended(leg, *exchange, || Outcome::PutOff { until: now + *wait })
        }
        Fact::TurnedAway { exchange } => ended(leg, *exchange, || Outcome::TurnedAway),
        Fact::Hinted { callback_id, client_reference, reference, claim } => {
            let attempt = leg.attempt_about(client_reference.as_deref(), reference.as_deref());
            let (callback_id, reference, claim) = (*callback_id, reference.clone(), *claim);
            let event = |attempt| Event::Hinted { attempt, callback_id, reference, claim };
            attempt.map(event).into_iter().collect()
        }
        Fact::LookAsked { by, attempt } => {
            let meant = |one: &&Attempt| match attempt {
                Some(number) => one.number == *number,
                None => leg.may_have_sent(one),
            };
            let event =
                |one: &Attempt| Event::LookAsked { attempt: one.number, by: by.clone(), why: None };
            leg.attempts.iter().filter(meant).map(event).collect()
        }
        Fact::Due => Vec::new(),
    }
}

/// The end of an exchange, if it was not learnt before.
fn ended(leg: &Leg, exchange: u32, outcome: impl FnOnce() -> Outcome) -> Vec<Event> {
    let open = leg.in_flight.iter().chain(&leg.overdue).any(|open| open.number == exchange);
    let event = || Event::Answered { exchange, outcome: outcome() };
    open.then(event).into_iter().collect()
}
