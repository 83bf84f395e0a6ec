//! Records what came of calls: exchange, fact and all that follows in one transaction, many answers
//! at once.

use std::time::Duration;

use chassis::{backoff::Backoff, trace::TraceContext};
use contracts::ids::LegId;
use messaging::StoreError;
use supplier_sync_core::Fact;
use tokio::sync::mpsc;

use crate::{
    App,
    handle::{Cause, Input, Work, feed},
    store,
};

/// As many answers as one transaction takes in a few milliseconds.
const AT_ONCE: usize = 64;
/// A single answer that fails this often for no fault of the database is left to its lease.
const TRIES_MAX: u32 = 10;
const FAILED: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));

/// What came of one call.
pub(super) struct Answered {
    pub(super) leg_id: LegId,
    pub(super) fact: Fact,
    pub(super) row: store::Exchange,
    pub(super) trace: Option<TraceContext>,
}

/// Starts the recorder.
///
/// While one transaction commits, answers gather for the next. It ends when the process stops and
/// every call has ended: calls are tasks that the process waits for as well.
pub(super) fn run(app: &App, mut to_record: mpsc::UnboundedReceiver<Answered>) {
    let app = app.clone();
    app.process.clone().tasks.spawn("record answers", async move {
        let mut batch = Vec::with_capacity(AT_ONCE);
        loop {
            tokio::select! {
                biased;
                _count = to_record.recv_many(&mut batch, AT_ONCE) => {}
                () = app.calls.all_ended(&app) => return Ok(()),
            }
            record(&app, std::mem::take(&mut batch)).await;
        }
    });
}

/// Records a batch; one that fails is recorded one by one, so that one answer holds up no other.
async fn record(app: &App, batch: Vec<Answered>) {
    if batch.is_empty() {
        return;
    }
    let count = batch.len();
    match once(app, &batch).await {
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(
                error = %chassis::chain(&error), count,
                "answers could not be recorded together and are recorded one by one"
            );
            for answered in batch {
                one(app, answered).await;
            }
        }
    }
    app.calls.recorded(count);
}

async fn one(app: &App, answered: Answered) {
    let answered = [answered];
    for tries in 0..TRIES_MAX {
        let Err(error) = once(app, &answered).await else { return };
        tracing::warn!(
            error = %chassis::chain(&error), tries, "an answer could not be recorded"
        );
        tokio::time::sleep(FAILED.delay(tries)).await;
    }
    let [Answered { leg_id, row, .. }] = answered;
    tracing::error!(
        leg.id = %leg_id, exchange = row.number,
        "an answer of a supplier is not recorded; it is looked up when its lease runs out"
    );
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
    let fed = feed(app, &mut tx, works.collect(), now).await?;
    store::journal(tx.conn(), batch.iter().map(|answered| &answered.row)).await?;
    tx.commit().await?;
    app.calls.begin(fed.started);
    Ok(())
}
