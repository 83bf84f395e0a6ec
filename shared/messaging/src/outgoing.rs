//! A message that shall go out: made from what a core decided, turned into an outbox row.

use chassis::trace::{self, TraceContext};
use chrono::{DateTime, SecondsFormat, Utc};
use contracts::{
    envelope::{SPEC_VERSION, header},
    ids::{MessageId, derive},
    message::{Kind, Message},
    routing::Routing,
};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A message that shall go out. Nothing happens with it until the transaction it is said in
/// commits.
#[derive(Debug, Clone)]
pub struct Outgoing {
    id: MessageId,
    at: DateTime<Utc>,
    kind: Kind,
    r#type: &'static str,
    subject: Uuid,
    body: Vec<u8>,
    trace: Option<TraceContext>,
    due_at: Option<DateTime<Utc>>,
}

impl Outgoing {
    /// A message said at `at`; it carries on the trace of the current span.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a message is plain data with text keys: it has a JSON form"
    )]
    pub fn new<M: Message>(id: MessageId, at: DateTime<Utc>, message: &M) -> Self {
        Self {
            id,
            at,
            kind: M::KIND,
            r#type: M::TYPE,
            subject: message.subject(),
            body: serde_json::to_vec(message).expect("plain data has a JSON form"),
            trace: trace::current(),
            due_at: None,
        }
    }

    /// The same message as part of another trace, or of none.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace;
        self
    }

    /// The same message, not sent before `at`.
    #[must_use]
    pub fn due_at(mut self, at: DateTime<Utc>) -> Self {
        self.due_at = Some(at);
        self
    }

    /// The message's id.
    #[must_use]
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// The type on the wire.
    #[must_use]
    pub fn r#type(&self) -> &'static str {
        self.r#type
    }

    /// The outbox row of this message when `source` says it.
    pub(crate) fn into_row(self, routing: &Routing, source: &str) -> OutboxRow {
        let mut headers = Map::new();
        let mut put = |name: &str, value: Value| drop(headers.insert(name.to_owned(), value));
        put(header::SPEC, SPEC_VERSION.into());
        put(header::ID, self.id.to_string().into());
        put(header::TYPE, self.r#type.into());
        put(header::SOURCE, source.into());
        put(header::SUBJECT, self.subject.to_string().into());
        put(header::TIME, self.at.to_rfc3339_opts(SecondsFormat::Micros, true).into());
        put(header::ATTEMPT, 0.into());
        put_trace(&mut headers, self.trace);
        let mut row = OutboxRow::new(
            Address { exchange: routing.exchange(self.kind), routing_key: self.r#type.to_owned() },
            self.id,
            0,
            headers,
            self.body,
        );
        row.due_at = self.due_at;
        row
    }
}

/// Puts a trace context into a message's headers, in place of the one that is there.
pub(crate) fn put_trace(headers: &mut Map<String, Value>, trace: Option<TraceContext>) {
    headers.remove(header::TRACEPARENT);
    headers.remove(header::TRACESTATE);
    let Some(trace) = trace else { return };
    headers.insert(header::TRACEPARENT.to_owned(), trace.traceparent.into());
    if let Some(state) = trace.tracestate {
        headers.insert(header::TRACESTATE.to_owned(), state.into());
    }
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The exchange's full name.
    pub exchange: String,
    /// The key it is routed by.
    pub routing_key: String,
}

/// A row of `outbox`: everything that is needed to publish a message.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Derived from message, attempt and address, so the same message said twice is one row.
    pub outbox_id: Uuid,
    /// The message.
    pub message_id: Uuid,
    /// How often it was tried before.
    pub attempt: i32,
    /// The exchange's full name.
    pub exchange: String,
    /// The key it is routed by.
    pub routing_key: String,
    /// Headers on the wire, as a JSON object.
    pub headers: Value,
    /// The body on the wire.
    pub body: Vec<u8>,
    /// When it is to be sent; at once when there is none.
    pub due_at: Option<DateTime<Utc>>,
}

impl OutboxRow {
    /// A row with headers and body as they shall be on the wire: for a replay, which sends what was
    /// parked.
    ///
    /// The header of the attempt is set to `attempt`.
    #[must_use]
    pub fn new(
        to: Address,
        id: MessageId,
        attempt: u32,
        mut headers: Map<String, Value>,
        body: Vec<u8>,
    ) -> Self {
        headers.insert(header::ATTEMPT.to_owned(), attempt.into());
        let Address { exchange, routing_key } = to;
        Self {
            outbox_id: outbox_id(id, attempt, &exchange, &routing_key),
            message_id: id.0,
            attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
            exchange,
            routing_key,
            headers: Value::Object(headers),
            body,
            due_at: None,
        }
    }
}

/// Sorts by the message's own time, when its id has one, so that the index grows at its end.
fn outbox_id(id: MessageId, attempt: u32, exchange: &str, routing_key: &str) -> Uuid {
    let millis =
        id.0.as_u128().checked_shr(80).and_then(|high| i64::try_from(high).ok()).unwrap_or(0);
    let at = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    derive(
        at,
        &[id.0.as_bytes(), &attempt.to_be_bytes(), exchange.as_bytes(), routing_key.as_bytes()],
    )
}
