//! The relay: publishes what was committed, from memory right away, and by sweeping the table for
//! what memory lost.
//!
//! A row leaves the table when the broker confirmed it, and for no other reason. Whatever else
//! happens to a publication (refused, cut, not answered) leaves its outcome unknown: the row stays
//! and is sent again, and the receivers know it by its id. No transaction is open while the broker
//! is awaited.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::{
    CancellationToken,
    backoff::Backoff,
    metrics::{self, Gauge},
};
use futures::stream::{FuturesUnordered, StreamExt as _};
use sqlx::PgPool;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::{
    connection::Link,
    failure::{StoreError, database},
    job::Step,
    outbox,
    outgoing::OutboxRow,
    publisher::Publisher,
};

/// Rows that may wait in memory: more than a second of work. What is beyond is left to the sweep.
const IN_MEMORY_MAX: usize = 8_192;
/// Rows that are published and awaited together.
const CHUNK: usize = 256;
/// Chunks that may be awaited at a time.
const CHUNKS_AT_ONCE: usize = 16;
/// Rows of one sweep.
const SWEPT_AT_ONCE: i64 = 500;
/// How long confirmed rows gather before they are deleted together. Much shorter than any row is
/// swept after.
const DELETES_GATHER_FOR: Duration = Duration::from_millis(20);
/// Confirmed rows that may wait to be deleted while the database is away; the sweep sends the
/// others again.
const DELETES_WAITING_MAX: usize = 20_000;
/// How long the last rows may take to leave when the process stops.
const FLUSH_FOR: Duration = Duration::from_secs(5);
const AFTER_FAILURE: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

pub(crate) struct Relay {
    pool: PgPool,
    publisher: Publisher,
    sweep_after: Duration,
    /// Rows that this process is publishing: its own sweep passes them over.
    flying: Mutex<BTreeSet<Uuid>>,
    in_memory: AtomicUsize,
    fresh: UnboundedSender<Vec<OutboxRow>>,
    confirmed: UnboundedSender<Vec<Uuid>>,
}

/// What the relay's loops take from; made together with the relay.
pub(crate) struct Inlets {
    fresh: UnboundedReceiver<Vec<OutboxRow>>,
    confirmed: UnboundedReceiver<Vec<Uuid>>,
}

