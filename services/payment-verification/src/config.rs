//! Every key payment-verification reads.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr as _, sync::Arc};

use chassis::{
    config::{Config as ReadConfig, Problems, Vars},
    sign::SigningKey,
    telemetry::TelemetryConfig,
};
use contracts::policy::{self, Policy};
use payment_verification_core::assets::{self, Registry};
use secrecy::{ExposeSecret as _, SecretString};

use crate::address::AccountKey;

const XPUB: &str = "PAYMENT_VERIFICATION_XPUB";
const INSTRUCTION_KEY: &str = "PAYMENT_VERIFICATION_INSTRUCTION_KEY";
const NODES: &str = "PAYMENT_VERIFICATION_EVM_RPC_URLS";
const UTXO_NODES: &str = "PAYMENT_VERIFICATION_UTXO_RPC_URLS";
const UTXO_XPUBS: &str = "PAYMENT_VERIFICATION_UTXO_XPUBS";
const CARD_URL: &str = "PAYMENT_VERIFICATION_CARD_URL";
const CARD_KEY: &str = "PAYMENT_VERIFICATION_CARD_KEY";
const CARD_WEBHOOK_SECRETS: &str = "PAYMENT_VERIFICATION_CARD_WEBHOOK_SECRETS";
const ASSETS: &str = "PAYMENT_VERIFICATION_ASSETS";
const POLICY: &str = "HOLDFAST_POLICY";
/// What names of chains begin with, by family.
const EVM: &str = "eip155:";
const UTXO: &str = "bip122:";

/// What a payment-verification process is told by its environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where internal HTTP listens.
    pub http_addr: SocketAddr,
    pub database_url: SecretString,
    /// Connections of the pool.
    pub database_connections: u32,
    /// As the owner of the schema; only `migrate` needs it.
    pub migrate_database_url: Option<SecretString>,
    pub amqp_url: SecretString,
    /// Before every exchange and queue name; empty in production.
    pub amqp_prefix: String,
    /// Redis for what is shown to the gateway; may evict.
    pub cache_redis_url: SecretString,
    /// Who may sign tokens, base64 Ed25519 public keys.
    pub token_public_keys: Vec<String>,
    /// `iss` of every token.
    pub token_issuer: String,
    /// Where deposit addresses come from; public.
    pub account_key: AccountKey,
    /// Where those of chains of the Bitcoin family come from; public, too.
    pub account_keys: BTreeMap<String, AccountKey>,
    /// Signs what must be paid; cannot spend.
    pub instruction_key: Arc<SigningKey>,
    /// Nodes for each chain that is watched: where there are several, they have to agree.
    pub nodes: BTreeMap<String, Vec<SecretString>>,
    /// Base of the first source of rates, which speaks as CoinGecko does.
    pub rate_feed_url: String,
    /// Base of the second one, which speaks as Binance does, if there is one.
    pub rate_ticker_url: Option<String>,
    /// Base of the treasury, which sends what is granted here.
    pub treasury_url: String,
    /// Shown to the treasury, where it wants one.
    pub treasury_token: Option<SecretString>,
    /// The card gateway, if there is one.
    pub card_gateway: Option<CardGateway>,
    /// What it signs its pushes with; two while one is changed.
    pub card_webhook_secrets: Vec<SecretString>,
    /// What one can pay with, on chains that have a node.
    pub registry: Arc<Registry>,
    pub policy: Arc<Policy>,
    pub telemetry: TelemetryConfig,
}

/// Where cards are charged, and by which key.
#[derive(Debug, Clone)]
pub struct CardGateway {
    /// Base of the gateway's API.
    pub url: String,
    /// The merchant's secret key.
    pub key: SecretString,
}

