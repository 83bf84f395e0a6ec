//! Payouts on EVM chains: from an account that the node signs for.

use ruint::aliases::U256;
use serde_json::{Value, json};

use super::{Payout, Treasury};

/// Where money goes that is sent to the wrong address.
pub(super) const WRONG_ADDRESS: &str = "0x000000000000000000000000000000000000dead";

pub(super) fn wrong_places(payout: &Payout, say: &mut impl FnMut(&str, &str)) {
    let address = |given: &str| {
        given.len() == 42
            && given.starts_with("0x")
            && given.chars().skip(2).all(|each| each.is_ascii_hexdigit())
    };
    if !address(&payout.to) {
        say("/to", "must be 0x and 40 hex digits");
    }
    if payout.contract.as_deref().is_some_and(|contract| !address(contract)) {
        say("/contract", "must be null or 0x and 40 hex digits");
    }
}

pub(super) async fn send(treasury: &Treasury, payout: &Payout) -> anyhow::Result<String> {
    let Some(rpc) = &treasury.config.evm_rpc else { anyhow::bail!("no node is configured") };
    let call = |method: &'static str, params: Value| treasury.call(rpc, &[], method, params);
    let chain: U256 = serde_json::from_value(call("eth_chainId", json!([])).await?)?;
    anyhow::ensure!(payout.chain == format!("eip155:{chain}"), "the node is of chain {chain}");
    let from = match &treasury.config.from {
        Some(from) => from.clone(),
        None => {
            let accounts: Vec<String> =
                serde_json::from_value(call("eth_accounts", json!([])).await?)?;
            accounts.last().cloned().ok_or_else(|| anyhow::anyhow!("no account is unlocked"))?
        }
    };
    let amount: U256 = payout.amount.parse()?;
    let transaction = match &payout.contract {
        None => json!({ "from": from, "to": payout.to, "value": format!("{amount:#x}") }),
        Some(contract) => {
            // transfer(address,uint256): its selector, then both arguments padded to 32 bytes.
            let to = payout.to.trim_start_matches("0x");
            json!({ "from": from, "to": contract, "data": format!("0xa9059cbb{to:0>64}{amount:064x}") })
        }
    };
    let _alone = treasury.sending.lock().await;
    let hash = call("eth_sendTransaction", json!([transaction])).await?;
    hash.as_str().map(str::to_owned).ok_or_else(|| anyhow::anyhow!("the node gave no hash"))
}
