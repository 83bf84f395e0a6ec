//! The words for what stands on a chain: hashes, blocks, and the place of a transfer.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A 32-byte hash of a block or a transaction, printed `0x` and 64 hex digits; read without `0x`,
/// too, as chains of the Bitcoin family write theirs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash32(pub [u8; 32]);

/// The text is not a hash or not the place of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct NotOnChain(&'static str);

/// A block by its height and hash; the hash alone says which block it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRef {
    /// How many blocks came before it.
    pub height: u64,
    /// Which of the blocks of that height.
    pub hash: Hash32,
}

/// Where in its chain's transactions a transfer stands; the same whatever block the transaction is
/// in.
///
/// `position` is the trace path of a native transfer (empty for the transaction's own value), the
/// position of the log within its receipt for a token, the output's number for a UTXO chain. It is
/// never the block's log index, which a reorg changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TransferKey {
    /// The transaction.
    pub transaction: Hash32,
    /// Where in the transaction.
    pub position: String,
}

impl Hash32 {
    /// The hash as whoever uses this chain writes it.
    #[must_use]
    pub fn on_chain(&self, chain: &str) -> String {
        if chain.starts_with("bip122:") { hex::encode(self.0) } else { self.to_string() }
    }
}

impl FromStr for Hash32 {
    type Err = NotOnChain;
    fn from_str(text: &str) -> Result<Self, NotOnChain> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_not_hex| NotOnChain("a hash"))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Hash32 {
    type Error = NotOnChain;
    fn try_from(text: String) -> Result<Self, NotOnChain> {
        text.parse()
    }
}

impl From<Hash32> for String {
    fn from(hash: Hash32) -> Self {
        hash.to_string()
    }
}

impl FromStr for TransferKey {
    type Err = NotOnChain;
    fn from_str(text: &str) -> Result<Self, NotOnChain> {
        let (transaction, position) = text.split_once('#').ok_or(NotOnChain("a transfer's key"))?;
        Ok(Self { transaction: transaction.parse()?, position: position.to_owned() })
    }
}

impl fmt::Display for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.transaction, self.position)
    }
}

impl TryFrom<String> for TransferKey {
    type Error = NotOnChain;
    fn try_from(text: String) -> Result<Self, NotOnChain> {
        text.parse()
    }
}

impl From<TransferKey> for String {
    fn from(key: TransferKey) -> Self {
        key.to_string()
    }
}
