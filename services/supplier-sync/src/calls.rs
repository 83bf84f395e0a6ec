//! Performs calls to suppliers: lanes per supplier, the exchange itself, and the record of what
//! came of it.
//!
//! Accepting is not performing: a call is here because its intent, with a lease, is committed. What
//! is lost from memory is found by its lease.

mod exchange;
mod fee;
mod lanes;
mod ordered;
mod record;
mod wish;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use contracts::supplier::Supplier;
use tokio::sync::mpsc;

use self::{lanes::Lanes, record::Answered};
use crate::{App, handle::Started};
pub(crate) use ordered::Right;

/// The way to have calls made.
#[derive(Clone)]
pub(crate) struct Calls {
    lanes: Arc<BTreeMap<Supplier, Lanes>>,
    answers: mpsc::UnboundedSender<Answered>,
    to_record: Arc<Mutex<Option<mpsc::UnboundedReceiver<Answered>>>>,
}

impl Calls {
    pub(crate) fn new() -> Self {
        // No more wait here than calls are in flight or queued, and those are bounded by their
        // leases.
        let (answers, to_record) = mpsc::unbounded_channel();
        Self {
            lanes: Arc::new(Supplier::ALL.into_iter().map(|s| (s, Lanes::default())).collect()),
            answers,
            to_record: Arc::new(Mutex::new(Some(to_record))),
        }
    }
}

/// Queues calls whose intents are committed. Never waits.
///
/// A process that stops may still commit intents: what the broker had sent already is handled to
/// the end. Those calls are given back as not sent, so that whoever is there next sends them at
/// once and does not wait for their leases.
pub(crate) fn begin(app: &App, started: Vec<Started>) {
    for one in started {
        if let Some(lanes) = app.calls.lanes.get(&one.call.supplier)
            && let Err(late) = lanes.push(one)
        {
            answered(app, exchange::not_begun(&late));
        }
    }
}

/// Hands over what came of a call. When the recorder has ended, it is recorded here: the process
/// waits for that as well.
fn answered(app: &App, answered: Answered) {
    if let Err(mpsc::error::SendError(answered)) = app.calls.answers.send(answered) {
        let recording = app.clone();
        app.process.tasks.spawn_short("record an answer", async move {
            record::record(&recording, vec![answered]).await;
        });
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
