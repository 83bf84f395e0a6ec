//! A dead letter sent again: the same message, one attempt later, to the one consumer that gave it
//! up.

use chassis::trace::TraceContext;
use contracts::{envelope::header, ids::MessageId, routing::Routing};
use serde_json::{Map, Value};

use crate::outgoing::{Address, OutboxRow, put_trace};

/// A dead letter that is to be sent again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The message, the same as before.
    pub message_id: MessageId,
    /// Later than every attempt that ended.
    pub attempt: u32,
    /// Where it was sent to at first; it is told, as a retry tells it.
    pub origin: Address,
    /// Who gets it. Other hearers of an event are not told again.
    pub consumer: String,
    /// The headers of the dead letter.
    pub headers: Map<String, Value>,
    /// The body, byte for byte, or what it was mended to.
    pub body: Vec<u8>,
}

/// What only a dead letter has; the broker's own names begin with one of the others.
const OF_THE_DEAD: [&str; 4] = [header::CAUSE, header::DETAIL, header::CONSUMER, header::LAST_AT];
const OF_THE_BROKER: [&str; 5] =
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"];
/// The broker sends a copy to every key that stands here, which is no part of a replay.
const COPIES: [&str; 2] = ["CC", "BCC"];

impl Replay {
    /// The headers as the message had them when it was delivered, and where it was sent to at
    /// first. The trace is still that of the failed delivery.
    #[must_use]
    pub fn sent_headers(&self) -> Map<String, Value> {
        let foreign = |name: &str| {
            OF_THE_DEAD.contains(&name)
                || COPIES.contains(&name)
                || OF_THE_BROKER.iter().any(|begin| name.starts_with(begin))
        };
        let kept = self.headers.iter().filter(|(name, _)| !foreign(name));
        let mut headers: Map<String, Value> =
            kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut put = |name: &str, value: Value| drop(headers.insert(name.to_owned(), value));
        put(header::EXCHANGE, self.origin.exchange.as_str().into());
        put(header::ROUTING_KEY, self.origin.routing_key.as_str().into());
        put(header::ATTEMPT, self.attempt.into());
        headers
    }
}

/// The row that sends it. The commands exchange knows every queue by its name.
pub(crate) fn row(replay: Replay, routing: &Routing, trace: Option<TraceContext>) -> OutboxRow {
    let mut headers = replay.sent_headers();
    put_trace(&mut headers, trace);
    let to = Address { exchange: routing.commands(), routing_key: routing.queue(&replay.consumer) };
    OutboxRow::new(to, replay.message_id, replay.attempt, headers, replay.body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn replay(headers: Value) -> Replay {
        let Value::Object(headers) = headers else { panic!("headers are an object") };
        Replay {
            message_id: MessageId(Uuid::from_u128(7)),
            attempt: 3,
            origin: Address { exchange: "t.events".into(), routing_key: "some.type".into() },
            consumer: "rewards".into(),
            headers,
            body: b"body".to_vec(),
        }
    }

    #[test]
    fn it_goes_to_the_one_consumer_with_the_headers_that_the_message_had() {
        let replay = replay(json!({
            "cloudEvents:id": "7", "vendor": { "$bytes": [1] }, "holdfast-attempt": 2,
            "holdfast-first-at": "2026-01-01T00:00:00Z", "traceparent": "of the failed one",
            "tracestate": "of the failed one",
        }));
        let trace = TraceContext { traceparent: "new".into(), tracestate: None };
        let row = row(replay, &Routing::with_prefix("t."), Some(trace));
        assert_eq!(
            (row.exchange.as_str(), row.routing_key.as_str()),
            ("t.holdfast.commands", "t.rewards")
        );
        assert_eq!((row.attempt, row.body.as_slice()), (3, b"body".as_slice()));
        let expected = json!({
            "cloudEvents:id": "7", "vendor": { "$bytes": [1] }, "holdfast-attempt": 3,
            "holdfast-first-at": "2026-01-01T00:00:00Z", "traceparent": "new",
            "holdfast-exchange": "t.events", "holdfast-routing-key": "some.type",
        });
        assert_eq!(row.headers, expected);
    }

    #[test]
    fn what_made_it_a_dead_letter_stays_behind() {
        let replay = replay(json!({
            "holdfast-cause": "crash", "holdfast-detail": "x", "holdfast-consumer": "rewards",
            "holdfast-last-at": "x", "x-death": [], "x-first-death-queue": "q", "CC": ["booking"],
            "x-last-death-reason": "r", "x-delivery-count": 4, "BCC": ["booking"], "x-own": 1,
        }));
        let names: Vec<_> = replay.sent_headers().into_iter().map(|(name, _)| name).collect();
        let kept = ["holdfast-attempt", "holdfast-exchange", "holdfast-routing-key", "x-own"];
        assert_eq!(names, kept);
    }
}
