//! Live events: told as they happen, resumed anywhere, for whoever has a ticket that holds.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, BodyDataStream},
    http::{Request, StatusCode},
};
use chrono::{TimeDelta, Utc};
use contracts::{
    messages::{LegState, PaymentSeen, PaymentSettled},
    shown::{ShownHead, ShownPayment, head_key, payment_key},
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{
    neighbour::{Neighbour, reaches, units},
    world::{World, send},
};

/// An open stream.
struct Stream {
    body: BodyDataStream,
    text: String,
}

/// One event: name, id, data.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Stream {
    async fn open(router: &Router, url: &str, last_event: Option<u64>) -> Self {
        let mut request = Request::get(url);
        if let Some(id) = last_event {
            request = request.header("last-event-id", id.to_string());
        }
        let request = request.body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event that has data; nothing when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let read = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await;
            let bytes = read.expect("something within 20 s")?;
            self.text.push_str(std::str::from_utf8(&bytes.unwrap()).unwrap());
        }
    }

    /// Reads on until an event fits.
    async fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("ended before {what}"));
            if fits(&event) {
                return event;
            }
        }
    }

    async fn status(&mut self, status: &str) -> Event {
        self.until(status, |event| event.data["status"] == status).await
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.map(str::trim).next()
    };
    let data = serde_json::from_str(field("data")?).unwrap();
    let id = field("id").map(|id| id.parse().unwrap());
    Some(Event { name: field("event").unwrap_or_default().to_owned(), id, data })
}

