//! How each process of a stack is started, and how one knows that it is ready.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    checkout::{Checkout, Infra},
    coins::{self, Coins, PASSWORD, USER},
    environment::{self, Places},
    keys::Keys,
    profile::Profile,
    program::Recipe,
    servers::{Database, Place},
    stack::{Options, SERVICES},
};

pub(crate) const LOCKS: &str = "redis-locks";
pub(crate) const CACHE: &str = "redis-cache";
pub(crate) const NODE: &str = "anvil";
pub(crate) const DOUBLES: &str = "doubles";
/// What the card gateway's double signs its pushes with, as the sample has it.
const CARDS_SECRET: &str = "whsec_development-only";
pub(crate) const TRACES: &str = "traces";
/// What a service needs before it can start, in the order in which it is started.
const BESIDES: [&str; 5] = [LOCKS, CACHE, NODE, TRACES, DOUBLES];
/// A node of the Bitcoin family, where one is wanted.
pub(crate) const COINS: &str = "litecoind";

/// The registry of assets that a stack's services read, in its folder.
pub(crate) const ASSETS: &str = "assets.toml";
/// Chain id of a development node.
pub(crate) const CHAIN_ID: u64 = 31_337;

/// What must be remembered to find a stack again: everything else follows from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) name: String,
    pub(crate) profile: Profile,
    pub(crate) bin: PathBuf,
    pub(crate) lasting: bool,
    /// The servers it was started on.
    pub(crate) infra: Infra,
    share: f64,
    block_time: Option<u64>,
    doubles_args: Vec<String>,
    /// Keys of services that differ from what a stack gives them.
    changes: BTreeMap<String, String>,
    ports: BTreeMap<String, u16>,
}

impl Layout {
    /// # Errors
    /// When no port is free.
    pub(crate) fn new(options: &Options, bin: PathBuf, infra: &Infra) -> anyhow::Result<Self> {
        let mut ports = crate::ports::Ports::default();
        let coins = options.coins.then_some(COINS);
        let names = BESIDES.into_iter().chain(coins).chain(SERVICES);
        let ports = names.map(|name| Ok((name.to_owned(), ports.free()?)));
        Ok(Self {
            name: options.name.clone(),
            profile: options.profile,
            bin,
            lasting: options.lasting,
            infra: infra.clone(),
            share: options.share_of_traces,
            block_time: options.block_time_s,
            doubles_args: options.doubles_args.clone(),
            changes: options.changes.clone(),
            ports: ports.collect::<anyhow::Result<_>>()?,
        })
    }

