//! Supplier-callback: owns the raw callbacks of suppliers; hears no messages; says that one was
//! received; never decides what it means.
#![doc = include_str!("../README.md")]

pub mod config;
mod door;
mod http;
mod store;
mod taking;
mod undelivered;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use chassis::{Command, HttpClient, HttpClientConfig, Process, auth::Verifier, seal::Sealer};
use contracts::{policy::Policy, supplier::Supplier};
use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use secrecy::SecretString;
use sqlx::migrate::Migrator;

pub use config::Config;
pub use http::router;
pub use store::{Raw, open};
pub use undelivered::fetch_undelivered;

/// The service's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The service's name, in messages and views of the database.
pub const SERVICE: &str = "supplier-callback";

/// The role the service runs as in its database.
pub const DATABASE_ROLE: &str = "supplier_callback";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) messaging: Messaging,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) secrets: Arc<BTreeMap<Supplier, Vec<SecretString>>>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) http: HttpClient,
    pub(crate) supplier_sync_url: Arc<str>,
    pub(crate) internal_token: SecretString,
    pub(crate) services: Verifier,
    pub(crate) doors: Arc<door::Doors>,
    pub(crate) taking: Arc<taking::Taking>,
    pub(crate) process: Process,
}

/// What supplier-callback offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![Command::new("migrate", "brings the schema up to date, as its owner", migrate)]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url =
        config.migrate_database_url.context("SUPPLIER_CALLBACK_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, DATABASE_ROLE)
        .await
        .context("migrating the schema of supplier-callback")
}

/// Connects, and takes callbacks.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    undelivered::start(&app);
    http::serve(app, &process, config.http_addr).await
}

impl App {
    /// Connects to everything supplier-callback needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let mut database =
            DatabaseConfig::new(config.database_url.clone(), config.database_connections, SERVICE);
        // Whoever pushes retries: a burst is better told so soon than kept waiting.
        database.acquire_timeout = Duration::from_secs(2);
        let pool = messaging::connect(&database).await.context("connecting to the database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(
            missing.is_empty(),
            "run `supplier-callback migrate` first; missing: {missing:?}"
        );
        let messaging_config = MessagingConfig {
            service: SERVICE,
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            // It hears nothing.
            prefetch: 1,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool, process)
            .await
            .context("connecting to the broker")?;
        let sealer =
            Sealer::from_config(&config.seal_keys).context("reading SUPPLIER_CALLBACK_SEAL_KEY")?;
        Ok(Self {
            messaging,
            sealer: Arc::new(sealer),
            secrets: Arc::new(config.secrets.clone()),
            policy: Arc::new(config.policy.clone()),
            http: HttpClient::new(HttpClientConfig::default())
                .context("making the client for internal HTTP")?,
            supplier_sync_url: config.supplier_sync_url.as_str().into(),
            internal_token: config.internal_token.clone(),
            services: Verifier::from_keys(
                &config.token_public_keys,
                &config.token_issuer,
                "internal",
            )
            .context("reading SUPPLIER_CALLBACK_TOKEN_PUBLIC_KEYS")?,
            doors: Arc::new(door::Doors::new(&config.policy)),
            taking: Arc::new(taking::Taking::new()),
            process: process.clone(),
        })
    }

    /// What the outbox goes through; a test steps its relay.
    #[must_use]
    pub const fn messaging(&self) -> &Messaging {
        &self.messaging
    }

    /// What opens the raw callbacks.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}
