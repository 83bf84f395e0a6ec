//! Supplier-sync against real PostgreSQL, RabbitMQ and Redis, and the Rapid double over real HTTP.
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

mod activities;
mod callbacks;
mod comparing;
mod crashes;
mod families;
mod flights;
mod gates;
mod guests;
mod legs;
mod ordered;
mod partner;
mod preview;
mod repairs;
mod repricing;
mod shop;
mod stays_at_etg;
mod support;
mod undo;
mod world;
