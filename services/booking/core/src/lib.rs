//! The saga of a booking: what is asked, what is learnt, what follows. Pure.
#![doc = include_str!("../README.md")]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

mod amend;
mod cancel;
mod cancel_leg;
mod changed;
mod command;
mod decide;
mod effects;
mod event;
mod evolve;
mod fact;
mod guests;
mod learn;
mod next;
mod policy;
mod rebook;
mod replay;
mod repriced;
mod review;
mod state;
mod stuck;
mod terms;
mod translate;
mod view;

pub use amend::{AmendQuote, Due, amend_quote};
pub use cancel::{CancelQuote, LegFee};
pub use cancel_leg::cancel_leg_quote;
pub use changed::{
    ChangeAnswer, SupplierChange, Theirs, change_answers, change_digest, may_be_rebooked,
};
pub use command::{Accept, Command, LegPlan, PayPlan, Refusal, Settle};
pub use decide::{cancel_quote, decide};
pub use effects::{Effect, effects};
pub use event::{Accepted, AcceptedLeg, AcceptedTerms, Event, RaisedLeg, Recorded};
pub use evolve::evolve;
pub use fact::{Deadline, Fact};
pub use guests::{LegGuests, may_change_guests};
pub use learn::learn;
pub use policy::Policy;
pub use rebook::Rebooking;
pub use replay::replay;
pub use review::safe_acts;
pub use state::{
    Amendment, Booking, Cancellation, DeadlineBasis, Deadlines, Difference, End, EndWhy, Further,
    Known, Leg, LegCancellation, OnRefusal, Out, Payment, Phase, Points, Refund, Review, ReviewWhy,
    Reviewer, State, Stuck, StuckStep, StuckWhy,
};
pub use terms::{LegTerms, NewTerms, new_terms};
pub use translate::Inbound;
pub use view::{
    Action, MoneyAxis, Status, is_doubtful, money, next_actions, next_actions_at, status,
};

/// Gives `events` their versions and their time, and folds them in.
///
/// Returns the booking after the last of them and each event as it goes into the journal.
#[must_use]
pub fn record(
    state: State,
    events: Vec<Event>,
    at: chrono::DateTime<chrono::Utc>,
) -> (State, Vec<Recorded>) {
    let mut state = state;
    let mut recorded = Vec::with_capacity(events.len());
    for event in events {
        let version = state.as_ref().map_or(0, |b| b.version).saturating_add(1);
        let entry = Recorded { version, at, event };
        state = evolve(state, &entry);
        recorded.push(entry);
    }
    (state, recorded)
}

#[cfg(test)]
mod tests;
