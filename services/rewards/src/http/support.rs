//! What support asks of rewards: what happened to a booking's points, which bookings a key means.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::{AccountId, BookingId},
    internal::{FindReply, Found, TimelineEntry, TimelineKind, TimelineReply},
};
use messaging::{StoreError, database};
use serde::Deserialize;
use serde_json::{Map, Value};
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use super::failed;
use crate::{
    App, ROLE,
    store::{self, BookingEntry},
};

/// How many entries a timeline has.
const ENTRIES_MAX: i64 = 1_000;
/// How many bookings a key may mean.
const FOUND_MAX: i64 = 50;

/// The ledger's entries of a booking, oldest first.
pub(super) async fn timeline(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<TimelineReply>, ApiError> {
    let mut conn = reader(&app).await.map_err(|error| failed(&error))?;
    let rows = store::of_booking(&mut conn, booking_id, ENTRIES_MAX).await;
    let rows = rows.map_err(|error| failed(&error))?;
    let entries = rows.into_iter().map(entry).collect();
    Ok(Json(TimelineReply { owner: ROLE.to_owned(), entries }))
}

fn entry(row: BookingEntry) -> TimelineEntry {
    let event: Value = serde_json::from_str(&row.event).unwrap_or_default();
    let mut detail: Map<String, Value> = event.as_object().cloned().unwrap_or_default();
    detail.insert("version".to_owned(), row.version.into());
    let kind = row.kind.replace('_', " ");
    TimelineEntry {
        at: row.at,
        partner_at: None,
        kind: TimelineKind::Ledger,
        what: if row.points == 0 { kind } else { format!("{kind}: {:+} points", row.points) },
        // Whatever moves the points of a booking is a message of booking, or time.
        actor: if row.source == "message" { "booking".to_owned() } else { row.source },
        message_id: row.cause_id,
        trace_id: row.trace_id,
        reference: None,
        detail,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    key: String,
}

/// The bookings that moved points, by their own id, a message that moved them, or their account's.
pub(super) async fn find(
    State(app): State<App>,
    Query(Asked { key }): Query<Asked>,
) -> Result<Json<FindReply>, ApiError> {
    let found = found(&app, key.trim()).await.map_err(|error| failed(&error))?;
    Ok(Json(FindReply { found, ..FindReply::default() }))
}

async fn found(app: &App, key: &str) -> Result<Vec<Found>, StoreError> {
    let mut conn = reader(app).await?;
    if let Ok(id) = key.parse::<Uuid>() {
        let known = store::knows_booking(&mut conn, id).await?;
        let own = known.then(|| Found { booking_id: BookingId(id), by: "booking".to_owned() });
        let of_message = store::bookings_of_message(&mut conn, id, FOUND_MAX).await?;
        let by_message = |id| Found { booking_id: BookingId(id), by: "message".to_owned() };
        return Ok(own.into_iter().chain(of_message.into_iter().map(by_message)).collect());
    }
    let Ok(account) = AccountId::parse(key) else { return Ok(Vec::new()) };
    let bookings = store::bookings_of(&mut conn, &account, FOUND_MAX).await?;
    let by_account = |id| Found { booking_id: BookingId(id), by: "account".to_owned() };
    Ok(bookings.into_iter().map(by_account).collect())
}

async fn reader(app: &App) -> Result<PoolConnection<Postgres>, StoreError> {
    app.pool.acquire().await.map_err(database("taking a connection"))
}
