//! An account of points as double entries: what is asked of it, what it learns, what it says.
#![doc = include_str!("../README.md")]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

mod command;
mod decide;
mod draft;
mod effects;
mod event;
mod evolve;
mod fact;
mod learn;
mod ledger;
mod policy;
pub mod rules;
mod state;
pub mod translate;

pub use command::{Command, GrantId, Refusal};
pub use decide::decide;
pub use effects::{Effect, effects};
pub use event::{Event, Parts};
pub use evolve::evolve;
pub use fact::Fact;
pub use learn::learn;
pub use ledger::{Book, Posting, postings};
pub use policy::Policy;
pub use state::{Account, Balances, Lot, LotId, Redemption, RedemptionState, Stage};

#[cfg(test)]
mod tests;
