//! The endpoints: forms in, JSON out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{OriginalUri, Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::Utc;
use http::HeaderMap;
use serde_json::{Value, json};

use super::Cards;
use super::answers::Answer;
use super::exchange::{Asked, exchange, name};
use super::world::{Intent, World};
use crate::faults::Fault;

/// Published: the most that can be charged has eight digits.
const AMOUNT_MAX: u64 = 99_999_999;
/// Published: their amounts have three decimals and a last digit of zero.
const THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// The currencies that the account takes; assumed to be enough.
const CURRENCIES: [&str; 10] =
    ["eur", "usd", "gbp", "chf", "jpy", "kwd", "bhd", "jod", "omr", "tnd"];
/// Published: why a merchant may cancel.
const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];

type Form = BTreeMap<String, String>;

pub(super) async fn create(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked::new("create", uri.path().to_owned(), headers, &body);
    exchange(cards, asked, |world, asked, _| made(world, &asked.form)).await
}

fn made(world: &mut World, form: &Form) -> Answer {
    let amount = match form.get("amount").map(|text| text.parse::<u64>()) {
        None => return Answer::parameter("parameter_missing", "amount"),
        Some(Ok(amount)) if amount > 0 && amount <= AMOUNT_MAX => amount,
        Some(_) => return Answer::parameter("parameter_invalid_integer", "amount"),
    };
    let currency = form.get("currency").cloned().unwrap_or_default();
    if !CURRENCIES.contains(&currency.as_str()) {
        return Answer::parameter("parameter_invalid", "currency");
    }
    if THREE_DECIMALS.contains(&currency.as_str()) && amount % 10 != 0 {
        return Answer::parameter("invalid_amount", "amount");
    }
    let known = |name: &str| {
        ["amount", "currency", "capture_method", "description", "payment_method_types[]"]
            .contains(&name)
            || name.starts_with("metadata[")
            || name.starts_with("automatic_payment_methods[")
    };
    if let Some(other) = form.keys().find(|name| !known(name)) {
        return Answer::parameter("parameter_unknown", other);
    }
    let manual = match form.get("capture_method").map_or("automatic_async", String::as_str) {
        "manual" => true,
        "automatic" | "automatic_async" => false,
        _ => return Answer::parameter("parameter_invalid", "capture_method"),
    };
    let id = world.mint("pi");
    let random = uuid::Uuid::new_v4().simple().to_string();
    let secret = format!("{id}_secret_{}", random.split_at(25).0);
    let intent = Intent {
        id: id.clone(),
        secret,
        amount,
        currency,
        manual,
        metadata: metadata(form),
        status: "requires_payment_method",
        capturable: 0,
        received: 0,
        last_error: None,
        challenged: None,
        cancelled_because: None,
        charge: None,
        created: Utc::now(),
    };
    let body = intent.shown();
    world.intents.insert(id.clone(), intent);
    world.say("payment_intent.created", &id);
    Answer::ok(&id, body)
}

fn metadata(form: &Form) -> BTreeMap<String, String> {
    let field = |name: &str| Some(name.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
    form.iter().filter_map(|(name, value)| Some((field(name)?, value.clone()))).collect()
}

pub(super) async fn show(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::new("show", uri.path().to_owned(), headers, &Bytes::new());
    exchange(cards, asked, move |world, _, fault| {
        let Some(intent) = world.intents.get(&id) else { return Answer::missing(&id) };
        let mut body = intent.shown();
        spoil(&mut body, fault);
        Answer::ok(&id, body)
    })
    .await
}

/// Tells what is not so.
fn spoil(body: &mut Value, fault: Option<&Fault>) {
    match name(fault) {
        "wrong_amount" => {
            for field in ["amount_capturable", "amount_received"] {
                body[field] = json!(body[field].as_u64().unwrap_or_default() / 2);
            }
        }
        "wrong_currency" => body["currency"] = json!("usd"),
        _ => {}
    }
}

pub(super) async fn capture(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked::new("capture", uri.path().to_owned(), headers, &body);
    exchange(cards, asked, move |world, asked, _| match number(&asked.form, "amount_to_capture") {
        Ok(amount) => world.capture(&id, amount),
        Err(answer) => answer,
    })
    .await
}

pub(super) async fn cancel(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked::new("cancel", uri.path().to_owned(), headers, &body);
    exchange(cards, asked, move |world, asked, _| {
        let because = asked.form.get("cancellation_reason").map_or("abandoned", String::as_str);
        if !REASONS.contains(&because) {
            return Answer::parameter("parameter_invalid", "cancellation_reason");
        }
        world.cancel_asked(&id, because)
    })
    .await
}

pub(super) async fn refund(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked::new("refund", uri.path().to_owned(), headers, &body);
    exchange(cards, asked, |world, asked, fault| {
        let Some(id) = asked.form.get("payment_intent") else {
            return Answer::parameter("parameter_missing", "payment_intent");
        };
        let amount = match number(&asked.form, "amount") {
            Ok(amount) => amount,
            Err(answer) => return answer,
        };
        let status = match name(fault) {
            "refund_pending" => "pending",
            "refund_fails" => "failed",
            _ => "succeeded",
        };
        world.refund(id, amount, metadata(&asked.form), status)
    })
    .await
}

pub(super) async fn refunds(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    Query(query): Query<Form>,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::new("refunds", uri.path().to_owned(), headers, &Bytes::new());
    exchange(cards, asked, move |world, _, _| {
        let of = query.get("payment_intent").cloned().unwrap_or_default();
        // Published: the newest first.
        let own = world.refunds.iter().rev().filter(|refund| refund.intent == of);
        listed(&of, own.map(super::world::Refund::shown).collect(), &query)
    })
    .await
}

pub(super) async fn disputes(
    State(cards): State<Arc<Cards>>,
    uri: OriginalUri,
    Query(query): Query<Form>,
    headers: HeaderMap,
) -> Response {
    let asked = Asked::new("disputes", uri.path().to_owned(), headers, &Bytes::new());
    exchange(cards, asked, move |world, _, _| {
        let of = query.get("payment_intent").cloned().unwrap_or_default();
        let own = world.disputes.iter().rev().filter(|dispute| dispute.intent == of);
        listed(&of, own.map(super::world::Dispute::shown).collect(), &query)
    })
    .await
}

/// Published: ten on a page where nothing else is asked for, a hundred at most.
fn listed(of: &str, all: Vec<Value>, query: &Form) -> Answer {
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10_usize);
    let limit = limit.clamp(1, 100);
    let more = all.len() > limit;
    let data: Vec<Value> = all.into_iter().take(limit).collect();
    Answer::ok(of, json!({ "object": "list", "data": data, "has_more": more }))
}

fn number(form: &Form, field: &str) -> Result<Option<u64>, Answer> {
    let Some(text) = form.get(field) else { return Ok(None) };
    let number = text.parse::<u64>();
    number.map(Some).map_err(|_no| Answer::parameter("parameter_invalid_integer", field))
}
