//! The node's JSON, exactly as it sends it: numbers are hex texts, and anything else is an error.

use std::{fmt, str::FromStr};

use contracts::asset::Units;
use payment_verification_core::chain::{Hash32, TransferKey};
use ruint::aliases::U256;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::super::Transfer;

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
    pub(super) input: Option<String>,
}

impl RawTransaction {
    /// What it moves of the chain's own coin by itself, if it is done; nothing when it makes a
    /// contract.
    pub(super) fn own_transfer(&self) -> Option<Transfer> {
        // A call with arguments and no coin is a call, not a payment of nothing.
        let calls = self.input.as_deref().is_some_and(|input| input.len() > 2);
        let to = self.to.filter(|_| !(calls && self.value.0.is_zero()))?;
        Some(Transfer {
            key: TransferKey { transaction: self.hash, position: String::new() },
            to: to.0.to_vec(),
            contract: None,
            units: Units(self.value.0),
            rests: 0,
        })
    }
}

/// What became of a transaction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawReceipt {
    pub(super) transaction_hash: Hash32,
    pub(super) block_hash: Hash32,
    pub(super) status: Quantity,
    pub(super) gas_used: Option<Quantity>,
    pub(super) logs: Vec<RawLog>,
}

impl RawReceipt {
    /// Whether code ran that may have moved something from within; yes where the node does not say.
    pub(super) fn ran_code(&self) -> bool {
        self.gas_used.is_none_or(|gas| gas.0 > super::PLAIN_GAS)
    }
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

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
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
