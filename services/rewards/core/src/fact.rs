//! Everything that can happen to an account without anybody asking it.

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, money::Money};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A booking is bought and paid.
    Confirmed {
        /// Which booking.
        booking_id: BookingId,
        /// What was paid in money; points are earned on it.
        paid: Money,
        /// When the last of it is over.
        over_at: DateTime<Utc>,
    },
    /// A part of a confirmed booking was cancelled.
    LegCancelled {
        /// Which booking.
        booking_id: BookingId,
        /// What is still paid in money; only ever less.
        paid: Money,
    },
    /// Another leg took the place of one of a confirmed booking.
    LegReplaced {
        /// Which booking.
        booking_id: BookingId,
        /// What is paid in money now.
        paid: Money,
        /// When the last of it is over from now on.
        over_at: DateTime<Utc>,
    },
    /// A part of a confirmed booking is on other days, as its customer accepted.
    Moved {
        /// Which booking.
        booking_id: BookingId,
        /// When the last of it is over from now on.
        over_at: DateTime<Utc>,
    },
    /// A booking was cancelled.
    Cancelled {
        /// Which booking.
        booking_id: BookingId,
    },
    /// A booking ended without being confirmed.
    Failed {
        /// Which booking.
        booking_id: BookingId,
    },
    /// A stay is over. When its points become available was known from its confirmation.
    Completed {
        /// Which booking.
        booking_id: BookingId,
        /// What was paid in money for what somebody came to, where nobody came to some of it.
        taken: Option<Money>,
    },
    /// Money that paid a booking left its chain, or is final again.
    MoneyReversed {
        /// Which booking.
        booking_id: BookingId,
        /// The version of the booking that says so; the highest holds.
        version: u64,
        /// Whether money is away.
        away: bool,
    },
    /// Time went by.
    Due,
}
