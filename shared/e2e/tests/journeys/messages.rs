//! Messages that come again: all of them, one of them a hundred times, and some that are none.

use std::{collections::BTreeMap, time::Duration};

use contracts::{
    message::Message as _,
    messages::BookingConfirmed,
    routing::{CONSUMERS, HEARD},
};
use e2e::{
    Stack,
    broker::{Broker, Letter},
    console::Console,
    journeys::{grant, until_points},
    traveller::{Traveller, Trip, some_stay},
};
use rand::seq::SliceRandom as _;
use sqlx::Connection as _;

use crate::stage::{self, SOON, until};

/// What each service recorded about some bookings, a line for each change. Supplier-sync looks at a
/// reservation again as time goes by; what messages brought is told apart.
const RECORDED: [(&str, &str); 4] = [
    (
        "booking",
        "select string_agg(e::text, E'\n' order by e.booking_id, e.version)
           from booking_event e where e.booking_id = any($1)",
    ),
    (
        "supplier-sync",
        "select string_agg(e::text, E'\n' order by e.leg_id, e.version)
           from leg_event e join leg using (leg_id)
          where leg.booking_id = any($1) and e.source = 'message'",
    ),
    (
        "payment-verification",
        "select string_agg(e::text, E'\n' order by e.payment_id, e.seq)
           from payment_event e join payment using (payment_id)
          where payment.booking_id = any($1)",
    ),
    (
        "rewards",
        "select string_agg(e::text, E'\n' order by e.account_id, e.version)
           from account_event e where e.booking_id = any($1)",
    ),
];

async fn recorded(stack: &Stack, trips: &[Trip]) -> BTreeMap<&'static str, String> {
    let bookings: Vec<uuid::Uuid> = trips.iter().map(|t| t.booking_id.parse().unwrap()).collect();
    let mut all = BTreeMap::new();
    for (service, question) in RECORDED {
        let mut conn = sqlx::PgConnection::connect(&stack.database_url(service)).await.unwrap();
        let text: Option<String> =
            sqlx::query_scalar(question).bind(&bookings).fetch_one(&mut conn).await.unwrap();
        all.insert(service, text.unwrap());
        conn.close().await.unwrap();
    }
    all
}

