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
    any: OwnedSemaphorePermit,
    buying: Option<OwnedSemaphorePermit>,
}

/// The place of a call in flight. However the call ends, also by a panic, its permits come back and
/// whoever waits for them is told.
struct Place<'a> {
    lanes: &'a Lanes,
    permits: Option<Permits>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(Permits { any, buying }) = self.permits.take() {
            drop((any, buying));
        }
        self.lanes.changed.notify_one();
    }
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
                Doing::Confirm | Doing::Amend => &mut waiting.confirms,
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
        let permits = Permits { any: permit, buying: second };
        perform(app, supplier, started, permits);
    }
}

fn perform(app: &App, supplier: Supplier, started: Started, permits: Permits) {
    let (app, task_of) = (app.clone(), app.process.clone());
    let span = exchange::span(&started);
    // The call belongs to the trace of its intent, not to the loop that takes it off a lane.
    let work = async move {
        let Some(lanes) = app.calls.lanes.get(&supplier) else { return };
        let _place = Place { lanes, permits: Some(permits) };
        let answered = exchange::make(&app, started).await;
        super::answered(&app, answered);
    };
    task_of.tasks.spawn_short("supplier call", work.instrument(span));
}

#[cfg(test)]
mod tests {
    use std::{panic::AssertUnwindSafe, time::Instant};

    use chrono::{DateTime, NaiveDate};
    use contracts::{
        ids::{BookingId, LegId},
        money::{Currency, Money},
        offer::{LegOrder, Occupancy, Terms},
    };
    use futures::FutureExt as _;
    use supplier_sync_core::Call;
    use uuid::Uuid;

    use super::*;

    fn confirm() -> Started {
        let day = NaiveDate::from_ymd_opt(2027, 3, 14).unwrap();
        let order = LegOrder {
            supplier: Supplier::Rapid,
            book_key: "key".to_owned(),
            property_id: "p1".to_owned(),
            check_in: day,
            check_out: day.succ_opt().unwrap(),
            occupancy: Occupancy { adults: 2, children: vec![] },
            price: Money::new(20_000, Currency::Eur),
            terms: Terms {
                refundable: true,
                cancel_steps: vec![],
                holdable: true,
                due_at_property: Vec::new(),
            },
            product: contracts::offer::Product::Stay,
            reprice: None,
        };
        let call = Box::new(Call {
            leg_id: LegId(Uuid::from_u128(1)),
            booking_id: BookingId(Uuid::from_u128(2)),
            supplier: Supplier::Rapid,
            exchange: 1,
            attempt: 1,
            doing: Doing::Confirm,
            client_reference: "ours".to_owned(),
            reference: None,
            handle: None,
            naming: None,
            order: Box::new(order),
            began_at: DateTime::UNIX_EPOCH,
            lease_until: DateTime::UNIX_EPOCH,
        });
        Started { call, trace: None, began: Instant::now() }
    }

    #[tokio::test]
    async fn a_call_that_panics_makes_room_for_the_next_at_once() {
        let (any, buying) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(1)));
        let lanes = Arc::new(Lanes::default());
        let permits = Permits {
            any: Arc::clone(&any).try_acquire_owned().unwrap(),
            buying: Some(Arc::clone(&buying).try_acquire_owned().unwrap()),
        };
        assert!(lanes.push(confirm()).is_ok());
        let mut next = std::pin::pin!(lanes.next(&buying));
        // Woken by the push, it finds no second permit, and waits.
        assert!(next.as_mut().now_or_never().is_none());
        assert!(next.as_mut().now_or_never().is_none());
        let flight = async {
            let _place = Place { lanes: &lanes, permits: Some(permits) };
            panic!("as a driver might");
        };
        assert!(AssertUnwindSafe(flight).catch_unwind().await.is_err());
        assert!(next.now_or_never().is_some());
        assert_eq!(any.available_permits(), 2);
    }
}
