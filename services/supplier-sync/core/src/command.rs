//! Everything that can be asked of a leg.

use contracts::{
    ids::{BookingId, LegId},
    internal::LegAct,
    messages::{LegContent, WantedLeg},
    offer::LegOrder,
};

use uuid::Uuid;

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
        /// What the supplier made of it that the customer agreed to.
        accepts: Option<LegContent>,
    },
    /// Others are wanted on what is bought; the higher version counts.
    WantGuests {
        booking_id: BookingId,
        version: u32,
        /// Under which the booking tells who they are.
        party: Uuid,
    },
    /// A member of staff repairs it.
    Act(Act),
}

/// Something that a member of staff does about a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub by: String,
    pub why: String,
    /// What the supplier said, where the act asserts something of it.
    pub evidence: Option<String>,
    pub act: LegAct,
}

/// Why a command is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the leg belongs to another booking")]
    OtherBooking,
    #[error("the leg is at another supplier")]
    OtherSupplier,
    #[error("nobody ever wished for the leg")]
    Unknown,
    #[error("not safe as things stand")]
    NotSafe {
        /// What is.
        safe: Vec<LegAct>,
    },
    #[error("needs evidence from the supplier")]
    EvidenceNeeded,
}
