//! Many letters are sent again while the console is killed, again and again.

use contracts::{
    envelope::header,
    ids::{AccountId, BookingId},
    message::Message as _,
    messages::BookingConfirmed,
    money::{Currency, Money},
};
use e2e::{
    Stack,
    broker::{Broker, Letter},
    console::Console,
};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::stage::{self, until};

const LETTERS: u64 = 120;

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_is_killed_in_the_middle_of_a_replay_sends_each_letter_once() {
    let stack = stage::fast("console_killed").await;
    let broker = Broker::of(&stack).await.unwrap();
    let bookings: Vec<Uuid> = (0..LETTERS).map(|_| Uuid::now_v7()).collect();
    for booking in &bookings {
        broker.put(&broker.routing().dead_queue("rewards"), &given_up(*booking)).await.unwrap();
    }
    let staff = Console::of(&stack, "support_operator");
    until("all of them parked", async || {
        let causes = staff.list("?consumer=rewards&limit=200").await.unwrap();
        (causes.len() as u64 == LETTERS).then_some(())
    })
    .await;

    let run = staff.replay_many("exhausted", "rewards was mended").await.unwrap();
    let mut sent = 0;
    for _ in 0..2 {
        let told = until("more of them sent", async || {
            let told = staff.run(&run).await.unwrap();
            (LETTERS - told["left"].as_u64().unwrap() > sent).then_some(told)
        })
        .await;
        stack.kill("support-console");
        assert_eq!(told["state"], "running", "it is in the middle: {told}");
        sent = LETTERS - told["left"].as_u64().unwrap();
        stack.restart("support-console").await.unwrap();
    }
    let told = until("all of them known", async || {
        let told = staff.run(&run).await.unwrap();
        (told["state"] != "running").then_some(told)
    })
    .await;
    let figures = ["succeeded", "failed", "refused"].map(|name| told[name].as_u64().unwrap());
    assert_eq!((&told["state"], figures), (&Value::from("done"), [LETTERS, 0, 0]), "{told}");
    let replayed = "select dead_letter_id from letter_event
                     where event = 'replayed' group by 1 having count(*) = 1";
    assert_eq!(count(&stack, "support-console", replayed).await, LETTERS);
    let replays = "select 1 from letter_event where event = 'replayed'";
    assert_eq!(count(&stack, "support-console", replays).await, LETTERS);
    // What each asked for was done, and done once.
    let earned = "select booking_id from account_event group by 1 having count(*) = 1";
    assert_eq!(count(&stack, "rewards", earned).await, LETTERS);
    assert_eq!(count(&stack, "rewards", "select 1 from account_event").await, LETTERS);
    stack.stop().await.unwrap();
}

/// News of a confirmed booking that rewards tried too often.
fn given_up(booking: Uuid) -> Letter {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let message = BookingConfirmed {
        booking_id: BookingId(booking),
        account_id: AccountId::parse(&format!("acct-{}", booking.simple())).unwrap(),
        version: 9,
        at,
        legs: Vec::new(),
        paid: Money::new(10_000, Currency::Eur),
        // Long to go, so that each earns and nothing more happens to it.
        over_at: "2100-01-01T00:00:00Z".parse().unwrap(),
    };
    let (id, subject) = (Uuid::now_v7().to_string(), booking.to_string());
    let headers = [
        (header::SPEC, "1.0"),
        (header::ID, &id),
        (header::TYPE, BookingConfirmed::TYPE),
        (header::SOURCE, "booking"),
        (header::SUBJECT, &subject),
        (header::TIME, "2026-01-01T00:00:00Z"),
        (header::CONSUMER, "rewards"),
        (header::CAUSE, "exhausted"),
    ];
    Letter::with_headers(&serde_json::to_vec(&message).unwrap(), &headers)
}

async fn count(stack: &Stack, service: &str, rows: &'static str) -> u64 {
    let mut conn = PgConnection::connect(&stack.database_url(service)).await.unwrap();
    sqlx::query(rows).fetch_all(&mut conn).await.unwrap().len() as u64
}
