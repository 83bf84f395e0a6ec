//! All SQL of booking: rows to core types and back. Never begins a transaction.

mod accept;
mod bookings;
mod quotes;
mod standing;
mod timers;

pub(crate) use accept::{Accepted, FirstAnswer, NewBooking, accept, first_answer, is_lock_wait};
pub use bookings::rebuild;
pub(crate) use bookings::{
    HistoryRow, Saved, history, json, load_for_account, load_for_update, save, travellers, word,
};
pub(crate) use quotes::{ClaimState, insert as insert_quote, load as load_quote, open_locks};
pub(crate) use standing::standing;
pub(crate) use timers::{claim_due, forget_old, set_timers};
