//! The node's JSON, exactly as it sends it: hashes without `0x`, amounts as decimal numbers of
//! coins, which are read as the text they are and never as a float.

use contracts::asset::Units;
use payment_verification_core::chain::{Hash32, TransferKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::super::Transfer;

/// Every chain of the family counts in hundred-millionths of a coin.
const DECIMALS: usize = 8;

/// What a node says of its chain.
#[derive(Deserialize)]
pub(super) struct RawChain {
    pub(super) bestblockhash: Digits,
}

/// A block without its transactions.
#[derive(Deserialize)]
pub(super) struct RawHead {
    pub(super) hash: Digits,
    /// Negative when the block is not of the active chain.
    pub(super) confirmations: i64,
    pub(super) height: u64,
    pub(super) time: i64,
    pub(super) previousblockhash: Option<Digits>,
}

/// A block with its transactions.
pub(super) struct RawBlock {
    pub(super) head: RawHead,
    tx: Vec<RawTransaction>,
}

/// A transaction and what it pays to whom.
#[derive(Deserialize)]
pub(super) struct RawTransaction {
    txid: Digits,
    vin: Vec<RawInput>,
    vout: Vec<RawOutput>,
}

/// Where a transaction stands.
#[derive(Deserialize)]
pub(super) struct RawPlace {
    pub(super) blockhash: Option<Digits>,
    pub(super) confirmations: Option<i64>,
}

#[derive(Deserialize)]
struct RawInput {
    // What a block makes itself comes from nowhere.
    coinbase: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOutput {
    // Some chains have outputs of other kinds beside, with none of these; they pay nobody here.
    value: Option<Box<RawValue>>,
    n: Option<u32>,
    script_pub_key: Option<RawScript>,
}

#[derive(Deserialize)]
struct RawScript {
    hex: String,
}

/// A hash of 64 hex digits without `0x`, as this family writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digits(pub(super) Hash32);

impl RawBlock {
    /// Every output of the block; those that the block itself makes rest for `maturity` blocks.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) fn transfers(&self, maturity: u32) -> Result<Vec<Transfer>, serde_json::Error> {
        let mut transfers = vec![];
        for transaction in &self.tx {
            transfers.extend(transaction.transfers(maturity)?);
        }
        Ok(transfers)
    }
}

impl RawTransaction {
    /// Every output that pays something to a script.
    ///
    /// # Errors
    /// When an amount, a script or a place cannot be read: left out, its money would be found by
    /// nobody.
    pub(super) fn transfers(&self, maturity: u32) -> Result<Vec<Transfer>, serde_json::Error> {
        let made = self.vin.iter().any(|input| input.coinbase.is_some());
        let mut transfers = vec![];
        for output in &self.vout {
            let RawOutput { value, n, script_pub_key } = output;
            let (value, n, script) = match (value, n, script_pub_key) {
                (Some(value), Some(n), Some(script)) => (value, n, script),
                (None, None, None) => continue,
                _ => return Err(serde_json::Error::custom("an output is not whole")),
            };
            let to = hex::decode(&script.hex).map_err(serde_json::Error::custom)?;
            let units = units(value.get())
                .ok_or_else(|| serde_json::Error::custom("an amount is no plain decimal number"))?;
            if !units.is_zero() {
                transfers.push(Transfer {
                    key: TransferKey { transaction: self.txid.0, position: n.to_string() },
                    to,
                    contract: None,
                    units,
                    rests: if made { maturity } else { 0 },
                });
            }
        }
        Ok(transfers)
    }
}

/// Reads a plain decimal number of coins; nothing when it is written in another way.
pub(super) fn units(text: &str) -> Option<Units> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > DECIMALS || !plain(whole) || !plain(fraction) {
        return None;
    }
    Units::parse(&format!("{whole}{fraction:0<DECIMALS$}")).ok()
}

// A flattened head would read amounts through a form that keeps no text.
impl<'de> Deserialize<'de> for RawBlock {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Whole {
            hash: Digits,
            confirmations: i64,
            height: u64,
            time: i64,
            previousblockhash: Option<Digits>,
            tx: Vec<RawTransaction>,
        }
        let Whole { hash, confirmations, height, time, previousblockhash, tx } =
            Whole::deserialize(from)?;
        Ok(Self { head: RawHead { hash, confirmations, height, time, previousblockhash }, tx })
    }
}

impl<'de> Deserialize<'de> for Digits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(D::Error::custom)?;
        Ok(Self(Hash32(bytes)))
    }
}

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(self.0.0))
    }
}
