//! Payment-verification: owns payment requests, addresses, what was seen on chains, refunds and the
//! ledger of money. Hears what booking asks; says what is seen and final. Holds no key that could
//! spend.
#![doc = include_str!("../README.md")]

mod address;
mod assets;
mod cache;
pub mod cards;
pub mod chains;
pub mod config;
mod consumers;
mod feed;
mod handle;
pub mod http;
mod jobs;
mod store;
pub mod treasury;
pub mod watcher;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use chassis::{Command, Process, sign::SigningKey};
use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use payment_verification_core::assets::{Family, Registry};
use secrecy::SecretString;
use sqlx::migrate::Migrator;

pub use address::{AccountKey, NotAnAccountKey};
pub use assets::{Checked, ask_nodes};
use cards::Cards;
use chains::{Node, Nodes, evm, utxo};
pub use config::Config;
pub use feed::FeedError;
pub use jobs::read_rates;
use treasury::Treasury;
use watcher::Watcher;

/// The service's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The consumer role, which names the queue.
pub const ROLE: &str = "payment-verification";

/// The database role that the service runs as.
pub const DATABASE_ROLE: &str = "payment_verification";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) messaging: Messaging,
    pub(crate) cache: cache::Cache,
    pub(crate) registry: Arc<Registry>,
    pub(crate) addresses: address::Addresses,
    pub(crate) instruction_key: Arc<SigningKey>,
    pub(crate) feed: feed::Feed,
    pub(crate) card_secrets: Arc<[SecretString]>,
    pub(crate) policy: contracts::policy::Payment,
    pub(crate) process: Process,
}

/// What payment-verification offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![
        Command::new("migrate", "brings the schema up to date, as its owner", migrate),
        Command::new(
            "assets",
            "checks the registry of assets, with the nodes that answer",
            assets::check,
        ),
    ]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url = config.migrate_database_url;
    let url = url.context("PAYMENT_VERIFICATION_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, DATABASE_ROLE).await.context("migrating the schema")?;
    Ok(())
}

/// Connects, begins to watch, starts the consumer, the jobs and internal HTTP.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    let watchers = app.watchers(&config)?;
    // Before the first address is given out, so that no payment lies before the beginning.
    for watcher in &watchers {
        watcher.begin().await.context("reading the head of a chain for the first time")?;
    }
    app.consume();
    let treasury = app.treasury(&config)?;
    let cards = app.cards(&config)?;
    jobs::start(&app, watchers, treasury, cards);
    http::serve(&config, app).await
}

impl App {
    /// Connects to everything the service needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let (url, connections) = (config.database_url.clone(), config.database_connections);
        let pool = messaging::connect(&DatabaseConfig::new(url, connections, ROLE))
            .await
            .context("connecting to the database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(missing.is_empty(), "run `migrate` first; missing: {missing:?}");
        let messaging_config = MessagingConfig {
            service: ROLE,
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            prefetch: 256,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool, process)
            .await
            .context("connecting to the broker")?;
        let feed = feed::Feed::new(
            sources(config),
            config.registry.clone(),
            config.policy.lock.rate_age_max,
        )
        .context("making the client for the rate feed")?;
        Ok(Self {
            messaging,
            cache: cache::Cache::new(&config.cache_redis_url)
                .context("reading PAYMENT_VERIFICATION_CACHE_REDIS_URL")?,
            registry: config.registry.clone(),
            addresses: address::Addresses::new(
                config.account_key.clone(),
                config.account_keys.clone(),
            ),
            instruction_key: config.instruction_key.clone(),
            feed,
            card_secrets: config.card_webhook_secrets.clone().into(),
            policy: config.policy.payment.clone(),
            process: process.clone(),
        })
    }

    /// How this process speaks and hears.
    #[must_use]
    pub fn messaging(&self) -> &Messaging {
        &self.messaging
    }

    /// Starts to hear.
    pub fn consume(&self) {
        self.messaging.consume(consumers::consumers(), handle::Handler::new(self.clone()));
    }

    /// A watcher for each chain that has a node.
    ///
    /// # Errors
    /// When no client can be made, or a chain is of no family that is known here.
    pub fn watchers(&self, config: &Config) -> anyhow::Result<Vec<Watcher>> {
        let nodes = nodes(config)?.into_iter();
        Ok(nodes.map(|(chain, nodes)| Watcher::new(self.clone(), chain, nodes)).collect())
    }

    /// The treasury that sends refunds.
    ///
    /// # Errors
    /// When no client can be made, or a chain is of no family that is known here.
    pub fn treasury(&self, config: &Config) -> anyhow::Result<Treasury> {
        let (url, token) = (config.treasury_url.clone(), config.treasury_token.clone());
        Treasury::new(self.clone(), url, token, nodes(config)?)
            .context("making the client for the treasury")
    }

    /// The card gateway, if there is one.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn cards(&self, config: &Config) -> anyhow::Result<Option<Cards>> {
        let Some(config::CardGateway { url, key }) = config.card_gateway.clone() else {
            return Ok(None);
        };
        Cards::new(self.clone(), url, key).map(Some).context("making the client for cards")
    }
}

/// The sources of rates that are configured.
fn sources(config: &Config) -> Vec<feed::Source> {
    let ticker = config.rate_ticker_url.clone().map(feed::Source::Ticker);
    let feed = feed::Source::SimplePrice(config.rate_feed_url.clone());
    std::iter::once(feed).chain(ticker).collect()
}

/// The nodes of every chain that is watched.
///
/// # Errors
/// When no client can be made.
pub(crate) fn nodes(config: &Config) -> anyhow::Result<BTreeMap<String, Nodes>> {
    let of_chain = |(chain, urls): (&String, &Vec<SecretString>)| {
        let family = config.registry.chain(chain).map(|chain| &chain.family);
        let family = family.with_context(|| format!("{chain} is not in the registry"))?;
        let made = urls.iter().map(|url| node(config, chain, family, url));
        let mut made = made.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
        let first = made.next().with_context(|| format!("{chain} has no node"))?;
        Ok((chain.clone(), Nodes::new(first, made.collect())))
    };
    config.nodes.iter().map(of_chain).collect()
}

fn node(config: &Config, chain: &str, family: &Family, url: &SecretString) -> anyhow::Result<Node> {
    let node = match family {
        Family::Evm { number } => {
            let of_chain = config.registry.assets().filter(|asset| asset.chain == *chain);
            let contracts = of_chain.filter_map(|asset| asset.contract.clone());
            evm::Node::new(*number, url.clone(), contracts).map(Node::Evm)
        }
        Family::Utxo { genesis, maturity, .. } => {
            utxo::Node::new(genesis.clone(), *maturity, url.clone()).map(Node::Utxo)
        }
        Family::Card => anyhow::bail!("{chain} has no nodes"),
    };
    node.context("making the client for a node")
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({ROLE})")
    }
}