async fn events_url(world: &World, account: &str, booking_id: Uuid) -> String {
    let shown = world.get(account, &format!("/v1/bookings/{booking_id}")).await.json();
    shown["events_url"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_told_live_and_resumed_at_any_instance_where_it_was_left() {
    let mut world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let url = events_url(&world, "acct_1", booking_id).await;
    let mut stream = Stream::open(&world.router, &url, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["status"]), ("booking", &json!("pending")));
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    for (field, value) in shown.as_object().unwrap() {
        // An event gives no new ticket: one that leaked would be good for ever.
        let expected = if field == "events_url" { &Value::Null } else { value };
        assert_eq!(&first.data[field], expected, "{field}");
    }

    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    let payable = stream.status("awaiting_payment").await;
    assert_eq!(payable.id, payable.data["version"].as_u64());
    assert!(payable.id > first.id);
    assert_eq!(payable.data["next_actions"], json!(["pay", "cancel"]));
    assert_eq!(payable.data["payment"]["remaining"], units().to_string());
    drop(stream);

    // Another instance, which never had this stream.
    world.restart().await;
    let mut resumed = Stream::open(&world.router, &url, payable.id).await;
    let mut from_before = Stream::open(&world.router, &url, first.id).await;
    assert_eq!(from_before.next().await.unwrap().id, payable.id);
    let cancel = format!("/v1/bookings/{booking_id}/cancellation");
    world.post("acct_1", &cancel, &json!({})).await;
    // What was known already is not said again.
    let news = resumed.next().await.unwrap();
    assert!(news.id > payable.id, "{news:?}");
}

/// Row: C2
#[tokio::test(flavor = "multi_thread")]
async fn confirmations_and_what_is_missing_move_while_money_gets_deeper() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    reaches(&world, booking_id, "awaiting_payment").await;
    let url = events_url(&world, "acct_1", booking_id).await;
    let mut stream = Stream::open(&world.router, &url, None).await;
    let payment = |event: &Event| event.data["payment"].clone();
    let waiting = payment(&stream.next().await.unwrap());
    assert_eq!((&waiting["received"], &waiting["confirmations"]), (&json!("0"), &Value::Null));

    // A part of it, and nobody shows the chain: what is missing is told, and what is not known.
    let (ours, payment_id) = (neighbour.booking_id, neighbour.payment_id);
    let part = contracts::asset::Units::parse("30000000000000000").unwrap();
    let seen = |seq, received, complete| {
        let seen_at = Utc::now();
        PaymentSeen { booking_id: ours, payment_id, seq, received, complete, seen_at }
    };
    neighbour.say(&seen(2, part, false)).await;
    let paid = stream.until("a part", |e| e.data["payment"]["received"] == part.to_string()).await;
    let told = payment(&paid);
    assert_eq!(told["remaining"], "50000000000000000");
    assert_eq!(told["remaining_decimal"], "0.050000000000000000");
    assert_eq!((&told["state"], &told["address"]), (&json!("part"), &waiting["address"]));
    assert_eq!(told["confirmations"], Value::Null);
    assert!(told["confirmations_unknown"].is_string(), "{told}");

    // The rest, one block after the other. It is the same version of the booking.
    neighbour.say(&seen(3, units(), true)).await;
    let as_of = Utc::now();
    world
        .show(&payment_key(&payment_id.to_string()), &ShownPayment { as_of, height: Some(7) })
        .await;
    let mut ids = Vec::new();
    for height in [7, 8] {
        world.show(&head_key("eip155:31337"), &ShownHead { as_of, height }).await;
        let depth = json!(height - 6);
        let deep = |e: &Event| {
            e.data["payment"]["confirmations"] == depth && e.data["status"] == "confirming_payment"
        };
        let event = stream.until("that deep", deep).await;
        assert_eq!(payment(&event)["confirmations_needed"], 3);
        assert_eq!(payment(&event)["remaining"], "0");
        ids.push(event.id);
    }
    assert_eq!(ids[0], ids[1]);
    // Whoever comes again with that version is told only because the money is deeper than nothing.
    let mut again = Stream::open(&world.router, &url, ids[1]).await;
    assert_eq!(payment(&again.next().await.unwrap())["confirmations"], 2);
    let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
    assert_eq!(shown["payment"]["confirmations"], 2);
    let settled =
        PaymentSettled { booking_id: ours, payment_id, seq: 4, received: units(), complete: true };
    neighbour.say(&settled).await;
    let bought = stream.status("committing").await;
    assert_eq!(payment(&bought)["confirmations"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_ticket_for_this_booking_that_has_not_ended_opens_a_stream() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let (other, _) = world.booked("acct_1").await;
    let url = events_url(&world, "acct_1", booking_id).await;
    let path = format!("/v1/bookings/{booking_id}/events");
    let ticket_of_other = events_url(&world, "acct_1", other).await;
    let ticket_of_other = ticket_of_other.split_once('?').unwrap().1;
    // One letter in its middle is another.
    let changed: String = url.chars().map(|c| if c == 'A' { 'B' } else { c }).collect();
    assert_ne!(changed, url);
    let get = async |url: &str| {
        let request = Request::get(url).body(Body::empty()).unwrap();
        send(world.router.clone(), request).await
    };
    for (url, code) in [
        (path.clone(), "ticket_missing"),
        (format!("{path}?ticket="), "ticket_invalid"),
        (format!("{path}?{ticket_of_other}"), "ticket_invalid"),
        (changed, "ticket_invalid"),
    ] {
        let answer = get(&url).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, code));
    }
    // A bearer token is no ticket, and a ticket is no bearer token.
    assert_eq!(world.get("acct_1", &path).await.code(), "ticket_missing");

    let mut stream = Stream::open(&world.router, &url, None).await;
    assert_eq!(stream.next().await.unwrap().name, "booking");
    world.service.database.offset_clock(TimeDelta::minutes(16)).await;
    let end = stream.until("the end", |event| event.name == "end").await;
    assert_eq!((end.data, end.id), (json!({"why": "ticket_ended"}), None));
    assert!(stream.next().await.is_none());
    let answer = get(&url).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), "ticket_expired");
    // The booking gives a new one.
    let url = events_url(&world, "acct_1", booking_id).await;
    assert!(Stream::open(&world.router, &url, None).await.next().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_streams_and_no_stream_outlives_its_process() {
    let world = World::new().await;
    let (booking_id, _) = world.booked("acct_1").await;
    let (strangers, _) = world.booked("acct_2").await;
    let url = events_url(&world, "acct_1", booking_id).await;
    let most = world.service.policy.live.streams_per_account_max;
    let mut streams = Vec::new();
    for _ in 0..most {
        streams.push(Stream::open(&world.router, &url, None).await);
    }
    let one_more = || Request::get(&url).body(Body::empty()).unwrap();
    let answer = send(world.router.clone(), one_more()).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.code(), "too_many_streams");
    let theirs = events_url(&world, "acct_2", strangers).await;
    streams.push(Stream::open(&world.router, &theirs, None).await);
    drop(streams.remove(0));
    streams.push(Stream::open(&world.router, &url, None).await);

    for stream in &mut streams {
        assert!(stream.next().await.is_some());
    }
    let stopping = world.service.stop();
    let ended = async {
        for stream in &mut streams {
            assert!(stream.next().await.is_none());
        }
    };
    tokio::join!(stopping, ended);
}
