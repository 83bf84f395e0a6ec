//! A service under test: its database, its names at the broker, its process, its log.

use std::time::Duration;

use chassis::Process;
use contracts::policy::Policy;
use messaging::{Messaging, MessagingConfig};
use sqlx::{PgPool, migrate::Migrator};

use crate::{Database, Logs, Prefix};

/// A service under test.
pub struct TestService {
    /// The service's name.
    pub name: &'static str,
    /// Stopped first.
    pub process: Process,
    /// Its database.
    pub database: Database,
    /// Its names at the broker.
    pub prefix: Prefix,
    /// Its policy: the shipped one, until the test changes it.
    pub policy: Policy,
    /// Its log.
    pub logs: Logs,
}

impl TestService {
    /// A database and a broker layout for the service, and a process.
    ///
    /// # Panics
    /// When a server cannot be reached.
    pub async fn new(name: &'static str, migrator: &'static Migrator) -> Self {
        let logs = Logs::watch();
        let policy = Policy::parse(contracts::policy::DEFAULT).expect("the shipped policy");
        Self {
            name,
            process: crate::process(),
            database: Database::new(name, migrator).await,
            prefix: Prefix::new(),
            policy,
            logs,
        }
    }

    /// A pool as the service has it.
    pub async fn pool(&self) -> PgPool {
        self.database.pool().await
    }

    /// How the service speaks and hears.
    #[must_use]
    pub fn messaging_config(&self) -> MessagingConfig {
        MessagingConfig {
            service: self.name,
            amqp_url: self.prefix.amqp_url(),
            prefix: self.prefix.as_str().to_owned(),
            prefetch: 200,
            policy: self.policy.messaging.clone(),
        }
    }

    /// Starts messaging on a pool of its own.
    ///
    /// # Panics
    /// When the broker's address is not one.
    pub async fn messaging(&self) -> Messaging {
        let pool = self.pool().await;
        Messaging::start(self.messaging_config(), pool, &self.process)
            .await
            .expect("messaging starts")
    }

    /// Stops the process and waits for it.
    ///
    /// # Panics
    /// When a task failed or does not end.
    pub async fn stop(&self) {
        self.process.stop(Duration::from_secs(20)).await.expect("the process stops");
    }
}
