//! What one transaction of a service writes besides its inbox row, as a value: a crash before the
//! commit is
//! dropping it.

use chrono::{DateTime, Utc};
use contracts::ids::{AccountId, BookingId, LegId, PaymentId};
use messaging_core::Trouble;

use crate::parcel::Parcel;

/// Rows, messages, timers and calls of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    pub(crate) rows: Vec<Rows>,
    pub(crate) said: Vec<Parcel>,
    pub(crate) timers: Vec<(Timer, DateTime<Utc>)>,
    pub(crate) calls: Vec<supplier_sync_core::Call>,
}

/// The new rows of one aggregate, and what happened to it.
#[derive(Debug)]
pub(crate) enum Rows {
    Booking(booking_core::State, Vec<booking_core::Recorded>),
    Leg(supplier_sync_core::State, Vec<supplier_sync_core::Recorded>),
    Payment(Box<payment_verification_core::Payment>, Vec<payment_verification_core::Event>),
    /// How far the watcher of the chain came.
    Watched(crate::chain::Cursor),
    Account(AccountId, rewards_core::Account, Vec<rewards_core::Event>),
    /// A callback is stored under the supplier's id of it.
    Callback(String),
}

/// A row in a table of timers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Booking(BookingId, booking_core::Deadline),
    Leg(LegId),
    Account(AccountId),
}

/// What a handler answers: what it would commit, or why it cannot.
pub(crate) type Handled = Result<Commit, Trouble>;

/// Which aggregate of payment-verification.
pub(crate) type PaymentKey = PaymentId;
