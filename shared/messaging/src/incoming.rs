//! A delivery as messaging sees it, and what it becomes when it could not be handled: a retry or a
//! dead letter.

use chassis::trace::TraceContext;
use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{
    envelope::{Envelope, SPEC_VERSION, header},
    ids::{MessageId, derive},
    routing::Routing,
};
use lapin::message::Delivery;
use messaging_core::Cause;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    headers,
    outgoing::{Address, OutboxRow, put_trace},
};

/// A detail in a header is one line, not a report.
const DETAIL_MAX: usize = 500;

/// A delivery, read as far as it can be read.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) id: MessageId,
    /// Whether it came without an id: then it has that of its bytes.
    pub(crate) nameless: bool,
    pub(crate) attempt: u32,
    pub(crate) redelivered: bool,
    /// The attributes, or what is wrong with them.
    pub(crate) envelope: Result<Envelope, String>,
    /// Where it was sent at first: a retry comes by another way.
    pub(crate) sent_to: Address,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Vec<u8>,
}

/// A place in the broker's layout, by its names.
#[derive(Debug)]
pub(crate) struct Post<'a> {
    pub(crate) routing: &'a Routing,
    pub(crate) role: &'a str,
}

impl Incoming {
    pub(crate) fn read(delivery: Delivery) -> Self {
        let headers =
            delivery.properties.headers().as_ref().map(headers::from_wire).unwrap_or_default();
        let property = delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
        let came_by = Address {
            exchange: headers::storable(delivery.exchange.as_str()),
            routing_key: headers::storable(delivery.routing_key.as_str()),
        };
        let read = Self::of(came_by, property.as_deref(), headers, delivery.data);
        Self { redelivered: delivery.redelivered, ..read }
    }

    /// A delivery made of its parts, which the broker gives for the first time.
    pub(crate) fn of(
        came_by: Address,
        property: Option<&str>,
        headers: Map<String, Value>,
        body: Vec<u8>,
    ) -> Self {
        let named = |name: &str| headers::text(&headers, name).map(str::to_owned);
        let sent_to = Address {
            exchange: named(header::EXCHANGE).unwrap_or(came_by.exchange),
            routing_key: named(header::ROUTING_KEY).unwrap_or(came_by.routing_key),
        };
        let named = usable_id(&headers, property);
        let nameless = named.is_none();
        let id = named.unwrap_or_else(|| id_of_bytes(&sent_to, &body));
        let attempt = attempt(&headers);
        let envelope = envelope(&headers, attempt.clone());
        let attempt = attempt.unwrap_or(0);
        Self { id, nameless, attempt, redelivered: false, envelope, sent_to, headers, body }
    }

    /// Whether somebody sent it just now without an id. Such bytes may have come before, and what
    /// comes of them this time is told nowhere else; what the broker gives again is told already.
    pub(crate) fn is_fresh_and_nameless(&self) -> bool {
        self.nameless && !self.redelivered
    }

    /// The sender's place in the trace.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        Some(TraceContext {
            traceparent: headers::text(&self.headers, header::TRACEPARENT)?.to_owned(),
            tracestate: headers::text(&self.headers, header::TRACESTATE).map(str::to_owned),
        })
    }

    /// The next attempt, for this consumer alone, due at `due_at`.
    pub(crate) fn retry(
        &self,
        post: &Post<'_>,
        now: DateTime<Utc>,
        due_at: DateTime<Utc>,
        trace: Option<TraceContext>,
    ) -> OutboxRow {
        let mut headers = self.headers.clone();
        self.put_origin(&mut headers, now);
        if trace.is_some() {
            put_trace(&mut headers, trace);
        }
        // The commands exchange knows every queue by its name.
        let to = Address {
            exchange: post.routing.commands(),
            routing_key: post.routing.queue(post.role),
        };
        let attempt = self.attempt.saturating_add(1);
        let mut row = OutboxRow::new(to, self.id, attempt, headers, self.body.clone());
        row.due_at = Some(due_at);
        row
    }

    /// The dead letter: the message as it came, and why it was given up.
    pub(crate) fn dead(
        &self,
        post: &Post<'_>,
        now: DateTime<Utc>,
        cause: Cause,
        detail: &str,
    ) -> OutboxRow {
        let mut headers = self.headers.clone();
        self.put_origin(&mut headers, now);
        let mut put =
            |name: &str, value: String| drop(headers.insert(name.to_owned(), value.into()));
        put(header::CAUSE, cause.to_string());
        put(header::DETAIL, one_line(detail));
        put(header::CONSUMER, post.role.to_owned());
        put(header::LAST_AT, instant(now));
        let to = Address {
            exchange: post.routing.commands(),
            routing_key: post.routing.dead_queue(post.role),
        };
        OutboxRow::new(to, self.id, self.attempt, headers, self.body.clone())
    }

    fn put_origin(&self, headers: &mut Map<String, Value>, now: DateTime<Utc>) {
        let mut put = |name: &str, value: String| {
            headers.entry(name).or_insert_with(|| value.into());
        };
        put(header::EXCHANGE, self.sent_to.exchange.clone());
        put(header::ROUTING_KEY, self.sent_to.routing_key.clone());
        put(header::FIRST_AT, instant(now));
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_MAX).collect()
}

