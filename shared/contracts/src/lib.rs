//! What services say to each other, and the words they share. No I/O, no clock, no randomness.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

pub mod asset;
#[cfg(test)]
mod asyncapi;
pub mod envelope;
pub mod ids;
pub mod instruction;
pub mod internal;
pub mod mend;
pub mod message;
pub mod messages;
pub mod money;
pub mod mutants;
pub mod offer;
pub mod policy;
pub mod routing;
pub mod shown;
pub mod staff;
pub mod supplier;