    /// What the services need before they can start, in the order in which it is started.
    pub(crate) fn besides(&self) -> impl Iterator<Item = &'static str> {
        BESIDES.into_iter().chain(self.has_coins().then_some(COINS))
    }

    /// Whether there is a node of the Bitcoin family.
    pub(crate) fn has_coins(&self) -> bool {
        self.ports.contains_key(COINS)
    }

    pub(crate) fn dir(&self, checkout: &Checkout) -> PathBuf {
        checkout.run().join(&self.name)
    }

    pub(crate) fn address(&self, name: &str) -> String {
        format!("127.0.0.1:{}", self.ports[name])
    }

    pub(crate) fn url(&self, name: &str) -> String {
        let scheme = if name.starts_with("redis") { "redis" } else { "http" };
        format!("{scheme}://{}", self.address(name))
    }

    /// How one of the processes beside the services is started.
    pub(crate) fn beside(
        &self,
        checkout: &Checkout,
        infra: &Infra,
        keys: &Keys,
        name: &str,
    ) -> Recipe {
        let dir = self.dir(checkout);
        let (exe, args) = match name {
            // A lock must not make room for another.
            LOCKS => (infra.redis_server.clone(), self.redis(name, "64mb", "noeviction", &dir)),
            CACHE => (infra.redis_server.clone(), self.redis(name, "32mb", "allkeys-lfu", &dir)),
            NODE => (infra.anvil.clone(), self.node(&dir)),
            TRACES => (self.bin.join("traces"), words(&["--listen", &self.address(name)])),
            DOUBLES => (self.bin.join("doubles"), self.doubles(keys)),
            COINS => (coins::program(infra), self.coins(&dir)),
            other => unreachable!("{other} is no process beside the services"),
        };
        let env = vec![("HOME".to_owned(), dir.display().to_string())];
        self.recipe(dir, name, exe, args, env)
    }

    /// How a service is started, or, with `migrate`, its schema made.
    ///
    /// # Errors
    /// When its sample cannot be read.
    pub(crate) fn service(
        &self,
        checkout: &Checkout,
        infra: &Infra,
        keys: &Keys,
        service: &str,
        migrate: bool,
    ) -> anyhow::Result<Recipe> {
        let database = Database::of(infra, &self.name, service);
        let place = Place::of(infra, &self.name);
        let dir = self.dir(checkout);
        let places = Places {
            addresses: self.addresses(),
            listen: self.address(service),
            database_url: database.url(),
            migrate_database_url: database.owner_url(),
            amqp_url: place.amqp_url,
            amqp_prefix: place.prefix,
            policy: dir.join("policy.toml").display().to_string(),
            assets: dir.join(ASSETS).display().to_string(),
            share: self.share,
        };
        let mut env = environment::of(checkout.root(), service, &places, keys, migrate)?;
        env.retain(|(key, _)| !self.changes.contains_key(key));
        let prefix = service.to_uppercase().replace('-', "_");
        if service == "payment-verification" && self.has_coins() {
            env.extend(self.coins_of_service(keys));
        }
        let own = self.changes.iter().filter(|(key, _)| key.starts_with(&prefix));
        env.extend(own.map(|(key, value)| (key.clone(), value.clone())));
        let args = if migrate { words(&["migrate"]) } else { Vec::new() };
        Ok(self.recipe(dir, service, self.bin.join(service), args, env))
    }

    /// What the samples call the addresses, and where they are here.
    fn addresses(&self) -> Vec<(String, String)> {
        let mut addresses = vec![
            ("redis://redis-locks:6379".to_owned(), self.url(LOCKS)),
            ("redis://redis-cache:6379".to_owned(), self.url(CACHE)),
            ("http://anvil:8545".to_owned(), self.url(NODE)),
            ("http://doubles:8080".to_owned(), self.url(DOUBLES)),
            ("http://jaeger:4318".to_owned(), self.url(TRACES)),
            ("http://127.0.0.1:16686/trace/{trace_id}".to_owned(), self.view_of_traces()),
        ];
        addresses.extend(SERVICES.map(|s| (format!("http://{s}:8080"), self.url(s))));
        addresses
    }

    /// Where people see a trace.
    fn view_of_traces(&self) -> String {
        format!("{}/traces/{{trace_id}}/view", self.url(TRACES))
    }

    fn recipe(
        &self,
        dir: PathBuf,
        name: &str,
        exe: PathBuf,
        args: Vec<String>,
        env: Vec<(String, String)>,
    ) -> Recipe {
        let log = dir.join(format!("{name}.log"));
        Recipe { exe, args, env, dir, log, lasting: self.lasting }
    }

    fn redis(&self, name: &str, memory: &str, policy: &str, dir: &Path) -> Vec<String> {
        let port = self.ports[name].to_string();
        let dir = dir.display().to_string();
        words(&[
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--dir",
            &dir,
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory",
            memory,
            "--maxmemory-policy",
            policy,
        ])
    }

    fn node(&self, dir: &Path) -> Vec<String> {
        let (port, chain) = (self.ports[NODE].to_string(), CHAIN_ID.to_string());
        let accounts = dir.join("node.json").display().to_string();
        let mut args = words(&[
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--chain-id",
            &chain,
            "--balance",
            "100000000",
            "--config-out",
            &accounts,
            "--disable-block-gas-limit",
            "--silent",
        ]);
        if let Some(seconds) = self.block_time {
            args.extend(words(&["--block-time", &seconds.to_string()]));
        }
        args
    }

    fn coins(&self, dir: &Path) -> Vec<String> {
        let port = format!("-rpcport={}", self.ports[COINS]);
        let folder = format!("-datadir={}", dir.display());
        let (user, word) = (format!("-rpcuser={USER}"), format!("-rpcpassword={PASSWORD}"));
        let mut args = words(&["-regtest", "-server=1", "-listen=0", "-dnsseed=0", "-discover=0"]);
        args.extend(words(&["-upnp=0", "-txindex=1", "-fallbackfee=0.0002", "-dbcache=4"]));
        args.extend(words(&["-printtoconsole=0", "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1"]));
        args.extend([user, word, port, folder]);
        args
    }

    /// The node with the name and the word that it wants.
    pub(crate) fn coins_url(&self) -> String {
        format!("http://{USER}:{PASSWORD}@{}", self.address(COINS))
    }

    /// Deposit addresses of both families are children of the same key.
    fn coins_of_service(&self, keys: &Keys) -> [(String, String); 2] {
        let of_chain = |value: &str| format!("{}={value}", crate::token::OUTPUTS);
        [
            ("PAYMENT_VERIFICATION_UTXO_RPC_URLS".to_owned(), of_chain(&self.coins_url())),
            ("PAYMENT_VERIFICATION_UTXO_XPUBS".to_owned(), of_chain(&keys.xpub)),
        ]
    }

    /// Every supplier's double has the same flags, the last two where it pushes callbacks.
    fn doubles(&self, keys: &Keys) -> Vec<String> {
        let (address, node) = (self.address(DOUBLES), self.url(NODE));
        let mut args = words(&["--listen", &address, "--evm-rpc", &node]);
        for (supplier, keys) in &keys.suppliers {
            let mut give =
                |flag, value: &str| args.extend([format!("--{supplier}-{flag}"), value.into()]);
            give("key", &keys.key);
            give("secret", &keys.secret);
            if let Some(secret) = &keys.webhook_secret {
                let service = self.url("supplier-callback");
                give("callback-url", &format!("{service}/v1/callbacks/{supplier}"));
                give("callback-secret", secret);
            }
        }
        if self.has_coins() {
            args.extend(words(&["--utxo-rpc", &self.coins_url()]));
        }
        let pushes = format!("{}/webhooks/cards", self.url("payment-verification"));
        args.extend(words(&["--cards-callback-url", &pushes]));
        args.extend(words(&["--cards-callback-secret", CARDS_SECRET]));
        args.extend(self.doubles_args.iter().cloned());
        args
    }

    /// Asks once whether a process does its work.
    ///
    /// # Errors
    /// What it lacks.
    pub(crate) async fn ask(&self, name: &str) -> anyhow::Result<()> {
        let within = Duration::from_secs(3);
        match name {
            LOCKS | CACHE => {
                let asked = tokio::net::TcpStream::connect(self.address(name));
                tokio::time::timeout(within, asked).await??;
                Ok(())
            }
            COINS => {
                let coins = Coins::at(&self.url(name));
                tokio::time::timeout(within, coins.call("getblockcount", json!([]))).await??;
                Ok(())
            }
            NODE => {
                let node = crate::node::Node::at(&self.url(name));
                tokio::time::timeout(within, node.height()).await??;
                Ok(())
            }
            _ => {
                let path = if SERVICES.contains(&name) { "ready" } else { "health" };
                let reply = client().get(format!("{}/{path}", self.url(name))).timeout(within);
                let reply = reply.send().await;
                let reply = reply.context("does not answer")?;
                let status = reply.status();
                let body = reply.text().await.unwrap_or_default();
                anyhow::ensure!(status.is_success(), "{status}: {body}");
                Ok(())
            }
        }
    }
}

/// One client for all: making one reads the machine's certificates.
fn client() -> &'static reqwest::Client {
    static CLIENT: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();
    CLIENT.get_or_init(|| reqwest::Client::builder().no_proxy().build().unwrap())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
