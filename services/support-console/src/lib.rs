//! Support console: owns parked dead letters and the audit; takes them from every dead-letter
//! queue, shows them to staff and sends them again; never handles a message and never writes what
//! another service owns.
#![doc = include_str!("../README.md")]

pub mod cli;
pub mod config;
pub mod fault;
mod http;
mod jobs;
mod mask;
pub mod oidc;
pub mod origin;
mod owners;
mod pages;
pub mod parked;
mod replay;
mod runs;
pub mod staff;
pub mod state;
mod store;

use anyhow::Context as _;
use chassis::{Command, Process, auth::Verifier};
use contracts::{
    policy::Support,
    routing::{CONSUMERS, Routing},
};
use messaging::{DatabaseConfig, Messaging, MessagingConfig, Planning};
use sqlx::{PgPool, migrate::Migrator};

pub use config::Config;
pub use http::router;
pub use jobs::settle_replays;
pub use parked::Parker;
pub use runs::replay_many;

/// The service's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The service's name.
pub const SERVICE: &str = "support-console";
/// The role its process has in its database.
pub const DATABASE_ROLE: &str = "support_console";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) pool: PgPool,
    pub(crate) messaging: Messaging,
    pub(crate) routing: Routing,
    /// Checks the tokens of staff.
    pub(crate) staff: Verifier,
    /// Checks the tokens of services.
    pub(crate) internal: Verifier,
    pub(crate) owners: owners::Owners,
    pub(crate) proxies: origin::Proxies,
    /// Where staff sign in besides here.
    pub(crate) oidc: Option<oidc::Oidc>,
    /// Whether staff sign in here by a password.
    pub(crate) passwords: bool,
    /// What outlives a request.
    pub(crate) tasks: chassis::Tasks,
    /// Where staff see the spans of a trace.
    pub(crate) traces: pages::Traces,
    /// Limits of what staff do.
    pub(crate) support: Support,
}

/// What the console offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![
        Command::new("migrate", "brings the schema up to date, as its owner", migrate),
        Command::new(
            "staff",
            "add NAME ROLE, password NAME: prints a new password; end NAME; as the schema's owner",
            staff::command,
        ),
    ]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url =
        config.migrate_database_url.context("SUPPORT_CONSOLE_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, DATABASE_ROLE).await.context("migrating the schema")
}

/// Connects, starts the parker and the edge.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    app.park();
    jobs::start(&app, &process);
    runs::start(&app, &process);
    http::serve(app, &process, config.http_addr).await
}

impl App {
    /// Connects to everything the console needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let (url, connections) = (config.database_url.clone(), config.database_connections);
        let database = DatabaseConfig {
            planning: Planning::EachTime,
            ..DatabaseConfig::new(url, connections, SERVICE)
        };
        let pool = messaging::connect(&database).await.context("connecting to the database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(
            missing.is_empty(),
            "run `support-console migrate` first; missing: {missing:?}"
        );
        let messaging_config = MessagingConfig {
            service: SERVICE,
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            prefetch: config.prefetch,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool.clone(), process)
            .await
            .context("connecting to the broker")?;
        let staff =
            Verifier::from_keys(&config.token_public_keys, &config.token_issuer, "holdfast")
                .context("reading SUPPORT_CONSOLE_TOKEN_PUBLIC_KEYS")?;
        let internal =
            Verifier::from_keys(&config.token_public_keys, &config.token_issuer, "internal")
                .context("reading SUPPORT_CONSOLE_TOKEN_PUBLIC_KEYS")?;
        let routing = Routing::with_prefix(&config.amqp_prefix);
        let owners = owners::Owners::new(config)?;
        let support = config.policy.support.clone();
        let tasks = process.tasks.clone();
        let proxies = config.trusted_proxies.clone();
        let oidc = config.oidc.clone().map(oidc::Oidc::new).transpose()?;
        let passwords = config.passwords;
        Ok(Self {
            pool,
            messaging,
            routing,
            staff,
            internal,
            owners,
            proxies,
            oidc,
            passwords,
            tasks,
            traces: config.traces.clone(),
            support,
        })
    }

    /// Starts moving dead letters of every consumer, and commands that no queue took, into the
    /// table.
    pub fn park(&self) {
        let dead = CONSUMERS.iter().map(|consumer| self.routing.dead_queue(consumer));
        let queues = dead.chain([self.routing.unroutable_queue()]).collect();
        self.messaging.park(queues, Parker::new(self.pool.clone(), self.routing.clone()));
    }

    /// What dead letters come through.
    #[must_use]
    pub const fn messaging(&self) -> &Messaging {
        &self.messaging
    }
}
