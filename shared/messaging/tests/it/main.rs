//! Messaging against a real RabbitMQ and a real PostgreSQL: what is lost, doubled or stuck when
//! things fail.
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

mod counter;
mod crash;
mod delivery;
mod recovery;
mod support;
mod tracing_hops;
