//! The node's JSON, exactly as it sends it: numbers are hex texts, and anything else is an error.

use std::str::FromStr;

use payment_verification_core::chain::Hash32;
use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// One answer of a batch.
#[derive(Deserialize)]
pub(super) struct Reply {
    pub(super) id: usize,
    pub(super) result: Option<Box<RawValue>>,
    pub(super) error: Option<RpcError>,
}

/// Why a node refuses; its words are not kept, they may hold anything.
#[derive(Deserialize)]
pub(super) struct RpcError {
    pub(super) code: i64,
}

/// A block without its transactions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawHead {
    pub(super) number: Quantity,
    pub(super) hash: Hash32,
    pub(super) parent_hash: Hash32,
    pub(super) timestamp: Quantity,
}

/// A block with its transactions.
#[derive(Deserialize)]
pub(super) struct RawBlock {
    #[serde(flatten)]
    pub(super) head: RawHead,
    pub(super) transactions: Vec<RawTransaction>,
}

/// What a transaction moves itself.
#[derive(Deserialize)]
pub(super) struct RawTransaction {
    pub(super) hash: Hash32,
    pub(super) to: Option<Account>,
    pub(super) value: Amount,
}

/// What became of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawReceipt {
    pub(super) transaction_hash: Hash32,
    pub(super) block_hash: Hash32,
    pub(super) status: Quantity,
    pub(super) logs: Vec<RawLog>,
}

/// What a contract wrote down.
#[derive(Deserialize)]
pub(super) struct RawLog {
    pub(super) address: Account,
    pub(super) topics: Vec<Hash32>,
    pub(super) data: String,
}

/// A number of at most 64 bits: `0x` and hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) u64);

/// An amount of at most 256 bits: `0x` and hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount(pub(super) U256);

/// An account of 20 bytes: `0x` and 40 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account(pub(super) [u8; 20]);

/// Reads one 32-byte word of data as a number; nothing when the data is anything else.
pub(super) fn word(data: &str) -> Option<U256> {
    let digits = digits(data)?;
    (digits.len() == 64).then(|| U256::from_str_radix(digits, 16).ok()).flatten()
}

fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then_some(digits)
}

impl FromStr for Account {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 20];
        let digits = text.strip_prefix("0x").ok_or(hex::FromHexError::InvalidStringLength)?;
        hex::decode_to_slice(digits, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = digits(&text).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| D::Error::custom("not a hex number of 64 bits"))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let number = digits(&text).and_then(|digits| U256::from_str_radix(digits, 16).ok());
        number.map(Self).ok_or_else(|| D::Error::custom("not a hex number of 256 bits"))
    }
}
