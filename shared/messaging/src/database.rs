//! The database of a service: the only pool maker, both sets of migrations, and the clock.

use std::{str::FromStr as _, time::Duration};

use chrono::TimeDelta;
use futures::FutureExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool,
    migrate::{Migrate as _, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions, types::PgInterval},
};

/// The set that every service's database has. It keeps its own book: two sets in one book would
/// each take the other's entries for migrations that went missing.
static MESSAGING: std::sync::LazyLock<Migrator> = std::sync::LazyLock::new(|| {
    let mut set = sqlx::migrate!("./migrations");
    set.dangerous_set_table_name("_messaging_migrations");
    set
});

/// Messaging's own migrations, for whoever must know whether they changed.
#[must_use]
pub fn migrations() -> &'static Migrator {
    &MESSAGING
}

/// Plans are made once for each prepared statement and kept. Every statement of a service takes few
/// rows and has an index for them, and some of its plans are made while its tables are empty: then
/// reading a whole table seems cheap, and would still be done when the table is large.
const PLANNING: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// Plans are made anew for each execution, by what is in the tables then.
const PLANNING_EACH_TIME: [(&str, &str); 2] =
    [("plan_cache_mode", "force_custom_plan"), ("jit", "off")];
/// How long a connection may be idle and still be taken to work.
const TRIED_AFTER: Duration = Duration::from_secs(1);

/// When the plan of a prepared statement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// Once, for who says few things often, and finds all of it by one key.
    Once,
    /// Each time, for who says many things now and then, and joins tables of several indexes: which
    /// of them is the right one cannot be told while they are empty.
    EachTime,
}

/// How a service reaches its database.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Where it is, and as whom.
    pub url: SecretString,
    /// Connections at most.
    pub max_connections: u32,
    /// What the server's own views call this process.
    pub application_name: &'static str,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock.
    pub lock_timeout: Duration,
    /// How long a transaction may do nothing.
    pub idle_timeout: Duration,
    /// How long somebody may wait for a connection of the pool.
    pub acquire_timeout: Duration,
    /// When plans are made.
    pub planning: Planning,
}

impl DatabaseConfig {
    /// The limits that serve every service: short, because nothing remote happens inside a
    /// transaction.
    #[must_use]
    pub fn new(url: SecretString, max_connections: u32, application_name: &'static str) -> Self {
        Self {
            url,
            max_connections,
            application_name,
            statement_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15),
            acquire_timeout: Duration::from_secs(3),
            planning: Planning::Once,
        }
    }
}

/// Opens the pool of a service. No connection is made until the first is needed, but one to see
/// that it works.
///
/// A connection that was idle for a while is tried before it is handed out; a busy one is not,
/// because nobody should wait for that.
///
/// # Errors
/// When the address is not one, or the database cannot be reached or refuses.
#[expect(clippy::disallowed_methods, reason = "this is the place the ban points to")]
pub async fn connect(config: &DatabaseConfig) -> Result<PgPool, sqlx::Error> {
    let millis = |limit: Duration| limit.as_millis().to_string();
    let planning: &[(&str, &str)] = match config.planning {
        Planning::Once => &PLANNING,
        Planning::EachTime => &PLANNING_EACH_TIME,
    };
    let options = PgConnectOptions::from_str(config.url.expose_secret())?
        .application_name(config.application_name)
        .options([
            ("statement_timeout", millis(config.statement_timeout)),
            ("lock_timeout", millis(config.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(config.idle_timeout)),
        ])
        .options(planning.iter().copied());
    PgPoolOptions::new()
        .max_connections(config.max_connections)
        .min_connections(1)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            if metadata.idle_for < TRIED_AFTER {
                return async { Ok(true) }.boxed();
            }
            async { connection.ping().await.map(|()| true) }.boxed()
        })
        .connect_with(options)
        .await
}

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// It cannot be reached, or refuses.
    #[error("the database failed while {doing}")]
    Database {
        /// The operation.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A migration failed, or what was applied is not what is known here.
    #[error("the migrations of {set} failed")]
    Migration {
        /// Whose set.
        set: &'static str,
        /// Why.
        #[source]
        source: MigrateError,
    },
}

