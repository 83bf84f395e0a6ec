//! Reads a registry's file: every entry by itself, so that all problems are found at once.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    asset::{AssetId, Units},
    policy::parse_duration,
};
use ruint::aliases::{U256, U512};
use serde::{Deserialize, de::DeserializeOwned};
use toml::{Spanned, Value};

use super::{Asset, Chain, Family, Problem, Registry, RegistryError, Tier};
use crate::address::wrong_contract;

/// A limit of a chain's tiers and an asset's worth are written with at most this many decimals.
const WORTH_DECIMALS: u8 = 6;
/// Outputs that a block itself makes can be spent at this depth, where the registry says nothing.
const MATURITY: u32 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain: Vec<Spanned<Value>>,
    asset: Vec<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainEntry {
    id: String,
    name: String,
    block_time: String,
    #[serde(default)]
    tiers: Vec<TierEntry>,
    address_prefix: Option<String>,
    coinbase_maturity: Option<u32>,
    uri: Option<String>,
    #[serde(default)]
    finalized: bool,
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
    coin: Option<String>,
    dust: Option<String>,
    minimum: Option<String>,
    worth: Option<String>,
    #[serde(default)]
    tiers: Vec<TierEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TierEntry {
    up_to: Option<String>,
    confirmations: u32,
}

/// A chain with the depths that its assets have by what they are worth.
struct Listed {
    chain: Chain,
    tiers: Vec<Tier>,
}

/// Reads a registry, or says everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Registry, RegistryError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        RegistryError(vec![problem(text, at, "the file", error.message())])
    })?;
    let mut problems = vec![];
    let mut listed: BTreeMap<String, Listed> = BTreeMap::new();
    for entry in file.chain {
        let (at, value) = (entry.span().start, entry.into_inner());
        let name = name_of(&value);
        match whole::<ChainEntry>(value).and_then(ChainEntry::check) {
            Ok(one) => {
                if listed.insert(one.chain.id.clone(), one).is_some() {
                    problems.push(problem(text, at, &name, "stands there twice"));
                }
            }
            Err(what) => problems.push(problem(text, at, &name, &what)),
        }
    }
    let (mut assets, mut places) = (BTreeMap::new(), BTreeSet::new());
    for entry in file.asset {
        let (at, value) = (entry.span().start, entry.into_inner());
        let name = name_of(&value);
        match whole::<AssetEntry>(value).and_then(|entry| entry.check(&listed)) {
            Ok(asset) => {
                let place =
                    (asset.chain.clone(), asset.contract.as_ref().map(|c| c.to_lowercase()));
                if !places.insert(place) {
                    problems.push(problem(text, at, &name, "is the same coin as another entry"));
                }
                if assets.insert(asset.id.clone(), asset).is_some() {
                    problems.push(problem(text, at, &name, "stands there twice"));
                }
            }
            Err(what) => problems.push(problem(text, at, &name, &what)),
        }
    }
    if !problems.is_empty() {
        return Err(RegistryError(problems));
    }
    let chains = listed.into_iter().map(|(id, listed)| (id, listed.chain)).collect();
    Ok(Registry { chains, assets, unwatched: BTreeMap::new() })
}

fn problem(text: &str, at: usize, entry: &str, what: &str) -> Problem {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
    Problem { line, entry: entry.to_owned(), what: what.trim().to_owned() }
}

/// What an entry calls itself, whatever else is wrong with it.
fn name_of(value: &Value) -> String {
    let id = value.get("id").and_then(Value::as_str);
    id.map_or_else(|| "an entry without an id".to_owned(), str::to_owned)
}

fn whole<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    value.try_into().map_err(|error: toml::de::Error| {
        let said = error.message().trim();
        format!("cannot be read: {said}")
    })
}

impl ChainEntry {
    fn check(self) -> Result<Listed, String> {
        let block_time = parse_duration(&self.block_time).ok_or("has no block time")?;
        let family = self.family()?;
        let tiers: Vec<_> =
            self.tiers.iter().map(|tier| tier.read(WORTH_DECIMALS)).collect::<Result<_, _>>()?;
        if !tiers.is_empty() {
            check_tiers(&tiers)?;
        }
        let finalized = self.finalized;
        if finalized && !matches!(family, Family::Evm { .. }) {
            return Err("has no blocks that its nodes call final".to_owned());
        }
        let chain = Chain { id: self.id, name: self.name, block_time, family, finalized };
        Ok(Listed { chain, tiers })
    }

