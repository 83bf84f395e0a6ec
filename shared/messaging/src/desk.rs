//! Where deliveries are settled: one transaction for a batch, with its inbox rows, its effects, and
//! the retries and dead letters of what failed. It decides nothing by itself and acknowledges
//! nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    CancellationToken,
    backoff::Backoff,
    metrics::{self, Counter, Histogram},
};
use contracts::policy;
use futures::FutureExt as _;
use lapin::{Channel, message::Delivery};
use messaging_core::{Cause, Marks, State, Trouble};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::{
    connection::BrokerError,
    consumer::{Settled, Settles},
    failure::{Failure, Kind, Outcome, StoreError},
    handles::{Handled, Handles},
    inbox::{self, Entry},
    incoming::Incoming,
    relay::Relay,
    speaker::Speaker,
    subscription::Consumers,
    topology::{self, Role},
    tx::Tx,
};

mod database_away;
mod failing;
mod rehearsal;
mod sorting;
mod spans;

use failing::Case;

pub(crate) use database_away::wait_for_database;
pub(crate) use rehearsal::Rehearses;

/// Somebody else changed a row first: it is tried again in place this often.
const CONFLICTS_MAX: u32 = 5;
/// A message that makes its connection fail again and again, while the database answers others, is
/// a failure.
const OUTAGES_MAX: u32 = 5;
const AFTER_CONFLICT: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(100));
const AFTER_OUTAGE: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// One consumer role at work.
pub(crate) struct Desk<H: Handles> {
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) policy: policy::Messaging,
    pub(crate) role: Role,
    pub(crate) heard: Consumers<H::Inbound>,
    pub(crate) handler: H,
    pub(crate) stop: CancellationToken,
}

/// What is known of a batch from earlier runs of it.
#[derive(Default)]
struct Progress {
    failed: BTreeMap<usize, Failed>,
    marked: bool,
    conflicts: u32,
    outages: u32,
}

#[derive(Clone)]
struct Failed {
    trouble: Trouble,
    detail: String,
}

/// Why a run of a batch did not commit.
enum Broke {
    /// These failed; the others are run again without them.
    Failed(BTreeMap<usize, Failed>),
    /// A redelivered message needs its mark first.
    Unmarked,
    /// The handler panicked, and nobody knows over which delivery.
    Panicked,
    /// The store failed.
    Store(StoreError),
}

impl<H: Handles> Settles for Desk<H> {
    const REDELIVERED_ALONE: bool = true;

    async fn prepare(&self, channel: &Channel) -> Result<(), BrokerError> {
        // Deliveries that could not be handled here are better off at another instance.
        if !wait_for_database(self.relay.pool(), Duration::MAX, &self.stop).await {
            return Err(BrokerError::Silent { doing: "waiting for the database" });
        }
        topology::declare_exchanges(channel, &self.speaker.routing).await?;
        topology::declare_role(channel, &self.speaker.routing, &self.role).await
    }

    /// Settles deliveries: when this says so, each has taken effect, or is scheduled again, or is a
    /// dead letter, or was a repeat; and that is committed.
    async fn settle(&self, deliveries: Vec<Delivery>) -> Settled {
        let begun = Instant::now();
        let count = deliveries.len();
        let mut rest: Vec<Incoming> = deliveries.into_iter().map(Incoming::read).collect();
        // The same message twice in one batch: the second is looked at when the first is settled.
        while !rest.is_empty() {
            let mut ids = BTreeSet::new();
            let (batch, twice) = rest.into_iter().partition(|item: &Incoming| ids.insert(item.id));
            rest = twice;
            if self.settle_batch(batch).await == Settled::GivenBack {
                return Settled::GivenBack;
            }
        }
        let labels = [("consumer", self.heard.role())];
        metrics::observe(Histogram::HandleSeconds, &labels, begun.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a histogram of at most some hundred")]
        metrics::observe_value(Histogram::BatchSize, &labels, count as f64);
        Settled::All
    }
}

impl<H: Handles> Desk<H> {
    async fn settle_batch(&self, batch: Vec<Incoming>) -> Settled {
        let spans: Vec<Span> = batch.iter().map(|item| self.process_span(item)).collect();
        if let Some(settled) = self.run_until_settled(&batch, &spans).await {
            return settled;
        }
        // One of them spoils it for the others: each for itself.
        for (item, span) in batch.chunks(1).zip(spans.chunks(1)) {
            if self.run_until_settled(item, span).await != Some(Settled::All) {
                return Settled::GivenBack;
            }
        }
        Settled::All
    }

