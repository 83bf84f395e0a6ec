//! The support console against the real things: PostgreSQL and RabbitMQ.
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

mod acting;
mod browser;
mod command;
mod console;
mod denied;
mod looking;
mod many;
mod neighbour;
mod openapi;
mod owner;
mod pages;
mod parking;
mod payment_cases;
mod repairing;
mod replaying;
mod showing;
mod signing_in;
mod single_sign_on;
mod suppliers;
mod waiting;
