//! What to do with a delivery, when to try again, when to give up. No I/O, no clock, no randomness.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

mod cause;
mod lease;
mod retry;
mod verdict;

pub use cause::{Cause, NotACause};
pub use lease::{LEASE_FOR, is_due, lease_for, leased_until};
pub use retry::{Marks, Next, Trouble, after_failure, delay, longest_delay};
pub use verdict::{Delivery, Seen, State, Verdict, verdict};

#[cfg(test)]
mod tests;
