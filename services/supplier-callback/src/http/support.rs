//! What support asks: which callbacks came about a booking, and which booking a callback is about.
//!
//! A callback names references, never a booking: which booking that is, supplier-sync knows.

use std::{collections::BTreeMap, time::Duration};

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use chrono::{DateTime, Utc};
use contracts::{
    ids::BookingId,
    internal::{
        AttentionItem, AttentionKind, AttentionReply, FindReply, Found, ReferencesReply,
        TimelineEntry, TimelineKind, TimelineReply,
    },
};
use messaging::{StoreError, database};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sqlx::{Postgres, pool::PoolConnection};

use crate::{
    App, SERVICE,
    store::{self, NotBelieved, Received},
    undelivered::TOLD_AFTER,
};

/// Whoever asks gives us little more than this.
const SUPPLIER_SYNC_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn timeline(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<TimelineReply>, ApiError> {
    let path = format!("/internal/bookings/{booking_id}/references");
    let known: ReferencesReply = ask(&app, &path).await?;
    let mut conn = connection(&app).await?;
    let mut entries = Vec::new();
    for supplier in &known.suppliers {
        let came = store::about(&mut conn, supplier).await.map_err(|error| failed(&error))?;
        entries.extend(came.iter().map(entry));
    }
    entries.sort_by_key(|entry| entry.at);
    Ok(Json(TimelineReply { owner: SERVICE.to_owned(), entries }))
}

/// What is searched for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    key: String,
}

/// Finds by our id of a callback, by the supplier's, or by a message that it was said as.
pub(super) async fn find(
    State(app): State<App>,
    Query(Key { key }): Query<Key>,
) -> Result<Json<FindReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let named = store::named_by(&mut conn, &key).await.map_err(|error| failed(&error))?;
    drop(conn);
    let mut found = Vec::new();
    for reference in named.iter().filter(|reference| is_plain(reference)) {
        let reply: FindReply = ask(&app, &format!("/internal/find?key={reference}")).await?;
        found.extend(reply.found.into_iter().map(|one| one.booking_id));
    }
    found.sort_unstable();
    found.dedup();
    let by_callback = |booking_id| Found { booking_id, by: "callback".to_owned() };
    let found = found.into_iter().map(by_callback).collect();
    Ok(Json(FindReply { found, ..FindReply::default() }))
}

/// What was not believed lately, a line for each supplier; and who cannot be asked for what it
/// could not deliver.
pub(super) async fn attention(State(app): State<App>) -> Result<Json<AttentionReply>, ApiError> {
    let mut conn = connection(&app).await?;
    let found = store::within_a_day(&mut conn).await.map_err(|error| failed(&error))?;
    let item = |NotBelieved { supplier, times, first_at }| AttentionItem {
        kind: AttentionKind::Callback,
        booking_id: None,
        what: format!("{times} callbacks that were to be {supplier}'s were not believed"),
        since: first_at,
        by: None,
    };
    let for_s = TOLD_AFTER.as_secs_f64();
    let failing = store::failing(&mut conn, for_s).await.map_err(|error| failed(&error))?;
    let unasked = |(supplier, since): (String, DateTime<Utc>)| AttentionItem {
        kind: AttentionKind::Callback,
        booking_id: None,
        what: format!("callbacks that {supplier} could not deliver cannot be fetched"),
        since,
        by: None,
    };
    let items = found.into_iter().map(item).chain(failing.into_iter().map(unasked)).collect();
    Ok(Json(AttentionReply {
        owner: SERVICE.to_owned(),
        items,
        more: false,
        counts: BTreeMap::new(),
    }))
}

/// Whether a reference goes into an address as it is; ours and every supplier's do.
fn is_plain(reference: &str) -> bool {
    reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn entry(received: &Received) -> TimelineEntry {
    let Received { callback_id, supplier, external_id, event, .. } = received;
    let event = event.as_deref().unwrap_or("of no kind that we know");
    let detail = [
        ("callback_id", json!(callback_id)),
        ("external_id", json!(external_id)),
        ("client_reference", json!(received.client_reference)),
    ];
    let detail = detail.into_iter().filter(|(_, value)| *value != Value::Null);
    TimelineEntry {
        at: received.received_at,
        partner_at: None,
        kind: TimelineKind::Callback,
        what: format!("a callback was taken: {event}"),
        actor: format!("supplier:{supplier}"),
        message_id: received.message_id,
        trace_id: None,
        reference: received.reference.clone(),
        detail: detail.map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

async fn ask<T: DeserializeOwned>(app: &App, path: &str) -> Result<T, ApiError> {
    let url = format!("{}{path}", app.supplier_sync_url);
    let asked = app.http.get_json(&url, Some(&app.internal_token), SUPPLIER_SYNC_WITHIN).await;
    asked.map_err(|error| {
        tracing::warn!(error = %chassis::chain(&error), "supplier-sync did not say whose it is");
        ApiError::unavailable("supplier_sync_silent", "supplier-sync did not answer")
    })
}

async fn connection(app: &App) -> Result<PoolConnection<Postgres>, ApiError> {
    let taken = app.messaging.pool().acquire().await;
    taken.map_err(|error| failed(&database("taking a connection")(error)))
}

pub(super) fn failed(error: &StoreError) -> ApiError {
    ApiError::internal(error)
}
