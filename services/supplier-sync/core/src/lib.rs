//! One leg at its supplier: attempts, references, evidence, and what to send, look up or release
//! next. Pure.
#![doc = include_str!("../README.md")]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

mod amend;
mod command;
pub mod compare;
mod decide;
mod drift;
mod effects;
mod event;
mod evidence;
mod evolve;
mod fact;
pub mod gate;
mod ladder;
mod learn;
mod next;
mod policy;
pub mod predicates;
mod repair;
mod state;
mod translate;
mod truth;

pub use amend::{Guests, NamesRead, Naming, OpenTry};
pub use command::{Act, Command, Refusal};
pub use decide::decide;
pub use drift::{Drift, DriftKind, drifts};
pub use effects::{Call, Effect, effects};
pub use event::{Event, Outcome, Recorded, Seen, SeenStage};
pub use evidence::{Blind, Content, Missing, Open, OpenWhy, Reservation, Stage, Undo};
pub use evolve::evolve;
pub use fact::Fact;
pub use ladder::wake_at;
pub use learn::learn;
pub use policy::Policy;
pub use repair::safe_acts;
pub use state::{Attempt, Doing, Exchange, Leg, LookUpWhy, State, Told};
pub use translate::Inbound;

/// Gives `events` their versions and their time, and folds them in.
///
/// Returns the leg after the last of them and each event as it goes into the journal.
#[must_use]
pub fn record(
    state: State,
    events: Vec<Event>,
    at: chrono::DateTime<chrono::Utc>,
) -> (State, Vec<Recorded>) {
    let mut state = state;
    let mut recorded = Vec::with_capacity(events.len());
    for event in events {
        let version = state.as_ref().map_or(0, |leg| leg.version).saturating_add(1);
        let entry = Recorded { version, at, event };
        state = evolve(state, &entry);
        recorded.push(entry);
    }
    (state, recorded)
}

#[cfg(test)]
mod tests;
