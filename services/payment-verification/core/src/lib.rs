//! One payment: what was asked for, what came, what is final, what goes back.
#![doc = include_str!("../README.md")]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

pub mod address;
pub mod assets;
pub mod balance;
pub mod card;
pub mod cases;
pub mod chain;
pub mod closing;
pub mod command;
pub mod decide;
pub mod depth;
pub mod effects;
pub mod event;
pub mod evolve;
pub mod fact;
pub mod learn;
pub mod ledger;
pub mod loss;
pub mod matching;
pub mod moving;
pub mod rates;
pub mod refund;
pub mod settling;
pub mod state;
pub mod translate;

pub use command::Command;
pub use decide::{Refusal, decide};
pub use effects::{Effect, effects};
pub use event::Event;
pub use evolve::{evolve, evolve_all};
pub use fact::Fact;
pub use learn::learn;
pub use state::Payment;

#[cfg(test)]
mod tests;
