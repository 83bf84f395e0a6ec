//! What happened to a booking, change by change, with what it was before and after each.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::{Booking, Recorded, evolve};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::ids::BookingId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account,
    openapi::problems,
    reader, store_failed,
    views::{self, MoneyAxis, Status},
};
use crate::{
    App,
    store::{self, HistoryRow},
};

/// Everything that happened to a booking, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    changes: Vec<Change>,
}

/// One thing that happened.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HistoryChange)]
struct Change {
    /// 1 for the first.
    version: i64,
    at: DateTime<Utc>,
    /// What happened, in a word.
    change: String,
    /// What brought it: `message`, `request`, `timer` or `staff`.
    source: String,
    /// Who said so: an account, a service, or `support`.
    actor: String,
    /// The message that brought it, where one did.
    cause: Option<Uuid>,
    /// What it rests on, as it was recorded: a supplier's reference, an amount, a transaction.
    #[schema(value_type = Object)]
    evidence: Value,
    /// Nothing before the first change.
    before: Option<Standing>,
    after: Option<Standing>,
}

/// How a booking stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HistoryStanding)]
struct Standing {
    status: Status,
    money: MoneyAxis,
    /// Whether a person was to look.
    in_review: bool,
}

/// What happened to a booking, change by change. A closed booking's history goes on: what is heard
/// after its end is in it, too.
#[utoipa::path(
    get, path = "/v1/bookings/{id}/history", tag = "bookings",
    params(("id" = Uuid, Path, description = "The booking")),
    responses(
        (status = 200, description = "Its changes", body = History),
        problems::NotFound,
    ),
)]
pub(super) async fn history(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let mut conn = reader(&app).await?;
    let found = store::load_for_account(&mut conn, &account, booking_id).await;
    let booking = found.map_err(store_failed)?.ok_or_else(ApiError::not_found)?;
    let rows = store::history(&mut conn, &account, booking_id).await.map_err(store_failed)?;
    let payable = views::is_payable(&app, &booking);
    Ok(Json(History { changes: changes(rows, payable) }).into_response())
}

fn changes(rows: Vec<HistoryRow>, payable: bool) -> Vec<Change> {
    let mut state = None;
    let mut before = None;
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        // One that cannot be read is shown as it is; from there on nobody knows how it stood.
        state = serde_json::from_str::<Recorded>(&row.body)
            .ok()
            .and_then(|recorded| evolve(state, &recorded));
        let after = state.as_deref().map(standing);
        let recorded: Value = serde_json::from_str(&row.body).unwrap_or_default();
        let by_staff = row.source == "staff";
        changes.push(Change {
            version: row.version,
            at: row.at,
            change: row.kind,
            source: row.source,
            actor: if by_staff { "support".to_owned() } else { row.actor },
            cause: row.cause_id,
            evidence: evidence(
                recorded.get("event").cloned().unwrap_or_default(),
                payable,
                by_staff,
            ),
            before,
            after,
        });
        before = after;
    }
    changes
}

fn standing(booking: &Booking) -> Standing {
    Standing {
        status: booking_core::status(booking).into(),
        money: booking_core::money(booking).into(),
        in_review: booking.review.is_some(),
    }
}

/// What a customer may see of an event: no address before it may be paid, never the key that buys a
/// room at the supplier, and not who of support did something and what they noted.
fn evidence(mut event: Value, payable: bool, by_staff: bool) -> Value {
    if by_staff && let Some(fields) = event.as_object_mut() {
        fields.retain(|name, _| name != "by" && name != "why");
    }
    if !payable && let Some(fields) = event.as_object_mut() {
        fields.remove("instruction");
    }
    // Where a further payment goes is shown with the booking, and its signature is checked there.
    if let Some(fields) = event.pointer_mut("/event").and_then(Value::as_object_mut) {
        fields.remove("instruction");
    }
    without_keys(&mut event);
    event
}

/// Takes the suppliers' keys out, wherever they stand.
fn without_keys(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| name != "book_key" && name != "rate_key");
            fields.values_mut().for_each(without_keys);
        }
        Value::Array(items) => items.iter_mut().for_each(without_keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
