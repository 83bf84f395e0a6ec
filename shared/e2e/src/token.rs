//! A test token: an ERC-20 contract whose every byte is assembled from the text below, so that no
//! compiler is needed and nothing is taken from elsewhere.
//!
//! Balances lie in storage under their owner's address, allowances under the hash of owner and
//! spender, the supply under a number that no address has.

mod assembler;

use anyhow::Context as _;
use contracts::asset::Units;
use ruint::aliases::U256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::Node;
use assembler::assemble;

/// What the asset is called in the registry and in messages.
pub const SYMBOL: &str = "usdc";
/// The development chain of the Bitcoin family (Litecoin's regtest), which a stack may be given a
/// node of.
pub(crate) const OUTPUTS: &str = "bip122:530827f38f93b43ed12af0b3ad25a288";
/// How many decimals one whole coin has, as the contract says, too.
const DECIMALS: u8 = 6;
/// What each account of the node is given, in whole coins.
const WHOLE_COINS_EACH: u64 = 1_000_000_000;

/// The contract as it runs. Every call is `selector, arguments of 32 bytes`.
const RUNTIME: &str = "
    callvalue @fail jumpi
    0x00 calldataload 0xe0 shr
    dup1 0xa9059cbb eq @transfer jumpi
    dup1 0x23b872dd eq @transfer_from jumpi
    dup1 0x70a08231 eq @balance_of jumpi
    dup1 0x095ea7b3 eq @approve jumpi
    dup1 0xdd62ed3e eq @allowance jumpi
    dup1 0x18160ddd eq @total_supply jumpi
    dup1 0x313ce567 eq @decimals jumpi
    dup1 0x95d89b41 eq @symbol jumpi
    dup1 0x06fdde03 eq @name jumpi
:fail
    0x00 dup1 revert

:transfer
    0x24 calldataload 0x04 calldataload caller @move jump

:transfer_from
    0x04 calldataload 0x00 mstore caller 0x20 mstore 0x40 0x00 keccak256
    dup1 sload 0x44 calldataload
    dup2 dup2 gt @fail jumpi
    swap1 sub swap1 sstore
    0x44 calldataload 0x24 calldataload 0x04 calldataload @move jump

# value, to, from: an address has 160 bits, and nobody gives more than there is
:move
    dup2 0xa0 shr @fail jumpi
    dup1 sload dup4 dup2 lt @fail jumpi
    dup4 swap1 sub dup2 sstore
    dup2 sload dup4 add dup3 sstore
    dup3 0x00 mstore
    0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef 0x20 0x00 log3
    0x01 @answer jump

:approve
    caller 0x00 mstore 0x04 calldataload 0x20 mstore
    0x24 calldataload 0x40 0x00 keccak256 sstore
    0x24 calldataload 0x00 mstore
    0x04 calldataload caller
    0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925 0x20 0x00 log3
    0x01 @answer jump

:allowance
    0x04 calldataload 0x00 mstore 0x24 calldataload 0x20 mstore
    0x40 0x00 keccak256 sload @answer jump

:balance_of
    0x04 calldataload sload @answer jump

:total_supply
    0x010000000000000000000000000000000000000000 sload @answer jump

:decimals
    0x06 @answer jump

:answer
    0x00 mstore 0x20 0x00 return

:symbol
    0x04 'USDC @text jump

:name
    0x0b 'Test-dollar @text jump

# length, bytes
:text
    0x40 mstore 0x20 mstore 0x20 0x00 mstore 0x60 0x00 return
";

/// What runs once: gives the whole supply to whoever deploys it, and leaves the rest as the
/// contract. The supply comes before it.
const CONSTRUCTOR: &str = "
    dup1 caller sstore
    dup1 0x010000000000000000000000000000000000000000 sstore
    0x00 mstore
    caller 0x00
    0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef 0x20 0x00 log3
";

/// A token on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub contract: String,
}

impl Token {
    /// Deploys the token and gives every account of the node the same part of it.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn deploy(node: &Node) -> anyhow::Result<Self> {
        let accounts = node.accounts().await?;
        let deployer = accounts.first().context("the node has no account")?;
        let each = U256::from(WHOLE_COINS_EACH) * U256::from(10).pow(U256::from(DECIMALS));
        let code = creation(each * U256::from(accounts.len()));
        let call = json!({ "from": deployer, "data": code, "gas": "0x200000" });
        let transaction = node.send(call).await?;
        node.mine(1).await?;
        let receipt: Value = node.call("eth_getTransactionReceipt", json!([transaction])).await?;
        let contract = receipt["contractAddress"].as_str().context("no contract was made")?;
        let token = Self { contract: contract.to_owned() };
        for account in accounts.iter().skip(1) {
            token.pay(node, deployer, account, Units(each)).await?;
        }
        node.mine(1).await?;
        Ok(token)
    }

    /// Sends tokens from an unlocked account; the hash of the transaction.
    ///
    /// # Errors
    /// When the node is away or refuses.
    pub async fn pay(
        &self,
        node: &Node,
        from: &str,
        to: &str,
        units: Units,
    ) -> anyhow::Result<String> {
        let data = format!("0xa9059cbb{}{:064x}", word(to), units.0);
        let call = json!({ "from": from, "to": self.contract, "data": data, "gas": "0x20000" });
        node.send(call).await
    }

    /// What an address holds in the newest block.
    ///
    /// # Errors
    /// When the node is away.
    pub async fn balance(&self, node: &Node, address: &str) -> anyhow::Result<Units> {
        let data = format!("0x70a08231{}", word(address));
        let call = json!([{ "to": self.contract, "data": data }, "latest"]);
        let answer: String = node.call("eth_call", call).await?;
        let digits = answer.trim_start_matches("0x");
        Ok(Units(U256::from_str_radix(digits, 16).context("the balance is no number")?))
    }

    /// The registry of assets of a run: what ships for chains of development, with this token.
    ///
    /// # Panics
    /// When what ships is no registry.
    #[must_use]
    pub fn registry(&self, chain_id: u64) -> String {
        let shipped = include_str!("../../../deploy/assets.toml");
        let mut shipped: toml::Table = toml::from_str(shipped).unwrap();
        let here = format!("eip155:{chain_id}");
        for (list, key) in [("chain", "id"), ("asset", "chain")] {
            let entries = shipped[list].as_array_mut().unwrap();
            let kept = |entry: &toml::Value| {
                let chain = entry[key].as_str().unwrap();
                chain == here || chain == OUTPUTS
            };
            entries.retain(kept);
        }
        let (shipped, contract) = (toml::to_string(&shipped).unwrap(), &self.contract);
        format!(
            r#"{shipped}
[[asset]]
id = "{SYMBOL}"
name = "Test dollar"
chain = "{here}"
contract = "{contract}"
decimals = {DECIMALS}
feed = "{SYMBOL}"
dust = "0"
tiers = [{{ up_to = "1000", confirmations = 3 }}, {{ confirmations = 6 }}]
"#
        )
    }
}

