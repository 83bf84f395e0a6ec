//! What support asks of payment-verification: what happened to a booking's money, and which booking
//! a reference means.

use std::collections::BTreeMap;

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::BookingId,
    instruction::CARD_CHAIN,
    internal::{AttentionReply, FindReply, TimelineEntry, TimelineKind, TimelineReply},
};
use messaging::StoreError;
use payment_verification_core::chain::Hash32;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    App, ROLE,
    address::address_key,
    store::{
        attention,
        support::{self, Happened, Source},
    },
};

/// How many entries an answer has.
const ENTRIES_MAX: i64 = 1_000;
/// How many of each kind, so that none hides another.
const ITEMS_MAX: usize = 100;

/// What happened to a booking's payments, oldest first.
pub(super) async fn timeline(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<TimelineReply>, ApiError> {
    let rows = support::timeline(app.messaging.pool(), booking_id, ENTRIES_MAX);
    let rows = rows.await.map_err(|error| failed(&error))?;
    let entries = rows.into_iter().map(entry).collect();
    Ok(Json(TimelineReply { owner: ROLE.to_owned(), entries }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    key: String,
}

/// The bookings of an id, also of a message that was heard; of an address, a transaction, or what
/// the card gateway calls a payment.
pub(super) async fn find(
    State(app): State<App>,
    Query(Asked { key }): Query<Asked>,
) -> Result<Json<FindReply>, ApiError> {
    let (key, pool) = (key.trim(), app.messaging.pool());
    let found = if let Ok(id) = key.parse::<Uuid>() {
        support::find_id(pool, id).await
    } else if let Ok(hash) = key.to_lowercase().parse::<Hash32>() {
        support::find_transaction(pool, &hash.0).await
    } else if let Some(address) = address_key(key) {
        support::find_address(pool, &address).await
    } else {
        support::find_card(pool, key).await
    };
    let found = found.map_err(|error| failed(&error))?;
    Ok(Json(FindReply { found, ..FindReply::default() }))
}

/// Refunds that did not arrive in time, refunds that wait for a second person, and cases that
/// nobody closed.
pub(super) async fn attention(State(app): State<App>) -> Result<Json<AttentionReply>, ApiError> {
    let told = told(&app).await.map_err(|error| failed(&error))?;
    let (mut items, mut counts) = (vec![], BTreeMap::new());
    for attention::Waiting { kind, items: of_kind, count } in told {
        let more = usize::try_from(count).unwrap_or(usize::MAX) > of_kind.len();
        if more {
            counts.insert(kind, count);
        }
        items.extend(of_kind);
    }
    let more = !counts.is_empty();
    Ok(Json(AttentionReply { owner: ROLE.to_owned(), items, more, counts }))
}

async fn told(app: &App) -> Result<[attention::Waiting; 3], StoreError> {
    let pool = app.messaging.pool();
    Ok([
        attention::refunds(pool, app.policy.refund_for_max, ITEMS_MAX).await?,
        attention::unapproved(pool, ITEMS_MAX).await?,
        attention::cases(pool, ITEMS_MAX).await?,
    ])
}

pub(super) fn failed(error: &StoreError) -> ApiError {
    tracing::warn!(error = %chassis::chain(error), "support got no answer");
    let detail = "the database does not answer";
    ApiError::new(http::StatusCode::SERVICE_UNAVAILABLE, "no_database", detail)
}

fn entry(row: Happened) -> TimelineEntry {
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    if matches!(row.source, Source::Opened | Source::Closed) {
        return of_case(&row, body);
    }
    // What happened to a refund lies one deeper than what happened to the payment.
    let event = body.get("change").unwrap_or(&body);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let transfer = event.get("key").or_else(|| event.get("payout"));
    let transaction = text(transfer).or_else(|| text(event.get("transaction")));
    let reference = transaction.map(|key| key.split('#').next().unwrap_or_default().to_owned());
    let partner_at = text(event.get("stamped_at")).and_then(|stamped| stamped.parse().ok());
    let said = row.kind.replace('_', " ");
    let posted = row.source == Source::Ledger;
    TimelineEntry {
        at: row.at,
        partner_at,
        kind: if posted { TimelineKind::Ledger } else { TimelineKind::Payment },
        what: if posted { format!("{said}: {}", lines(&body)) } else { said },
        actor: actor(&row),
        message_id: row.cause_id,
        trace_id: trace_id(&row),
        reference,
        detail: detail(row.payment_id, posted, body),
    }
}

fn trace_id(row: &Happened) -> Option<String> {
    row.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)).map(str::to_owned)
}

/// That a case was opened or closed, with what it is about.
fn of_case(row: &Happened, body: Value) -> TimelineEntry {
    let text = |field: &str| body.get(field).and_then(Value::as_str);
    let (said, why) = (row.kind.replace('_', " "), text("why").unwrap_or_default());
    let closed = row.source == Source::Closed;
    TimelineEntry {
        at: row.at,
        partner_at: None,
        kind: TimelineKind::Payment,
        what: if closed { format!("case closed: {said}: {why}") } else { format!("case: {said}") },
        actor: match text("staff").filter(|_| closed) {
            Some(staff) => format!("staff:{staff}"),
            None => ROLE.to_owned(),
        },
        message_id: None,
        trace_id: trace_id(row),
        reference: text("transaction").map(str::to_owned),
        detail: detail(row.payment_id, false, body),
    }
}

/// The lines of a transaction, as a person reads them.
fn lines(body: &Value) -> String {
    let line = |line: &Value| {
        let text = |field: &str| line.get(field).and_then(Value::as_str).unwrap_or("?").to_owned();
        format!("{} {} {}", text("account"), text("units"), text("asset"))
    };
    let lines: Vec<String> = body.as_array().into_iter().flatten().map(line).collect();
    lines.join(", ")
}

/// Who did it: booking asks, the treasury answers, and everything else is read from the chain.
fn actor(row: &Happened) -> String {
    match row.kind.as_str() {
        _ if row.source == Source::Ledger => ROLE.to_owned(),
        "prepared"
        | "card_asked"
        | "refused"
        | "close_asked"
        | "refund_granted"
        | "refund_refused"
        | "refund_address_given"
        | "refund_address_refused"
        | "refund_moved"
        | "moved_in" => "booking".to_owned(),
        "refund_failed" | "refund_finding" => "treasury".to_owned(),
        "refund_priced" | "refund_added_up" | "refund_fell_short" => ROLE.to_owned(),
        "refund_proof_named" | "refund_approved" | "refund_settled" | "written_off" => {
            let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
            let by = body.pointer("/change/by").or_else(|| body.get("by"));
            let by = by.and_then(Value::as_str);
            format!("staff:{}", by.unwrap_or("?"))
        }
        _ if row.chain.as_deref() == Some(CARD_CHAIN) => "card-gateway".to_owned(),
        _ => format!("chain:{}", row.chain.as_deref().unwrap_or("?")),
    }
}

/// What support may see of an event. Where money is wanted back is its owner's to show.
fn detail(payment_id: Uuid, posted: bool, body: Value) -> Map<String, Value> {
    let mut detail = Map::from_iter([("payment_id".to_owned(), payment_id.to_string().into())]);
    match body {
        lines @ Value::Array(_) if posted => drop(detail.insert("lines".to_owned(), lines)),
        Value::Object(mut fields) => {
            for hidden in ["is", "deposit", "to"] {
                fields.remove(hidden);
            }
            if let Some(change) = fields.get_mut("change").and_then(Value::as_object_mut) {
                change.remove("to");
            }
            detail.extend(fields);
        }
        _ => {}
    }
    detail
}
