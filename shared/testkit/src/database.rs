//! A database for each test: made once as a template, cloned in some 50 ms, dropped afterwards.

use std::fmt::Write as _;

use chrono::TimeDelta;
use messaging::DatabaseConfig;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, migrate::Migrator};

use crate::{blocking, infra::Infra};

/// One lock for everything that databases and roles share over all test processes.
const LOCK: i64 = 0x7465_7374_6b69_7400;
/// Databases of tests that were killed live this long.
const LEFT_OVER_AFTER_SECONDS: i64 = 1800;

/// A database of one test.
pub struct Database {
    name: String,
    service: &'static str,
}

impl Database {
    /// A database with messaging's tables and the service's own, and the roles `<service>_owner`
    /// and `<service>`.
    ///
    /// # Panics
    /// When the server cannot be reached or a migration fails.
    pub async fn new(service: &'static str, migrator: &'static Migrator) -> Self {
        let template = template_name(service, migrator);
        let name = format!("test_{}_{:08x}", seconds(), rand::random::<u32>());
        let mut admin = admin().await;
        if !exists(&mut admin, &template).await {
            make_template(&mut admin, service, migrator, &template).await;
        }
        let owner = quoted(&format!("{service}_owner"));
        run(
            &mut admin,
            &format!("create database {name} template {} owner {owner}", quoted(&template)),
        )
        .await;
        admin.close().await.unwrap();
        Self { name, service }
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address for `migrate` and for what only an owner may do.
    #[must_use]
    pub fn owner_url(&self) -> SecretString {
        url(&format!("{}_owner", self.service), &self.name).into()
    }

    /// The address for `serve`.
    #[must_use]
    pub fn service_url(&self) -> SecretString {
        url(self.service, &self.name).into()
    }

    /// The service's address, by way of a proxy.
    #[must_use]
    pub fn service_url_by(&self, host_and_port: &str) -> SecretString {
        let (host, _user) = host_of(&Infra::get().postgres);
        url(self.service, &self.name).replace(&host, host_and_port).into()
    }

    /// Host and port of the server.
    #[must_use]
    pub fn server() -> String {
        host_of(&Infra::get().postgres).0
    }

    /// A pool as the service has it.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn pool(&self) -> PgPool {
        let config = DatabaseConfig::new(self.service_url(), 10, "test");
        messaging::connect(&config).await.expect("the test database answers")
    }

    /// A connection as the superuser, to look at anything.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn admin(&self) -> PgConnection {
        let url = format!("{}/{}", Infra::get().postgres.trim_end_matches('/'), self.name);
        PgConnection::connect(&url).await.expect("the test database answers")
    }

    /// Puts the database's clock ahead, or back, for everybody who asks `holdfast_now()`.
    ///
    /// # Panics
    /// When the database cannot be reached.
    pub async fn offset_clock(&self, ahead_by: TimeDelta) {
        let mut admin = self.admin().await;
        sqlx::query("update holdfast_clock set ahead_by = $1 * interval '1 microsecond'")
            .bind(ahead_by.num_microseconds().expect("less than an age"))
            .execute(&mut admin)
            .await
            .unwrap();
        admin.close().await.unwrap();
    }

    /// Ends every connection to this database, as a server that goes down does.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub async fn cut_connections(&self) {
        let mut admin = admin().await;
        sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
            .bind(&self.name)
            .execute(&mut admin)
            .await
            .unwrap();
        admin.close().await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        blocking(async move {
            let mut admin = admin().await;
            run(&mut admin, &statement).await;
            drop(admin.close().await);
        });
    }
}

/// Makes roles and template under a lock, so that test processes that start together make them
/// once.
async fn make_template(
    admin: &mut PgConnection,
    service: &'static str,
    migrator: &'static Migrator,
    template: &str,
) {
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut *admin).await.unwrap();
    drop_left_overs(admin).await;
    for role in [service.to_owned(), format!("{service}_owner")] {
        let known: bool =
            sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
                .bind(&role)
                .fetch_one(&mut *admin)
                .await
                .unwrap();
        if !known {
            run(admin, &format!("create role {} login password 'holdfast'", quoted(&role))).await;
        }
    }
    if !exists(admin, template).await {
        // Whole, then under its name: who is killed in between leaves a left-over, not half a
        // template.
        let draft = format!("test_{}_{:08x}", seconds(), rand::random::<u32>());
        let owner = format!("{service}_owner");
        run(admin, &format!("create database {draft} owner {}", quoted(&owner))).await;
        let owner_url: SecretString = url(&owner, &draft).into();
        messaging::migrate(&owner_url, migrator, service)
            .await
            .unwrap_or_else(|error| panic!("{}", chassis::chain(&error)));
        run(admin, &format!("alter database {draft} rename to {}", quoted(template))).await;
    }
    sqlx::query("select pg_advisory_unlock($1)").bind(LOCK).execute(&mut *admin).await.unwrap();
}

async fn drop_left_overs(admin: &mut PgConnection) {
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut *admin)
            .await
            .unwrap();
    for name in names {
        let made: Option<i64> = name.split('_').nth(1).and_then(|at| at.parse().ok());
        if made.is_some_and(|at| seconds() - at > LEFT_OVER_AFTER_SECONDS) {
            run(admin, &format!("drop database if exists {name} with (force)")).await;
        }
    }
}

fn template_name(service: &str, migrator: &Migrator) -> String {
    let mut hash = Sha256::new();
    for migration in messaging::migrations().iter().chain(migrator.iter()) {
        hash.update(&*migration.checksum);
    }
    let mut name = format!("template_{service}_");
    for byte in hash.finalize().iter().take(6) {
        write!(name, "{byte:02x}").unwrap();
    }
    name
}

async fn exists(admin: &mut PgConnection, database: &str) -> bool {
    sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(database)
        .fetch_one(admin)
        .await
        .unwrap()
}

async fn admin() -> PgConnection {
    let url = format!("{}/postgres", Infra::get().postgres.trim_end_matches('/'));
    PgConnection::connect(&url).await.expect("PostgreSQL answers; see scripts/lib/infra status")
}

async fn run(admin: &mut PgConnection, statement: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(admin).await {
        panic!("{statement}: {error}");
    }
}

fn url(role: &str, database: &str) -> String {
    let (host, _user) = host_of(&Infra::get().postgres);
    format!("postgres://{role}:holdfast@{host}/{database}")
}

/// Host and port, and whoever is before them.
fn host_of(url: &str) -> (String, String) {
    let rest = url.split("://").nth(1).expect("a URL").trim_end_matches('/');
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    (host.to_owned(), user.to_owned())
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn seconds() -> i64 {
    chrono::Utc::now().timestamp()
}
