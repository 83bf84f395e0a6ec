//! One node of an EVM chain over JSON-RPC: heads, blocks, and the transfers in them.
//!
//! A receipt that failed moves nothing. A token's transfer is a `Transfer` log of a contract that
//! the registry knows; whatever other contracts log is not looked at.

mod wire;

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use chassis::{HttpClient, HttpClientConfig, HttpRequest, http_client::CannotMakeClient};
use chrono::{DateTime, Utc};
use contracts::asset::Units;
use payment_verification_core::chain::{BlockRef, Hash32, TransferKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json, value::RawValue};

use super::{Block, BlockHead, ChainError, Transfer};
use wire::{Account, Quantity, RawBlock, RawHead, RawReceipt, Reply};

/// A full block of a busy chain is a few megabytes with its receipts; some of them are asked for
/// together.
const ANSWER_MAX: usize = 128 * 1024 * 1024;
/// A node that takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// keccak256("Transfer(address,address,uint256)"), from ERC-20.
const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    number: u64,
    // An address of a hosted node often has its key in it.
    url: SecretString,
    http: HttpClient,
    tokens: BTreeMap<Account, String>,
}

impl Node {
    /// A node of the chain with this number, which serves tokens of these contracts.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        number: u64,
        url: SecretString,
        contracts: impl IntoIterator<Item = String>,
    ) -> Result<Self, CannotMakeClient> {
        let http = HttpClient::new(HttpClientConfig {
            timeout: ANSWER_WITHIN,
            max_body: ANSWER_MAX,
            ..HttpClientConfig::default()
        })?;
        let tokens = contracts.into_iter();
        let tokens = tokens.filter_map(|text| Some((text.parse().ok()?, text))).collect();
        Ok(Self { number, url, http, tokens })
    }

    /// The height of the newest block, of the right chain.
    ///
    /// # Errors
    /// When the node does not answer, or serves another chain.
    pub async fn height(&self) -> Result<u64, ChainError> {
        let asked = "eth_blockNumber";
        let answers =
            self.ask(asked, &[("eth_chainId", json!([])), ("eth_blockNumber", json!([]))]).await?;
        let mut answers = answers.iter().map(|raw| read::<Quantity>(asked, raw));
        let (told, height) = (next(asked, &mut answers)?.0, next(asked, &mut answers)?.0);
        if told != self.number {
            return Err(ChainError::OtherChain { told, wanted: self.number });
        }
        Ok(height)
    }

    /// The heads of canonical blocks; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn heads(&self, heights: RangeInclusive<u64>) -> Result<Vec<BlockHead>, ChainError> {
        let asked = "eth_getBlockByNumber";
        let calls: Vec<_> = heights.map(|height| (asked, json!([hex(height), false]))).collect();
        let mut heads = vec![];
        for raw in self.ask(asked, &calls).await? {
            match read::<Option<RawHead>>(asked, &raw)? {
                Some(head) => heads.push(head_of(&head)?),
                None => break,
            }
        }
        Ok(heads)
    }

    /// Canonical blocks with what moved in them; fewer than asked for when the chain ends before.
    ///
    /// # Errors
    /// When the node does not answer, or the chain changed while it did.
    pub async fn blocks(&self, heights: RangeInclusive<u64>) -> Result<Vec<Block>, ChainError> {
        let asked = "eth_getBlockReceipts";
        let calls: Vec<_> = heights
            .flat_map(|height| {
                let height = hex(height);
                [("eth_getBlockByNumber", json!([height, true])), (asked, json!([height]))]
            })
            .collect();
        let answers = self.ask(asked, &calls).await?;
        let mut blocks = vec![];
        for pair in answers.chunks(2) {
            let [block, receipts] = pair else { break };
            let Some(block) = read::<Option<RawBlock>>("eth_getBlockByNumber", block)? else {
                break;
            };
            let receipts = read::<Option<Vec<RawReceipt>>>(asked, receipts)?;
            let head = head_of(&block.head)?;
            let changed = ChainError::Changed { height: head.at.height };
            let Some(receipts) = receipts else { return Err(changed) };
            blocks
                .push(Block { head, transfers: self.transfers(&block, &receipts).ok_or(changed)? });
        }
        Ok(blocks)
    }

    /// What moved in a block; none when the receipts are of another block.
    fn transfers(&self, block: &RawBlock, receipts: &[RawReceipt]) -> Option<Vec<Transfer>> {
        let of_this_block = |r: &RawReceipt| r.block_hash == block.head.hash;
        if receipts.len() != block.transactions.len() || !receipts.iter().all(of_this_block) {
            return None;
        }
        let receipts: BTreeMap<_, _> = receipts.iter().map(|r| (r.transaction_hash, r)).collect();
        let mut transfers = vec![];
        for transaction in &block.transactions {
            let receipt = receipts.get(&transaction.hash)?;
            if receipt.status.0 != 1 {
                continue;
            }
            if let Some(to) = transaction.to.filter(|_| !transaction.value.0.is_zero()) {
                let key = TransferKey { transaction: transaction.hash, position: String::new() };
                let units = Units(transaction.value.0);
                transfers.push(Transfer { key, to: to.0.to_vec(), contract: None, units });
            }
            transfers.extend(self.token_transfers(transaction.hash, receipt));
        }
        Some(transfers)
    }

    fn token_transfers(&self, transaction: Hash32, receipt: &RawReceipt) -> Vec<Transfer> {
        let logs = receipt.logs.iter().enumerate();
        logs.filter_map(|(position, log)| {
            let contract = self.tokens.get(&log.address)?;
            let [kind, _from, to] = log.topics.as_slice() else { return None };
            if kind.to_string() != TRANSFER {
                return None;
            }
            let units = wire::word(&log.data)?;
            let (_padding, to) = to.0.split_first_chunk::<12>()?;
            Some(Transfer {
                key: TransferKey { transaction, position: position.to_string() },
                to: to.to_vec(),
                contract: Some(contract.clone()),
                units: Units(units),
            })
        })
        .collect()
    }

    /// Asks several things in one exchange; the answers come in the order of the questions.
    async fn ask(
        &self,
        asked: &'static str,
        calls: &[(&'static str, Value)],
    ) -> Result<Vec<Box<RawValue>>, ChainError> {
        let body: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(id, (method, params))| {
                json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
            })
            .collect();
        let not_readable = |source| ChainError::NotReadable { asked, source };
        let body = serde_json::to_vec(&body).map_err(not_readable)?;
        let request = HttpRequest::new(http::Method::POST, self.url.expose_secret()).json(body);
        let reply = self.http.send(request).await;
        let reply = reply.map_err(|source| ChainError::NoAnswer { asked, source })?;
        if !reply.status.is_success() {
            return Err(ChainError::Refused { asked, code: i64::from(reply.status.as_u16()) });
        }
        let replies: Vec<Reply> = serde_json::from_slice(&reply.body).map_err(not_readable)?;
        let mut answers: BTreeMap<usize, Reply> =
            replies.into_iter().map(|reply| (reply.id, reply)).collect();
        let in_order = (0..calls.len()).map(|id| match answers.remove(&id) {
            Some(Reply { error: Some(error), .. }) => {
                Err(ChainError::Refused { asked, code: error.code })
            }
            Some(Reply { result: Some(result), .. }) => Ok(result),
            // An absent result and an explicit null are the same to the reader: there is no such
            // thing.
            Some(Reply { result: None, .. }) => {
                RawValue::from_string("null".to_owned()).map_err(not_readable)
            }
            None => Err(ChainError::Refused { asked, code: 0 }),
        });
        in_order.collect()
    }
}

fn head_of(raw: &RawHead) -> Result<BlockHead, ChainError> {
    let height = raw.number.0;
    let stamped_at = i64::try_from(raw.timestamp.0)
        .ok()
        .and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0))
        .ok_or(ChainError::Changed { height })?;
    Ok(BlockHead { at: BlockRef { height, hash: raw.hash }, parent: raw.parent_hash, stamped_at })
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn read<T: DeserializeOwned>(asked: &'static str, raw: &RawValue) -> Result<T, ChainError> {
    serde_json::from_str(raw.get()).map_err(|source| ChainError::NotReadable { asked, source })
}

fn next<T>(
    asked: &'static str,
    answers: &mut impl Iterator<Item = Result<T, ChainError>>,
) -> Result<T, ChainError> {
    answers.next().unwrap_or(Err(ChainError::Refused { asked, code: 0 }))
}

#[cfg(test)]
mod tests;
