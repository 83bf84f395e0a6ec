//! Supplier-callback against real PostgreSQL and RabbitMQ, and the Rapid dialect against its
//! double.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::string_slice,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

mod callbacks;
mod door;
#[path = "../../../../shared/suppliers/tests/odd_callbacks/pushes.rs"]
mod pushes;
mod rapid;
mod service;
mod support;
mod undelivered;
