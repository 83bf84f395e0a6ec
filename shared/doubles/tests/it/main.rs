//! The doubles over real HTTP: the published rules, every class of fault, callbacks, rates, the
//! treasury.
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

mod alike;
mod callbacks;
mod cards;

mod duffel;
mod etg;
mod faults;
mod hotelbeds;
mod issuer;
mod money;
mod partner;
mod rules;
