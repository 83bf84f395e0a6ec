//! What support asks of every service: what happened to a booking, whose reference this is, what a
//! message would do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::ids::{BookingId, CallbackId};

/// Answer to `GET /internal/timeline/{booking}`: what this owner knows, oldest first.
///
/// An owner that knows nothing of the booking answers with no entries, not with 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineReply {
    /// The service that answers.
    pub owner: String,
    /// What happened, by our database's time; at most the newest 1,000.
    pub entries: Vec<TimelineEntry>,
}

/// One thing that happened to a booking. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEntry {
    /// When, by our database's clock.
    pub at: DateTime<Utc>,
    /// When, as the partner says: a supplier's or a block's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_at: Option<DateTime<Utc>>,
    /// What sort of thing.
    pub kind: TimelineKind,
    /// One line for a person.
    pub what: String,
    /// Who did it: `customer`, `staff:<sub>`, `supplier:rapid`, `chain:anvil`, `timer`, a service.
    pub actor: String,
    /// The message that brought it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<Uuid>,
    /// The trace it happened in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The partner's reference: a reservation, a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// More, for whoever wants it; no personal data.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub detail: Map<String, Value>,
}

/// What sort of thing a timeline tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineKind {
    /// A state of ours changed.
    State,
    /// A call to a partner and its answer.
    Exchange,
    /// A partner called us.
    Callback,
    /// Money moved or was seen.
    Payment,
    /// An entry of a ledger.
    Ledger,
    /// A message that could not be handled.
    DeadLetter,
    /// Something that a member of staff did.
    Act,
}

/// `POST /internal/find-contact` of booking: whose bookings they are, by an e-mail address.
///
/// Personal data: never in an address line, a message, a log or a span. Answered by a
/// [`FindReply`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindContactRequest {
    /// As somebody wrote it.
    pub email: String,
}

impl std::fmt::Debug for FindContactRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FindContactRequest { .. }")
    }
}

/// Answer to `GET /internal/find?key=`: the bookings that this owner knows under `key`.
///
/// A key is compared exactly with the owner's own indexed references: ids, a client reference, a
/// supplier's reference, a transaction, an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindReply {
    /// At most 50.
    pub found: Vec<Found>,
    /// Callbacks that name it and belong to no booking that is known, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<FoundCallback>,
}

/// A callback that was found, about nothing that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundCallback {
    /// Which.
    pub callback_id: CallbackId,
    /// Who pushed it.
    pub supplier: String,
    /// When it came.
    pub received_at: DateTime<Utc>,
}

/// A booking that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Which.
    pub booking_id: BookingId,
    /// By what: `booking`, `client_reference`, `supplier_reference`, `transaction`, `address`, ….
    pub by: String,
}

/// `POST /internal/preview`: what would this message do now? Nothing is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// The consumer that would handle it.
    pub consumer: String,
    /// The message.
    pub message_id: Uuid,
    /// The delivery of it that a replay would be.
    pub attempt: u32,
    /// Its headers as they would be sent.
    pub headers: Map<String, Value>,
    /// Its body, base64.
    pub body_base64: String,
}

impl PreviewRequest {
    /// A larger body is none of ours, and is not asked about.
    pub const BODY_MAX: usize = 1024 * 1024;
}

/// What a message would do, by the same code that would do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewReply {
    /// In a word.
    pub effect: PreviewEffect,
    /// Why, in a line for a person.
    pub why: String,
    /// The state before, in a word, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The state after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What would be recorded and said, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// What a message would do, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewEffect {
    /// Something changes.
    Changes,
    /// It is handled and nothing changes.
    NoChange,
    /// This delivery was handled before.
    Repeat,
    /// It would become a dead letter again.
    DeadAgain,
    /// It would fail and be tried again later.
    FailsForNow,
}

/// `POST /internal/inbox/{consumer}`: asks how far a consumer came with some messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxRequest {
    /// The messages, no more than [`InboxRequest::AT_ONCE_MAX`].
    pub message_ids: Vec<Uuid>,
}

impl InboxRequest {
    /// Messages that are asked about at once.
    pub const AT_ONCE_MAX: usize = 500;
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxesReply {
    /// One for each message that was asked about, in no order.
    pub messages: Vec<InboxReply>,
}

/// How far a consumer came with one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxReply {
    /// The consumer.
    pub consumer: String,
    /// The message.
    pub message_id: Uuid,
    /// The last attempt that ended; none while none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How it ended; none for a message that was never heard, or so long ago that it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InboxState>,
}

/// How far a consumer came with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// It took effect.
    Done,
    /// It failed and is tried again.
    Waiting,
    /// It was given up.
    Dead,
}

/// Answer to `GET /internal/outbox`: what this owner has committed to say and the broker should
/// have by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxReply {
    /// The service that answers.
    pub owner: String,
    /// How many messages.
    pub due: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<DateTime<Utc>>,
}