    /// Runs a batch until it is committed or given back; says nothing when its deliveries have to
    /// be run alone.
    async fn run_until_settled(&self, batch: &[Incoming], spans: &[Span]) -> Option<Settled> {
        let mut progress = Progress::default();
        loop {
            let broke = match self.run(batch, spans, &progress).await {
                Ok(after) => {
                    let starting = AssertUnwindSafe(|| self.handler.committed(after));
                    if std::panic::catch_unwind(starting).is_err() {
                        tracing::error!(
                            "what follows a commit panicked; the sweeps will find what it left"
                        );
                    }
                    return Some(Settled::All);
                }
                Err(broke) => broke,
            };
            let alone = batch.len() == 1;
            let broke = match broke {
                Broke::Failed(more) => {
                    progress.failed.extend(more);
                    continue;
                }
                Broke::Panicked if alone => {
                    let failed =
                        Failed { trouble: Trouble::Panic, detail: "the handler panicked".into() };
                    progress.failed.insert(0, failed);
                    continue;
                }
                Broke::Panicked => return None,
                Broke::Unmarked => match self.mark(batch).await {
                    Ok(()) => {
                        progress.marked = true;
                        continue;
                    }
                    Err(error) => error,
                },
                Broke::Store(error) => error,
            };
            match self.recover(&mut progress, &broke, alone).await {
                Recovered::RunAgain => {}
                Recovered::RunAlone => return None,
                Recovered::GiveBack => return Some(Settled::GivenBack),
            }
        }
    }

    /// Decides what to do after the store failed.
    async fn recover(&self, progress: &mut Progress, error: &StoreError, alone: bool) -> Recovered {
        let kind = error.kind();
        if kind == Kind::Conflict && progress.conflicts < CONFLICTS_MAX {
            tokio::time::sleep(AFTER_CONFLICT.delay(progress.conflicts)).await;
            progress.conflicts += 1;
            return Recovered::RunAgain;
        }
        if kind == Kind::Unreachable {
            tracing::warn!(
                consumer = self.heard.role(),
                error = %chassis::chain(error),
                "the database is away; what is held is kept"
            );
            if !wait_for_database(self.relay.pool(), self.policy.database_down_for_max, &self.stop)
                .await
            {
                return Recovered::GiveBack;
            }
            progress.outages += 1;
            if progress.outages < OUTAGES_MAX {
                return Recovered::RunAgain;
            }
        }
        if !alone {
            return Recovered::RunAlone;
        }
        if progress.failed.contains_key(&0) {
            // Not even the failure can be written: nothing can be decided, so nothing is.
            if !AFTER_OUTAGE.wait(progress.outages, &self.stop).await {
                return Recovered::GiveBack;
            }
            progress.outages = progress.outages.saturating_add(1);
            return Recovered::RunAgain;
        }
        if matches!(error, StoreError::Corrupt { .. }) {
            tracing::error!(
                consumer = self.heard.role(),
                error = %chassis::chain(error),
                "a row cannot be read"
            );
        } else {
            tracing::warn!(
                consumer = self.heard.role(),
                error = %chassis::chain(error),
                "a message could not be handled"
            );
        }
        progress
            .failed
            .insert(0, Failed { trouble: Trouble::Transient, detail: error.to_string() });
        Recovered::RunAgain
    }

