//! A client of the test node of the Bitcoin family: its wallet pays, and blocks come when they are
//! asked for.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use contracts::asset::Units;
use serde_json::{Value, json};

use crate::checkout::Infra;

/// The name and the word that the node wants; it listens on loopback only.
pub(crate) const USER: &str = "development";
pub(crate) const PASSWORD: &str = "development-only";
const WALLET: &str = "wallet";
/// What a block makes can be spent a hundred blocks later.
const BLOCKS_TO_BEGIN: u64 = 130;

/// What Debian's command, a script, becomes. A process is known by its program.
const PROGRAM: &str = "/usr/lib/litecoin/litecoind";

/// The node's program.
pub(crate) fn program(infra: &Infra) -> PathBuf {
    let program = PathBuf::from(PROGRAM);
    if program.exists() { program } else { infra.litecoind.clone().unwrap_or_default() }
}

/// The node's JSON-RPC.
#[derive(Debug, Clone)]
pub struct Coins {
    url: String,
    http: reqwest::Client,
}

impl Coins {
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Self { url: url.to_owned(), http: http.unwrap() }
    }

    /// # Errors
    /// When the node is away or refuses.
    pub async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        let body = json!({"jsonrpc": "1.0", "id": 1, "method": method, "params": params});
        let request = self.http.post(&self.url).basic_auth(USER, Some(PASSWORD)).json(&body);
        let mut reply: Value =
            request.send().await?.json().await.with_context(|| format!("{method}: no JSON"))?;
        ensure!(reply["error"].is_null(), "the node refuses {method}: {}", reply["error"]);
        Ok(reply["result"].take())
    }

    /// Makes a wallet and blocks enough that it has coins to spend.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn begin(&self) -> anyhow::Result<()> {
        self.call("createwallet", json!([WALLET])).await?;
        self.mine(BLOCKS_TO_BEGIN).await
    }

    /// Mines blocks with what waits.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn mine(&self, blocks: u64) -> anyhow::Result<()> {
        let own = self.call("getnewaddress", json!(["", "bech32"])).await?;
        self.call("generatetoaddress", json!([blocks, own])).await.map(drop)
    }

    /// Sends coins, a decimal text; the transaction's id.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn pay(&self, to: &str, coins: &str) -> anyhow::Result<String> {
        let sent = self.call("sendtoaddress", json!([to, coins])).await?;
        sent.as_str().map(str::to_owned).context("the node names no transaction")
    }

    /// What lies at an address, in the smallest unit.
    ///
    /// # Errors
    /// When the node is away, or answers no number.
    pub async fn holds(&self, address: &str) -> anyhow::Result<Units> {
        let asked = json!(["start", [format!("addr({address})")]]);
        let found = self.call("scantxoutset", asked).await?;
        let outputs = found["unspents"].as_array().context("the node tells of no outputs")?;
        let mut sum = Units::ZERO;
        for output in outputs {
            let units = units(&output["amount"].to_string())?;
            sum = sum.checked_add(units).context("more coins than there are")?;
        }
        Ok(sum)
    }
}

/// Whole coins as the node writes them, in the smallest unit.
fn units(coins: &str) -> anyhow::Result<Units> {
    let (whole, part) = coins.split_once('.').unwrap_or((coins, ""));
    ensure!(part.len() <= 8, "{coins} has more decimals than a coin");
    let digits = format!("{whole}{part:0<8}");
    Ok(Units::parse(match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_read_to_the_last_unit() {
        for (coins, expected) in
            [("1.25", "125000000"), ("0.00000001", "1"), ("3", "300000000"), ("0.0", "0")]
        {
            assert_eq!(units(coins).unwrap().to_string(), expected);
        }
        assert!(units("0.000000001").is_err() && units("1e-8").is_err());
    }
}
