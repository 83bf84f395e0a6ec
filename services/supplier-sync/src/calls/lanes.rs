//! The order of calls at one supplier: cancels and look-ups before confirms before reserves, each
//! within its share.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use contracts::supplier::Supplier;
use supplier_sync_core::Doing;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument as _;

use super::exchange;
use crate::{App, handle::Started};

/// Calls that wait at one supplier. What waits too long for its lease is not sent any more, so the
/// queue is no longer than what comes in within a lease.
#[derive(Default)]
pub(super) struct Lanes {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// What lets go of something, or tells what is true.
    first: VecDeque<Started>,
    confirms: VecDeque<Started>,
    reserves: VecDeque<Started>,
    /// Nothing is taken off the lanes any more.
    closed: bool,
}

/// The right to have one call in flight. What buys (confirms and reserves) needs a second one, so
/// that however many of them hang, cancels and look-ups have places of their own.
struct Permits {
    _any: OwnedSemaphorePermit,
    _buying: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// Queues a call; gives it back when the lanes are closed.
    pub(super) fn push(&self, started: Started) -> Result<(), Started> {
        self.with(|waiting| {
            if waiting.closed {
                return Err(started);
            }
            let lane = match started.call.doing {
                Doing::Cancel | Doing::LookUp { .. } => &mut waiting.first,
                Doing::Confirm => &mut waiting.confirms,
                Doing::Reserve { .. } => &mut waiting.reserves,
            };
            lane.push_back(started);
            Ok(())
        })?;
        self.changed.notify_one();
        Ok(())
    }

    /// The next call, with its second permit where it buys.
    async fn next(&self, buying: &Arc<Semaphore>) -> (Started, Option<OwnedSemaphorePermit>) {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = self.pop(buying) {
                return found;
            }
            changed.await;
        }
    }

    fn pop(&self, buying: &Arc<Semaphore>) -> Option<(Started, Option<OwnedSemaphorePermit>)> {
        self.with(|waiting| {
            if let Some(started) = waiting.first.pop_front() {
                return Some((started, None));
            }
            if waiting.confirms.is_empty() && waiting.reserves.is_empty() {
                return None;
            }
            let permit = Arc::clone(buying).try_acquire_owned().ok()?;
            let next = waiting.confirms.pop_front().or_else(|| waiting.reserves.pop_front());
            next.map(|started| (started, Some(permit)))
        })
    }

    /// Takes no more calls, and gives back those that wait.
    fn close(&self) -> Vec<Started> {
        self.with(|waiting| {
            let closed = Waiting { closed: true, ..Waiting::default() };
            let Waiting { first, confirms, reserves, .. } = std::mem::replace(waiting, closed);
            first.into_iter().chain(confirms).chain(reserves).collect()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes calls off the lanes of a supplier and makes them, until the process stops.
pub(super) fn run(app: &App, supplier: Supplier) {
    let app = app.clone();
    app.process.clone().tasks.spawn("call a supplier", async move {
        let shutdown = app.process.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = take(&app, supplier) => {}
        }
        // What was not begun was not sent: said so, it goes out at once when we are back.
        if let Some(lanes) = app.calls.lanes.get(&supplier) {
            for started in lanes.close() {
                super::answered(&app, exchange::not_begun(&started));
            }
        }
        Ok(())
    });
}

async fn take(app: &App, supplier: Supplier) {
    let Some(lanes) = app.calls.lanes.get(&supplier) else { return };
    let at_once = usize::try_from(app.policy.of(supplier).calls_at_once_max).unwrap_or(1).max(2);
    let any = Arc::new(Semaphore::new(at_once));
    let buying = Arc::new(Semaphore::new((at_once * 3 / 4).max(1)));
    loop {
        let Ok(permit) = Arc::clone(&any).acquire_owned().await else { return };
        let (started, second) = lanes.next(&buying).await;
        let permits = Permits { _any: permit, _buying: second };
        perform(app, supplier, started, permits);
    }
}

fn perform(app: &App, supplier: Supplier, started: Started, permits: Permits) {
    let (app, task_of) = (app.clone(), app.process.clone());
    let span = exchange::span(&started);
    // The call belongs to the trace of its intent, not to the loop that takes it off a lane.
    let work = async move {
        let answered = exchange::make(&app, started).await;
        super::answered(&app, answered);
        drop(permits);
        if let Some(lanes) = app.calls.lanes.get(&supplier) {
            lanes.changed.notify_one();
        }
    };
    task_of.tasks.spawn_short("supplier call", work.instrument(span));
}
