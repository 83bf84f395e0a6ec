//! Everything that can happen to a payment: on its chain, and at the treasury.
//!
//! Each fact carries a `look`: the number of the watcher's step that saw it, which only grows. What
//! a later look saw holds against what an earlier one saw, in whatever order they are learnt.

use chrono::{DateTime, Utc};
use contracts::asset::Units;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    chain::{BlockRef, Hash32, TransferKey},
    moving::MovedIn,
    rates::Believed,
    refund::Finding,
};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A transfer of the right asset to the payment's address stands in a canonical block.
    TransferSeen(Sighted),
    /// A block is not canonical any more; what stood in it does not count until it is seen again.
    BlockLeft {
        /// The block.
        block: Hash32,
        /// Which look saw it gone.
        look: u64,
    },
    /// The head is this high; what lies deep enough under it is final.
    HeadMoved {
        /// The height of the newest block.
        head: u64,
        /// Which look saw it.
        look: u64,
        /// Up to which height the chain itself calls blocks final, if it was asked and says so.
        finalized: Option<u64>,
    },
    /// The card gateway is ready to be paid.
    CardOpened {
        /// What the customer's browser pays with, at the gateway.
        secret: String,
    },
    /// Every block up to one of this time was taken in, and the node is not behind.
    ReadUpTo {
        /// What the block's maker says.
        stamped_at: DateTime<Utc>,
    },
    /// Money that was due back of another payment pays this one.
    MovedIn {
        /// The refund that it was there.
        refund_id: Uuid,
        /// How much, and from where.
        moved: MovedIn,
    },
    /// A transfer that the treasury sent for a refund stands in a canonical block.
    PayoutSeen {
        /// For which refund.
        refund_id: Uuid,
        /// What was seen.
        sighted: Sighted,
    },
    /// The treasury says that it cannot send a refund.
    PayoutRejected {
        /// Which.
        refund_id: Uuid,
    },
    /// Something about a refund was found out.
    RefundFound {
        /// Which.
        refund_id: Uuid,
        /// What.
        finding: Finding,
    },
    /// A rate is believed that a refund waits for.
    RateBelieved {
        /// Which.
        refund_id: Uuid,
        /// The rate.
        believed: Believed,
    },
    /// A member of staff lets a refund go that waits for a second person.
    RefundApproved {
        /// Which.
        refund_id: Uuid,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// A member of staff answers for what is missing of a refund.
    RefundSettled {
        /// Which.
        refund_id: Uuid,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// A member of staff says of money that left the chain that it is lost for good.
    WrittenOff {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// A member of staff names the transaction that brought a refund.
    ProofNamed {
        /// Which.
        refund_id: Uuid,
        /// The transaction; a transfer in it was found to be the refund's.
        transaction: Hash32,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

/// One sight of one transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighted {
    /// Which transfer.
    pub key: TransferKey,
    /// How much it moved.
    pub units: Units,
    /// In which block.
    pub block: BlockRef,
    /// Which look saw it.
    pub look: u64,
    /// When the block's maker says it was made.
    #[serde(default)]
    pub stamped_at: DateTime<Utc>,
    /// How deep it must be by its chain's own rules, whatever the policy: what a block itself makes
    /// cannot be spent before.
    #[serde(default, skip_serializing_if = "rests_for_nothing")]
    pub rests: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
pub(crate) const fn rests_for_nothing(rests: &u32) -> bool {
    *rests == 0
}
