//! One node of a chain of the Bitcoin family over Bitcoin Core's JSON-RPC: heads, blocks, and the
//! outputs in them.
//!
//! Only blocks of the active chain count, and only what stands in them: a transaction that waits
//! may be replaced, and one that lost to another is still told of by its id.

mod waiting;
mod wire;

use std::{ops::RangeInclusive, sync::Arc};

use chassis::http_client::CannotMakeClient;
use chrono::{DateTime, Utc};
use payment_verification_core::chain::BlockRef;
use secrecy::SecretString;
use serde_json::json;

use super::{
    Block, BlockHead, ChainError,
    rpc::{Rpc, read},
};
use payment_verification_core::chain::Hash32;
use wire::{Digits, RawBlock, RawChain, RawHead, RawPlace};

pub use waiting::Waiting;

/// How nodes say that a height is past the newest block.
const OUT_OF_RANGE: i64 = -8;
/// How nodes say that they know no such transaction or block.
const NOT_FOUND: i64 = -5;

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    genesis: String,
    maturity: u32,
    rpc: Rpc,
    waiting: Arc<Waiting>,
}

impl Node {
    /// A node of the chain whose first block's hash begins like this, where an output that a block
    /// itself makes rests for `maturity` blocks.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        genesis: String,
        maturity: u32,
        url: SecretString,
    ) -> Result<Self, CannotMakeClient> {
        Ok(Self { genesis, maturity, rpc: Rpc::new(url)?, waiting: Arc::default() })
    }

    /// The newest block, of the right chain.
    ///
    /// # Errors
    /// When the node does not answer, or serves another chain.
    pub async fn newest(&self) -> Result<BlockHead, ChainError> {
        let asked = "getblockchaininfo";
        let calls = [("getblockhash", json!([0])), (asked, json!([]))];
        let answers = self.rpc.ask_all(asked, &calls).await?;
        let [first, told] = answers.as_slice() else {
            return Err(ChainError::Refused { asked, code: 0 });
        };
        let first = hex::encode(read::<Digits>("getblockhash", first)?.0.0);
        if !first.starts_with(&self.genesis) {
            let told = first.chars().take(self.genesis.len()).collect();
            return Err(ChainError::OtherChain { told, wanted: self.genesis.clone() });
        }
        let newest = read::<RawChain>(asked, told)?.bestblockhash;
        let heads = self.heads_of(&[newest.0]).await?;
        heads.first().copied().ok_or(ChainError::Refused { asked, code: 0 })
    }

    /// The heads of canonical blocks; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer, or the chain changed while it did.
    pub async fn heads(&self, heights: RangeInclusive<u64>) -> Result<Vec<BlockHead>, ChainError> {
        let hashes = self.hashes(heights).await?;
        self.heads_of(&hashes).await
    }

    /// Canonical blocks with what moved in them; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer, or the chain changed while it did.
    pub async fn blocks(&self, heights: RangeInclusive<u64>) -> Result<Vec<Block>, ChainError> {
        let asked = "getblock";
        let hashes = self.hashes(heights).await?;
        let calls: Vec<_> = hashes.iter().map(|hash| (asked, json!([Digits(*hash), 2]))).collect();
        let mut blocks = vec![];
        for raw in self.rpc.ask_all(asked, &calls).await? {
            let block: RawBlock = read(asked, &raw)?;
            let head = head_of(&block.head)?;
            let transfers = block
                .transfers(self.maturity)
                .map_err(|source| ChainError::NotReadable { asked, source })?;
            blocks.push(Block { head, transfers, oddities: vec![] });
        }
        Ok(blocks)
    }

    /// The canonical block that holds a transaction; nothing when none does, or when the node keeps
    /// no index of transactions.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn mined(&self, transaction: Hash32) -> Result<Option<BlockRef>, ChainError> {
        let asked = "getrawtransaction";
        let call = [(asked, json!([Digits(transaction), true]))];
        let raw = match self.rpc.ask(asked, &call).await?.pop() {
            Some(Ok(raw)) => raw,
            Some(Err(NOT_FOUND)) | None => return Ok(None),
            Some(Err(code)) => return Err(ChainError::Refused { asked, code }),
        };
        // A loser of a double spend is still told of, in no block or with no confirmation.
        let place: RawPlace = read(asked, &raw)?;
        let Some(block) = place.blockhash.filter(|_| place.confirmations.unwrap_or(0) > 0) else {
            return Ok(None);
        };
        Ok(self.heads_of(&[block.0]).await?.first().map(|head| head.at))
    }

    async fn hashes(&self, heights: RangeInclusive<u64>) -> Result<Vec<Hash32>, ChainError> {
        let asked = "getblockhash";
        let calls: Vec<_> = heights.map(|height| (asked, json!([height]))).collect();
        let mut hashes = vec![];
        for answer in self.rpc.ask(asked, &calls).await? {
            match answer {
                Ok(raw) => hashes.push(read::<Digits>(asked, &raw)?.0),
                Err(OUT_OF_RANGE) => break,
                Err(code) => return Err(ChainError::Refused { asked, code }),
            }
        }
        Ok(hashes)
    }

    async fn heads_of(&self, hashes: &[Hash32]) -> Result<Vec<BlockHead>, ChainError> {
        let asked = "getblockheader";
        let calls: Vec<_> = hashes.iter().map(|hash| (asked, json!([Digits(*hash)]))).collect();
        let answers = self.rpc.ask_all(asked, &calls).await?;
        answers.iter().map(|raw| head_of(&read::<RawHead>(asked, raw)?)).collect()
    }
}

/// A block's head, if the block is of the active chain.
fn head_of(raw: &RawHead) -> Result<BlockHead, ChainError> {
    let changed = ChainError::Changed { height: raw.height };
    if raw.confirmations < 1 {
        return Err(changed);
    }
    let stamped_at = DateTime::<Utc>::from_timestamp(raw.time, 0).ok_or(changed)?;
    // Nothing is under the first block.
    let parent = raw.previousblockhash.map_or(Hash32([0; 32]), |parent| parent.0);
    Ok(BlockHead { at: BlockRef { height: raw.height, hash: raw.hash.0 }, parent, stamped_at })
}

#[cfg(test)]
mod tests;
