//! The registry of what one can pay with: chains, assets, and how deep money must be.

pub mod cards;
mod reading;

use std::{collections::BTreeMap, fmt, time::Duration};

use contracts::asset::{AssetId, Units};

/// The file that ships.
pub const DEFAULT: &str = include_str!("../../../../deploy/assets.toml");

/// Chains and assets, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    chains: BTreeMap<String, Chain>,
    assets: BTreeMap<AssetId, Asset>,
    // On chains that nobody watches: known, and not payable.
    unwatched: BTreeMap<AssetId, Asset>,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name as CAIP-2 writes it: `eip155:1`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// How often it makes a block.
    pub block_time: Duration,
    /// How it is read, and how its addresses are written.
    pub family: Family,
    /// Whether it says by itself what is final, so that the largest amounts wait for that.
    pub finalized: bool,
}

/// How a chain is read, and how its addresses are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// Accounts, contracts and logs; one key has the same address on every chain.
    Evm {
        /// EIP-155's number.
        number: u64,
    },
    /// Outputs that are spent whole, as Bitcoin has them.
    Utxo {
        /// The first 32 hex digits of the first block's hash, as CAIP-2 names the chain by.
        genesis: String,
        /// What its addresses begin with, before the `1`.
        hrp: String,
        /// How deep an output that a block itself makes must be to be spent.
        maturity: u32,
        /// The scheme of its wallets' links, where its addresses do not tell it.
        scheme: Option<String>,
    },
    /// No chain at all: a gateway that charges cards.
    Card,
}

/// One asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name in the registry and in messages.
    pub id: AssetId,
    /// Its name for people.
    pub name: String,
    /// On which chain it lives.
    pub chain: String,
    /// The chain's family.
    pub family: Family,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// How many decimals one whole coin has.
    pub decimals: u8,
    /// What an exchange's ticker calls it.
    pub feed: String,
    /// What a list of coins calls it, where it has it.
    pub coin: Option<String>,
    /// By how much a payment may fall short and still pay.
    pub dust: Units,
    /// Less than this is not asked for: its fees would be more than it is worth.
    pub minimum: Units,
    /// Whether amounts of the last tier wait until the chain itself calls them final.
    pub finalized: bool,
    pub(crate) tiers: Vec<Tier>,
}

/// How deep an amount must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Amounts up to this one; the last tier has none and takes what is left.
    pub(crate) up_to: Option<Units>,
    pub(crate) confirmations: u32,
}

/// Why a registry cannot be used: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RegistryError(pub Vec<Problem>);

/// One thing that is wrong with a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// In which line the entry begins.
    pub line: usize,
    /// Which entry, as far as that can be read.
    pub entry: String,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, entry, what } = self;
        write!(f, "line {line}: {entry} {what}")
    }
}

impl Registry {
    /// Reads a registry.
    ///
    /// # Errors
    /// When it is not TOML of exactly these keys, names something twice or nothing at all, or a
    /// number does not fit: with every such problem.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        reading::read(text)
    }

    /// The registry when these chains are watched: what is on the others is known, and not payable.
    #[must_use]
    pub fn on_chains(mut self, is_there: impl Fn(&str) -> bool) -> Self {
        let (watched, more) =
            self.assets.into_iter().partition(|(_, asset)| is_there(&asset.chain));
        self.assets = watched;
        self.unwatched.extend::<BTreeMap<_, _>>(more);
        self
    }

    /// One asset that can be paid with.
    #[must_use]
    pub fn asset(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// Every asset that can be paid with, by name.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
    }

    /// Every asset on a chain that nobody watches, by name.
    pub fn unwatched(&self) -> impl Iterator<Item = &Asset> {
        self.unwatched.values()
    }

    /// One chain.
    #[must_use]
    pub fn chain(&self, id: &str) -> Option<&Chain> {
        self.chains.get(id)
    }

    /// Every chain, by name.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.chains.values()
    }

    /// How long a payment of the largest tier takes to be final, in seconds, rounded up.
    #[must_use]
    pub fn settles_in_s(&self, asset: &Asset) -> u32 {
        let block = self.chain(&asset.chain).map_or(Duration::ZERO, |chain| chain.block_time);
        let whole = block.saturating_mul(asset.deepest());
        let second_begun = u64::from(whole.subsec_nanos() > 0);
        u32::try_from(whole.as_secs().saturating_add(second_begun)).unwrap_or(u32::MAX)
    }
}

impl Asset {
    /// How deep this amount must be to be final.
    #[must_use]
    pub fn confirmations_for(&self, units: Units) -> u32 {
        let fits = |tier: &&Tier| tier.up_to.is_none_or(|limit| units <= limit);
        self.tiers.iter().find(fits).map_or_else(|| self.deepest(), |tier| tier.confirmations)
    }

    fn deepest(&self) -> u32 {
        self.tiers.iter().map(|tier| tier.confirmations).max().unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
