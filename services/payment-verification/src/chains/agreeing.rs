//! All nodes of one chain: what they say counts only as far as all of them say it.
//!
//! One that lies, or is on another branch, stops the chain until they agree again; one that lags
//! holds it back to its own newest block. Nothing settles and nothing is closed meanwhile.

use std::ops::RangeInclusive;

use contracts::asset::Units;
use payment_verification_core::chain::{BlockRef, Hash32};

use super::{Block, BlockHead, ChainError, Node, Transfer};

/// One node of a chain, and those that have to agree with it.
#[derive(Debug, Clone)]
pub struct Nodes {
    first: Node,
    others: Vec<Node>,
}

impl Nodes {
    /// A chain's nodes.
    #[must_use]
    pub fn new(first: Node, others: Vec<Node>) -> Self {
        Self { first, others }
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// How many blocks are asked for together, when the watcher is behind.
    #[must_use]
    pub fn blocks_at_once(&self) -> u64 {
        match self.first {
            Node::Evm(_) => 16,
            // These are rarer, and larger.
            Node::Utxo(_) => 4,
        }
    }

    /// Whether blocks may bear instants that are yet to come: the Bitcoin family allows two
    /// hours of that, so their stamps alone prove no deadline.
    #[must_use]
    pub fn stamps_run_ahead(&self) -> bool {
        matches!(self.first, Node::Utxo(_))
    }

    /// What waits to be mined, of the first node alone: it is shown and counts for nothing.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn waiting(&self) -> Result<Vec<Transfer>, ChainError> {
        match &self.first {
            Node::Evm(_) => Ok(vec![]),
            Node::Utxo(node) => node.waiting().await,
        }
    }

    /// The newest block that all of them have.
    ///
    /// # Errors
    /// When one does not answer, serves another chain, or has another block at that height.
    pub async fn newest(&self) -> Result<BlockHead, ChainError> {
        let mut newest = self.first.newest().await?;
        let mut told = vec![newest];
        for node in &self.others {
            let theirs = node.newest().await?;
            told.push(theirs);
            if theirs.at.height < newest.at.height {
                newest = theirs;
            }
        }
        let height = newest.at.height;
        for (node, theirs) in self.each().zip(told) {
            // Whoever is as high has said it; the others are asked.
            let at_height = match theirs.at.height == height {
                true => Some(theirs),
                false => node.heads(height..=height).await?.first().copied(),
            };
            if at_height != Some(newest) {
                return Err(ChainError::Disagree { height });
            }
        }
        Ok(newest)
    }

    /// The heads of canonical blocks, as far as all of them have them.
    ///
    /// # Errors
    /// When one does not answer, or has another block.
    pub async fn heads(&self, heights: RangeInclusive<u64>) -> Result<Vec<BlockHead>, ChainError> {
        let mut heads = self.first.heads(heights.clone()).await?;
        for node in &self.others {
            let theirs = node.heads(heights.clone()).await?;
            heads.truncate(theirs.len());
            if let Some((ours, _)) = heads.iter().zip(&theirs).find(|(a, b)| a != b) {
                return Err(ChainError::Disagree { height: ours.at.height });
            }
        }
        Ok(heads)
    }

    /// Canonical blocks with what moved in them, as far as all of them have them. What contracts
    /// move of the chain's own coin counts only where every node tells of it.
    ///
    /// # Errors
    /// When one does not answer, or tells of another block or of other transfers.
    pub async fn blocks(&self, heights: RangeInclusive<u64>) -> Result<Vec<Block>, ChainError> {
        let mut blocks = self.first.blocks(heights.clone()).await?;
        let mut told = vec![];
        for node in &self.others {
            told.push(node.blocks(heights.clone()).await?);
        }
        let inside = self.sees_inside();
        comparable(&mut blocks, inside);
        for mut theirs in told {
            comparable(&mut theirs, inside);
            blocks.truncate(theirs.len());
            if let Some((ours, _)) = blocks.iter().zip(&theirs).find(|(a, b)| a != b) {
                return Err(ChainError::Disagree { height: ours.head.at.height });
            }
        }
        Ok(blocks)
    }

    /// The newest block that each of them calls final; nothing where one has not said so yet.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn finalized(&self) -> Result<Vec<BlockRef>, ChainError> {
        let mut told = vec![];
        for node in self.each() {
            match node.finalized().await? {
                Some(block) => told.push(block),
                None => return Ok(vec![]),
            }
        }
        Ok(told)
    }

    /// Whether every node tells what contracts move of the chain's own coin, as far as is known.
    #[must_use]
    pub fn sees_inside(&self) -> bool {
        self.each().all(Node::sees_inside)
    }

    /// How much of the chain's own coin these addresses hold at the end of a block.
    ///
    /// # Errors
    /// When one does not answer, does not know that block's state, or says otherwise.
    pub async fn balances(&self, at: BlockRef, of: &[&str]) -> Result<Vec<Units>, ChainError> {
        let told = self.first.balances(at, of).await?;
        for node in &self.others {
            if node.balances(at, of).await? != told {
                return Err(ChainError::Disagree { height: at.height });
            }
        }
        Ok(told)
    }

    /// How many transactions these addresses have sent by the end of a block.
    ///
    /// # Errors
    /// When one does not answer, does not know that block's state, or says otherwise.
    pub async fn sent(&self, at: BlockRef, by: &[&str]) -> Result<Vec<u64>, ChainError> {
        let told = self.first.sent(at, by).await?;
        for node in &self.others {
            if node.sent(at, by).await? != told {
                return Err(ChainError::Disagree { height: at.height });
            }
        }
        Ok(told)
    }

    /// The canonical block that holds a transaction; nothing when none does.
    ///
    /// # Errors
    /// When one does not answer, or says otherwise.
    pub async fn mined(&self, transaction: Hash32) -> Result<Option<BlockRef>, ChainError> {
        let mined = self.first.mined(transaction).await?;
        for node in &self.others {
            let theirs = node.mined(transaction).await?;
            if theirs != mined {
                let height = mined.or(theirs).map_or(0, |block| block.height);
                return Err(ChainError::Disagree { height });
            }
        }
        Ok(mined)
    }
}

/// Puts transfers in one order, and leaves out what not every node tells.
fn comparable(blocks: &mut [Block], inside: bool) {
    for block in blocks {
        if !inside {
            block.transfers.retain(|transfer| !transfer.is_inside());
        }
        block.transfers.sort_by(|a, b| a.key.cmp(&b.key));
        block.oddities.sort_by(|a, b| a.transfer.key.cmp(&b.transfer.key));
    }
}
