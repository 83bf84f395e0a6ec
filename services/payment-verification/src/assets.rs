//! Checks the registry of assets with the nodes: the right chain, and each token's decimals.
//!
//! What can be wrong without a node (doubles, checksums, amounts) is found when the configuration
//! is read, before anything else.

use std::time::Duration;

use chassis::Process;
use payment_verification_core::assets::{Asset, Registry};

use crate::{
    Config,
    chains::{ChainError, Node, Nodes},
};

/// A node that does not answer in this time is left out.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What came of asking the nodes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What a node says otherwise than the registry.
    pub wrong: Vec<String>,
    /// Chains that could not be asked, and why.
    pub not_asked: Vec<String>,
}

/// Prints what the registry has, and everything that a node says otherwise.
#[expect(clippy::print_stdout, reason = "the command's answer belongs on stdout")]
pub(crate) async fn check(
    config: Config,
    _process: Process,
    _args: Vec<String>,
) -> anyhow::Result<()> {
    let Checked { wrong, not_asked } = ask_nodes(&config).await?;
    for line in not_asked {
        println!("{line}");
    }
    let registry = &config.registry;
    let (here, elsewhere) = (registry.assets().count(), registry.unwatched().count());
    println!("{here} assets on chains with a node, {elsewhere} on chains without one");
    anyhow::ensure!(wrong.is_empty(), "the registry is wrong:\n{}", wrong.join("\n"));
    Ok(())
}

/// Asks every node about every token of its chain.
///
/// # Errors
/// When no client can be made.
pub async fn ask_nodes(config: &Config) -> anyhow::Result<Checked> {
    let mut checked = Checked::default();
    for (chain, nodes) in &crate::nodes(config)? {
        let found = tokio::time::timeout(ANSWER_WITHIN, of_chain(&config.registry, chain, nodes));
        match found.await {
            Ok(Ok(wrong)) => checked.wrong.extend(wrong),
            Ok(Err(error @ ChainError::OtherChain { .. })) => {
                checked.wrong.push(format!("{chain}: {error}"));
            }
            Ok(Err(error)) => {
                checked.not_asked.push(format!("{chain}: not asked: {}", chassis::chain(&error)));
            }
            Err(_elapsed) => {
                checked.not_asked.push(format!("{chain}: not asked: its node is too slow"));
            }
        }
    }
    Ok(checked)
}

/// What the nodes of a chain say otherwise than the registry.
async fn of_chain(
    registry: &Registry,
    chain: &str,
    nodes: &Nodes,
) -> Result<Vec<String>, ChainError> {
    let mut wrong = vec![];
    for node in nodes.each() {
        node.newest().await?;
        let Node::Evm(node) = node else { continue };
        for asset in registry.assets().filter(|asset| asset.chain == chain) {
            let Some(contract) = &asset.contract else { continue };
            let told = node.decimals(contract).await?;
            wrong.extend(otherwise(asset, told));
        }
    }
    Ok(wrong)
}

/// What is wrong with an asset whose contract tells this many decimals.
fn otherwise(asset: &Asset, told: Option<u8>) -> Option<String> {
    let Asset { id, decimals, .. } = asset;
    match told {
        Some(told) if told == *decimals => None,
        Some(told) => Some(format!("{id} has {decimals} decimals, its contract says {told}")),
        None => Some(format!("{id} has a contract that tells no decimals")),
    }
}
