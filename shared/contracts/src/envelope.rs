//! What travels around a message's body: CloudEvents attributes in AMQP headers, and our own few.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::MessageId;

/// Header names on the wire. CloudEvents attributes carry the AMQP binding's prefix `cloudEvents:`.
pub mod header {
    /// The message's id, the same over retries and replays.
    pub const ID: &str = "cloudEvents:id";
    /// The version of CloudEvents, `1.0`.
    pub const SPEC: &str = "cloudEvents:specversion";
    /// The type with its version.
    pub const TYPE: &str = "cloudEvents:type";
    /// Which service said it.
    pub const SOURCE: &str = "cloudEvents:source";
    /// What it is about.
    pub const SUBJECT: &str = "cloudEvents:subject";
    /// When it was said, RFC 3339.
    pub const TIME: &str = "cloudEvents:time";
    /// How often it was tried before, 0 at first.
    pub const ATTEMPT: &str = "holdfast-attempt";
    /// W3C trace context, a string.
    pub const TRACEPARENT: &str = "traceparent";
    /// W3C trace state, a string.
    pub const TRACESTATE: &str = "tracestate";
    /// On a dead letter: why it is dead, one of a few words.
    pub const CAUSE: &str = "holdfast-cause";
    /// On a dead letter: what went wrong, one line without personal data.
    pub const DETAIL: &str = "holdfast-detail";
    /// On a dead letter: the consumer that gave it up.
    pub const CONSUMER: &str = "holdfast-consumer";
    /// On a dead letter: the exchange it was sent to.
    pub const EXCHANGE: &str = "holdfast-exchange";
    /// On a dead letter: the routing key it was sent with.
    pub const ROUTING_KEY: &str = "holdfast-routing-key";
    /// On a dead letter: when it was first seen, RFC 3339.
    pub const FIRST_AT: &str = "holdfast-first-at";
    /// On a dead letter: when it was given up, RFC 3339.
    pub const LAST_AT: &str = "holdfast-last-at";
}

/// The attributes of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The message's id; with `attempt` it identifies a delivery.
    pub id: MessageId,
    /// 0 at first, one more with every retry and replay.
    pub attempt: u32,
    /// The type with its version.
    pub r#type: String,
    /// Which service said it.
    pub source: String,
    /// What it is about.
    pub subject: Uuid,
    /// When it was said.
    pub time: DateTime<Utc>,
}

/// The types a service of today says and hears are version 1 of CloudEvents.
pub const SPEC_VERSION: &str = "1.0";
