//! Payment-verification against a real database, broker, Redis and node.
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

mod approvals;
mod asked;
mod balances;
mod cards;
mod cases;
mod closing;
mod families;
mod finality;
mod front;
mod ledger;
mod losses;
mod moving;
mod networks;
mod outputs;
mod outputs_refunded;
mod paid;
mod preview;
mod refunds;
mod refused_refunds;
mod reorg;
mod repairs;
mod rig;
mod shown;
mod support;
mod two_nodes;
mod unreadable;
mod values;