impl Relay {
    pub(crate) fn new(pool: PgPool, publisher: Publisher, sweep_after: Duration) -> (Self, Inlets) {
        let (fresh, fresh_rows) = unbounded_channel();
        let (confirmed, confirmed_ids) = unbounded_channel();
        let relay = Self {
            pool,
            publisher,
            sweep_after,
            flying: Mutex::default(),
            in_memory: AtomicUsize::new(0),
            fresh,
            confirmed,
        };
        (relay, Inlets { fresh: fresh_rows, confirmed: confirmed_ids })
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn link(&self) -> &Link {
        self.publisher.link()
    }

    pub(crate) fn sweep_after(&self) -> Duration {
        self.sweep_after
    }

    /// Takes rows that were committed. Never blocks; what does not fit into memory is left to the
    /// sweep.
    pub(crate) fn committed(&self, mut rows: Vec<OutboxRow>) {
        rows.retain(|row| row.due_at.is_none());
        if rows.is_empty() || self.in_memory.load(Ordering::Relaxed) >= IN_MEMORY_MAX {
            return;
        }
        self.in_memory.fetch_add(rows.len(), Ordering::Relaxed);
        self.lock_flying().extend(rows.iter().map(|row| row.outbox_id));
        // The receiver is gone only when the process ends.
        drop(self.fresh.send(rows));
    }

    /// Publishes rows as they come, until the consumers have stopped and memory is empty.
    pub(crate) async fn publish_fresh(
        &self,
        mut fresh: UnboundedReceiver<Vec<OutboxRow>>,
        stop: CancellationToken,
    ) {
        let mut flying = FuturesUnordered::new();
        let mut waiting = Vec::new();
        loop {
            let room = !waiting.is_empty() && flying.len() < CHUNKS_AT_ONCE;
            let empty = flying.is_empty() && waiting.is_empty() && fresh.is_empty();
            tokio::select! {
                Some(()) = flying.next() => {}
                more = fresh.recv(), if waiting.is_empty() => match more {
                    Some(rows) => waiting = rows,
                    None => break,
                },
                () = std::future::ready(()), if room => {
                    while waiting.len() < CHUNK {
                        let Ok(rows) = fresh.try_recv() else { break };
                        waiting.extend(rows);
                    }
                    let rest = waiting.split_off(waiting.len().min(CHUNK));
                    flying.push(self.publish_chunk(std::mem::replace(&mut waiting, rest)));
                }
                () = stop.cancelled(), if empty => break,
            }
        }
    }

    async fn publish_chunk(&self, rows: Vec<OutboxRow>) {
        let confirmed = self.publisher.publish(&rows).await;
        self.in_memory.fetch_sub(rows.len(), Ordering::Relaxed);
        self.landed(&rows);
        if !confirmed.is_empty() {
            // The receiver is gone only when the process ends.
            drop(self.confirmed.send(confirmed));
        }
    }

    /// Deletes confirmed rows, many with one statement.
    pub(crate) async fn clear(
        &self,
        mut confirmed: UnboundedReceiver<Vec<Uuid>>,
        stop: CancellationToken,
    ) {
        let mut ids: Vec<Uuid> = Vec::new();
        let mut failures = 0;
        loop {
            // What could not be deleted is tried again without waiting for more.
            if ids.is_empty() {
                tokio::select! {
                    more = confirmed.recv() => match more {
                        Some(more) => ids.extend(more),
                        None => return,
                    },
                    () = stop.cancelled() => {}
                }
            }
            let last = stop.is_cancelled();
            if !last {
                tokio::time::sleep(DELETES_GATHER_FOR).await;
            }
            while let Ok(more) = confirmed.try_recv() {
                ids.extend(more);
            }
            if self.delete(&mut ids).await {
                ids.clear();
                failures = 0;
            } else {
                ids.truncate(DELETES_WAITING_MAX);
                failures += 1;
                AFTER_FAILURE.wait(failures, &stop).await;
            }
            // What is left then is swept, sent again and known by its id.
            if last {
                return;
            }
        }
    }

    async fn delete(&self, ids: &mut [Uuid]) -> bool {
        if ids.is_empty() {
            return true;
        }
        // In one order everywhere, so that two instances that delete the same rows do not lock up.
        ids.sort_unstable();
        match outbox::delete(&self.pool, ids).await {
            Ok(_count) => true,
            Err(error) => {
                tracing::warn!(
                    error = %chassis::chain(&error),
                    "confirmed messages could not be deleted yet"
                );
                false
            }
        }
    }

    /// Sweeps until the process stops: the safety net under the memory path, and the clock of
    /// retries.
    pub(crate) async fn sweep(&self, stop: CancellationToken) {
        // Retries are due to the millisecond, but a jittered wait need not be kept to the
        // millisecond.
        let every =
            (self.sweep_after / 8).clamp(Duration::from_millis(25), Duration::from_millis(250));
        let mut failures = 0;
        while !stop.is_cancelled() {
            if !self.publisher.is_ready().await {
                failures += 1;
                AFTER_FAILURE.wait(failures, &stop).await;
                continue;
            }
            let wait = match self.step().await {
                Ok(Step::Did(_count)) => continue,
                Ok(Step::Idle) => {
                    failures = 0;
                    every
                }
                Err(error) => {
                    tracing::warn!(
                        error = %chassis::chain(&error),
                        "the outbox could not be swept"
                    );
                    failures += 1;
                    AFTER_FAILURE.delay(failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// One sweep: takes rows that are due, publishes them, deletes what was confirmed.
    pub(crate) async fn step(&self) -> Result<Step, StoreError> {
        // Rows are not taken while they could not be sent: their lease would only make them late.
        if !self.publisher.is_ready().await {
            return Ok(Step::Idle);
        }
        let mut rows =
            outbox::lease(&self.pool, SWEPT_AT_ONCE).await.map_err(database("sweeping"))?;
        {
            let mut flying = self.lock_flying();
            rows.retain(|row| flying.insert(row.outbox_id));
        }
        if rows.is_empty() {
            return Ok(Step::Idle);
        }
        let confirmed = self.publisher.publish(&rows).await;
        self.landed(&rows);
        outbox::delete(&self.pool, &confirmed)
            .await
            .map_err(database("deleting what was confirmed"))?;
        Ok(Step::of(confirmed.len()))
    }

    /// Says how far behind the relay is, and shows it.
    pub(crate) async fn lag(&self) -> Result<outbox::Lag, StoreError> {
        let lag = outbox::lag(&self.pool).await.map_err(database("measuring the outbox"))?;
        metrics::set(Gauge::OutboxWaiting, &[], lag.due);
        metrics::set(Gauge::OutboxOldest, &[], lag.overdue.as_secs_f64());
        for (consumer, waiting) in &lag.retries {
            metrics::set(Gauge::RetriesWaiting, &[("consumer", consumer)], *waiting);
        }
        Ok(lag)
    }

    fn landed(&self, rows: &[OutboxRow]) {
        let mut flying = self.lock_flying();
        for row in rows {
            flying.remove(&row.outbox_id);
        }
    }

    fn lock_flying(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the relay's loops until the process stops and `consumers` are done, then sends what is left
/// and hangs up.
pub(crate) async fn run(
    relay: Arc<Relay>,
    inlets: Inlets,
    consumers: TaskTracker,
    shutdown: CancellationToken,
) {
    let consumers_done = CancellationToken::new();
    let published = CancellationToken::new();
    let sweeping = relay.sweep(shutdown.clone());
    let publishing = async {
        relay.publish_fresh(inlets.fresh, consumers_done.clone()).await;
        published.cancel();
    };
    let clearing = relay.clear(inlets.confirmed, published.clone());
    let ending = async {
        shutdown.cancelled().await;
        consumers.close();
        consumers.wait().await;
        consumers_done.cancel();
        tokio::time::sleep(FLUSH_FOR).await;
        // What has not left by then is in the table.
        published.cancel();
    };
    let work = async { tokio::join!(sweeping, publishing, clearing) };
    tokio::select! {
        ((), (), ()) = work => {}
        () = ending => {}
    }
    relay.link().close().await;
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Relay({} rows in memory)", self.in_memory.load(Ordering::Relaxed))
    }
}
