//! Who earns what for which stay.

use contracts::money::Money;
use serde::{Deserialize, Serialize};

/// The largest number of points of one entry.
///
/// Far above any price; it keeps the sums of millions of entries within 64 bits.
pub const POINTS_MAX: u64 = 1_000_000_000_000;

/// For what a booking earns points; each rule once per booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// For what was paid in money.
    Stay,
}

/// How a customer stands; kept with what they earn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Everybody's.
    Member,
}

impl Rule {
    /// The rule's name in a lot's id.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stay => "stay",
        }
    }

    /// The rule of that name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        (word == Self::Stay.word()).then_some(Self::Stay)
    }
}

/// How many points a price earns, rounded down; nothing for what was not paid in money.
///
/// A point is a minor unit of the price, and never less than a hundredth of its currency: where
/// that has more decimals, a point is as many minor units as make a hundredth.
#[must_use]
pub fn points_for(paid: Money, percent: u32) -> u64 {
    let finer = 10_i128.pow(paid.currency.scale().saturating_sub(2));
    let hundredths = i128::from(paid.minor.max(0)) * i128::from(percent);
    u64::try_from(hundredths / (100 * finer)).unwrap_or(POINTS_MAX).min(POINTS_MAX)
}
