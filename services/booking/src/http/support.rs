//! What support asks of booking: what happened to a booking, and which booking a key means.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    internal::{FindReply, Found, TimelineEntry, TimelineKind, TimelineReply},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{reader, store_failed};
use crate::{App, ROLE, store, store::JournalRow};

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

/// The booking whose id, or whose quote's id, the key is.
///
/// Payments, references of suppliers and transactions are found by their owners, who index them;
/// contacts are sealed and cannot be searched.
pub(super) async fn find(
    State(app): State<App>,
    Query(Asked { key }): Query<Asked>,
) -> Result<Json<FindReply>, ApiError> {
    let Ok(id) = key.trim().parse::<Uuid>() else {
        return Ok(Json(FindReply { found: Vec::new() }));
    };
    let mut conn = reader(&app).await?;
    let found = store::by_own_id(&mut conn, id).await.map_err(store_failed)?;
    let found = found.into_iter().map(|booking_id| Found {
        booking_id: BookingId(booking_id),
        by: if booking_id == id { "booking" } else { "quote" }.to_owned(),
    });
    Ok(Json(FindReply { found: found.collect() }))
}
