//! Performs calls to suppliers: lanes per supplier, the exchange itself, and the record of what
//! came of it.
//!
//! Accepting is not performing: a call is here because its intent, with a lease, is committed. What
//! is lost from memory is found by its lease.

mod exchange;
mod lanes;
mod record;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contracts::supplier::Supplier;
use tokio::sync::mpsc;

use self::{lanes::Lanes, record::Answered};
use crate::{App, handle::Started};

/// The way to have calls made.
#[derive(Clone)]
pub(crate) struct Calls {
    lanes: Arc<BTreeMap<Supplier, Lanes>>,
    answers: mpsc::UnboundedSender<Answered>,
    to_record: Arc<Mutex<Option<mpsc::UnboundedReceiver<Answered>>>>,
    /// Calls that were begun and are not recorded yet.
    open: Arc<AtomicUsize>,
}

/// How often a stopping process looks whether its last call has been recorded.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Calls {
    pub(crate) fn new() -> Self {
        // No more wait here than calls are in flight or queued, and those are bounded by their
        // leases.
        let (answers, to_record) = mpsc::unbounded_channel();
        Self {
            lanes: Arc::new(Supplier::ALL.into_iter().map(|s| (s, Lanes::default())).collect()),
            answers,
            to_record: Arc::new(Mutex::new(Some(to_record))),
            open: Arc::default(),
        }
    }

    /// Queues calls whose intents are committed. Never waits.
    pub(crate) fn begin(&self, started: Vec<Started>) {
        for one in started {
            if let Some(lanes) = self.lanes.get(&one.call.supplier) {
                self.open.fetch_add(1, Ordering::Relaxed);
                if let Err(late) = lanes.push(one) {
                    self.answered(exchange::not_begun(&late));
                }
            }
        }
    }

    fn recorded(&self, count: usize) {
        self.open.fetch_sub(count, Ordering::Relaxed);
    }

    /// Waits until the process stops and no call is left.
    async fn all_ended(&self, app: &App) {
        app.process.shutdown.cancelled().await;
        while self.open.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Hands over what came of a call.
    fn answered(&self, answered: Answered) {
        // The recorder outlives every call; if it is gone, the lease tells.
        drop(self.answers.send(answered));
    }
}

/// Starts the lanes of every supplier, and the recorder.
pub(crate) fn run(app: &App) {
    for supplier in Supplier::ALL {
        lanes::run(app, supplier);
    }
    let taken = app.calls.to_record.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(to_record) = taken {
        record::run(app, to_record);
    }
}