/// Brings a database up to date as its owner: messaging's tables, then the service's own.
///
/// `service_role` gets what messaging needs on messaging's tables; what it needs on the service's
/// own tables the service's migrations grant.
///
/// # Errors
/// When the database cannot be reached, or a migration fails or was changed after it was applied.
pub async fn migrate(
    owner_url: &SecretString,
    own: &'static Migrator,
    service_role: &str,
) -> Result<(), MigrationError> {
    let database = |doing| move |source| MigrationError::Database { doing, source };
    // Each set on a connection of its own, closed after it: a run that fails keeps its lock until
    // then.
    run(owner_url, &MESSAGING, "messaging").await?;
    run(owner_url, own, "the service").await?;
    let mut connection = open(owner_url).await.map_err(database("connecting as the owner"))?;
    let granted = grant(&mut connection, service_role, &own.table_name).await;
    connection.close().await.map_err(database("closing the owner's connection"))?;
    granted.map_err(database("granting to the service"))
}

async fn run(
    owner_url: &SecretString,
    set: &Migrator,
    name: &'static str,
) -> Result<(), MigrationError> {
    let database = |doing| move |source| MigrationError::Database { doing, source };
    let mut connection = open(owner_url).await.map_err(database("connecting as the owner"))?;
    // Not `run`: whoever awaits that in a boxed task is refused by the compiler, for a lifetime in
    // its bounds.
    let ran = set.run_direct(None, &mut connection, false).await;
    connection.close().await.map_err(database("closing the owner's connection"))?;
    ran.map_err(|source| MigrationError::Migration { set: name, source })
}

async fn open(url: &SecretString) -> Result<PgConnection, sqlx::Error> {
    // Notices of `if not exists` are of no use to anybody.
    let options = PgConnectOptions::from_str(url.expose_secret())?
        .options([("client_min_messages", "warning")]);
    PgConnection::connect_with(&options).await
}

async fn grant(
    connection: &mut PgConnection,
    role: &str,
    own_book: &str,
) -> Result<(), sqlx::Error> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let statements = format!(
        "grant usage on schema public to {role};
         grant select on holdfast_clock, _messaging_migrations, {own_book} to {role};
         grant select, insert, update, delete on outbox, inbox to {role};"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// Lists the migrations that this process knows and the database has not got: `serve` refuses to
/// start then.
///
/// # Errors
/// When the database cannot be reached or its books cannot be read.
pub async fn migrations_missing(
    pool: &PgPool,
    own: &'static Migrator,
) -> Result<Vec<String>, MigrationError> {
    let mut missing = Vec::new();
    for (name, set) in [("messaging", &*MESSAGING), ("own", own)] {
        let mut connection = pool.acquire().await.map_err(|source| MigrationError::Database {
            doing: "looking for missing migrations",
            source,
        })?;
        let applied = match connection.list_applied_migrations(&set.table_name).await {
            Ok(applied) => applied,
            // No book, no migrations.
            Err(MigrateError::Execute(sqlx::Error::Database(refused)))
                if refused.code().as_deref() == Some("42P01") =>
            {
                Vec::new()
            }
            Err(source) => return Err(MigrationError::Migration { set: name, source }),
        };
        missing.extend(
            set.iter()
                .filter(|known| known.migration_type.is_up_migration())
                .filter(|known| applied.iter().all(|done| done.version != known.version))
                .map(|known| format!("{name} {} {}", known.version, known.description)),
        );
    }
    Ok(missing)
}

/// How far the database's clock was put ahead; zero outside tests.
///
/// # Errors
/// When the database cannot be asked.
pub async fn clock_offset(connection: &mut PgConnection) -> Result<TimeDelta, sqlx::Error> {
    let ahead: PgInterval =
        sqlx::query_scalar("select justify_hours(ahead_by) from holdfast_clock")
            .fetch_one(connection)
            .await?;
    let days = i64::from(ahead.months).saturating_mul(30).saturating_add(i64::from(ahead.days));
    Ok(TimeDelta::days(days) + TimeDelta::microseconds(ahead.microseconds))
}
