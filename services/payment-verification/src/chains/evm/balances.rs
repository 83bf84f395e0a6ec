//! What addresses hold at the end of one block.

use contracts::asset::Units;
use payment_verification_core::chain::Hash32;
use serde_json::{Value, json};

use super::{
    ChainError, Node, read,
    wire::{Amount, Quantity},
};

/// How many addresses are asked about in one exchange.
const AT_ONCE: usize = 500;

impl Node {
    /// How much of the chain's own coin these addresses hold at the end of a block, in their order.
    ///
    /// # Errors
    /// When the node does not answer, or does not have that block's state any more.
    pub async fn balances(&self, at: Hash32, of: &[&str]) -> Result<Vec<Units>, ChainError> {
        let asked = "eth_getBalance";
        let answers = self.ask_of_each(asked, at, of).await?;
        answers.iter().map(|raw| Ok(Units(read::<Amount>(asked, raw)?.0))).collect()
    }

    /// How many transactions these addresses have sent by the end of a block, in their order.
    ///
    /// # Errors
    /// When the node does not answer, or does not have that block's state any more.
    pub async fn sent(&self, at: Hash32, by: &[&str]) -> Result<Vec<u64>, ChainError> {
        let asked = "eth_getTransactionCount";
        let answers = self.ask_of_each(asked, at, by).await?;
        answers.iter().map(|raw| Ok(read::<Quantity>(asked, raw)?.0)).collect()
    }

    /// The block is named by its hash, so that the answer is about no other one of its height.
    async fn ask_of_each(
        &self,
        asked: &'static str,
        at: Hash32,
        addresses: &[&str],
    ) -> Result<Vec<Box<serde_json::value::RawValue>>, ChainError> {
        let mut answers = Vec::with_capacity(addresses.len());
        for some in addresses.chunks(AT_ONCE) {
            let call = |address: &&str| -> (&'static str, Value) {
                (asked, json!([address, { "blockHash": at }]))
            };
            let calls: Vec<_> = some.iter().map(call).collect();
            answers.extend(self.ask(asked, &calls).await?);
        }
        Ok(answers)
    }
}