fn usable_id(headers: &Map<String, Value>, property: Option<&str>) -> Option<MessageId> {
    let id = headers::text(headers, header::ID).and_then(|text| text.parse().ok());
    // A dead letter of ours carries the id that was derived for it as a property.
    id.or_else(|| property.and_then(|text| text.parse().ok()))
}

/// The id of a message that has none: the same for the same message, wherever it is seen.
fn id_of_bytes(sent_to: &Address, body: &[u8]) -> MessageId {
    let parts = [sent_to.exchange.as_bytes(), sent_to.routing_key.as_bytes(), body];
    MessageId(derive(DateTime::UNIX_EPOCH, &parts))
}

fn attempt(headers: &Map<String, Value>) -> Result<u32, String> {
    let number = match headers.get(header::ATTEMPT) {
        None => Some(0),
        Some(Value::String(text)) => text.parse().ok(),
        Some(other) => other.as_u64(),
    };
    // The table's column is a signed one.
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| i32::try_from(*number).is_ok())
        .ok_or_else(|| format!("the header {} is not a number", header::ATTEMPT))
}

fn envelope(
    headers: &Map<String, Value>,
    attempt: Result<u32, String>,
) -> Result<Envelope, String> {
    let needed = |name: &str| {
        headers::text(headers, name).ok_or_else(|| format!("the header {name} is missing"))
    };
    let bad = |name: &str| format!("the header {name} cannot be read");
    if needed(header::SPEC)? != SPEC_VERSION {
        return Err(bad(header::SPEC));
    }
    let id: Uuid = needed(header::ID)?.parse().map_err(|_| bad(header::ID))?;
    Ok(Envelope {
        id: MessageId(id),
        attempt: attempt?,
        r#type: needed(header::TYPE)?.to_owned(),
        source: needed(header::SOURCE)?.to_owned(),
        subject: needed(header::SUBJECT)?.parse().map_err(|_| bad(header::SUBJECT))?,
        time: headers::instant(headers, header::TIME).ok_or_else(|| bad(header::TIME))?,
    })
}

#[cfg(test)]
mod tests {
    use contracts::message::Message as _;
    use contracts::messages::BookingFailed;
    use lapin::{BasicProperties, types::FieldTable};
    use serde_json::json;

    use super::*;

    fn delivery(headers: &Value, body: &[u8]) -> Delivery {
        let table: FieldTable = headers::to_wire(headers);
        let mut delivery = Delivery::mock(1, "x".into(), "k".into(), false, body.to_vec());
        delivery.properties = BasicProperties::default().with_headers(table);
        delivery
    }

    fn good() -> Value {
        json!({
            "cloudEvents:specversion": "1.0",
            "cloudEvents:id": "01890000-0000-8000-8000-000000000001",
            "cloudEvents:type": BookingFailed::TYPE,
            "cloudEvents:source": "booking",
            "cloudEvents:subject": "01890000-0000-8000-8000-000000000002",
            "cloudEvents:time": "2026-11-21T08:00:00Z",
            "holdfast-attempt": 2,
        })
    }

    #[test]
    fn reads_a_good_envelope() {
        let read = Incoming::read(delivery(&good(), b"{}"));
        assert_eq!((read.envelope.unwrap().attempt, read.attempt), (2, 2));
    }

    #[test]
    fn says_which_header_is_wrong() {
        for (name, value) in [
            ("cloudEvents:specversion", json!("0.3")),
            ("cloudEvents:id", json!("7")),
            ("cloudEvents:subject", json!(5)),
            ("cloudEvents:time", json!("yesterday")),
            ("holdfast-attempt", json!("-1")),
            ("holdfast-attempt", json!(4_000_000_000_u32)),
        ] {
            let mut headers = good();
            headers[name] = value;
            let read = Incoming::read(delivery(&headers, b"{}"));
            assert!(read.envelope.unwrap_err().contains(name), "{name}");
        }
    }

    #[test]
    fn a_message_without_an_id_gets_one_from_its_bytes_and_keeps_it_as_a_dead_letter() {
        let mut headers = good();
        headers["cloudEvents:id"] = json!("not an id");
        let read = Incoming::read(delivery(&headers, b"body"));
        assert_eq!(read.id, Incoming::read(delivery(&headers, b"body")).id);
        assert_ne!(read.id, Incoming::read(delivery(&headers, b"other")).id);
        let routing = Routing::with_prefix("t.");
        let post = Post { routing: &routing, role: "booking" };
        let now = DateTime::UNIX_EPOCH;
        let dead = read.dead(&post, now, Cause::Undecodable, "two\nlines");
        assert_eq!(dead.message_id, read.id.0);
        assert_eq!(dead.headers["cloudEvents:id"], "not an id");
        assert_eq!(dead.headers["holdfast-detail"], "two lines");
        assert_eq!(dead.headers["holdfast-exchange"], "x");
        let again = Incoming::read(delivery(&dead.headers, b"body"));
        assert_eq!(again.id, read.id);
    }
}
