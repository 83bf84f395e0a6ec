//! Everything that can be asked of a leg.

use contracts::{
    ids::{BookingId, LegId},
    messages::WantedLeg,
    offer::LegOrder,
};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The leg is wanted in a state; the higher version counts.
    Want {
        booking_id: BookingId,
        leg_id: LegId,
        version: u32,
        wanted: WantedLeg,
        order: Box<LegOrder>,
    },
}

/// Why a command is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the leg belongs to another booking")]
    OtherBooking,
    #[error("the leg is at another supplier")]
    OtherSupplier,
}
