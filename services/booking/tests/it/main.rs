//! Booking against real PostgreSQL, RabbitMQ and Redis: the gateway, messages, timers.
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
mod cancelling;
mod changing;
mod families;
mod gateway;
mod guests;
mod history;
mod live;
mod messages;
mod neighbour;
mod openapi;
mod preview;
mod qr;
mod rebooking;
mod refunding;
mod replaying;
mod repricing;
mod reviewing;
mod searching;
mod support;
mod timers;
mod trips;
mod world;
