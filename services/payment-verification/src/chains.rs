//! Nodes of chains: what a block holds, as plain transfers, whatever the family.

mod agreeing;
pub mod evm;
mod rpc;
pub mod utxo;

use std::ops::RangeInclusive;

use chassis::HttpError;
use chrono::{DateTime, Utc};
use contracts::asset::Units;
use payment_verification_core::chain::{BlockRef, Hash32, TransferKey};

pub use agreeing::Nodes;

/// One node of a chain of any family.
#[derive(Debug, Clone)]
pub enum Node {
    /// Accounts and logs.
    Evm(evm::Node),
    /// Outputs.
    Utxo(utxo::Node),
}

impl Node {
    /// The newest block, of the right chain.
    ///
    /// # Errors
    /// When the node does not answer, or serves another chain.
    pub async fn newest(&self) -> Result<BlockHead, ChainError> {
        match self {
            Self::Evm(node) => node.newest().await,
            Self::Utxo(node) => node.newest().await,
        }
    }

    /// The heads of canonical blocks; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn heads(&self, heights: RangeInclusive<u64>) -> Result<Vec<BlockHead>, ChainError> {
        match self {
            Self::Evm(node) => node.heads(heights).await,
            Self::Utxo(node) => node.heads(heights).await,
        }
    }

    /// Canonical blocks with what moved in them; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer, or the chain changed while it did.
    pub async fn blocks(&self, heights: RangeInclusive<u64>) -> Result<Vec<Block>, ChainError> {
        match self {
            Self::Evm(node) => node.blocks(heights).await,
            Self::Utxo(node) => node.blocks(heights).await,
        }
    }

    /// The canonical block that holds a transaction; nothing when none does.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn mined(&self, transaction: Hash32) -> Result<Option<BlockRef>, ChainError> {
        match self {
            Self::Evm(node) => node.mined(transaction).await,
            Self::Utxo(node) => node.mined(transaction).await,
        }
    }

    /// The newest block that the chain calls final; nothing where it has not said so yet.
    async fn finalized(&self) -> Result<Option<BlockRef>, ChainError> {
        match self {
            Self::Evm(node) => node.finalized().await,
            Self::Utxo(_) => Ok(None),
        }
    }

    /// How much of the chain's own coin these addresses hold at the end of a block.
    async fn balances(&self, at: BlockRef, of: &[&str]) -> Result<Vec<Units>, ChainError> {
        match self {
            Self::Evm(node) => node.balances(at.hash, of).await,
            Self::Utxo(_) => Err(no_accounts()),
        }
    }

    /// How many transactions these addresses have sent by the end of a block.
    async fn sent(&self, at: BlockRef, by: &[&str]) -> Result<Vec<u64>, ChainError> {
        match self {
            Self::Evm(node) => node.sent(at.hash, by).await,
            Self::Utxo(_) => Err(no_accounts()),
        }
    }

    /// Whether it tells what contracts move of the chain's own coin, as far as is known.
    fn sees_inside(&self) -> bool {
        match self {
            Self::Evm(node) => node.sees_inside(),
            Self::Utxo(_) => true,
        }
    }
}

/// Outputs have no balances, and nobody asks for them.
fn no_accounts() -> ChainError {
    ChainError::Refused { asked: "a balance", code: 0 }
}

/// One block, with everything in it that moved money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which block.
    pub head: BlockHead,
    /// What moved in it and did not fail.
    pub transfers: Vec<Transfer>,
    /// What looks as if it moved something, and did not move anything we know.
    pub oddities: Vec<Oddity>,
}

impl Block {
    /// Every address that something came to, or seems to have.
    pub fn addresses(&self) -> impl Iterator<Item = Vec<u8>> {
        let odd = self.oddities.iter().map(|oddity| &oddity.transfer);
        self.transfers.iter().chain(odd).map(|transfer| transfer.to.clone())
    }
}

/// Which block it is and what it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHead {
    /// Which block.
    pub at: BlockRef,
    /// The block under it.
    pub parent: Hash32,
    /// When its maker says it was made.
    pub stamped_at: DateTime<Utc>,
}

/// One movement of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Where it stands in its transaction.
    pub key: TransferKey,
    /// To whom, as the chain compares addresses.
    pub to: Vec<u8>,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// How much.
    pub units: Units,
    /// How deep it must be by its chain's own rules before anybody can spend it.
    pub rests: u32,
}

impl Transfer {
    /// Whether a contract made it, so that only traces tell of it.
    fn is_inside(&self) -> bool {
        self.key.position.starts_with('/')
    }
}

/// Something that looks like a transfer and is none that could pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// What it looks like.
    pub transfer: Transfer,
    /// Why it is none, in a word.
    pub why: &'static str,
}

/// Why a node is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// It gave no whole answer.
    #[error("the node gave no answer to {asked}")]
    NoAnswer {
        /// What it was asked.
        asked: &'static str,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// Its answer is not what nodes answer.
    #[error("the node's answer to {asked} cannot be read")]
    NotReadable {
        /// What it was asked.
        asked: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It refuses.
    #[error("the node refused {asked} with {code}")]
    Refused {
        /// What it was asked.
        asked: &'static str,
        /// An HTTP status or a JSON-RPC code.
        code: i64,
    },
    /// It serves another chain than it is configured for.
    #[error("the node serves chain {told} and not {wanted}")]
    OtherChain {
        /// What it says.
        told: String,
        /// What it should say.
        wanted: String,
    },
    /// It answers about different blocks in one go: the chain changed while it was asked.
    #[error("the node's answers about block {height} do not fit together")]
    Changed {
        /// The block's height.
        height: u64,
    },
    /// Two nodes of one chain say different things, so neither is believed.
    #[error("the nodes do not agree about block {height}")]
    Disagree {
        /// The block's height.
        height: u64,
    },
}
