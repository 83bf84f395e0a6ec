//! Everything that can be asked of an account.

use contracts::{ids::BookingId, messages::WantedPoints};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A gift of points by staff; whoever gives them makes the id, so that asking twice gives once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub Uuid);

/// What is asked of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A booking wants its redeemed points in a state.
    Want {
        /// Which booking.
        booking_id: BookingId,
        /// Grows with every wish; one that is not higher than a wish already heard has no effect.
        version: u32,
        /// The wish.
        wanted: WantedPoints,
        /// How many; a hold keeps the number it was made with.
        points: u64,
    },
    /// Staff give points that can be redeemed at once.
    Grant {
        /// The gift.
        grant_id: GrantId,
        /// How many.
        points: u64,
    },
}

/// Why an account says no.
///
/// Too few points for a redemption are no refusal: they are remembered, as an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The gift was given before, with another number of points.
    #[error("this grant was given with {given} points")]
    GrantDiffers {
        /// How many it was.
        given: u64,
    },
    /// The gift is empty or larger than one may be.
    #[error("a grant has 1 to {most} points")]
    GrantOutOfRange {
        /// How many are the most.
        most: u64,
    },
}
