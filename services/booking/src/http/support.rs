//! What support asks of booking: what happened to a booking, and which booking a key means.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    internal::{FindContactRequest, FindReply, Found, TimelineEntry, TimelineKind, TimelineReply},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{reader, store_failed};
use crate::{App, ROLE, contact::email_index, store, store::JournalRow};

/// How many entries an answer has.
const ENTRIES_MAX: i64 = 1_000;

/// What happened to a booking, oldest first.
pub(super) async fn timeline(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<TimelineReply>, ApiError> {
    let mut conn = reader(&app).await?;
    let rows = store::journal(&mut conn, booking_id, ENTRIES_MAX).await.map_err(store_failed)?;
    Ok(Json(TimelineReply {
        owner: ROLE.to_owned(),
        entries: rows.into_iter().map(entry).collect(),
    }))
}

fn entry(row: JournalRow) -> TimelineEntry {
    let recorded: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let event = recorded.get("event").cloned().unwrap_or_default();
    TimelineEntry {
        at: row.at,
        partner_at: None,
        kind: TimelineKind::State,
        what: format!("{}: {}", row.version, row.kind.replace('_', " ")),
        actor: if row.source == "request" { "customer".to_owned() } else { row.actor },
        message_id: row.cause_id,
        trace_id: row.trace_id,
        reference: None,
        detail: detail(event),
    }
}

/// What support may see of an event. Addresses and accounts are their owners' to show, and a key
/// that buys a room is nobody's.
fn detail(event: Value) -> Map<String, Value> {
    let Value::Object(mut fields) = event else { return Map::new() };
    for hidden in ["is", "instruction", "account_id", "refund_to", "to"] {
        fields.remove(hidden);
    }
    let legs = fields.get_mut("legs").and_then(Value::as_array_mut);
    for order in legs.into_iter().flatten().filter_map(|leg| leg.get_mut("order")) {
        if let Some(order) = order.as_object_mut() {
            order.remove("book_key");
        }
    }
    fields
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    key: String,
}

/// The bookings whose id, whose quote's id, a trace or a message of which the key is.
///
/// Payments, references of suppliers and transactions are found by their owners, who index them.
pub(super) async fn find(
    State(app): State<App>,
    Query(Asked { key }): Query<Asked>,
) -> Result<Json<FindReply>, ApiError> {
    let key = key.trim();
    let mut conn = reader(&app).await?;
    let mut found = Vec::new();
    // A trace id is 32 hexadecimal digits, and so is an id without its hyphens.
    if is_trace_id(key) {
        let of_trace = store::by_trace(&mut conn, &key.to_ascii_lowercase()).await;
        found.extend(of_trace.map_err(store_failed)?.into_iter().map(|id| by("trace", id)));
    }
    if let Ok(id) = key.parse::<Uuid>() {
        let of_id = store::by_own_id(&mut conn, id).await.map_err(store_failed)?;
        let word = |booking_id| if booking_id == id { "booking" } else { "quote" };
        found.extend(of_id.into_iter().map(|booking_id| by(word(booking_id), booking_id)));
        let of_message = store::by_message(&mut conn, id).await.map_err(store_failed)?;
        found.extend(of_message.into_iter().map(|booking_id| by("message", booking_id)));
    }
    Ok(Json(FindReply { found, ..FindReply::default() }))
}

/// The bookings of an e-mail address, by its digest. The address comes in a body: whatever stands
/// in an address line is logged somewhere.
pub(super) async fn find_contact(
    State(app): State<App>,
    Json(FindContactRequest { email }): Json<FindContactRequest>,
) -> Result<Json<FindReply>, ApiError> {
    let digest = email_index(&app.contacts, &email);
    let mut conn = reader(&app).await?;
    let found = store::by_email(&mut conn, &digest).await.map_err(store_failed)?;
    let found = found.into_iter().map(|id| by("email", id)).collect();
    Ok(Json(FindReply { found, ..FindReply::default() }))
}

fn is_trace_id(key: &str) -> bool {
    key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn by(word: &str, booking_id: Uuid) -> Found {
    Found { booking_id: BookingId(booking_id), by: word.to_owned() }
}
