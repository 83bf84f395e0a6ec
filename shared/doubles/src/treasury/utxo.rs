//! Payouts on chains of the Bitcoin family: from the wallet that the node has.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ruint::aliases::U256;
use serde_json::{Value, json};

use super::{Payout, Treasury};

/// The smallest units of one coin; every chain of the family has as many.
const COIN: u64 = 100_000_000;

pub(super) fn wrong_places(payout: &Payout, say: &mut impl FnMut(&str, &str)) {
    let address = |given: &str| {
        (14..=90).contains(&given.len()) && given.chars().all(|each| each.is_ascii_alphanumeric())
    };
    if !address(&payout.to) {
        say("/to", "must be an address of its chain");
    }
    if payout.contract.is_some() {
        say("/contract", "must be null: the chain has no contracts");
    }
}

/// Sends what is asked to the last unit; the fee comes on top. What waits may be replaced.
pub(super) async fn send(treasury: &Treasury, payout: &Payout) -> anyhow::Result<String> {
    let first = text(call(treasury, "getblockhash", json!([0])).await?)?;
    let is_its = payout.chain.strip_prefix("bip122:").is_some_and(|id| first.starts_with(id));
    anyhow::ensure!(is_its, "the node's chain begins with {first}");
    let amount: U256 = payout.amount.parse()?;
    let (coins, rest) = amount.div_rem(U256::from(COIN));
    let coins = format!("{coins}.{:08}", rest.to::<u64>());
    let params = json!([payout.to, coins, "", "", false, true]);
    let _alone = treasury.sending.lock().await;
    text(call(treasury, "sendtoaddress", params).await?)
}

/// An address of the treasury's own.
pub(super) async fn own_address(treasury: &Treasury) -> anyhow::Result<String> {
    text(call(treasury, "getnewaddress", json!(["", "bech32"])).await?)
}

/// Pays a higher fee for a transaction that waits, which makes it another one.
pub(super) async fn replace(treasury: &Treasury, transaction: &str) -> anyhow::Result<String> {
    text(call(treasury, "bumpfee", json!([transaction])).await?["txid"].take())
}

fn text(answer: Value) -> anyhow::Result<String> {
    answer.as_str().map(str::to_owned).ok_or_else(|| anyhow::anyhow!("the node gave no text"))
}

/// The node wants a name and a password, which its address has.
async fn call(treasury: &Treasury, method: &str, params: Value) -> anyhow::Result<Value> {
    let Some(rpc) = &treasury.config.utxo_rpc else { anyhow::bail!("no node is configured") };
    let address = rpc.strip_prefix("http://").unwrap_or(rpc);
    let (who, place) = address.rsplit_once('@').unwrap_or(("", address));
    let shown = format!("Basic {}", STANDARD.encode(who));
    let headers = [("authorization", shown.as_str())];
    treasury.call(&format!("http://{place}"), &headers, method, params).await
}
