//! Rewards against the real things: PostgreSQL, RabbitMQ, Redis.
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

mod earning;
mod edge;
mod families;
mod house;
mod ledger;
mod preview;
mod redeeming;
