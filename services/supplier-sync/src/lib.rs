//! Supplier-sync: owns legs at their suppliers, with every attempt, exchange and piece of evidence;
//! hears what legs are wanted as and what suppliers push; says what became of legs; never decides
//! about a booking.
#![doc = include_str!("../README.md")]

mod accounts;
mod cache;
mod calls;
pub mod catalogue;
mod compare;
pub mod config;
mod consumers;
mod handle;
mod http;
mod jobs;
mod merge;
mod sample;
mod search;
mod shop;
mod store;
mod undelivered;

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use chassis::{
    Command, HttpClient, HttpClientConfig, Process, SecretString, auth::Verifier, seal::Sealer,
};
use contracts::{policy::Policy, supplier::Supplier};
use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use sqlx::migrate::Migrator;

pub use compare::compare;
pub use config::Config;
pub use http::router;
pub use jobs::{
    forget_callbacks, forget_price_checks, join_callbacks, join_old_callbacks, surface_callbacks,
    wake,
};

/// The service's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The consumer role, which names the queue.
pub const ROLE: &str = "supplier-sync";

/// The role the service runs as in its database.
pub const DATABASE_ROLE: &str = "supplier_sync";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) messaging: Messaging,
    pub(crate) cache: cache::Cache,
    pub(crate) gates: cache::Gates,
    pub(crate) policy: Arc<Policy>,
    pub(crate) rules: Arc<BTreeMap<Supplier, supplier_sync_core::Policy>>,
    pub(crate) accounts: Arc<accounts::Accounts>,
    pub(crate) calls: calls::Calls,
    pub(crate) right: calls::Right,
    pub(crate) shop: shop::Shop,
    pub(crate) catalogue: Arc<catalogue::Catalogue>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) http: HttpClient,
    pub(crate) booking_url: Arc<str>,
    pub(crate) internal_token: SecretString,
    pub(crate) services: Verifier,
    pub(crate) process: Process,
}

/// What supplier-sync offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![Command::new("migrate", "brings the schema up to date, as its owner", migrate)]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url =
        config.migrate_database_url.context("SUPPLIER_SYNC_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, DATABASE_ROLE)
        .await
        .context("migrating the schema of supplier-sync")
}

/// Connects, starts the calls, the consumer, the jobs and the edge.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    app.make_calls();
    app.hear();
    jobs::start(&app);
    http::serve(app, &process, config.http_addr).await
}

impl App {
    /// Connects to everything supplier-sync needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let database =
            DatabaseConfig::new(config.database_url.clone(), config.database_connections, ROLE);
        let pool = messaging::connect(&database).await.context("connecting to the database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(
            missing.is_empty(),
            "run `supplier-sync migrate` first; missing: {missing:?}"
        );
        let messaging_config = MessagingConfig {
            service: ROLE,
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            prefetch: config.prefetch,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool, process)
            .await
            .context("connecting to the broker")?;
        Ok(Self {
            messaging,
            cache: cache::Cache::new(&config.cache_redis_url)
                .context("reading SUPPLIER_SYNC_CACHE_REDIS_URL")?,
            gates: cache::Gates::new(&config.cache_redis_url, &config.policy)
                .context("reading SUPPLIER_SYNC_CACHE_REDIS_URL")?,
            rules: Arc::new(supplier_sync_core::Policy::all(&config.policy)),
            accounts: Arc::new(accounts::Accounts::new(config)?),
            calls: calls::Calls::new(),
            right: calls::Right::default(),
            shop: shop::Shop::new(&config.policy),
            catalogue: config.catalogue.clone(),
            policy: config.policy.clone(),
            sealer: Arc::new(
                Sealer::from_config(&config.seal_keys).context("reading SUPPLIER_SYNC_SEAL_KEY")?,
            ),
            http: HttpClient::new(HttpClientConfig::default())
                .context("making the client for internal HTTP")?,
            booking_url: config.booking_url.as_str().into(),
            internal_token: config.internal_token.clone(),
            services: Verifier::from_keys(
                &config.token_public_keys,
                &config.token_issuer,
                "internal",
            )
            .context("reading SUPPLIER_SYNC_TOKEN_PUBLIC_KEYS")?,
            process: process.clone(),
        })
    }

    /// Handles messages. The calls they ask for wait in memory until somebody makes them.
    pub fn hear(&self) {
        self.messaging.consume(consumers::consumers(), handle::Handler::new(self.clone()));
    }

    /// Makes calls, and records what comes of them.
    pub fn make_calls(&self) {
        calls::run(self);
    }

    /// What messages and the outbox go through; a test steps its relay.
    #[must_use]
    pub const fn messaging(&self) -> &Messaging {
        &self.messaging
    }

    /// What opens journalled requests and replies.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}
