//! Rewards: owns accounts of points and their ledger; hears what becomes of bookings and what they
//! redeem; says what became of redeemed points; never decides about a booking.
#![doc = include_str!("../README.md")]

mod cache;
pub mod config;
mod consumers;
mod handle;
mod http;
mod jobs;
mod store;

use anyhow::Context as _;
use chassis::{Command, Process, auth::Verifier};
use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use rewards_core::Policy;
use sqlx::{PgPool, migrate::Migrator};

pub use config::Config;
pub use handle::Handler;
pub use http::router;
pub use jobs::mature;

/// The service's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The consumer role, which names the queue.
pub const ROLE: &str = "rewards";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) pool: PgPool,
    pub(crate) messaging: Messaging,
    pub(crate) cache: cache::Cache,
    pub(crate) policy: Policy,
    /// Checks the tokens of other services.
    pub(crate) services: Verifier,
    /// Checks the tokens of staff.
    pub(crate) staff: Verifier,
}

/// What rewards offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![Command::new("migrate", "brings the schema up to date, as its owner", migrate)]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url = config.migrate_database_url.context("REWARDS_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, ROLE).await.context("migrating the schema of rewards")
}

/// Connects, starts the consumer, the job and the edge.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    app.hear();
    jobs::start(&app, &process);
    http::serve(app, &process, config.http_addr).await
}

impl App {
    /// Connects to everything rewards needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let database =
            DatabaseConfig::new(config.database_url.clone(), config.database_connections, ROLE);
        let pool = messaging::connect(&database).await.context("connecting to the database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(missing.is_empty(), "run `rewards migrate` first; missing: {missing:?}");
        let messaging_config = MessagingConfig {
            service: ROLE,
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            prefetch: config.prefetch,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool.clone(), process)
            .await
            .context("connecting to the broker")?;
        let verifier = |audience| {
            Verifier::from_keys(&config.token_public_keys, &config.token_issuer, audience)
                .context("reading REWARDS_TOKEN_PUBLIC_KEYS")
        };
        Ok(Self {
            cache: cache::Cache::start(&config.cache_redis_url, process)
                .context("reading REWARDS_CACHE_REDIS_URL")?,
            pool,
            messaging,
            policy: Policy::from(&config.policy.rewards),
            services: verifier("internal")?,
            staff: verifier("holdfast")?,
        })
    }

    /// Starts to hear what is in the subscription list.
    pub fn hear(&self) {
        self.messaging.consume(consumers::consumers(), Handler::new(self.clone()));
    }

    /// What messages and the outbox go through.
    #[must_use]
    pub const fn messaging(&self) -> &Messaging {
        &self.messaging
    }
}
