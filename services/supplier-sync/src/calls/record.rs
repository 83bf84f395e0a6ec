//! Records what came of calls: exchange, fact and all that follows in one transaction, many answers
//! at once.
//!
//! An answer is news that nobody else has. It waits for the database for as long as that is away,
//! and one that cannot be learnt at least goes into the journal of exchanges.

use std::time::Duration;

use chassis::{backoff::Backoff, trace::TraceContext};
use contracts::ids::LegId;
use messaging::{StoreError, StoreTrouble};
use supplier_sync_core::Fact;
use tokio::sync::mpsc;

use crate::{
    App,
    handle::{self, Cause, Input, Work, feed},
    store,
};

/// As many answers as one transaction takes in a few milliseconds.
const AT_ONCE: usize = 64;
/// An answer that fails this often while the database is well is not tried again.
const TRIES_MAX: u32 = 10;
const FAILED: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));

/// What came of one call.
pub(super) struct Answered {
    pub(super) leg_id: LegId,
    pub(super) fact: Fact,
    pub(super) row: store::Exchange,
    /// What is odd about the answer.
    pub(super) cases: Vec<store::NewCase>,
    pub(super) trace: Option<TraceContext>,
}

/// Starts the recorder.
///
/// While one transaction commits, answers gather for the next. When the process stops it takes what
/// has gathered and ends; what is answered after that is recorded where it is answered.
pub(super) fn run(app: &App, mut to_record: mpsc::UnboundedReceiver<Answered>) {
    let app = app.clone();
    app.process.clone().tasks.spawn("record answers", async move {
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                biased;
                _count = to_record.recv_many(&mut batch, AT_ONCE) => {}
                () = app.process.shutdown.cancelled() => break,
            }
            record(&app, std::mem::take(&mut batch)).await;
        }
        to_record.close();
        while let Ok(answered) = to_record.try_recv() {
            batch.push(answered);
        }
        record(&app, batch).await;
        Ok(())
    });
}

/// Records a batch; one that fails is recorded one by one, so that one answer holds up no other.
pub(super) async fn record(app: &App, batch: Vec<Answered>) {
    if batch.is_empty() {
        return;
    }
    let Err(error) = patiently(app, &batch, 1).await else { return };
    tracing::warn!(
        error = %chassis::chain(&error), count = batch.len(),
        "answers could not be recorded together and are recorded one by one"
    );
    for answered in batch {
        one(app, answered).await;
    }
}

async fn one(app: &App, answered: Answered) {
    let answered = [answered];
    let Err(error) = patiently(app, &answered, TRIES_MAX).await else { return };
    let [Answered { leg_id, row, .. }] = answered;
    tracing::error!(
        error = %chassis::chain(&error), leg.id = %leg_id, exchange = row.number,
        "an answer of a supplier could not be learnt; it is looked up when its lease runs out"
    );
    let mut tries = 0;
    while let Err(error) = journal(app, &row).await {
        if error.kind() != StoreTrouble::Unreachable {
            tracing::error!(
                error = %chassis::chain(&error), leg.id = %leg_id, exchange = row.number,
                "an exchange with a supplier is not in the journal"
            );
            return;
        }
        tokio::time::sleep(FAILED.delay(tries)).await;
        tries = tries.saturating_add(1);
    }
}

/// Tries until it is recorded, or has failed so often for no fault of the database.
async fn patiently(app: &App, batch: &[Answered], tries_max: u32) -> Result<(), StoreError> {
    let mut failures = Failures::default();
    loop {
        let Err(error) = once(app, batch).await else { return Ok(()) };
        let Some(wait) = failures.another(error.kind(), tries_max) else { return Err(error) };
        tracing::warn!(
            error = %chassis::chain(&error), count = batch.len(), "answers wait to be recorded"
        );
        tokio::time::sleep(wait).await;
    }
}

/// How often recording failed. While the database is away nothing is given up.
#[derive(Debug, Default)]
struct Failures {
    away: u32,
    own: u32,
}

impl Failures {
    /// How long to wait after one more failure; nothing when it is one too many.
    fn another(&mut self, trouble: StoreTrouble, own_max: u32) -> Option<Duration> {
        let count = match trouble {
            StoreTrouble::Unreachable => &mut self.away,
            StoreTrouble::Conflict | StoreTrouble::Broken => &mut self.own,
        };
        *count = count.saturating_add(1);
        let wait = FAILED.delay(*count);
        (self.own < own_max).then_some(wait)
    }
}

async fn journal(app: &App, row: &store::Exchange) -> Result<(), StoreError> {
    let mut tx = app.messaging.begin().await?;
    store::journal(tx.conn(), [row]).await?;
    tx.commit().await
}

async fn once(app: &App, batch: &[Answered]) -> Result<(), StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let works = batch.iter().map(|answered| {
        let span = tracing::info_span!(parent: None, "learn answer", leg.id = %answered.leg_id);
        if let Some(parent) = &answered.trace {
            chassis::trace::set_parent(&span, parent);
        }
        let cause = Cause { source: "answer", id: None, span };
        Work { leg_id: answered.leg_id, input: Input::Fact(answered.fact.clone()), cause }
    });
    let cases = batch.iter().flat_map(|answered| answered.cases.clone()).collect();
    let fed = feed(app, &mut tx, works.collect(), cases, now).await?;
    store::journal(tx.conn(), batch.iter().map(|answered| &answered.row)).await?;
    tx.commit().await?;
    handle::committed(app, fed.follows);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Failures, StoreTrouble, TRIES_MAX};

    #[test]
    fn an_answer_waits_for_the_database_however_long_it_is_away() {
        let mut failures = Failures::default();
        for _ in 0..10_000 {
            assert!(failures.another(StoreTrouble::Unreachable, TRIES_MAX).is_some());
        }
        for tries in 1..=TRIES_MAX {
            let again = failures.another(StoreTrouble::Broken, TRIES_MAX);
            assert_eq!(again.is_some(), tries < TRIES_MAX, "{tries}");
        }
    }
}