    fn family(&self) -> Result<Family, String> {
        match (self.id.split_once(':'), &self.address_prefix) {
            (Some(("eip155", number)), None)
                if self.coinbase_maturity.is_none() && self.uri.is_none() =>
            {
                let number = number.parse().map_err(|_not| "has no chain number")?;
                Ok(Family::Evm { number })
            }
            (Some(("eip155", _)), _) => Err("has keys of another family".to_owned()),
            (Some(("bip122", genesis)), Some(prefix)) => {
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if genesis.len() != 32 || !genesis.bytes().all(hex) {
                    return Err("does not name its first block by 32 hex digits".to_owned());
                }
                if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_lowercase()) {
                    return Err("has an address_prefix that is none".to_owned());
                }
                let scheme = self.uri.clone();
                let is_scheme =
                    |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
                if !scheme.as_deref().is_none_or(is_scheme) {
                    return Err("has a uri that is no scheme".to_owned());
                }
                let maturity = self.coinbase_maturity.unwrap_or(MATURITY);
                let (genesis, hrp) = (genesis.to_owned(), prefix.clone());
                Ok(Family::Utxo { genesis, hrp, maturity, scheme })
            }
            (Some(("bip122", _)), None) => Err("needs an address_prefix".to_owned()),
            _ => Err("is of no known family".to_owned()),
        }
    }
}

impl AssetEntry {
    fn check(self, chains: &BTreeMap<String, Listed>) -> Result<Asset, String> {
        let id = AssetId::parse(&self.id).map_err(|_bad| "is no asset id")?;
        let on = chains.get(&self.chain).ok_or("is on a chain that is not there")?;
        let family = on.chain.family.clone();
        match (&family, self.contract.as_deref()) {
            (Family::Utxo { .. }, Some(_)) => {
                return Err("has a contract on a chain without contracts".to_owned());
            }
            (Family::Evm { .. }, Some(contract)) => {
                if let Some(wrong) = wrong_contract(contract) {
                    return Err(wrong.to_owned());
                }
            }
            (Family::Evm { .. } | Family::Utxo { .. } | Family::Card, _) => {}
        }
        let amount = |text: &Option<String>, what: &str| {
            let units =
                text.as_deref().map_or(Some(Units::ZERO), |text| whole_coins(text, self.decimals));
            units.ok_or_else(|| format!("has a {what} that is no amount"))
        };
        let (dust, minimum) = (amount(&self.dust, "dust")?, amount(&self.minimum, "minimum")?);
        let tiers = self.depths(&on.tiers)?;
        check_tiers(&tiers)?;
        let feed = self.feed.clone().unwrap_or_else(|| self.id.clone());
        if !self.coin.as_deref().is_none_or(is_coin) {
            return Err("has a coin that is none".to_owned());
        }
        let finalized = on.chain.finalized;
        let Self { name, chain, contract, decimals, coin, .. } = self;
        Ok(Asset {
            id,
            name,
            chain,
            family,
            contract,
            decimals,
            feed,
            coin,
            dust,
            minimum,
            finalized,
            tiers,
        })
    }

    /// The asset's own tiers; else its chain's, as amounts of the asset by what it is worth at
    /// most. An asset that does not say what it is worth always lies as deep as the deepest.
    fn depths(&self, of_chain: &[Tier]) -> Result<Vec<Tier>, String> {
        if !self.tiers.is_empty() {
            return self.tiers.iter().map(|tier| tier.read(self.decimals)).collect();
        }
        let Some(worth) = &self.worth else {
            return Ok(of_chain.last().copied().into_iter().collect());
        };
        let worth = whole_coins(worth, WORTH_DECIMALS).filter(|worth| !worth.is_zero());
        let worth = worth.ok_or("has a worth that is no amount")?;
        let tiers = of_chain.iter().map(|tier| {
            let up_to = tier.up_to.map(|limit| worth_of(limit, worth, self.decimals));
            let confirmations = tier.confirmations;
            match up_to {
                Some(None) => Err("has a worth that makes a tier of nothing".to_owned()),
                Some(up_to @ Some(_)) => Ok(Tier { up_to, confirmations }),
                None => Ok(Tier { up_to: None, confirmations }),
            }
        });
        tiers.collect()
    }
}

/// What a list of coins may call one: it stands in an address as it is.
fn is_coin(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// How many units are worth `limit`, rounded down; nothing when that is none.
fn worth_of(limit: Units, worth: Units, decimals: u8) -> Option<Units> {
    let coin = U512::from(10_u8).checked_pow(U512::from(decimals))?;
    let units = U512::from(limit.0).checked_mul(coin)?.checked_div(U512::from(worth.0))?;
    let units = U256::checked_from_limbs_slice(units.as_limbs())?;
    (!units.is_zero()).then_some(Units(units))
}

impl TierEntry {
    fn read(&self, decimals: u8) -> Result<Tier, String> {
        let up_to = match &self.up_to {
            Some(text) => Some(whole_coins(text, decimals).ok_or("has a tier that is no amount")?),
            None => None,
        };
        Ok(Tier { up_to, confirmations: self.confirmations })
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

/// Reads a plain decimal number of whole coins as units.
fn whole_coins(text: &str, decimals: u8) -> Option<Units> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let decimals = usize::from(decimals);
    if whole.is_empty() || text.ends_with('.') || fraction.len() > decimals {
        return None;
    }
    Units::parse(&format!("{whole}{fraction:0<decimals$}")).ok()
}
