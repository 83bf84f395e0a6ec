//! The registry: what ships, what is refused, and that all problems are said at once.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    Effect,
    address::is_checksummed,
    tests::world::{NEW, World, prepare_in},
};

const ONE: &str = r#"
[[chain]]
id = "eip155:1"
name = "One"
block_time = "12s"
tiers = [{ up_to = "1000", confirmations = 12 }, { confirmations = 64 }]

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

fn problems(text: &str) -> Vec<String> {
    Registry::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// Row: L3
#[test]
fn more_than_a_hundred_assets_ship_on_two_families_of_chain() {
    let registry = Registry::parse(DEFAULT).unwrap();
    assert!(registry.assets().count() >= 100, "{}", registry.assets().count());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for asset in registry.assets() {
        let kind = match (&asset.family, &asset.contract) {
            (Family::Utxo { .. }, _) => "coins of the Bitcoin family",
            (Family::Evm { .. }, None) => "own coins of EVM networks",
            (Family::Evm { .. }, Some(_)) => "tokens",
            (Family::Card, _) => panic!("{}: cards are no chain", asset.id),
        };
        *kinds.entry(kind).or_default() += 1;
        let contract = asset.contract.as_deref();
        assert!(contract.is_none_or(is_checksummed), "{} has no checksum", asset.id);
        let settles = registry.settles_in_s(asset);
        assert!((1..=3 * 3600).contains(&settles), "{} settles in {settles} s", asset.id);
        assert!(asset.confirmations_for(Units::ZERO) >= 2, "{}", asset.id);
        assert!(asset.dust <= asset.minimum || asset.dust.is_zero(), "{}", asset.id);
    }
    assert!(kinds["coins of the Bitcoin family"] >= 3, "{kinds:?}");
    assert!(kinds["own coins of EVM networks"] >= 8 && kinds["tokens"] >= 90, "{kinds:?}");
}

/// Chains that settle on another one say late what is final: the depth of their last tier is no
/// promise that is shorter.
///
/// Row: L3
#[test]
fn the_chains_that_say_what_is_final_are_asked_and_take_their_time() {
    let registry = Registry::parse(DEFAULT).unwrap();
    let says: Vec<_> = registry.chains().filter(|chain| chain.finalized).collect();
    let ids: Vec<_> = says.iter().map(|chain| chain.id.as_str()).collect();
    let known = ["eip155:1", "eip155:10", "eip155:137", "eip155:42161", "eip155:56", "eip155:8453"];
    assert_eq!(ids, known);
    for asset in registry.assets().filter(|asset| asset.finalized) {
        let on_another = ["eip155:10", "eip155:42161", "eip155:8453"].contains(&&*asset.chain);
        let settles = registry.settles_in_s(asset);
        assert!(settles >= 1_800 || !on_another, "{} settles in {settles} s", asset.id);
    }
}

/// Row: L3
#[test]
fn a_token_is_one_entry_and_a_chain_of_a_known_family_is_one_entry() {
    let registry = Registry::parse(&format!("{DEFAULT}{NEW}")).unwrap();
    let asset = |id| registry.asset(&AssetId::parse(id).unwrap()).unwrap();
    let depth = |units: &str| asset("new-token").confirmations_for(Units::parse(units).unwrap());
    assert_eq!((depth("20000000"), depth("20000001")), (5, 40), "fifty of value are twenty coins");
    assert_eq!(asset("new-coin").confirmations_for(Units::ZERO), 20);
    let family = &asset("new-coin").family;
    let (hrp, scheme) = match family {
        Family::Utxo { hrp, maturity: 100, scheme, .. } => (hrp.as_str(), scheme.as_deref()),
        Family::Utxo { .. } | Family::Evm { .. } | Family::Card => panic!("{family:?}"),
    };
    assert_eq!((hrp, scheme), ("nc", Some("newcoin")));
    let coin = |id| asset(id).coin.as_deref();
    assert_eq!((coin("new-coin"), coin("new-token")), (Some("new-coin-2"), None));
}

/// Its link is made without a line of code that knows the coin.
///
/// Row: L3
#[test]
fn a_payment_in_a_coin_that_only_the_registry_knows_has_the_link_of_its_wallets() {
    let mut world = World::in_a_new_coin();
    world.ask(&prepare_in("new-coin", 8, 150_000_000));
    let Some(Effect::SayPrepared(instruction)) = world.said.first() else { panic!("not said") };
    let left = Units::parse("25000000").unwrap();
    assert_eq!(instruction.uri(left).unwrap(), "newcoin:nc1qaa?amount=0.25000000");
}

/// One coin's price is not asked for under another one's name.
#[test]
fn what_both_sources_of_rates_call_an_asset_is_one_coin() {
    let registry = Registry::parse(DEFAULT).unwrap();
    let mut coins = BTreeMap::new();
    for asset in registry.assets() {
        let coin = asset.coin.as_ref().unwrap_or_else(|| panic!("{} has no coin", asset.id));
        let known = coins.entry(&asset.feed).or_insert(coin);
        assert_eq!(*known, coin, "{}", asset.id);
    }
    assert_eq!(coins.values().collect::<BTreeSet<_>>().len(), coins.len());
}

#[test]
fn a_larger_amount_must_be_deeper() {
    let registry = Registry::parse(ONE).unwrap();
    let eth = registry.assets().next().unwrap();
    let depth = |units: &str| eth.confirmations_for(Units::parse(units).unwrap());
    assert_eq!(depth("500000000000000000"), 3);
    assert_eq!(depth("500000000000000001"), 12);
    assert_eq!(depth("10000000000000000001"), 64);
    assert_eq!(eth.dust.to_string(), "7");
    assert_eq!(registry.settles_in_s(eth), 768);
}

#[test]
fn what_does_not_fit_is_refused() {
    for (good, bad) in [
        ("chain = \"eip155:1\"", "chain = \"eip155:2\""),
        ("confirmations = 3 ", "confirmations = 0 "),
        ("confirmations = 64 },\n]", "confirmations = 6 },\n]"),
        ("{ confirmations = 64 },\n", "{ up_to = \"11\", confirmations = 64 },\n"),
        ("\"0.5\"", "\"0,5\""),
        ("\"0.5\"", "\"11\""),
        ("decimals = 18", "decimals = 18\ncontract = \"0x12\""),
        (
            "decimals = 18",
            "decimals = 18\ncontract = \"0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"",
        ),
        ("decimals = 18", "decimals = 1e3"),
        ("decimals = 18", "decimals = 18\nminimum = \"-1\""),
        ("id = \"eip155:1\"", "id = \"bip122:1\""),
        ("id = \"eip155:1\"", "id = \"solana:1\""),
        ("id = \"eip155:1\"", "id = \"eip155:0x1\""),
        ("name = \"One\"", "name = \"One\"\naddress_prefix = \"bc\""),
        ("name = \"One\"", "name = \"One\"\nuri = \"one\""),
        ("decimals = 18", "decimals = 18\ncoin = \"a,b\""),
        ("decimals = 18", "decimals = 18\ncoin = \"\""),
        ("12s", "12 s"),
        ("name = \"Ether\"", "name = \"Ether\"\nnick = \"e\""),
    ] {
        assert!(ONE.contains(good), "{good}");
        assert!(Registry::parse(&ONE.replacen(good, bad, 1)).is_err(), "{bad}");
    }
}

/// Row: L3
#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_line() {
    let broken = r#"[[chain]]
id = "eip155:1"
name = "One"
block_time = "12s"

[[chain]]
id = "doge:1"
name = "Two"
block_time = "60s"

[[asset]]
id = "one"
name = "One"
chain = "eip155:1"
contract = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
decimals = 18
tiers = [{ confirmations = 3 }]

[[asset]]
id = "two"
name = "Two"
chain = "eip155:1"
decimals = "18"

[[asset]]
id = "three"
name = "Three"
chain = "eip155:1"
decimals = 18
tiers = [{ confirmations = 3 }]

[[asset]]
id = "three"
name = "Three again"
chain = "eip155:1"
decimals = 18
tiers = [{ confirmations = 3 }]
"#;
    let told = problems(broken);
    let expected = [
        (6, "doge:1", "family"),
        (11, "one", "checksum"),
        (19, "two", "cannot be read"),
        (32, "three", "same coin"),
        (32, "three", "twice"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (said, (line, entry, what)) in told.iter().zip(expected) {
        let begins = said.starts_with(&format!("line {line}: {entry} "));
        assert!(begins && said.contains(what), "{said:?} is not {line} {entry} {what}");
    }
    assert!(problems("[[chain]]\nid = \"x\n")[0].starts_with("line 2: the file"));
}

#[test]
fn what_is_on_a_chain_that_nobody_watches_is_known_and_not_payable() {
    let registry = Registry::parse(DEFAULT).unwrap();
    let all = registry.assets().count();
    let registry = registry.on_chains(|chain| chain == "eip155:1");
    assert!(registry.assets().all(|asset| asset.chain == "eip155:1"));
    assert!(registry.unwatched().all(|asset| asset.chain != "eip155:1"));
    assert_eq!(registry.assets().count() + registry.unwatched().count(), all);
}
