//! A client of the EVM test node: heads, balances, payments from its unlocked accounts, reorgs.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use contracts::asset::Units;
use ruint::aliases::U256;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Transactions are handed to a node one by one: it looks up an account's next number before it
/// takes a transaction in, and of two that got the same number it refuses one, or answers both and
/// loses one when a block is mined just then.
static SENDING: Mutex<()> = Mutex::const_new(());

/// A node's JSON-RPC.
#[derive(Debug, Clone)]
pub struct Node {
    url: String,
    http: reqwest::Client,
}

/// One payment of a batch.
#[derive(Debug, Clone)]
pub struct Transfer {
    pub to: String,
    pub units: Units,
}

impl Node {
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build();
        Self { url: url.to_owned(), http: http.unwrap() }
    }

    /// # Errors
    /// When the node is away or refuses.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> anyhow::Result<T> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let reply = self.http.post(&self.url).json(&body).send().await?;
        let mut reply: Value = reply.json().await.with_context(|| format!("{method}: no JSON"))?;
        ensure!(reply.get("error").is_none(), "the node refuses {method}: {}", reply["error"]);
        Ok(serde_json::from_value(reply["result"].take())?)
    }

    /// Asks several things in one request; the answers are read and dropped.
    ///
    /// # Errors
    /// When the node is away or refuses one.
    pub async fn call_all(
        &self,
        calls: impl Iterator<Item = (&'static str, Value)>,
    ) -> anyhow::Result<()> {
        let calls: Vec<Value> = (0..)
            .zip(calls)
            .map(|(id, (method, params))| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let replies: Vec<Value> =
            self.http.post(&self.url).json(&calls).send().await?.json().await?;
        let refused = replies.iter().find(|reply| reply.get("error").is_some());
        ensure!(refused.is_none(), "the node refuses {refused:?}");
        ensure!(replies.len() == calls.len(), "{} of {} answers", replies.len(), calls.len());
        Ok(())
    }

    /// # Errors
    /// When the node is away.
    pub async fn accounts(&self) -> anyhow::Result<Vec<String>> {
        self.call("eth_accounts", json!([])).await
    }

    /// # Errors
    /// When the node is away.
    pub async fn height(&self) -> anyhow::Result<u64> {
        let height: U256 = self.call("eth_blockNumber", json!([])).await?;
        Ok(height.to::<u64>())
    }

    /// What an address holds in the newest block.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn balance(&self, address: &str) -> anyhow::Result<Units> {
        Ok(Units(self.call("eth_getBalance", json!([address, "latest"])).await?))
    }

    /// What an address holds of an ERC-20 token in the newest block.
    ///
    /// # Errors
    /// When the node is away or the token answers no number.
    pub async fn token_balance(&self, token: &str, address: &str) -> anyhow::Result<Units> {
        let bare = address.trim_start_matches("0x").to_lowercase();
        let data = format!("0x70a08231{bare:0>64}");
        let call = json!([{"to": token, "data": data}, "latest"]);
        let answer: String = self.call("eth_call", call).await?;
        let balance = U256::from_str_radix(answer.trim_start_matches("0x"), 16);
        Ok(Units(balance.with_context(|| format!("the balance of {address} is {answer}"))?))
    }

    /// Sends the chain's own coin from an unlocked account; the hash of the transaction.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn pay(&self, from: &str, to: &str, units: Units) -> anyhow::Result<String> {
        self.send(transfer(from, to, units)).await
    }

    /// Sends a transaction from an unlocked account; its hash.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn send(&self, transaction: Value) -> anyhow::Result<String> {
        let _alone = SENDING.lock().await;
        self.call("eth_sendTransaction", json!([transaction])).await
    }

    /// Sends many payments in one request.
    ///
    /// # Errors
    /// When the node is away or refuses one.
    pub async fn pay_all(&self, from: &str, transfers: &[Transfer]) -> anyhow::Result<()> {
        let _alone = SENDING.lock().await;
        // The node works on a batch's calls side by side, so each is told its place in the sender's
        // order.
        let first: U256 = self.call("eth_getTransactionCount", json!([from, "pending"])).await?;
        let calls: Vec<Value> = transfers
            .iter()
            .zip(first.to::<u64>()..)
            .map(|(Transfer { to, units }, nonce)| {
                let mut call = transfer(from, to, *units);
                call["nonce"] = json!(format!("{nonce:#x}"));
                json!({
                    "jsonrpc": "2.0", "id": nonce, "method": "eth_sendTransaction", "params": [call],
                })
            })
            .collect();
        let replies: Vec<Value> =
            self.http.post(&self.url).json(&calls).send().await?.json().await?;
        ensure!(
            replies.len() == transfers.len(),
            "{} of {} answers",
            replies.len(),
            transfers.len()
        );
        for reply in &replies {
            ensure!(reply.get("error").is_none(), "the node refuses: {}", reply["error"]);
        }
        Ok(())
    }

    /// Mines blocks now.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        let _done: Value = self.call("anvil_mine", json!([format!("{blocks:#x}")])).await?;
        Ok(())
    }

    /// Replaces the newest blocks by empty ones: what was in them is in no block any more.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn reorg(&self, depth: u64) -> anyhow::Result<()> {
        let _done: Value = self.call("anvil_reorg", json!([depth, []])).await?;
        Ok(())
    }

    /// Mines no block by itself until [`Node::mine_every`].
    ///
    /// # Errors
    /// When the node is away.
    pub async fn stand_still(&self) -> anyhow::Result<()> {
        let _done: Value = self.call("evm_setIntervalMining", json!([0])).await?;
        let _done: Value = self.call("evm_setAutomine", json!([false])).await?;
        Ok(())
    }

    /// Mines a block every so many seconds.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn mine_every(&self, seconds: u64) -> anyhow::Result<()> {
        let _done: Value = self.call("evm_setIntervalMining", json!([seconds])).await?;
        Ok(())
    }
}

fn transfer(from: &str, to: &str, units: Units) -> Value {
    json!({"from": from, "to": to, "value": format!("{:#x}", units.0), "gas": "0x5208"})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures::future::join_all;
    use testkit::Anvil;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_one_account_sends_from_many_sides_at_once_all_arrives() {
        let anvil = Anvil::start();
        let node = Node::at(&anvil.url());
        let from = node.accounts().await.unwrap().remove(0);
        let wallets: BTreeSet<String> =
            (0..40).map(|_| format!("0x{}", hex::encode(rand::random::<[u8; 20]>()))).collect();
        let one = Units(U256::from(1));
        let sent = wallets.iter().map(|to| node.pay(&from, to, one));
        let sent = join_all(sent).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        node.mine(1).await.unwrap();
        for to in &wallets {
            assert_eq!(node.balance(to).await.unwrap(), one);
        }
    }
}