/// What is sent to the chain to make the contract.
fn creation(supply: U256) -> String {
    let runtime = assemble(RUNTIME);
    let length = runtime.len();
    let begin = format!("{supply:#066x} {CONSTRUCTOR}");
    let end =
        |at: usize| format!("{length:#06x} {at:#06x} 0x00 codecopy {length:#06x} 0x00 return");
    // The length of the beginning does not depend on the numbers in it: all are of two bytes.
    let at = assemble(&format!("{begin} {}", end(0))).len();
    let mut code = assemble(&format!("{begin} {}", end(at)));
    code.extend(runtime);
    format!("0x{}", hex::encode(code))
}

/// An address as an argument.
fn word(address: &str) -> String {
    format!("{:0>64}", address.trim_start_matches("0x"))
}

#[cfg(test)]
mod tests {
    use testkit::Anvil;

    use super::*;

    async fn ask(node: &Node, token: &Token, data: &str) -> String {
        let call = json!([{ "to": token.contract, "data": data }, "latest"]);
        node.call("eth_call", call).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_token_is_an_erc20() {
        let anvil = Anvil::start();
        let node = Node::at(&anvil.url());
        let token = Token::deploy(&node).await.unwrap();
        let accounts = node.accounts().await.unwrap();
        let each = Units::parse("1000000000000000").unwrap();
        for account in &accounts {
            assert_eq!(token.balance(&node, account).await.unwrap(), each);
        }
        let supply = ask(&node, &token, "0x18160ddd").await;
        assert_eq!(supply, format!("{:#066x}", each.0 * U256::from(accounts.len())));
        assert_eq!(ask(&node, &token, "0x313ce567").await, format!("{:#066x}", 6));
        let text = |bytes: &str| {
            let hex: String = hex::encode(bytes);
            format!("0x{:064x}{:064x}{hex:0<64}", 32, bytes.len())
        };
        assert_eq!(ask(&node, &token, "0x95d89b41").await, text("USDC"));
        assert_eq!(ask(&node, &token, "0x06fdde03").await, text("Test-dollar"));

        // Nobody gives what he has not, or what is another's.
        let more = Units(each.0 + U256::from(1));
        let status = async |transaction: String| {
            node.mine(1).await.unwrap();
            let receipt: Value =
                node.call("eth_getTransactionReceipt", json!([transaction])).await.unwrap();
            receipt["status"].as_str().unwrap().to_owned()
        };
        let sent = token.pay(&node, &accounts[1], &accounts[2], more).await;
        assert!(sent.is_err() || status(sent.unwrap()).await == "0x0");
        assert_eq!(token.balance(&node, &accounts[2]).await.unwrap(), each);

        let ten = U256::from(10);
        let send = async |from: &str, data: String| {
            let call = json!([{
                "from": from, "to": token.contract, "data": data, "gas": "0x20000",
            }]);
            let transaction: String = node.call("eth_sendTransaction", call).await.unwrap();
            status(transaction).await
        };
        let (owner, spender, other) = (&accounts[1], &accounts[2], &accounts[3]);
        let approve = format!("0x095ea7b3{}{ten:064x}", word(spender));
        assert_eq!(send(owner, approve).await, "0x1");
        let allowed = format!("0xdd62ed3e{}{}", word(owner), word(spender));
        assert_eq!(ask(&node, &token, &allowed).await, format!("{ten:#066x}"));
        let take = |units: u64| format!("0x23b872dd{}{}{units:064x}", word(owner), word(other));
        assert_eq!(send(spender, take(11)).await, "0x0");
        assert_eq!(send(spender, take(7)).await, "0x1");
        assert_eq!(ask(&node, &token, &allowed).await, format!("{:#066x}", 3));
        let balance = token.balance(&node, other).await.unwrap();
        assert_eq!(balance.0, each.0 + U256::from(7));
        assert_eq!(send(owner, "0x12345678".to_owned()).await, "0x0");
    }
}
