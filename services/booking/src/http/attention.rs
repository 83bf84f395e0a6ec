//! What support asks besides: which bookings need a person, and how one looked to its customer.

use std::collections::BTreeMap;

use axum::extract::State;
use booking_core::{Recorded, evolve};
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    internal::{AttentionItem, AttentionKind, AttentionReply, SeenReply},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    reader, store_failed,
    views::{ReviewWhy, at_depth},
};
use crate::{App, ROLE, store};

/// Of each kind.
const ITEMS_MAX: usize = 200;
/// Where money goes is its owner's to show, and a ticket is nobody else's.
const HIDDEN: [&str; 6] = ["address", "client_secret", "uri", "refund_to", "to", "events_url"];

/// Bookings in review, and deadlines that nobody handled: neither hides the other.
pub(super) async fn attention(State(app): State<App>) -> Result<Json<AttentionReply>, ApiError> {
    let mut conn = reader(&app).await?;
    let most = i64::try_from(ITEMS_MAX).unwrap_or(i64::MAX) + 1;
    let reviewed = store::in_review(&mut conn, most).await.map_err(store_failed)?;
    let late = store::late(&mut conn, most).await.map_err(store_failed)?;
    let mut counts = BTreeMap::new();
    if reviewed.len() > ITEMS_MAX {
        let count = store::count_in_review(&mut conn).await.map_err(store_failed)?;
        counts.insert(AttentionKind::Review, count);
    }
    if late.len() > ITEMS_MAX {
        let count = store::count_late(&mut conn).await.map_err(store_failed)?;
        counts.insert(AttentionKind::Overdue, count);
    }
    let reviewed = reviewed.into_iter().take(ITEMS_MAX).filter_map(|booking| {
        let review = booking.review?;
        let why = serde_json::to_value(ReviewWhy::from(review.why)).ok()?;
        Some(AttentionItem {
            kind: AttentionKind::Review,
            booking_id: Some(booking.booking_id),
            what: why.as_str().unwrap_or_default().replace('_', " "),
            since: review.since,
            by: Some(review.by),
        })
    });
    let late = late.into_iter().take(ITEMS_MAX).map(|late| AttentionItem {
        kind: AttentionKind::Overdue,
        booking_id: Some(BookingId(late.booking_id)),
        what: format!("its deadline `{}` passed, and nothing came of it", late.deadline),
        since: late.due_at,
        by: Some(late.due_at),
    });
    let (items, more) = (reviewed.chain(late).collect(), !counts.is_empty());
    Ok(Json(AttentionReply { owner: ROLE.to_owned(), items, more, counts }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AsOf {
    /// As of this change; now without it.
    at: Option<u64>,
}

/// What the customer is shown, or was shown after an earlier change: the journal up to there,
/// folded.
pub(super) async fn seen(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
    Query(AsOf { at }): Query<AsOf>,
) -> Result<Json<SeenReply>, ApiError> {
    let mut conn = reader(&app).await?;
    let export = store::export(&mut conn, booking_id).await.map_err(store_failed)?;
    drop(conn);
    let journal = export.ok_or_else(ApiError::not_found)?.journal;
    let newest = journal.last().map_or(0, |entry| entry.version);
    let upto = at.unwrap_or(newest).clamp(1, newest.max(1));
    let (mut state, mut reached) = (None, None);
    for entry in journal.iter().take_while(|entry| entry.version <= upto) {
        let recorded: Recorded =
            serde_json::from_str(&entry.body).map_err(|error| ApiError::internal(&error))?;
        state = evolve(state, &recorded);
        reached = Some((entry.version, entry.at));
    }
    let (Some(booking), Some((version, at))) = (state, reached) else {
        return Err(ApiError::not_found());
    };
    let mut shown = serde_json::to_value(at_depth(&app, &booking, None))
        .map_err(|error| ApiError::internal(&error))?;
    hide(&mut shown);
    Ok(Json(SeenReply { version, newest, at, shown }))
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !HIDDEN.contains(&name.as_str()));
            fields.values_mut().for_each(hide);
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
