//! Everything that can happen to a payment, all of it on its chain.
//!
//! Each fact carries a `look`: the number of the watcher's step that saw it, which only grows. What
//! a later look saw holds against what an earlier one saw, in whatever order they are learnt.

use contracts::asset::Units;
use serde::{Deserialize, Serialize};

use crate::chain::{BlockRef, Hash32, TransferKey};

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
    },
}

/// One sight of one transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighted {
    /// Which transfer.
    pub key: TransferKey,
    /// How much it moved.
    pub units: Units,
    /// In which block.
    pub block: BlockRef,
    /// Which look saw it.
    pub look: u64,
}
