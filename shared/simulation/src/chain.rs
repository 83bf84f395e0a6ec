//! A chain: blocks with transfers in them, which come and may leave again.

use chrono::{DateTime, Utc};
use contracts::asset::Units;
use payment_verification_core::chain::{BlockRef, Hash32, TransferKey};

/// Its name, as CAIP-2 writes it.
pub(crate) const ID: &str = "eip155:31337";
/// Blocks on top of a transfer until nobody waits for more.
const DEEP: usize = 13;

#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) key: TransferKey,
    pub(crate) to: String,
    pub(crate) units: Units,
    /// Whoever sent it sees to it that it is mined, whatever the chain does.
    pub(crate) stays: bool,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) at: BlockRef,
    pub(crate) stamped_at: DateTime<Utc>,
    pub(crate) transfers: Vec<Transfer>,
}

/// The canonical blocks and what waits to be in the next one.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) blocks: Vec<Block>,
    pub(crate) waiting: Vec<Transfer>,
    names: u64,
}

/// How far the watcher came: the blocks it holds canonical, and the number of its newest look.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) blocks: Vec<BlockRef>,
    pub(crate) look: u64,
}

impl Cursor {
    pub(crate) fn at(&self) -> BlockRef {
        *self.blocks.last().unwrap()
    }
}

impl Chain {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        let mut chain = Self { blocks: Vec::new(), waiting: Vec::new(), names: 0 };
        chain.mine(now);
        chain
    }

    /// A watcher that begins at the head.
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor { blocks: self.blocks.iter().map(|block| block.at).collect(), look: 1 }
    }

    /// Somebody sends money, in a transaction of that name.
    pub(crate) fn send(&mut self, to: &str, units: Units, stays: bool) -> Hash32 {
        let transaction = self.name(1);
        let key = TransferKey { transaction, position: String::new() };
        self.waiting.push(Transfer { key, to: to.to_owned(), units, stays });
        transaction
    }

    /// A block comes with everything that waits.
    pub(crate) fn mine(&mut self, now: DateTime<Utc>) {
        let height = u64::try_from(self.blocks.len()).unwrap();
        let at = BlockRef { height, hash: self.name(0) };
        let transfers = std::mem::take(&mut self.waiting);
        self.blocks.push(Block { at, stamped_at: now, transfers });
    }

    /// The newest blocks leave; what stood in them waits again, but for what `is_dropped`.
    pub(crate) fn reorg(&mut self, depth: usize, mut is_dropped: impl FnMut() -> bool) -> usize {
        let mut dropped = 0;
        for _ in 0..depth {
            if self.blocks.len() < 2 {
                break;
            }
            for transfer in self.blocks.pop().unwrap().transfers {
                if !transfer.stays && is_dropped() {
                    dropped += 1;
                } else {
                    self.waiting.push(transfer);
                }
            }
        }
        dropped
    }

    pub(crate) fn has(&self, block: &BlockRef) -> bool {
        let height = usize::try_from(block.height).unwrap();
        self.blocks.get(height).is_some_and(|own| own.at.hash == block.hash)
    }

    /// Whether a transfer stands in a block.
    pub(crate) fn holds(&self, key: &TransferKey) -> bool {
        self.blocks.iter().flat_map(|block| &block.transfers).any(|one| one.key == *key)
    }

    /// Whether anybody waits for a block.
    pub(crate) fn is_busy(&self) -> bool {
        let newest = self.blocks.iter().rev().take(DEEP);
        !self.waiting.is_empty() || newest.flat_map(|block| &block.transfers).next().is_some()
    }

    /// All that stood at an address by the end of the blocks stamped up to `until`.
    pub(crate) fn balance_at(&self, address: &str, until: DateTime<Utc>) -> Units {
        let in_time = self.blocks.iter().filter(|block| block.stamped_at <= until);
        let here = in_time.flat_map(|block| &block.transfers).filter(|t| t.to == address);
        here.fold(Units::ZERO, |sum, transfer| sum.checked_add(transfer.units).unwrap())
    }

    /// All that stands at an address.
    pub(crate) fn balance(&self, address: &str) -> Units {
        let all = self.blocks.iter().flat_map(|block| &block.transfers);
        let here = all.filter(|transfer| transfer.to == address);
        here.fold(Units::ZERO, |sum, transfer| sum.checked_add(transfer.units).unwrap())
    }

    fn name(&mut self, kind: u8) -> Hash32 {
        self.names += 1;
        let mut bytes = [kind; 32];
        for (to, from) in bytes.iter_mut().zip(self.names.to_be_bytes()) {
            *to = from;
        }
        Hash32(bytes)
    }
}
