#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

pub mod broker;
pub mod cards;
pub mod chaos;
pub mod checkout;
pub mod chromium;
pub mod coins;
pub mod console;
pub mod double;
pub mod endpoints;
mod environment;
pub mod gateway;
pub mod interrupt;
pub mod journeys;
mod keys;
pub mod measure;
pub mod node;
pub mod outing;
mod ports;
pub mod processes;
mod profile;
mod program;
pub mod report;
mod servers;
pub mod stack;
pub mod token;
pub mod traces;
pub mod traveller;
pub mod truth;
pub mod up;

pub use endpoints::Endpoints;
pub use profile::{Change, Profile};
pub use stack::{Options, SERVICES, Stack};
