//! A booking with all that made it, to be made again elsewhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::BookingId;

/// Answer to `GET /internal/bookings/{id}/export` of booking: folding `journal` gives `row`.
///
/// Row and bodies are texts, so that no reader on the way changes a byte of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportReply {
    /// Which booking.
    pub booking_id: BookingId,
    /// Its row, JSON.
    pub row: String,
    /// Everything that happened to it, oldest first.
    pub journal: Vec<ExportedEvent>,
}

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedEvent {
    /// 1 for the first.
    pub version: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What happened, in a word.
    pub change: String,
    /// The entry, JSON.
    pub body: String,
    /// What brought it: `message`, `request` or `timer`.
    pub source: String,
    /// Who said so.
    pub actor: String,
    /// The message that brought it.
    pub cause: Option<Uuid>,
    /// The trace it happened in.
    pub trace_id: Option<String>,
}
