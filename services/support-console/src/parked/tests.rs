//! What is read from a dead letter, whoever gave it up.

use contracts::ids::MessageId;
use serde_json::json;

use super::*;

const BOOKING: &str = "0198c0de-0000-7000-8000-000000000001";

fn parked(queue: &str, headers: Value) -> Parked {
    let Value::Object(headers) = headers else { panic!("headers are an object") };
    Parked {
        queue: queue.to_owned(),
        exchange: "t.holdfast.commands".to_owned(),
        routing_key: "t.rewards.dead".to_owned(),
        headers,
        body: vec![0, 159, 146, 150],
        message_id: MessageId(Uuid::from_u128(7)),
        attempt: 2,
        fresh: None,
    }
}

fn letter(queue: &str, headers: Value) -> DeadLetter {
    DeadLetter::of(parked(queue, headers), &Routing::with_prefix("t."))
}

#[test]
fn a_consumer_says_everything_itself() {
    let letter = letter(
        "t.rewards.dead",
        json!({
            "holdfast-cause": "exhausted", "holdfast-detail": "loading accounts",
            "holdfast-consumer": "rewards", "holdfast-exchange": "t.holdfast.events",
            "holdfast-routing-key": "holdfast.booking.confirmed.v1",
            "holdfast-first-at": "2026-01-01T10:00:00Z", "holdfast-last-at": "2026-01-01T11:00:00Z",
            "cloudEvents:type": "holdfast.booking.confirmed.v1", "cloudEvents:subject": BOOKING,
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }),
    );
    assert_eq!((letter.cause.as_str(), letter.attempts), ("exhausted", 3));
    assert_eq!(letter.detail.as_deref(), Some("loading accounts"));
    assert_eq!(letter.consumer.as_deref(), Some("rewards"));
    assert_eq!(letter.exchange, "t.holdfast.events");
    assert_eq!(letter.routing_key, "holdfast.booking.confirmed.v1");
    assert_eq!(letter.trace_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(letter.booking_id, Some(BOOKING.parse().unwrap()));
    assert_eq!(letter.first_at.unwrap().to_rfc3339(), "2026-01-01T10:00:00+00:00");
    assert_eq!(letter.last_at.unwrap().to_rfc3339(), "2026-01-01T11:00:00+00:00");
    assert_eq!(letter.body, [0, 159, 146, 150]);
}

#[test]
fn the_broker_says_where_it_took_a_message_from() {
    let deaths = json!([
        { "reason": "maxlen", "exchange": "t.other", "routing-keys": ["later"], "queue": "t.x" },
        { "reason": "delivery_limit", "exchange": "t.holdfast.events", "queue": "t.rewards",
          "routing-keys": ["holdfast.booking.confirmed.v1"] },
    ]);
    let letter = letter("t.rewards.dead", json!({ "x-death": deaths }));
    assert_eq!(letter.cause, "delivery_limit");
    assert_eq!(letter.exchange, "t.holdfast.events");
    assert_eq!(letter.routing_key, "holdfast.booking.confirmed.v1");
    assert_eq!(letter.consumer.as_deref(), Some("rewards"));
}

#[test]
fn a_command_that_no_queue_took_was_tried_by_nobody() {
    let letter = letter("t.unroutable", json!({ "cloudEvents:time": "2026-01-01T10:00:00Z" }));
    assert_eq!((letter.cause.as_str(), letter.attempts), ("unroutable", 2));
    assert_eq!(letter.consumer, None);
    assert_eq!(letter.exchange, "t.holdfast.commands");
    assert!(letter.first_at.is_some());
}

#[test]
fn garbage_is_kept_and_says_nothing() {
    let letter = letter(
        "t.rewards.dead",
        json!({ "x-death": "no list", "traceparent": "garbage", "holdfast-cause": 5,
                "cloudEvents:subject": "no id", "holdfast-first-at": "yesterday" }),
    );
    assert_eq!(letter.cause, "unknown");
    assert_eq!((letter.trace_id, letter.subject, letter.first_at), (None, None, None));
}

#[test]
fn of_what_nobody_of_ours_wrote_only_the_shape_is_kept() {
    let planted = letter(
        "t.rewards.dead",
        json!({ "holdfast-consumer": "Ada Lovelace", "holdfast-cause": "4111 1111 1111 1111",
                "holdfast-detail": "Ada lives at 5 Elm Street" }),
    );
    assert_eq!(planted.consumer.as_deref(), Some("rewards"), "whose queue it is");
    assert_eq!(planted.cause, "9999 9999 9999 9999");
    assert_eq!(planted.detail.as_deref(), Some("xxx xxxxx xx 9 xxx xxxxxx"));
    let unroutable = letter("t.unroutable", json!({ "holdfast-consumer": "ada" }));
    assert_eq!(unroutable.consumer, None);
}

#[test]
fn a_callback_is_no_booking() {
    let letter = letter(
        "t.supplier-sync.dead",
        json!({ "cloudEvents:type": CallbackReceived::TYPE, "cloudEvents:subject": BOOKING }),
    );
    assert_eq!(letter.booking_id, None);
    assert!(letter.subject.is_some());
}

#[test]
fn the_same_delivery_has_the_same_id_and_another_attempt_has_not() {
    let one = parked("t.rewards.dead", json!({}));
    let again = Parked { attempt: 3, ..one.clone() };
    assert_eq!(id_of(&one), id_of(&one));
    assert_ne!(id_of(&one), id_of(&again));
}

#[test]
fn what_a_sender_writes_as_a_cause_is_cut_to_what_an_index_takes() {
    let odd = "\u{2603}!\u{1f4a5}".repeat(1_000);
    let of_odd_cause = letter("t.rewards.dead", json!({ "holdfast-cause": odd }));
    assert_eq!(of_odd_cause.cause.chars().count(), 100);
    // A sentence is believed of whoever gave the message up, and of nobody who only says so.
    let words = json!({ "holdfast-consumer": "rewards", "holdfast-detail": "Ada Lovelace 4111" });
    let told = |queue| letter(queue, words.clone()).detail.unwrap();
    assert_eq!(told("t.rewards.dead"), "Ada Lovelace 4111");
    assert_eq!(told("t.unroutable"), mask::foreign("Ada Lovelace 4111"));
}