    async fn mark(&self, batch: &[Incoming]) -> Result<(), StoreError> {
        for item in batch {
            inbox::mark(self.relay.pool(), self.heard.role(), item.id).await?;
        }
        Ok(())
    }

    /// Runs a batch in one transaction.
    async fn run(
        &self,
        batch: &[Incoming],
        spans: &[Span],
        progress: &Progress,
    ) -> Result<Vec<H::After>, Broke> {
        let mut tx = Tx::begin(Arc::clone(&self.speaker), Arc::clone(&self.relay)).await?;
        let ids: Vec<Uuid> = batch.iter().map(|item| item.id.0).collect();
        let (now, seen) = inbox::read(tx.conn(), self.heard.role(), &ids).await?;
        let batch = &*sorting::numbered(batch, &seen);
        let mut sorted = self.sort(batch, progress, now, &seen, spans)?;
        let mut entries = Vec::with_capacity(batch.len());
        let mut after = Vec::new();
        if !sorted.handle.is_empty() {
            let (places, received): (Vec<usize>, Vec<_>) = sorted.handle.drain(..).unzip();
            let around = self.batch_span(spans);
            let handling = self.handler.handle(&mut tx, received).instrument(around);
            let handled = AssertUnwindSafe(handling).catch_unwind().await;
            match self.outcomes(handled, &places) {
                Ok(handled) => after = handled,
                Err(broke) => {
                    tx.rollback().await?;
                    return Err(broke);
                }
            }
            entries.extend(places.iter().filter_map(|place| batch.get(*place)).map(|item| Entry {
                id: item.id,
                attempt: item.attempt,
                state: State::Done,
                marks: 0,
            }));
        }
        let done = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        for (place, failed) in sorted.failed {
            if let (Some(item), Some(span)) = (batch.get(place), spans.get(place)) {
                let count = seen.get(&item.id).map_or(0, |row| row.marks);
                let marks = Marks { count, paid: progress.marked };
                let case = Case { item, failed: &failed, marks, now };
                entries.push(self.give_up_or_retry(&mut tx, &case, span));
            }
        }
        if !entries.is_empty() {
            inbox::write(tx.conn(), self.heard.role(), now, &entries).await?;
        }
        tx.commit().await?;
        self.count("handled", done);
        self.count("repeat", sorted.repeats);
        Ok(after)
    }

    /// What follows a commit, if every delivery took effect.
    fn outcomes(
        &self,
        handled: std::thread::Result<Result<Handled<H::After>, StoreError>>,
        places: &[usize],
    ) -> Result<Vec<H::After>, Broke> {
        let handled = match handled {
            Ok(Ok(handled)) => handled,
            Ok(Err(error)) => return Err(Broke::Store(error)),
            Err(_panic) => return Err(Broke::Panicked),
        };
        if handled.outcomes.len() != places.len() {
            let role = self.heard.role();
            tracing::error!(
                consumer = role,
                "the handler answered for another number of messages than it got"
            );
            return Err(Broke::Panicked);
        }
        let mut failed = BTreeMap::new();
        for (place, outcome) in places.iter().zip(handled.outcomes) {
            let (trouble, detail) = match outcome {
                Outcome::Done => continue,
                Outcome::Failed(Failure::Retry(doing)) => (Trouble::Transient, doing),
                Outcome::Failed(Failure::Reject(doing)) => {
                    (Trouble::Permanent(Cause::Rejected), doing)
                }
            };
            failed.insert(*place, Failed { trouble, detail });
        }
        if failed.is_empty() { Ok(handled.after) } else { Err(Broke::Failed(failed)) }
    }

    fn count(&self, verdict: &str, count: u64) {
        if count > 0 {
            let labels = [("consumer", self.heard.role()), ("verdict", verdict)];
            metrics::add(Counter::MessagesHandled, &labels, count);
        }
    }
}

enum Recovered {
    RunAgain,
    RunAlone,
    GiveBack,
}

impl From<StoreError> for Broke {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