/// Books, pays and waits for the points; what was put into queues before is handled by then.
async fn another_booking_goes_through(ada: &Traveller) -> Trip {
    let (trip, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    until_points(ada, &trip).await.unwrap();
    trip
}

async fn until_all_are_taken(broker: &Broker) {
    for role in CONSUMERS {
        let queue = broker.routing().queue(role);
        until(&format!("{queue} is empty"), async || {
            (broker.ready(&queue).await.unwrap() == 0).then_some(())
        })
        .await;
    }
}

/// Row: E1
/// Row: F2
#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_said_said_again_twice_in_any_order_changes_nothing() {
    let stack = stage::patient("again").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let broker = Broker::of(&stack).await.unwrap();
    let log = broker.listen().await.unwrap();
    // One that is confirmed and paid with points as well, and one that is undone.
    grant(&stack, "ada", 5_000).await.unwrap();
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let redeem = |body: &mut serde_json::Value| body["redeem_points"] = 1_000.into();
    let confirmed = ada.book_quote(quote, redeem).await.unwrap();
    let undone = ada.book(&some_stay()).await.unwrap();
    let payable = ada.until_payable(&confirmed, SOON).await.unwrap();
    ada.pay(&payable).await.unwrap();
    ada.until_payable(&undone, SOON).await.unwrap();
    ada.gateway.cancel(&undone.booking_id).await.unwrap();
    assert_eq!(ada.until_ended(&undone, SOON).await.unwrap().status(), "cancelled");
    assert_eq!(ada.until_ended(&confirmed, SOON).await.unwrap().status(), "confirmed");
    until_points(&ada, &confirmed).await.unwrap();
    let trips = [confirmed, undone];
    let barrier = another_booking_goes_through(&ada).await;
    let letters = broker.drain(&log).await.unwrap();
    let (before, points) = (recorded(&stack, &trips).await, ada.gateway.points().await.unwrap());

    let own: Vec<Letter> = letters
        .iter()
        .filter(|letter| letter.header("cloudEvents:subject") != barrier.booking_id)
        .cloned()
        .collect();
    let kinds: std::collections::BTreeSet<_> = own.iter().map(|l| l.routing_key.clone()).collect();
    assert!(kinds.len() >= 13, "{kinds:?}");
    let mut twice: Vec<&Letter> = own.iter().chain(&own).collect();
    twice.shuffle(&mut rand::rng());
    for letter in twice {
        broker.send(letter).await.unwrap();
    }
    // One of them a hundred times.
    let earned = own.iter().find(|letter| letter.routing_key == BookingConfirmed::TYPE).unwrap();
    for _ in 0..100 {
        broker.send(earned).await.unwrap();
    }
    until_all_are_taken(&broker).await;
    another_booking_goes_through(&ada).await;

    let after = recorded(&stack, &trips).await;
    for (service, before) in before {
        let more: Vec<&str> = after[service].lines().filter(|l| !before.contains(l)).collect();
        assert_eq!(after[service].len(), before.len(), "{service} recorded {more:#?}");
        assert!(more.is_empty(), "{service} recorded {more:#?}");
    }
    let truth = stack.double().truth().await.unwrap();
    let asked = ["reserve", "confirm", "cancel"].map(|deed| truth.requests_of(deed).len());
    assert_eq!(asked, [4, 3, 1], "of the two, and of the two that went through beside them");
    let of_trips = |points: &serde_json::Value| {
        let entries = points["entries"].as_array().unwrap().clone();
        let own = |entry: &serde_json::Value| {
            trips.iter().any(|trip| entry["booking_id"] == trip.booking_id.as_str())
        };
        entries.into_iter().filter(own).collect::<Vec<_>>()
    };
    assert_eq!(of_trips(&ada.gateway.points().await.unwrap()), of_trips(&points));
    for role in CONSUMERS {
        assert_eq!(broker.ready(&broker.routing().dead_queue(role)).await.unwrap(), 0);
    }
    assert!(Console::of(&stack, "support_viewer").list("").await.unwrap().is_empty());
    stack.stop().await.unwrap();
}

/// Row: F6
#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_every_queue_is_a_dead_letter_with_its_cause_and_stops_nobody() {
    let stack = stage::patient("garbage").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let broker = Broker::of(&stack).await.unwrap();
    let console = Console::of(&stack, "support_viewer");
    let trip = ada.book(&some_stay()).await.unwrap();
    ada.until_payable(&trip, SOON).await.unwrap();
    let bodies: [&[u8]; 3] = [b"", b"{\"half\": ", &[0, 159, 146, 150]];
    for role in CONSUMERS {
        for body in bodies {
            broker.put(&broker.routing().queue(role), &Letter::garbage(body)).await.unwrap();
        }
    }
    let all = until("all parked", async || {
        let all = console.list("").await.unwrap();
        (all.len() >= HEARD.len() * bodies.len()).then_some(all)
    })
    .await;
    assert_eq!(all.len(), HEARD.len() * bodies.len());
    for letter in &all {
        assert_eq!(letter["cause"], "undecodable", "{letter}");
        assert!(letter["detail"].as_str().is_some_and(|why| !why.is_empty()), "{letter}");
    }
    another_booking_goes_through(&ada).await;
    for service in e2e::SERVICES {
        assert!(stack.lives(service), "{service}");
    }
    let within = Duration::from_secs(10);
    ada.pay(&ada.until_payable(&trip, within).await.unwrap()).await.unwrap();
    assert_eq!(ada.until_ended(&trip, SOON).await.unwrap().status(), "confirmed");
    stack.stop().await.unwrap();
}