impl ReadConfig for Config {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        let nodes = nodes(vars);
        let card_gateway = card_gateway(vars);
        let (policy, registry) = (policy(vars), registry(vars, &nodes));
        // Cards can be paid with where there is somebody to charge them.
        let registry = registry.map(|known| match card_gateway {
            Some(_) => known.with_cards(),
            None => known,
        });
        let (account_key, instruction_key) = (account_key(vars), instruction_key(vars));
        let account_keys = account_keys(vars, &nodes);
        let rest = Rest::read(vars);
        let (Some(policy), Some(registry), Some(account_key), Some(instruction_key)) =
            (policy, registry, account_key, instruction_key)
        else {
            return Err(vars.finish(()).err().unwrap_or(Problems(vec![])));
        };
        vars.finish(Self {
            http_addr: rest.http_addr,
            database_url: rest.database_url,
            database_connections: rest.database_connections,
            migrate_database_url: rest.migrate_database_url,
            amqp_url: rest.amqp_url,
            amqp_prefix: rest.amqp_prefix,
            cache_redis_url: rest.cache_redis_url,
            token_public_keys: rest.token_public_keys,
            token_issuer: rest.token_issuer,
            account_key,
            account_keys,
            instruction_key: Arc::new(instruction_key),
            nodes,
            rate_feed_url: rest.rate_feed_url,
            rate_ticker_url: rest.rate_ticker_url,
            treasury_url: rest.treasury_url,
            treasury_token: rest.treasury_token,
            card_gateway,
            card_webhook_secrets: rest.card_webhook_secrets,
            registry: Arc::new(registry),
            policy: Arc::new(policy),
            telemetry: rest.telemetry,
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

/// The keys that are taken as they are; read before anything is given up, so that all problems are
/// found together.
struct Rest {
    http_addr: SocketAddr,
    database_url: SecretString,
    database_connections: u32,
    migrate_database_url: Option<SecretString>,
    amqp_url: SecretString,
    amqp_prefix: String,
    cache_redis_url: SecretString,
    token_public_keys: Vec<String>,
    token_issuer: String,
    rate_feed_url: String,
    rate_ticker_url: Option<String>,
    treasury_url: String,
    treasury_token: Option<SecretString>,
    card_webhook_secrets: Vec<SecretString>,
    telemetry: TelemetryConfig,
}

impl Rest {
    fn read(vars: &Vars<'_>) -> Self {
        Self {
            http_addr: vars.addr("PAYMENT_VERIFICATION_HTTP_ADDR"),
            database_url: vars.secret("PAYMENT_VERIFICATION_DATABASE_URL"),
            database_connections: vars.parse("PAYMENT_VERIFICATION_DATABASE_CONNECTIONS", 12),
            migrate_database_url: vars.optional_secret("PAYMENT_VERIFICATION_MIGRATE_DATABASE_URL"),
            amqp_url: vars.secret("PAYMENT_VERIFICATION_AMQP_URL"),
            amqp_prefix: vars.optional("PAYMENT_VERIFICATION_AMQP_PREFIX").unwrap_or_default(),
            cache_redis_url: vars.secret("PAYMENT_VERIFICATION_CACHE_REDIS_URL"),
            token_public_keys: vars.list("PAYMENT_VERIFICATION_TOKEN_PUBLIC_KEYS"),
            token_issuer: vars.required("PAYMENT_VERIFICATION_TOKEN_ISSUER"),
            rate_feed_url: vars.url("PAYMENT_VERIFICATION_RATE_FEED_URL"),
            rate_ticker_url: vars.optional("PAYMENT_VERIFICATION_RATE_TICKER_URL"),
            treasury_url: vars.url("PAYMENT_VERIFICATION_TREASURY_URL"),
            treasury_token: vars.optional_secret("PAYMENT_VERIFICATION_TREASURY_TOKEN"),
            card_webhook_secrets: webhook_secrets(vars),
            telemetry: vars.telemetry("PAYMENT_VERIFICATION"),
        }
    }
}

/// Separated by commas.
fn webhook_secrets(vars: &Vars<'_>) -> Vec<SecretString> {
    let text = vars.optional_secret(CARD_WEBHOOK_SECRETS);
    let text = text.as_ref().map_or("", |text| text.expose_secret());
    let named = text.split(',').map(str::trim).filter(|secret| !secret.is_empty());
    named.map(SecretString::from).collect()
}

/// The gateway's address and key: both, or neither.
fn card_gateway(vars: &Vars<'_>) -> Option<CardGateway> {
    let (url, key) = (vars.optional_url(CARD_URL), vars.optional_secret(CARD_KEY));
    match (url, key) {
        (Some(url), Some(key)) => Some(CardGateway { url, key }),
        (Some(_), None) => vars.problem(CARD_KEY, "is needed, since there is a card gateway"),
        (None, _) => None,
    }
}

fn policy(vars: &Vars<'_>) -> Option<Policy> {
    let text = vars.file(POLICY);
    let policy = Policy::parse(text.as_deref().unwrap_or(policy::DEFAULT));
    policy.or_else(|error| vars.problem(POLICY, error.message()).ok_or(())).ok()
}

/// The registry; what is on chains that have no node is not payable.
fn registry(vars: &Vars<'_>, nodes: &BTreeMap<String, Vec<SecretString>>) -> Option<Registry> {
    let text = vars.file(ASSETS);
    let registry = match Registry::parse(text.as_deref().unwrap_or(assets::DEFAULT)) {
        Ok(registry) => registry,
        Err(error) => {
            for problem in error.0 {
                vars.problem::<()>(ASSETS, problem.to_string());
            }
            return None;
        }
    };
    let unknown: Vec<_> = nodes.keys().filter(|chain| registry.chain(chain).is_none()).collect();
    for chain in &unknown {
        let key = if chain.starts_with(UTXO) { UTXO_NODES } else { NODES };
        vars.problem::<()>(
            key,
            format!("names {chain}, which the registry of assets does not have"),
        );
    }
    unknown.is_empty().then(|| registry.on_chains(|chain| nodes.contains_key(chain)))
}

fn account_key(vars: &Vars<'_>) -> Option<AccountKey> {
    let text = vars.required(XPUB);
    if text.is_empty() {
        return None;
    }
    AccountKey::from_str(&text)
        .or_else(|error| vars.problem(XPUB, error.to_string()).ok_or(()))
        .ok()
}

fn instruction_key(vars: &Vars<'_>) -> Option<SigningKey> {
    let seed = vars.secret(INSTRUCTION_KEY);
    let key = SigningKey::from_base64(&seed);
    key.or_else(|error| vars.problem(INSTRUCTION_KEY, error.to_string()).ok_or(())).ok()
}

/// `chain=xpub`, separated by commas: one for each chain of the Bitcoin family that has a node.
fn account_keys(
    vars: &Vars<'_>,
    nodes: &BTreeMap<String, Vec<SecretString>>,
) -> BTreeMap<String, AccountKey> {
    let mut keys = BTreeMap::new();
    for entry in vars.list(UTXO_XPUBS) {
        let Some((chain, text)) = entry.split_once('=') else {
            vars.problem::<()>(UTXO_XPUBS, "is not a list of chain=xpub…");
            continue;
        };
        match AccountKey::from_str(text) {
            Ok(key) => drop(keys.insert(chain.to_owned(), key)),
            Err(error) => drop(vars.problem::<()>(UTXO_XPUBS, format!("{chain}: {error}"))),
        }
    }
    let here = nodes.keys().filter(|chain| chain.starts_with(UTXO));
    for chain in here.filter(|chain| !keys.contains_key(*chain)) {
        vars.problem::<()>(UTXO_XPUBS, format!("has no key for {chain}, which has a node"));
    }
    keys
}

/// Nodes of both families, by chain.
fn nodes(vars: &Vars<'_>) -> BTreeMap<String, Vec<SecretString>> {
    let mut nodes = BTreeMap::new();
    for (key, family) in [(NODES, EVM), (UTXO_NODES, UTXO)] {
        add_nodes(vars, key, family, &mut nodes);
    }
    if nodes.is_empty() {
        vars.problem::<()>(NODES, "names no node");
    }
    nodes
}

/// `chain=url`, separated by commas; a chain that is named twice has two nodes that must agree. An
/// address may hold a key of its own, so it is not printed.
fn add_nodes(
    vars: &Vars<'_>,
    key: &str,
    family: &str,
    nodes: &mut BTreeMap<String, Vec<SecretString>>,
) {
    for entry in vars.list(key) {
        match entry.split_once('=') {
            Some((chain, _)) if !chain.starts_with(family) => {
                vars.problem::<()>(key, format!("names {chain}, which is of another family"));
            }
            Some((chain, url)) if url.starts_with("http://") || url.starts_with("https://") => {
                let known: &mut Vec<SecretString> = nodes.entry(chain.to_owned()).or_default();
                if known.iter().any(|known| known.expose_secret() == url) {
                    vars.problem::<()>(key, format!("names the same node of {chain} twice"));
                }
                known.push(SecretString::from(url));
            }
            _ => drop(vars.problem::<()>(key, "is not a list of chain=http://…")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alloy_primitives::Address;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bitcoin::{
        NetworkKind, PrivateKey,
        bip32::{ChildNumber, Xpriv, Xpub},
        secp256k1::{Secp256k1, SecretKey},
    };

    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/env/payment-verification.env");

    /// Keys and values of a sample.
    fn lines(sample: &str) -> impl Iterator<Item = (&str, &str)> {
        let lines = sample.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once('='))
    }

    fn read(change: (&str, &str)) -> Result<Config, Problems> {
        let lookup = |key: &str| {
            if key == change.0 {
                return Some(change.1.to_owned());
            }
            lines(SAMPLE).find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        Config::from_vars(&Vars::new(&lookup))
    }

    #[test]
    fn the_sample_names_every_key_and_no_other() {
        if let Err(differences) = chassis::config::check_sample::<Config>(SAMPLE) {
            panic!("{differences:#?}");
        }
    }

    /// Row: J5
    #[test]
    fn no_key_of_the_configuration_could_spend() {
        // The first private extended key of BIP-32's test vectors: refused, and not printed.
        let private = concat!(
            "xprv9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNK",
            "mPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
        );
        let problems = read((XPUB, private)).unwrap_err();
        assert_eq!(problems.0.len(), 1);
        let told = problems.to_string();
        assert!(told.contains("private key") && !told.contains(private), "{told}");

        assert_eq!(spending(SAMPLE), None);
    }

    /// The account of the planted keys below; its key `0/3` has an address that is given out.
    fn account() -> Xpriv {
        Xpriv::new_master(NetworkKind::Main, &[7; 32]).unwrap()
    }

    /// The first key of a configuration whose value holds something that could spend, in a form
    /// that wallets keep: an extended private key, an exported one, words, or the bare 32 bytes
    /// behind an address that is given out.
    fn spending(sample: &str) -> Option<&str> {
        let account = Xpub::from_priv(&Secp256k1::new(), &account()).to_string();
        let mut public = vec![AccountKey::from_str(&account).unwrap()];
        for (_, value) in lines(sample) {
            public.extend(value.split([',', '=']).filter_map(|text| text.parse().ok()));
        }
        let given_out: BTreeSet<_> =
            public.iter().flat_map(|key| (0..20).filter_map(|index| key.address(index))).collect();
        let behind_one = |bytes: &[u8]| {
            let key = SecretKey::from_slice(bytes).ok();
            let public = key.map(|key| key.public_key(&Secp256k1::new()).serialize_uncompressed());
            public.is_some_and(|raw| given_out.contains(&Address::from_raw_public_key(&raw[1..])))
        };
        let could = |text: &str| {
            let bare = [hex::decode(text).ok(), STANDARD.decode(text).ok()];
            text.get(1..4) == Some("prv")
                || PrivateKey::from_wif(text).is_ok()
                || bare.into_iter().flatten().any(|bytes| behind_one(&bytes))
        };
        let words = |value: &str| {
            let plain = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase());
            value.split(' ').filter(|word| word.len() > 2 && plain(word)).count() >= 12
        };
        let holds = |value: &str| {
            words(value) || could(value) || value.split([',', '=', '@', '/']).any(could)
        };
        lines(sample).find(|(_, value)| holds(value)).map(|(key, _)| key)
    }

    /// Row: J5
    #[test]
    fn a_key_that_could_spend_would_be_found_under_whatever_name_it_stood() {
        let path = [0, 3].map(|index| ChildNumber::Normal { index });
        let child = account().derive_priv(&Secp256k1::new(), &path).unwrap().private_key;
        let bytes = child.secret_bytes();
        let planted = [
            account().to_string(),
            PrivateKey::new(child, NetworkKind::Main).to_wif(),
            hex::encode(bytes),
            STANDARD.encode(bytes),
            format!("bip122:530827f38f93b43ed12af0b3ad25a288={}", account()),
            format!("{}about", "abandon ".repeat(11)),
        ];
        for (key, value) in lines(SAMPLE) {
            for private in &planted {
                let line = format!("{key}={value}\n");
                let sample = SAMPLE.replace(&line, &format!("{key}={private}\n"));
                assert_ne!(sample, SAMPLE);
                assert_eq!(spending(&sample), Some(key), "{private}");
            }
        }
    }

    #[test]
    fn all_problems_are_said_together() {
        let lookup = |_: &str| None;
        let problems = Config::from_vars(&Vars::new(&lookup)).unwrap_err().to_string();
        for key in [
            "HTTP_ADDR",
            "DATABASE_URL",
            "AMQP_URL",
            "XPUB",
            "INSTRUCTION_KEY",
            "EVM_RPC_URLS",
            "RATE_FEED_URL",
        ] {
            assert!(problems.contains(key), "{key} in\n{problems}");
        }
    }

    #[test]
    fn a_node_needs_its_chain_in_the_registry() {
        let problem = |value| read((NODES, value)).unwrap_err().to_string();
        assert!(problem("eip155:4242=http://node").contains("eip155:4242"));
        assert!(problem("eip155:31337").contains("chain=http"));
        assert!(problem("").contains("names no node"));
        assert!(read((NODES, "eip155:31337=https://node/key")).is_ok());
        assert!(problem("bip122:00=http://node").contains("another family"));
        assert!(problem("eip155:31337=http://a,eip155:31337=http://a").contains("twice"));
        let two = read((NODES, "eip155:31337=http://a,eip155:31337=http://b")).unwrap();
        assert_eq!(two.nodes["eip155:31337"].len(), 2, "they have to agree");
    }

    #[test]
    fn a_node_of_the_bitcoin_family_needs_a_key_for_its_addresses() {
        let node = "bip122:530827f38f93b43ed12af0b3ad25a288=http://u:p@node";
        let told = read((UTXO_NODES, node)).unwrap_err().to_string();
        assert!(told.contains("has no key for bip122:530827") && !told.contains("u:p"), "{told}");
        assert!(read((UTXO_XPUBS, "bip122:00=xprv9")).unwrap_err().to_string().contains("private"));
    }

    /// Row: L3
    #[test]
    fn everything_that_is_wrong_with_the_registry_is_said_when_the_service_starts() {
        let file = std::env::temp_dir().join(format!("assets-{}.toml", std::process::id()));
        std::fs::write(&file, "chain = []\n[[asset]]\nid = \"a\"\n[[asset]]\nid = \"B\"\n")
            .unwrap();
        let told = read((ASSETS, &file.display().to_string())).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(told.contains("line 2: a ") && told.contains("line 4: B "), "{told}");
    }
}
