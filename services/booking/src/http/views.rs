//! What a customer is shown: the booking, its history, assets, points.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::{Action, Booking, Leg, Phase, money, next_actions, status};
use chassis::{ApiError, auth::Bearer, http::Json};
use contracts::{
    instruction::Instruction,
    messages::LegState,
    shown::{ShownHead, ShownPayment, ShownPoints, head_key, payment_key, points_key},
};
use serde_json::{Value, json};

use super::{account, quotes};
use crate::{App, store::HistoryRow};

/// A booking as its customer sees it.
pub(super) async fn booking(app: &App, booking: &Booking) -> Value {
    let payment = payment(app, booking).await;
    let mut actions = next_actions(booking);
    if payment.get("address").is_none_or(Value::is_null) {
        // What cannot be shown cannot be paid.
        actions.retain(|action| *action != Action::Pay);
    }
    json!({
        "booking_id": booking.booking_id,
        "status": status(booking),
        "version": booking.version,
        "created_at": booking.created_at,
        "changed_at": booking.changed_at,
        "quote_id": booking.quote_id,
        "price": booking.price,
        "legs": booking.legs.iter().map(leg).collect::<Vec<_>>(),
        "payment": payment,
        "points": booking.points.map(|p| json!({
            "redeemed": p.points,
            "worth": p.worth,
            "state": p.known,
        })),
        "ended_because": booking.end.map(|end| end.why),
        "review": booking.review,
        "next_actions": actions,
    })
}

fn leg(leg: &Leg) -> Value {
    let (state, reference, until) = match &leg.known.state {
        None => ("pending", None, None),
        Some(LegState::Held { reference, until }) => ("held", Some(reference), *until),
        Some(LegState::Confirmed { reference }) => ("confirmed", Some(reference), None),
        Some(LegState::Gone { .. }) => ("gone", None, None),
        Some(LegState::Refused { .. }) => ("refused", None, None),
        Some(LegState::InDoubt { .. }) => ("being_checked", None, None),
    };
    json!({
        "leg_id": leg.leg_id,
        "supplier": leg.order.supplier,
        "property_id": leg.order.property_id,
        "check_in": leg.order.check_in,
        "check_out": leg.order.check_out,
        "price": leg.order.price,
        "terms": leg.order.terms,
        "state": state,
        "reference": reference,
        "held_until": until,
    })
}

/// The payment. Address and amount are shown only once everything is held, to nobody whose booking
/// ended before that, and only while the signature of payment-verification holds.
async fn payment(app: &App, booking: &Booking) -> Value {
    let payment = &booking.payment;
    let told = instruction(app, booking);
    let confirmations = match told {
        Some(told) if !payment.received.is_zero() => confirmations(app, booking, &told.chain).await,
        _ => None,
    };
    json!({
        "state": money(booking),
        "payment_id": payment.payment_id,
        "chain": told.map(|t| &t.chain),
        "contract": told.and_then(|t| t.contract.as_ref()),
        "address": told.map(|t| &t.address),
        "amount": told.map(|t| &t.amount),
        "amount_decimal": told.map(|t| t.amount.decimal()),
        "received": payment.received,
        "confirmations": confirmations,
        "confirmations_needed": told.map(|t| t.confirmations),
        "pay_by": booking.deadlines.pay_by,
        "refunds": payment.refunds,
    })
}

/// What to pay and where, if it may be shown and the signature holds.
fn instruction<'a>(app: &App, booking: &'a Booking) -> Option<&'a Instruction> {
    if !is_shown(booking) {
        return None;
    }
    let payment = &booking.payment;
    let signed = payment.instruction.as_ref()?;
    let told = &signed.instruction;
    let bytes = told.signed_bytes().ok()?;
    let holds = app.instruction_key.verify_text(&bytes, &signed.signature).is_ok();
    let ours = told.booking_id == booking.booking_id
        && told.payment_id == payment.payment_id
        && Some(&told.amount) == payment.asked.as_ref();
    if holds && ours {
        return Some(told);
    }
    tracing::error!(
        booking.id = %booking.booking_id,
        "a payment instruction does not carry payment-verification's signature"
    );
    None
}

/// Whether an address may be seen: once everything is held, and on the way out only where money
/// came.
fn is_shown(booking: &Booking) -> bool {
    match booking.phase {
        Phase::Pending | Phase::Holding => false,
        Phase::AwaitingPayment | Phase::Committing | Phase::Confirmed | Phase::Completed => true,
        Phase::Unwinding | Phase::Failed | Phase::Cancelled => !booking.payment.received.is_zero(),
    }
}

/// "n" of "n of m": how deep the newest money lies; nothing when its owner did not say.
async fn confirmations(app: &App, booking: &Booking, chain: &str) -> Option<u64> {
    let payment_id = booking.payment.payment_id.to_string();
    let head: ShownHead = app.cache.shown(&head_key(chain)).await?;
    let seen: ShownPayment = app.cache.shown(&payment_key(&payment_id)).await?;
    let height = seen.height?;
    head.height.checked_sub(height).map(|below| below.saturating_add(1))
}

/// What happened, one line a change. It shows no more than the booking itself shows.
pub(super) fn history(app: &App, booking: &Booking, rows: Vec<HistoryRow>) -> Value {
    let payable = instruction(app, booking).is_some();
    let entry = |row: HistoryRow| {
        let recorded: Value = serde_json::from_str(&row.body).unwrap_or_default();
        let event = recorded.get("event").cloned().unwrap_or_default();
        json!({
            "version": row.version,
            "at": row.at,
            "change": row.kind,
            "source": row.source,
            "actor": row.actor,
            "cause": row.cause_id,
            "evidence": evidence(event, payable),
        })
    };
    json!({ "changes": rows.into_iter().map(entry).collect::<Vec<_>>() })
}

/// What a customer may see of an event: no address before it may be paid, and never the key that
/// buys a room at the supplier.
fn evidence(mut event: Value, payable: bool) -> Value {
    if !payable && let Some(fields) = event.as_object_mut() {
        fields.remove("instruction");
    }
    let legs = event.get_mut("legs").and_then(Value::as_array_mut);
    for order in legs.into_iter().flatten().filter_map(|leg| leg.get_mut("order")) {
        if let Some(order) = order.as_object_mut() {
            order.remove("book_key");
        }
    }
    event
}

pub(super) async fn assets(State(app): State<App>, bearer: Bearer) -> Result<Response, ApiError> {
    account(&bearer)?;
    Ok(Json(quotes::assets(&app).await?).into_response())
}

/// Points from Redis, or from rewards on a miss; `null` with the reason when neither answers.
pub(super) async fn rewards(State(app): State<App>, bearer: Bearer) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let reply = match app.owners.account(account.as_str()).await {
        Ok(reply) => json!({ "points": reply.points, "entries": reply.entries }),
        Err(error) => {
            tracing::warn!(error = %chassis::chain(&error), "rewards did not answer");
            let shown: Option<ShownPoints> = app.cache.shown(&points_key(account.as_str())).await;
            json!({ "points": shown, "entries": null, "why": "rewards does not answer now" })
        }
    };
    Ok(Json(reply).into_response())
}
