//! The registry of what one can pay with: chains, assets, and how deep money must be.

use std::{collections::BTreeMap, time::Duration};

use contracts::{
    asset::{AssetId, Units},
    policy::parse_duration,
};
use serde::Deserialize;

/// The file that ships.
pub const DEFAULT: &str = include_str!("../../../../deploy/assets.toml");

/// Chains and assets, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    chains: BTreeMap<String, Chain>,
    assets: BTreeMap<AssetId, Asset>,
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
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// How many decimals one whole coin has.
    pub decimals: u8,
    /// What the rate feed calls it.
    pub feed: String,
    /// By how much a payment may fall short and still pay.
    pub dust: Units,
    pub(crate) tiers: Vec<Tier>,
}

/// How deep an amount must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Amounts up to this one; the last tier has none and takes what is left.
    pub(crate) up_to: Option<Units>,
    pub(crate) confirmations: u32,
}

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It is not TOML of these keys.
    #[error("the registry of assets is not TOML of its keys")]
    NotToml(#[source] toml::de::Error),
    /// An entry is wrong.
    #[error("{entry}: {what}")]
    Wrong {
        /// Which.
        entry: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Registry {
    /// Reads a registry.
    ///
    /// # Errors
    /// When it is not TOML of exactly these keys, names something twice or nothing at all, or a
    /// number does not fit.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let file: File = toml::from_str(text).map_err(RegistryError::NotToml)?;
        let mut registry = Self { chains: BTreeMap::new(), assets: BTreeMap::new() };
        for entry in file.chain {
            let chain = entry.check()?;
            let id = chain.id.clone();
            if registry.chains.insert(id.clone(), chain).is_some() {
                return Err(RegistryError::Wrong { entry: id, what: "stands there twice" });
            }
        }
        for entry in file.asset {
            let asset = entry.check(&registry.chains)?;
            let id = asset.id.clone();
            if registry.assets.insert(id.clone(), asset).is_some() {
                return Err(RegistryError::Wrong {
                    entry: id.to_string(),
                    what: "stands there twice",
                });
            }
        }
        Ok(registry)
    }

    /// The part of the registry that is on these chains.
    #[must_use]
    pub fn on_chains(mut self, is_there: impl Fn(&str) -> bool) -> Self {
        self.chains.retain(|id, _| is_there(id));
        self.assets.retain(|_, asset| is_there(&asset.chain));
        self
    }

    /// One asset.
    #[must_use]
    pub fn asset(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// Every asset, by name.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain: Vec<ChainEntry>,
    asset: Vec<AssetEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainEntry {
    id: String,
    name: String,
    block_time: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetEntry {
    id: String,
    name: String,
    chain: String,
    contract: Option<String>,
    decimals: u8,
    feed: Option<String>,
    dust: Option<String>,
    tiers: Vec<TierEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierEntry {
    up_to: Option<String>,
    confirmations: u32,
}

impl ChainEntry {
    fn check(self) -> Result<Chain, RegistryError> {
        let wrong = |what| RegistryError::Wrong { entry: self.id.clone(), what };
        let number =
            self.id.strip_prefix("eip155:").ok_or_else(|| wrong("is of no known family"))?;
        if number.parse::<u64>().is_err() {
            return Err(wrong("has no chain number"));
        }
        let block_time =
            parse_duration(&self.block_time).ok_or_else(|| wrong("has no block time"))?;
        Ok(Chain { id: self.id, name: self.name, block_time })
    }
}

impl AssetEntry {
    fn check(self, chains: &BTreeMap<String, Chain>) -> Result<Asset, RegistryError> {
        let wrong = |what| RegistryError::Wrong { entry: self.id.clone(), what };
        let id = AssetId::parse(&self.id).map_err(|_bad| wrong("is no asset id"))?;
        if !chains.contains_key(&self.chain) {
            return Err(wrong("is on a chain that is not there"));
        }
        if self.contract.as_deref().is_some_and(|contract| !is_evm_address(contract)) {
            return Err(wrong("has a contract that is no address"));
        }
        let amount = |text: &str| whole_coins(text, self.decimals);
        let dust = self.dust.as_deref().map_or(Some(Units::ZERO), amount);
        let dust = dust.ok_or_else(|| wrong("has a dust that is no amount"))?;
        let tiers = self.tiers.iter().map(|tier| {
            let up_to = match &tier.up_to {
                Some(text) => Some(amount(text)?),
                None => None,
            };
            Some(Tier { up_to, confirmations: tier.confirmations })
        });
        let tiers: Vec<_> =
            tiers.collect::<Option<_>>().ok_or_else(|| wrong("has a tier that is no amount"))?;
        check_tiers(&tiers).map_err(wrong)?;
        let feed = self.feed.clone().unwrap_or_else(|| self.id.clone());
        let Self { name, chain, contract, decimals, .. } = self;
        Ok(Asset { id, name, chain, contract, decimals, feed, dust, tiers })
    }
}

/// Tiers grow in amount and in depth, and the last one has no end: no amount is without a depth.
fn check_tiers(tiers: &[Tier]) -> Result<(), &'static str> {
    let Some((last, limited)) = tiers.split_last() else { return Err("has no tiers") };
    if last.up_to.is_some() || limited.iter().any(|tier| tier.up_to.is_none()) {
        return Err("needs a last tier without an end, and only there");
    }
    let grows = tiers.is_sorted_by(|a, b| {
        let more = b.up_to.is_none_or(|next| a.up_to.is_some_and(|this| this < next));
        more && a.confirmations <= b.confirmations
    });
    if !grows {
        return Err("has tiers that do not grow");
    }
    if tiers.iter().any(|tier| tier.confirmations == 0) {
        return Err("would settle without a block");
    }
    Ok(())
}

/// Whether the text is an address of an EVM chain; its checksum is not looked at.
#[must_use]
pub fn is_evm_address(text: &str) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Reads a plain decimal number of whole coins as units.
fn whole_coins(text: &str, decimals: u8) -> Option<Units> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimals = usize::from(decimals);
    if whole.is_empty() || text.ends_with('.') || fraction.len() > decimals {
        return None;
    }
    Units::parse(&format!("{whole}{fraction:0<decimals$}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::parse(DEFAULT).unwrap()
    }

    #[test]
    fn the_shipped_registry_is_sound_and_never_settles_at_depth_one() {
        let registry = registry();
        let eth = registry.asset(&AssetId::parse("eth").unwrap()).unwrap();
        assert_eq!((eth.decimals, eth.contract.as_ref()), (18, None));
        assert!(registry.assets().all(|asset| asset.confirmations_for(Units::ZERO) >= 2));
        assert!(registry.assets().all(|asset| registry.settles_in_s(asset) > 0));
    }

    #[test]
    fn a_larger_amount_must_be_deeper() {
        let text = r#"
            chain = [{ id = "eip155:1", name = "One", block_time = "12s" }]
            [[asset]]
            id = "eth"
            name = "Ether"
            chain = "eip155:1"
            decimals = 18
            dust = "0.000000000000000007"
            tiers = [
                { up_to = "0.5", confirmations = 3 },
                { up_to = "10", confirmations = 12 },
                { confirmations = 64 },
            ]
        "#;
        let registry = Registry::parse(text).unwrap();
        let eth = registry.assets().next().unwrap();
        let depth = |units: &str| eth.confirmations_for(Units::parse(units).unwrap());
        assert_eq!(depth("500000000000000000"), 3);
        assert_eq!(depth("500000000000000001"), 12);
        assert_eq!(depth("10000000000000000001"), 64);
        assert_eq!(eth.dust.to_string(), "7");
        assert_eq!(registry.settles_in_s(eth), 768);
        for (good, bad) in [
            ("eip155:1\"\n            decimals", "eip155:2\"\n            decimals"),
            ("confirmations = 3", "confirmations = 0"),
            ("confirmations = 64", "confirmations = 6"),
            ("{ confirmations = 64 }", "{ up_to = \"11\", confirmations = 64 }"),
            ("\"0.5\"", "\"0,5\""),
            ("\"0.5\"", "\"11\""),
            ("decimals = 18", "decimals = 18\n            contract = \"0x12\""),
            ("id = \"eip155:1\"", "id = \"bip122:1\""),
            ("12s", "12 s"),
            ("name = \"Ether\"", "name = \"Ether\"\n            nick = \"e\""),
        ] {
            assert!(text.contains(good), "{good}");
            assert!(Registry::parse(&text.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
