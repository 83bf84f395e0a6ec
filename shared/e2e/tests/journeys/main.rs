//! Whole systems as processes, driven from outside: by HTTP, by the node, by SIGKILL.
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

mod accepting;
mod activities;
mod amending;
mod browser;
mod cancelling;
mod cards;
mod changing;
mod clocks;
mod demo;
mod dying;
mod edge;
mod flights;
mod guests;
mod locks;
mod messages;
mod outings;
mod outputs;
mod partner;
mod paying;
mod privacy;
mod proof;
mod rebooking;
mod refunds;
mod repairs;
mod replaying;
mod searching;
mod stage;
mod stays;
mod supplier;
mod trips;
mod truth;
mod unknown;
mod up;
mod whole;
