//! One node of an EVM chain over JSON-RPC: heads, blocks, and the transfers in them.
//!
//! A receipt that failed moves nothing. A token's transfer is a `Transfer` log of a contract that
//! the registry knows; one of another contract, of nothing, or of a receipt that failed is an
//! oddity. What contracts move of the chain's own coin is in a block's traces, where the node has
//! them.

mod balances;
mod decimals;
mod mined;
mod traces;
mod wire;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chassis::http_client::CannotMakeClient;
use chrono::{DateTime, Utc};
use contracts::asset::Units;
use payment_verification_core::chain::{BlockRef, Hash32, TransferKey};
use secrecy::SecretString;
use serde_json::{Value, json, value::RawValue};

use super::{
    Block, BlockHead, ChainError, Oddity, Transfer,
    rpc::{Rpc, read},
};
use traces::RawTrace;
use wire::{Account, Quantity, RawBlock, RawHead, RawReceipt, RawTransaction};

/// What a transaction costs that runs no code; one that used more may have moved coin from within.
const PLAIN_GAS: u64 = 21_000;
/// How nodes say that they do not have a method: JSON-RPC's own word for it, and EIP-1474's.
const NO_SUCH_METHOD: [i64; 2] = [-32_601, -32_004];
/// The first bytes of a call of `transfer(address,uint256)`, from ERC-20.
const TRANSFER_CALL: &str = "0xa9059cbb";
/// keccak256("Transfer(address,address,uint256)"), from ERC-20.
const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    number: u64,
    rpc: Rpc,
    tokens: BTreeMap<Account, String>,
    // Set once the node was found to have no traces.
    blind: Arc<AtomicBool>,
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
        let rpc = Rpc::new(url)?;
        let tokens = contracts.into_iter();
        let tokens = tokens.filter_map(|text| Some((text.parse().ok()?, text))).collect();
        Ok(Self { number, rpc, tokens, blind: Arc::default() })
    }

    /// The newest block, of the right chain.
    ///
    /// # Errors
    /// When the node does not answer, or serves another chain.
    pub async fn newest(&self) -> Result<BlockHead, ChainError> {
        let asked = "eth_getBlockByNumber";
        let calls = [("eth_chainId", json!([])), (asked, json!(["latest", false]))];
        let answers = self.ask(asked, &calls).await?;
        let [told, newest] = answers.as_slice() else {
            return Err(ChainError::Refused { asked, code: 0 });
        };
        let told = read::<Quantity>("eth_chainId", told)?.0;
        if told != self.number {
            let (told, wanted) = (told.to_string(), self.number.to_string());
            return Err(ChainError::OtherChain { told, wanted });
        }
        head_of(&read::<RawHead>(asked, newest)?)
    }

    /// The newest block that the chain calls final; nothing where it has not said so yet, or the
    /// node does not know that word: then nothing of the largest amounts is.
    pub(super) async fn finalized(&self) -> Result<Option<BlockRef>, ChainError> {
        let asked = "eth_getBlockByNumber";
        let answers = match self.ask(asked, &[(asked, json!(["finalized", false]))]).await {
            Err(ChainError::Refused { code, .. }) => {
                tracing::warn!(chain = self.number, code, "the node does not say what is final");
                return Ok(None);
            }
            answers => answers?,
        };
        let Some(told) = answers.first() else { return Ok(None) };
        let head = read::<Option<RawHead>>(asked, told)?;
        Ok(head.map(|head| BlockRef { height: head.number.0, hash: head.hash }))
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
        let (mut blocks, mut with_code) = (vec![], vec![]);
        for pair in answers.chunks(2) {
            let [block, receipts] = pair else { break };
            let Some(block) = read::<Option<RawBlock>>("eth_getBlockByNumber", block)? else {
                break;
            };
            let receipts = read::<Option<Vec<RawReceipt>>>(asked, receipts)?;
            let head = head_of(&block.head)?;
            let changed = ChainError::Changed { height: head.at.height };
            let Some(receipts) = receipts else { return Err(changed) };
            let (transfers, oddities) = self.transfers(&block, &receipts).ok_or(changed)?;
            if receipts.iter().any(RawReceipt::ran_code) {
                with_code.push(blocks.len());
            }
            blocks.push(Block { head, transfers, oddities });
        }
        self.add_traces(&mut blocks, &with_code).await?;
        Ok(blocks)
    }

    /// Whether it has traces, as far as is known.
    pub(super) fn sees_inside(&self) -> bool {
        !self.blind.load(Ordering::Relaxed)
    }

    /// Adds what contracts moved in the blocks at these places, if the node can tell.
    async fn add_traces(&self, blocks: &mut [Block], at: &[usize]) -> Result<(), ChainError> {
        let asked = "trace_block";
        if at.is_empty() || self.blind.load(Ordering::Relaxed) {
            return Ok(());
        }
        let heights = at.iter().filter_map(|n| blocks.get(*n)).map(|block| block.head.at.height);
        let calls: Vec<_> = heights.map(|height| (asked, json!([hex(height)]))).collect();
        let answers = match self.ask(asked, &calls).await {
            Err(ChainError::Refused { code, .. }) if NO_SUCH_METHOD.contains(&code) => {
                self.blind.store(true, Ordering::Relaxed);
                tracing::warn!(
                    chain = self.number,
                    "the node has no traces: ether that contracts send is told by balances alone"
                );
                return Ok(());
            }
            answers => answers?,
        };
        for (n, raw) in at.iter().zip(answers) {
            let Some(block) = blocks.get_mut(*n) else { continue };
            let traces = read::<Option<Vec<RawTrace>>>(asked, &raw)?.unwrap_or_default();
            // A block that ran code has traces, and they are its own.
            if traces.is_empty() || traces.iter().any(|t| t.block_hash != block.head.at.hash) {
                return Err(ChainError::Changed { height: block.head.at.height });
            }
            block.transfers.extend(traces::moved(&traces));
        }
        Ok(())
    }

    /// What moved in a block, and what only looks so; none when the receipts are of another block.
    fn transfers(
        &self,
        block: &RawBlock,
        receipts: &[RawReceipt],
    ) -> Option<(Vec<Transfer>, Vec<Oddity>)> {
        let of_this_block = |r: &RawReceipt| r.block_hash == block.head.hash;
        if receipts.len() != block.transactions.len() || !receipts.iter().all(of_this_block) {
            return None;
        }
        let receipts: BTreeMap<_, _> = receipts.iter().map(|r| (r.transaction_hash, r)).collect();
        let (mut transfers, mut oddities) = (vec![], vec![]);
        for transaction in &block.transactions {
            let receipt = receipts.get(&transaction.hash)?;
            let own = transaction.own_transfer();
            if receipt.status.0 != 1 {
                let tried = own.filter(|own| !own.units.0.is_zero());
                let tried = tried.into_iter().chain(self.tried(transaction));
                oddities.extend(tried.map(|transfer| Oddity { transfer, why: "failed_receipt" }));
                continue;
            }
            for transfer in own.into_iter().chain(logged(transaction.hash, receipt)) {
                match self.oddity(&transfer) {
                    Some(why) => oddities.push(Oddity { transfer, why }),
                    None => transfers.push(self.listed(transfer)),
                }
            }
        }
        Some((transfers, oddities))
    }

    /// Why a transfer that happened cannot pay anybody.
    fn oddity(&self, transfer: &Transfer) -> Option<&'static str> {
        let contract = transfer.contract.as_ref().map(|text| text.parse::<Account>());
        match contract {
            Some(Ok(account)) if !self.tokens.contains_key(&account) => Some("look_alike_token"),
            Some(Err(_)) => Some("look_alike_token"),
            Some(Ok(_)) | None if transfer.units.0.is_zero() => Some("zero_value"),
            Some(Ok(_)) | None => None,
        }
    }

    /// The transfer with its contract written as the registry writes it.
    fn listed(&self, transfer: Transfer) -> Transfer {
        let account = transfer.contract.as_ref().and_then(|text| text.parse::<Account>().ok());
        match account.and_then(|account| self.tokens.get(&account)) {
            Some(contract) => Transfer { contract: Some(contract.clone()), ..transfer },
            None => transfer,
        }
    }

    /// The transfer of a listed token that a transaction asks for by itself, done or not.
    fn tried(&self, transaction: &RawTransaction) -> Option<Transfer> {
        let contract = self.tokens.get(&transaction.to?)?;
        let arguments = transaction.input.as_deref()?.strip_prefix(TRANSFER_CALL)?;
        let (to, units) = arguments.split_at_checked(64)?;
        let to: Account = format!("0x{}", to.get(24..)?).parse().ok()?;
        Some(Transfer {
            key: TransferKey { transaction: transaction.hash, position: String::new() },
            to: to.0.to_vec(),
            contract: Some(contract.clone()),
            units: Units(wire::word(&format!("0x{}", units.get(..64)?))?),
            rests: 0,
        })
    }

    async fn ask(
        &self,
        asked: &'static str,
        calls: &[(&'static str, Value)],
    ) -> Result<Vec<Box<RawValue>>, ChainError> {
        self.rpc.ask_all(asked, calls).await
    }
}

/// Every `Transfer` that a receipt logs, whoever logs it.
fn logged(transaction: Hash32, receipt: &RawReceipt) -> impl Iterator<Item = Transfer> {
    receipt.logs.iter().enumerate().filter_map(move |(position, log)| {
        let [kind, _from, to] = log.topics.as_slice() else { return None };
        if kind.to_string() != TRANSFER {
            return None;
        }
        let units = wire::word(&log.data)?;
        let (_padding, to) = to.0.split_first_chunk::<12>()?;
        Some(Transfer {
            key: TransferKey { transaction, position: position.to_string() },
            to: to.to_vec(),
            contract: Some(log.address.to_string()),
            units: Units(units),
            rests: 0,
        })
    })
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

#[cfg(test)]
mod tests;
