//! Everything that can happen to a booking. A fact cannot be refused.

use contracts::messages::{
    LegChanged, LegGuestsSettled, PaymentClosed, PaymentPrepared, PaymentRefundChanged,
    PaymentReversed, PaymentSeen, PaymentSettled, PointsChanged,
};
use serde::{Deserialize, Serialize};

/// What happened out there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Leg(LegChanged),
    Guests(LegGuestsSettled),
    PaymentPrepared(Box<PaymentPrepared>),
    PaymentSeen(PaymentSeen),
    PaymentSettled(PaymentSettled),
    PaymentReversed(PaymentReversed),
    PaymentClosed(PaymentClosed),
    Refund(PaymentRefundChanged),
    Points(PointsChanged),
    /// A deadline passed, by the database's clock.
    Passed(Deadline),
}

/// A deadline of a booking; a timer row each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    /// Everything held and payable.
    Payable,
    /// Money seen.
    Pay,
    /// Money final.
    Settle,
    /// Everything bought.
    Commit,
    /// Everything undone.
    Unwind,
    /// The stay is over.
    Over,
    /// A refund arrived.
    Refund,
    /// The leg that is to take the place of another held, and then bought.
    Amend,
    /// The customer answered what a supplier changed.
    Answer,
    /// Money seen of what another leg costs more.
    Difference,
}

impl Deadline {
    pub const ALL: [Self; 10] = [
        Self::Payable,
        Self::Pay,
        Self::Settle,
        Self::Commit,
        Self::Unwind,
        Self::Over,
        Self::Refund,
        Self::Amend,
        Self::Answer,
        Self::Difference,
    ];

    /// The deadline's word in the timer table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Payable => "payable",
            Self::Pay => "pay",
            Self::Settle => "settle",
            Self::Commit => "commit",
            Self::Unwind => "unwind",
            Self::Over => "over",
            Self::Refund => "refund",
            Self::Amend => "amend",
            Self::Answer => "answer",
            Self::Difference => "difference",
        }
    }

    /// The deadline of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.word() == word)
    }
}
