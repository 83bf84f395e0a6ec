//! All SQL of booking: rows to core types and back. Never begins a transaction.

mod accept;
mod attention;
mod bookings;
mod quotes;
mod replay;
mod standing;
mod timers;
mod watched;

pub(crate) use accept::{
    Accepted, FirstAnswer, NewBooking, accept, accept_together, first_answer, is_lock_wait,
};
pub(crate) use attention::{count_in_review, count_late, in_review, late};
pub(crate) use bookings::{
    HistoryRow, Saved, history, index_travellers, json, load, load_for_account, load_for_update,
    reseal_travellers, save, travellers, travellers_unindexed, word,
};
pub(crate) use quotes::{ClaimState, insert as insert_quote, load as load_quote, open_locks};
pub(crate) use replay::{at_one_instant, export, ids_after, import, is_whole, lock, restore};
pub use replay::{folded, is_its_fold, rebuild};
pub(crate) use standing::standing;
pub(crate) use timers::{Due, Timer, claim_due, forget_old, put_off, set_timers};
pub(crate) use watched::{JournalRow, by_email, by_message, by_own_id, by_trace, journal, newer};
