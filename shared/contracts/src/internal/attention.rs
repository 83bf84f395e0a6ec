//! What a person should look at now, as each owner knows it; and a booking as its customer sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::BookingId;

/// Answer to `GET /internal/attention`: what does not go on by itself, in the order in which its
/// owner would look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionReply {
    /// The service that answers.
    pub owner: String,
    /// At most 200 of each kind.
    pub items: Vec<AttentionItem>,
    /// Whether there are more.
    pub more: bool,
    /// How many there are of each kind of which not all are told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<AttentionKind, u64>,
}

/// One thing that somebody should look at. No personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionItem {
    /// What sort of thing.
    pub kind: AttentionKind,
    /// Of which booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    /// One line for a person.
    pub what: String,
    /// Since when it is so.
    pub since: DateTime<Utc>,
    /// By when it should be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<DateTime<Utc>>,
}

/// What sort of thing needs a person, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// A booking that goes on only when a person has looked.
    Review,
    /// It waits past its deadline.
    Overdue,
    /// Nobody knows yet what a call to a partner did.
    UnknownOutcome,
    /// What a partner has is not what was ordered.
    Drift,
    /// Money that should go back.
    Refund,
    /// Money that goes back only when a second person lets it go.
    Approval,
    /// Something odd about a payment.
    Case,
    /// A supplier pushed what is about nothing that is known, or somebody pushed in its name.
    Callback,
    /// It fails again and again, and is tried again.
    Retrying,
}

/// Answer to `GET /internal/bookings/{id}/seen?at=` of booking: what its customer is shown, now or
/// as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenReply {
    /// As of which change: 1 for the first.
    pub version: u64,
    /// The newest change.
    pub newest: u64,
    /// When that change was.
    pub at: DateTime<Utc>,
    /// The body of the gateway's answer, without addresses.
    pub shown: Value,
}
