//! The database's clock, as seen from the request path without asking it each time.
//!
//! Read every second and carried on by a monotone timer in between. It only mints ids and stamps
//! events; what is decided by time (a lock, a timer) is compared inside the database.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::Process;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

const READ_EVERY: Duration = Duration::from_secs(1);

/// The database's time, at most a second's drift away.
#[derive(Clone)]
pub(crate) struct Clock {
    read: Arc<RwLock<(DateTime<Utc>, Instant)>>,
}

impl Clock {
    /// Reads the clock once and keeps reading it.
    pub(crate) async fn start(pool: PgPool, process: &Process) -> anyhow::Result<Self> {
        let first = read(&pool).await.context("reading the database's clock")?;
        let clock = Self { read: Arc::new(RwLock::new((first, Instant::now()))) };
        let (ours, shutdown) = (clock.clone(), process.shutdown.clone());
        process.tasks.spawn("read the database's clock", async move {
            let mut every = tokio::time::interval(READ_EVERY);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    _ = every.tick() => ours.follow(read(&pool).await),
                }
            }
        });
        Ok(clock)
    }

    /// The database's time now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let (at, since) = match self.read.read() {
            Ok(read) => *read,
            Err(poisoned) => *poisoned.into_inner(),
        };
        at + TimeDelta::from_std(since.elapsed()).unwrap_or_default()
    }

    fn follow(&self, read: Result<DateTime<Utc>, sqlx::Error>) {
        // A database that does not answer is reported by readiness; the timer carries on meanwhile.
        let Ok(at) = read else { return };
        if let Ok(mut ours) = self.read.write() {
            *ours = (at, Instant::now());
        }
    }
}

async fn read(pool: &PgPool) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar("select holdfast_now()").fetch_one(pool).await
}
