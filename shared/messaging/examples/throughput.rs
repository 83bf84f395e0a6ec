//! Measures the relay and a consumer on this machine: `cargo run --release -p messaging --example
//! throughput`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measurement, not a service"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::Utc;
use contracts::{
    ids::{AccountId, BookingId, MessageId, derive},
    messages::BookingFailed,
};
use messaging::{
    Consumers, Handled, Handles, Messaging, Outcome, Outgoing, Received, StoreError, Tx,
};
use sqlx::migrate::Migrator;
use testkit::TestService;

static NONE: Migrator = sqlx::migrate!("tests/migrations");
const MESSAGES: usize = 50_000;

struct Nothing(Arc<AtomicUsize>);

impl Handles for Nothing {
    type Inbound = BookingFailed;
    type After = ();

    async fn handle(
        &self,
        _tx: &mut Tx,
        batch: Vec<Received<BookingFailed>>,
    ) -> Result<Handled<()>, StoreError> {
        self.0.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(Handled { outcomes: batch.iter().map(|_| Outcome::Done).collect(), after: Vec::new() })
    }
}

fn message(n: usize) -> Outgoing {
    let now = Utc::now();
    let id = derive(now, &[&n.to_be_bytes()]);
    let body = BookingFailed {
        booking_id: BookingId(id),
        account_id: AccountId::parse("acct_1").unwrap(),
        version: 1,
        at: now,
    };
    Outgoing::new(MessageId::caused_by(now, id, 1, 0), now, &body)
}

async fn empty(messaging: &Messaging) {
    while sqlx::query_scalar::<_, i64>("select count(*) from outbox")
        .fetch_one(messaging.pool())
        .await
        .unwrap()
        > 0
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn rate(what: &str, begun: Instant) {
    let took = begun.elapsed();
    let rate = MESSAGES as f64 / took.as_secs_f64();
    println!("{what}: {MESSAGES} in {:.2} s = {rate:.0} a second", took.as_secs_f64());
}

#[tokio::main]
async fn main() {
    let service = TestService::new("counter", &NONE).await;
    let messaging = service.messaging().await;
    let seen = Arc::new(AtomicUsize::new(0));
    messaging
        .consume(Consumers::new("counter").on(|m: BookingFailed| m), Nothing(Arc::clone(&seen)));
    messaging.listening().await;

    // The queue fills while nobody takes: the relay alone.
    let quiet = testkit::process();
    let speaker =
        Messaging::start(service.messaging_config(), service.pool().await, &quiet).await.unwrap();
    service.stop().await;
    let begun = Instant::now();
    for part in 0..MESSAGES / 50 {
        let mut tx = speaker.begin().await.unwrap();
        tx.say_all((0..50).map(|n| message(part * 50 + n)));
        tx.commit().await.unwrap();
    }
    rate("written (50 a transaction)", begun);
    empty(&speaker).await;
    rate("written, published, confirmed, deleted", begun);

    // Then a consumer alone.
    let process = testkit::process();
    let hearer =
        Messaging::start(service.messaging_config(), service.pool().await, &process).await.unwrap();
    let begun = Instant::now();
    hearer.consume(Consumers::new("counter").on(|m: BookingFailed| m), Nothing(Arc::clone(&seen)));
    while seen.load(Ordering::Relaxed) < MESSAGES {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rate("heard, with their inbox rows", begun);

    // One after the other, for the latency.
    let mut waits = Vec::new();
    for n in 0..300 {
        let before = seen.load(Ordering::Relaxed);
        let begun = Instant::now();
        let mut tx = hearer.begin().await.unwrap();
        tx.say(message(MESSAGES + n));
        tx.commit().await.unwrap();
        while seen.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    println!("from begin to handler, idle: median {:?}, p99 {:?}", waits[150], waits[296]);
    process.stop(Duration::from_secs(10)).await.unwrap();
    quiet.stop(Duration::from_secs(10)).await.unwrap();
}
