//! The parker: dead letters are moved here byte for byte, and only then acknowledged.

use chassis::trace::TraceContext;
use chrono::{DateTime, Utc};
use contracts::{
    envelope::header,
    ids::derive,
    message::Message as _,
    messages::CallbackReceived,
    routing::{CONSUMERS, Routing, hearers},
};
use messaging::{Parked, Parks, StoreError, database};
use serde_json::{Map, Value};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{fault::Fault, mask, store};

/// Characters of a cause that are kept.
const CAUSE_MAX: usize = 100;

/// Keeps dead letters in the table.
#[derive(Debug, Clone)]
pub struct Parker {
    pool: PgPool,
    routing: Routing,
}

/// A dead letter, read from what came.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The same for the same delivery, however often it comes.
    pub dead_letter_id: Uuid,
    /// Whether the same bytes without an id may have come before: then it is one attempt more.
    pub fresh: bool,
    /// The queue it waited in.
    pub queue: String,
    /// The message, the same over retries and replays.
    pub message_id: Uuid,
    /// Which delivery of it.
    pub attempt: i32,
    /// How often a handler tried.
    pub attempts: i32,
    /// The type with its version.
    pub message_type: Option<String>,
    /// Who gave it up.
    pub consumer: Option<String>,
    /// Who would get it again: one of our consumers, if it is known which.
    pub addressee: Option<String>,
    /// Why, in a word.
    pub cause: String,
    /// Why, in a line.
    pub detail: Option<String>,
    /// Where it was sent to at first.
    pub exchange: String,
    /// With which key.
    pub routing_key: String,
    /// All headers as they came.
    pub headers: Map<String, Value>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// What it is about.
    pub subject: Option<Uuid>,
    /// The booking, where that is what it is about.
    pub booking_id: Option<Uuid>,
    /// The trace it was sent in.
    pub trace_id: Option<String>,
    /// When it was first seen.
    pub first_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub last_at: Option<DateTime<Utc>>,
    /// What is wrong, in the same words for the same fault.
    pub fault: Fault,
}

impl Parker {
    /// A parker that writes to this database.
    #[must_use]
    pub const fn new(pool: PgPool, routing: Routing) -> Self {
        Self { pool, routing }
    }
}

impl Parks for Parker {
    async fn park(&self, batch: Vec<Parked>) -> Result<(), StoreError> {
        let letters: Vec<_> =
            batch.into_iter().map(|parked| DeadLetter::of(parked, &self.routing)).collect();
        let mut conn = self.pool.acquire().await.map_err(database("taking a connection"))?;
        store::insert(&mut conn, &letters).await?;
        for letter in &letters {
            tracing::warn!(
                message.id = %letter.message_id,
                message.r#type = letter.message_type.as_deref().map(mask::word),
                attempt = letter.attempt,
                queue = letter.queue,
                booking.id = letter.booking_id.map(tracing::field::display),
                "a dead letter is parked, cause {}",
                letter.cause
            );
        }
        Ok(())
    }
}

impl DeadLetter {
    /// Reads what the consumer, or else the broker, wrote on the letter.
    #[must_use]
    pub fn of(parked: Parked, routing: &Routing) -> Self {
        let unroutable = parked.queue == routing.unroutable_queue();
        let headers = Headers(&parked.headers);
        let death = headers.first_death();
        let subject = headers.text(header::SUBJECT).and_then(|text| text.parse().ok());
        let message_type = headers.text(header::TYPE);
        let is_callback = message_type.as_deref() == Some(CallbackReceived::TYPE);
        let attempt = i32::try_from(parked.attempt).unwrap_or(i32::MAX);
        let said = headers.text(header::CONSUMER);
        let said = said.filter(|name| CONSUMERS.contains(&name.as_str()));
        let detail = headers.text(header::DETAIL);
        // A sentence of nobody known may say anything: the headers keep it. Whoever sends what no
        // queue takes can write any name on it.
        let known = said.as_ref().is_some_and(|name| routing.dead_queue(name) == parked.queue);
        let detail = if known { detail } else { detail.as_deref().map(mask::foreign) };
        let consumer = said.or_else(|| consumer_of(&parked.queue, routing));
        let consumer = consumer.filter(|_| !unroutable);
        let fault = Fault::of(message_type.as_deref(), detail.as_deref(), &parked.body);
        let addressee = addressee(&parked, consumer.as_deref(), message_type.as_deref(), routing);
        Self {
            dead_letter_id: id_of(&parked),
            fresh: parked.fresh.is_some(),
            message_id: parked.message_id.0,
            attempt,
            attempts: if unroutable { attempt } else { attempt.saturating_add(1) },
            consumer,
            addressee: addressee.map(str::to_owned),
            cause: short(&mask::word(&headers.text(header::CAUSE).unwrap_or_else(
                || match &death {
                    Some(death) => death.reason.clone(),
                    None if unroutable => "unroutable".to_owned(),
                    None => "unknown".to_owned(),
                },
            ))),
            detail,
            fault,
            exchange: headers
                .text(header::EXCHANGE)
                .or_else(|| death.as_ref().map(|death| death.exchange.clone()))
                .unwrap_or_else(|| plain(&parked.exchange)),
            routing_key: headers
                .text(header::ROUTING_KEY)
                .or_else(|| death.as_ref().map(|death| death.routing_key.clone()))
                .unwrap_or_else(|| plain(&parked.routing_key)),
            trace_id: headers.trace_id(),
            first_at: headers.instant(header::FIRST_AT).or_else(|| headers.instant(header::TIME)),
            last_at: headers.instant(header::LAST_AT),
            booking_id: subject.filter(|_| !is_callback),
            subject,
            message_type,
            queue: parked.queue,
            headers: parked.headers,
            body: parked.body,
        }
    }
}

