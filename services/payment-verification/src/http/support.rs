//! What support asks of payment-verification: what happened to a booking's money, and which booking
//! a reference means.

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
        support::{self, Happened},
    },
};

/// How many entries an answer has.
const ENTRIES_MAX: i64 = 1_000;
/// How many refunds and how many cases, so that neither hides the other.
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

/// The bookings of an id, an address, a transaction, or what the card gateway calls a payment.
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
    Ok(Json(FindReply { found: found.map_err(|error| failed(&error))? }))
}

/// Refunds that did not arrive in time or wait for a second person, and then cases that nobody
/// closed.
pub(super) async fn attention(State(app): State<App>) -> Result<Json<AttentionReply>, ApiError> {
    let (pool, for_max) = (app.messaging.pool(), app.policy.refund_for_max);
    let at_most = i64::try_from(ITEMS_MAX).unwrap_or(i64::MAX).saturating_add(1);
    let refunds = attention::refunds(pool, for_max, at_most).await;
    let mut items = refunds.map_err(|error| failed(&error))?;
    let cases = attention::cases(pool, at_most).await;
    let mut cases = cases.map_err(|error| failed(&error))?;
    let waiting = attention::unapproved(pool, at_most).await;
    items.extend(waiting.map_err(|error| failed(&error))?);
    let more = items.len().max(cases.len()) > ITEMS_MAX;
    items.truncate(ITEMS_MAX);
    cases.truncate(ITEMS_MAX);
    items.append(&mut cases);
    Ok(Json(AttentionReply { owner: ROLE.to_owned(), items, more }))
}

pub(super) fn failed(error: &StoreError) -> ApiError {
    tracing::warn!(error = %chassis::chain(error), "support got no answer");
    let detail = "the database does not answer";
    ApiError::new(http::StatusCode::SERVICE_UNAVAILABLE, "no_database", detail)
}

fn entry(row: Happened) -> TimelineEntry {
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    // What happened to a refund lies one deeper than what happened to the payment.
    let event = body.get("change").unwrap_or(&body);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let transfer = event.get("key").or_else(|| event.get("payout"));
    let transaction = text(transfer).or_else(|| text(event.get("transaction")));
    let reference = transaction.map(|key| key.split('#').next().unwrap_or_default().to_owned());
    let partner_at = text(event.get("stamped_at")).and_then(|stamped| stamped.parse().ok());
    let trace = row.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1));
    let said = row.kind.replace('_', " ");
    TimelineEntry {
        at: row.at,
        partner_at,
        kind: if row.posted { TimelineKind::Ledger } else { TimelineKind::Payment },
        what: if row.posted { format!("{said}: {}", lines(&body)) } else { said },
        actor: actor(&row),
        message_id: None,
        trace_id: trace.map(str::to_owned),
        reference,
        detail: detail(row.payment_id, row.posted, body),
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
        _ if row.posted => ROLE.to_owned(),
        "prepared"
        | "card_asked"
        | "refused"
        | "close_asked"
        | "refund_granted"
        | "refund_refused"
        | "refund_address_given"
        | "refund_address_refused" => "booking".to_owned(),
        "refund_failed" | "refund_finding" => "treasury".to_owned(),
        "refund_proof_named" => {
            let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
            let by = body.pointer("/change/by").and_then(Value::as_str);
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
