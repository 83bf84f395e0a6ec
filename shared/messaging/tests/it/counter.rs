//! The service of these tests: it writes one row for each message that takes effect, and does what
//! it is told to.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chrono::Utc;
use contracts::{
    ids::{AccountId, BookingId, MessageId, derive},
    messages::BookingFailed,
};
use messaging::{
    Consumers, Failure, Handled, Handles, Messaging, Outcome, Outgoing, Received, StoreError, Tx,
    database,
};
use sqlx::{PgPool, migrate::Migrator};
use testkit::TestService;
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("tests/migrations");
pub(crate) const ROLE: &str = "counter";

/// What the handler does with a message about a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Take,
    Fail(Failure),
    /// Fails this often, then takes effect.
    FailTimes(usize, Failure),
    Panic,
    /// Kills the process.
    Abort,
    /// Says that it came, waits until it is let go, then does the other.
    Hold(Box<Act>),
}

#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(crate) acts: Arc<Mutex<BTreeMap<Uuid, Act>>>,
    /// Deliveries that reached the handler, with their attempts, in order.
    pub(crate) seen: Arc<Mutex<Vec<(Uuid, u32)>>>,
    pub(crate) batches: Arc<Mutex<Vec<usize>>>,
    pub(crate) after: Arc<AtomicUsize>,
    pub(crate) held: Arc<Notify>,
    pub(crate) let_go: Arc<Notify>,
}

impl Script {
    pub(crate) fn set(&self, booking: Uuid, act: Act) {
        self.acts.lock().unwrap().insert(booking, act);
    }

    pub(crate) fn attempts_of(&self, booking: Uuid) -> Vec<u32> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(id, _)| *id == booking).map(|(_, attempt)| *attempt).collect()
    }
}

pub(crate) struct Counter {
    pub(crate) script: Script,
}

impl Handles for Counter {
    type Inbound = BookingFailed;
    type After = Uuid;

    async fn handle(
        &self,
        tx: &mut Tx,
        batch: Vec<Received<BookingFailed>>,
    ) -> Result<Handled<Uuid>, StoreError> {
        self.script.batches.lock().unwrap().push(batch.len());
        let mut outcomes = Vec::new();
        let mut bookings = Vec::new();
        for received in batch {
            let booking = received.inbound.booking_id.0;
            self.script.seen.lock().unwrap().push((booking, received.envelope.attempt));
            let act = self.script.acts.lock().unwrap().get(&booking).cloned().unwrap_or(Act::Take);
            let act = match act {
                Act::Hold(then) => {
                    self.script.set(booking, *then.clone());
                    self.script.held.notify_one();
                    self.script.let_go.notified().await;
                    *then
                }
                other => other,
            };
            // Written before it is known whether it fails: a failure must take it back.
            bookings.push(booking);
            outcomes.push(match act {
                Act::Take => Outcome::Done,
                Act::Fail(failure) => Outcome::Failed(failure),
                Act::FailTimes(0, _) => Outcome::Done,
                Act::FailTimes(times, failure) => {
                    self.script.set(booking, Act::FailTimes(times - 1, failure.clone()));
                    Outcome::Failed(failure)
                }
                Act::Panic => panic!("the handler was told to panic"),
                Act::Abort => std::process::abort(),
                Act::Hold(_) => unreachable!("what is held is let go"),
            });
        }
        sqlx::query("insert into effect (booking_id, what) select unnest($1::uuid[]), 'failed'")
            .bind(&bookings)
            .execute(tx.conn())
            .await
            .map_err(database("writing effects"))?;
        Ok(Handled { outcomes, after: bookings })
    }

    fn committed(&self, after: Vec<Uuid>) {
        self.script.after.fetch_add(after.len(), Ordering::SeqCst);
    }
}

pub(crate) fn heard() -> Consumers<BookingFailed> {
    Consumers::new(ROLE).on(|message: BookingFailed| message)
}

pub(crate) async fn service() -> TestService {
    TestService::new(ROLE, &MIGRATOR).await
}

/// Starts hearing and waits until nothing is missed.
pub(crate) async fn hear(messaging: &Messaging, script: &Script) {
    messaging.consume(heard(), Counter { script: script.clone() });
    messaging.listening().await;
}

pub(crate) fn booking(n: u64) -> Uuid {
    derive(Utc::now(), &[b"booking", &n.to_be_bytes()])
}

pub(crate) fn message(booking: Uuid) -> Outgoing {
    let body = BookingFailed {
        booking_id: BookingId(booking),
        account_id: AccountId::parse("acct_1").unwrap(),
        version: 1,
        at: Utc::now(),
    };
    Outgoing::new(MessageId::caused_by(Utc::now(), booking, 1, 0), Utc::now(), &body)
}

/// Says one message about each booking, in one transaction.
pub(crate) async fn say(messaging: &Messaging, bookings: &[Uuid]) {
    let mut tx = messaging.begin().await.unwrap();
    tx.say_all(bookings.iter().map(|booking| message(*booking)));
    tx.commit().await.unwrap();
}

/// How often each booking took effect.
pub(crate) async fn effects(pool: &PgPool) -> BTreeMap<Uuid, i64> {
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("select booking_id, count(*) from effect group by booking_id")
            .fetch_all(pool)
            .await
            .unwrap();
    rows.into_iter().collect()
}

/// Waits until each of the bookings took effect, and checks that none did twice and nothing is left
/// in the outbox.
pub(crate) async fn all_took_effect_once(pool: &PgPool, bookings: &[Uuid]) {
    testkit::until("every effect", || async {
        let count: i64 = sqlx::query_scalar(
            "select count(distinct booking_id) from effect where booking_id = any($1)",
        )
        .bind(bookings)
        .fetch_one(pool)
        .await
        .ok()?;
        (usize::try_from(count).unwrap() == bookings.len()).then_some(())
    })
    .await;
    outbox_is_empty(pool).await;
    let effects = effects(pool).await;
    for booking in bookings {
        assert_eq!(effects.get(booking), Some(&1), "{booking} took effect once");
    }
}

pub(crate) async fn outbox_is_empty(pool: &PgPool) {
    testkit::until("an empty outbox", || async { (outbox(pool).await == 0).then_some(()) }).await;
}

pub(crate) async fn outbox(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from outbox").fetch_one(pool).await.unwrap_or(-1)
}