/// What the broker writes when it is the one that gives a message up.
struct Death {
    reason: String,
    exchange: String,
    routing_key: String,
}

struct Headers<'a>(&'a Map<String, Value>);

impl Headers<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(plain)
    }

    fn instant(&self, name: &str) -> Option<DateTime<Utc>> {
        let at = DateTime::parse_from_rfc3339(&self.text(name)?).ok()?;
        Some(at.with_timezone(&Utc))
    }

    fn trace_id(&self) -> Option<String> {
        let traceparent = self.text(header::TRACEPARENT)?;
        TraceContext { traceparent, tracestate: None }.trace_id()
    }

    /// The last entry of `x-death` is the oldest: the broker puts the newest first.
    fn first_death(&self) -> Option<Death> {
        let death = self.0.get("x-death")?.as_array()?.last()?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(plain);
        Some(Death {
            reason: text(death.get("reason"))?,
            exchange: text(death.get("exchange"))?,
            routing_key: text(death.get("routing-keys").and_then(|keys| keys.get(0)))?,
        })
    }
}

/// What an index takes, and a page has room for; the headers keep what it was.
fn short(text: &str) -> String {
    text.chars().take(CAUSE_MAX).collect()
}

/// A text that a column takes; the headers keep what it was.
fn plain(text: impl AsRef<str>) -> String {
    text.as_ref().replace('\0', "\u{fffd}")
}

fn consumer_of(queue: &str, routing: &Routing) -> Option<String> {
    let known = CONSUMERS.iter();
    let mut of_queue = known.filter(|consumer| routing.dead_queue(consumer) == queue);
    of_queue.next().map(|consumer| (*consumer).to_owned())
}

/// Who would get a letter again: whoever gave it up; for what no queue took, whose queue it was
/// sent to by name, or else the only one that hears its type.
fn addressee(
    parked: &Parked,
    consumer: Option<&str>,
    message_type: Option<&str>,
    routing: &Routing,
) -> Option<&'static str> {
    let find = |is: &dyn Fn(&str) -> bool| CONSUMERS.into_iter().find(|name| is(name));
    let key = parked.routing_key.as_str();
    let mut hearers = hearers(message_type.unwrap_or_default()).map(|(name, _)| name);
    let only = hearers.next().filter(|_| hearers.next().is_none());
    find(&|name| Some(name) == consumer)
        .or_else(|| find(&|name| routing.dead_queue(name) == parked.queue))
        .or_else(|| find(&|name| routing.queue(name) == key || routing.dead_queue(name) == key))
        .or(only)
}

/// Sorts by the message's own time, as message ids do.
fn id_of(parked: &Parked) -> Uuid {
    let millis = parked.message_id.0.as_u128() >> 80;
    let at = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    let attempt = parked.attempt.to_be_bytes();
    let mut parts: Vec<&[u8]> =
        vec![parked.queue.as_bytes(), parked.message_id.0.as_bytes(), &attempt];
    parts.extend(parked.fresh.as_ref().map(|delivery| delivery.as_bytes().as_slice()));
    derive(at.unwrap_or_default(), &parts)
}

#[cfg(test)]
mod tests;
