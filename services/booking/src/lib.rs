//! Booking: the gateway and the saga. Owns bookings, their journal, quotes, travellers and timers;
//! hears what became of legs, payments and points; never calls a supplier or a chain.
#![doc = include_str!("../README.md")]

mod accepting;
mod cache;
mod clock;
pub mod config;
mod consumers;
mod contact;
mod handle;
pub mod http;
mod jobs;
mod live;
mod masked;
mod owners;
mod payable;
pub mod quote;
pub mod replay;
pub mod store;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use chassis::{Command, Process, blind::BlindIndex, seal::Sealer, sign::VerifyingKey};
use contracts::policy::Policy;
use messaging::{DatabaseConfig, Messaging, MessagingConfig};
use sqlx::{PgPool, migrate::Migrator};

pub use config::Config;
pub use jobs::fire_timers;

/// Booking's own schema.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The consumer role, which names the queue.
pub const ROLE: &str = "booking";

/// The handles of a running process.
#[derive(Clone)]
pub struct App {
    pub(crate) pool: PgPool,
    pub(crate) messaging: Messaging,
    pub(crate) cache: cache::Cache,
    pub(crate) owners: owners::Owners,
    pub(crate) sealer: Arc<Sealer>,
    /// Finds bookings by what is sealed.
    pub(crate) contacts: Arc<BlindIndex>,
    pub(crate) instruction_key: Arc<VerifyingKey>,
    pub(crate) clock: clock::Clock,
    pub(crate) live: live::Live,
    pub(crate) policy: Arc<Policy>,
    pub(crate) accepting: Arc<accepting::Accepting>,
    pub(crate) searches: http::Searches,
    pub(crate) process: Process,
}

/// What booking offers besides serving.
#[must_use]
pub fn commands() -> Vec<Command<Config>> {
    vec![
        Command::new("migrate", "brings the schema up to date, as its owner", migrate),
        Command::new(
            "rebuild",
            "[--check] [ID]: makes rows again from their journals; --check only names what differs",
            replay::rebuild,
        ),
        Command::new(
            "index",
            "makes bookings findable by e-mail that are from before that was so",
            contact::index,
        ),
        Command::new("check", "the same as rebuild --check", replay::check),
        Command::new("export", "ID: prints a booking with its journal, masked", replay::export),
        Command::new(
            "import",
            "FILE: takes a masked export into a development stack",
            replay::import,
        ),
        Command::new("replay", "makes a booking again from the file of an export", replay::replay),
    ]
}

async fn migrate(config: Config, _process: Process, _args: Vec<String>) -> anyhow::Result<()> {
    let url = config.migrate_database_url.context("BOOKING_MIGRATE_DATABASE_URL is not set")?;
    messaging::migrate(&url, &MIGRATOR, "booking").await.context("migrating booking's schema")?;
    Ok(())
}

/// Connects, starts the consumer, the jobs and the gateway.
///
/// # Errors
/// When something it needs cannot be had.
pub async fn serve(config: Config, process: Process) -> anyhow::Result<()> {
    let app = App::connect(&config, &process).await?;
    if config.role.works() {
        app.hear();
        jobs::start(&app);
    } else {
        app.know();
    }
    http::serve(&config, app).await
}

impl App {
    /// Starts the consumer.
    pub fn hear(&self) {
        self.messaging.consume(consumers::consumers(), handle::Handler::new(self.clone()));
    }

    /// Knows what messages would do, without hearing them.
    pub fn know(&self) {
        self.messaging.know(consumers::consumers(), handle::Handler::new(self.clone()));
    }

    /// How this process speaks.
    #[must_use]
    pub const fn messaging(&self) -> &Messaging {
        &self.messaging
    }

    /// Makes bookings findable by e-mail that are from before that was so; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn index_contacts(&self) -> anyhow::Result<u64> {
        contact::make(&self.pool, &self.sealer, &self.contacts).await
    }

    /// Waits until the consumer can get deliveries.
    pub async fn listening(&self) {
        self.messaging.listening().await;
    }

    /// Connects to everything booking needs.
    ///
    /// # Errors
    /// When something cannot be had, or the schema is behind.
    pub async fn connect(config: &Config, process: &Process) -> anyhow::Result<Self> {
        let url = config.database_url.clone();
        let pool = messaging::connect(&DatabaseConfig {
            // A request that loses a race for a quote waits this long for the winner.
            lock_timeout: Duration::from_secs(2),
            ..DatabaseConfig::new(url, config.database_connections, ROLE)
        })
        .await
        .context("connecting to booking's database")?;
        let missing = messaging::migrations_missing(&pool, &MIGRATOR).await?;
        anyhow::ensure!(missing.is_empty(), "run `booking migrate` first; missing: {missing:?}");
        let messaging_config = MessagingConfig {
            service: "booking",
            amqp_url: config.amqp_url.clone(),
            prefix: config.amqp_prefix.clone(),
            prefetch: 256,
            policy: config.policy.messaging.clone(),
        };
        let messaging = Messaging::start(messaging_config, pool.clone(), process)
            .await
            .context("connecting to the broker")?;
        let cache = cache::Cache::new(&config.locks_redis_url, &config.cache_redis_url)
            .context("reading the addresses of Redis")?;
        let sealer = Sealer::from_config(&config.seal_keys).context("reading BOOKING_SEAL_KEYS")?;
        let contacts =
            BlindIndex::from_config(&config.contact_key).context("reading BOOKING_CONTACT_KEY")?;
        let instruction_key = VerifyingKey::from_base64(&config.instruction_public_key)
            .context("reading BOOKING_INSTRUCTION_PUBLIC_KEY")?;
        let clock = clock::Clock::start(pool.clone(), process).await?;
        let live = live::Live::default();
        live.start(pool.clone(), cache.clone(), config.policy.live.look_every, process);
        Ok(Self {
            owners: owners::Owners::new(config)?,
            pool,
            messaging,
            cache,
            sealer: Arc::new(sealer),
            contacts: Arc::new(contacts),
            instruction_key: Arc::new(instruction_key),
            clock,
            live,
            policy: config.policy.clone(),
            accepting: Arc::new(accepting::Accepting::new()),
            searches: http::Searches::default(),
            process: process.clone(),
        })
    }
}

/// How long a look at a neighbour may take before the field is shown as unknown.
pub(crate) const NEIGHBOUR_DEADLINE: Duration = Duration::from_millis(300);
