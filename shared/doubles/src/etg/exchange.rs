//! One request and its answer: who may call, the limit, the armed fault, the deed, the log.
//!
//! The deed is done at once and without an await between, so a caller that hangs up cannot stop it
//! halfway; only the answer is slow, spoilt or missing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Etg;
use super::catalogue::utc;
use super::world::Received;
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// How long nothing is answered when nothing else is asked for.
const SILENCE: Duration = Duration::from_secs(120);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How late `commit_late` commits.
const COMMIT_LATE: Duration = Duration::from_secs(45);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/etg/redirected" };

const ALL: &[&str] = &["search", "price_check", "form", "reserve", "status", "lookup", "cancel"];

/// Every fault and where it can strike. `reserve` is the start of the booking process.
pub(super) const OFFERS: &[Offer] = &[
    Offer { fault: "timeout_before_commit", operations: ALL },
    Offer { fault: "timeout_after_commit", operations: ALL },
    Offer { fault: "reset_after_commit", operations: ALL },
    Offer { fault: "http_500_before", operations: ALL },
    Offer { fault: "http_500_after", operations: ALL },
    Offer { fault: "http_503", operations: ALL },
    Offer { fault: "http_504_after", operations: ALL },
    Offer { fault: "http_429", operations: ALL },
    Offer { fault: "error_unknown_before", operations: ALL },
    Offer { fault: "error_unknown_after", operations: ALL },
    Offer { fault: "malformed_body", operations: ALL },
    Offer { fault: "truncated_body", operations: ALL },
    Offer { fault: "html_200", operations: ALL },
    Offer { fault: "huge_body", operations: ALL },
    Offer { fault: "slow", operations: ALL },
    Offer { fault: "redirect", operations: ALL },
    Offer { fault: "commit_late", operations: &["reserve", "cancel"] },
    Offer { fault: "stays_processing", operations: &["reserve"] },
    Offer { fault: "provider", operations: &["reserve"] },
    Offer { fault: "book_limit", operations: &["reserve"] },
    Offer { fault: "sold_out", operations: &["search", "price_check", "reserve"] },
    Offer { fault: "price_changed", operations: &["price_check", "form"] },
    Offer { fault: "created_twice", operations: &["reserve"] },
    Offer { fault: "double_booking_form", operations: &["form"] },
    Offer { fault: "wrong_dates", operations: &["lookup"] },
    Offer { fault: "wrong_guest", operations: &["lookup"] },
    Offer { fault: "wrong_price", operations: &["lookup", "price_check"] },
    Offer { fault: "wrong_currency", operations: &["lookup", "price_check"] },
    Offer { fault: "wrong_reference", operations: &["form", "lookup"] },
    Offer { fault: "cancel_refused", operations: &["cancel"] },
    Offer { fault: "lookup_lag", operations: &["reserve"] },
    Offer { fault: "lookup_empty", operations: &["lookup"] },
    Offer { fault: "callback_duplicate", operations: &["callback"] },
    Offer { fault: "callback_late", operations: &["callback"] },
    Offer { fault: "callback_reordered", operations: &["callback"] },
    Offer { fault: "callback_contradicting", operations: &["callback"] },
    Offer { fault: "callback_forged", operations: &["callback"] },
    Offer { fault: "callback_missing", operations: &["callback"] },
];

/// What a deed answers before anything spoils it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) word: &'static str,
    pub(crate) error: Option<&'static str>,
    pub(crate) data: Value,
    /// What is wrong with the parameters, where they are.
    pub(crate) invalid: Option<String>,
}

impl Answer {
    pub(crate) fn ok(data: Value) -> Self {
        Self { status: StatusCode::OK, word: "ok", error: None, data, invalid: None }
    }

    /// An error of the business: status 200 and a word.
    pub(crate) fn error(code: &'static str) -> Self {
        Self { word: "error", error: Some(code), ..Self::ok(Value::Null) }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        let invalid = Some(what.into());
        Self { status: StatusCode::BAD_REQUEST, invalid, ..Self::error("invalid_params") }
    }

    fn at(status: StatusCode, code: &'static str) -> Self {
        Self { status, ..Self::error(code) }
    }
}

/// The name of the fault that strikes, or nothing.
pub(crate) fn name(fault: Option<&Fault>) -> &'static str {
    fault.map_or("", |fault| fault.name)
}

/// Answers one request of `operation`: reads its body, and `deed` does what it asks and says what
/// an untroubled supplier would answer.
pub(crate) async fn exchange<B, D>(
    etg: Arc<Etg>,
    operation: &'static str,
    headers: &HeaderMap,
    body: &Bytes,
    deed: D,
) -> Response
where
    B: DeserializeOwned + Send + 'static,
    D: FnOnce(&Etg, B, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let read: Result<B, Answer> = match serde_json::from_slice::<Value>(body) {
        Err(_) => Err(Answer::at(StatusCode::BAD_REQUEST, "decoding_json")),
        Ok(value) => {
            serde_json::from_value(value).map_err(|error| Answer::invalid(error.to_string()))
        }
    };
    let asked = Asked { operation, own: own_reference(body), body: read };
    settle(&etg, headers, asked, deed, Utc::now()).travel().await
}

/// A request, as far as it could be read.
struct Asked<B> {
    operation: &'static str,
    own: Option<Arc<str>>,
    body: Result<B, Answer>,
}

/// The partner's reference that a request names.
fn own_reference(body: &[u8]) -> Option<Arc<str>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let named = [
        &body["partner_order_id"],
        &body["partner"]["partner_order_id"],
        &body["search"]["partner_order_ids"][0],
    ];
    named.into_iter().find_map(|value| value.as_str()).map(Arc::from)
}

/// Does everything but wait.
fn settle<B, D>(
    etg: &Arc<Etg>,
    headers: &HeaderMap,
    asked: Asked<B>,
    deed: D,
    now: DateTime<Utc>,
) -> Delivery
where
    B: Send + 'static,
    D: FnOnce(&Etg, B, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let Asked { operation, own, body } = asked;
    let limit = etg.config.requests_per_minute;
    let left = etg.with_world(|world| world.spend(limit, now));
    let (fault, answer) = match (refused(etg, headers), left) {
        (Some(code), _) => (None, Answer::at(StatusCode::UNAUTHORIZED, code)),
        (None, None) => {
            (None, Answer::at(StatusCode::TOO_MANY_REQUESTS, "endpoint_exceeded_limit"))
        }
        (None, Some(_)) => {
            let fault = etg.faults.take(operation);
            let answer = match (instead(name(fault.as_ref())), body) {
                (Some(answer), _) | (None, Err(answer)) => answer,
                (None, Ok(body)) => perform(etg, fault, body, deed, now),
            };
            (fault, answer)
        }
    };
    let left = Limit { of: limit, left: left.unwrap_or(0) };
    let delivery = deliver(fault.as_ref(), &answer, left, now);
    let status = delivery.status();
    etg.with_world(|world| {
        world.remember(Received { at: now, operation, partner_order_id: own, status });
    });
    delivery
}

/// Published: HTTP Basic, the key's id and its token.
fn refused(etg: &Etg, headers: &HeaderMap) -> Option<&'static str> {
    let Some(shown) = headers.get(header::AUTHORIZATION) else { return Some("no_auth_header") };
    let shown = shown.to_str().ok().and_then(|value| value.strip_prefix("Basic "));
    let Some(pair) = shown.and_then(|shown| STANDARD.decode(shown).ok()) else {
        return Some("invalid_auth_header");
    };
    let expected = format!("{}:{}", etg.config.key, etg.config.secret);
    (pair != expected.as_bytes()).then_some("incorrect_credentials")
}

/// The answer of a fault that keeps the deed from being done.
fn instead(fault: &str) -> Option<Answer> {
    match fault {
        "timeout_before_commit" => Some(Answer::at(StatusCode::GATEWAY_TIMEOUT, "timeout")),
        "http_500_before" => Some(Answer::at(StatusCode::INTERNAL_SERVER_ERROR, "unknown")),
        "http_503" => Some(Answer::at(StatusCode::SERVICE_UNAVAILABLE, "unknown")),
        "http_429" => Some(Answer::at(StatusCode::TOO_MANY_REQUESTS, "endpoint_exceeded_limit")),
        "error_unknown_before" => Some(Answer::error("unknown")),
        "redirect" => Some(Answer::at(StatusCode::TEMPORARY_REDIRECT, "unknown")),
        _ => None,
    }
}

/// Does the deed at once, or later where the fault says so.
fn perform<B, D>(
    etg: &Arc<Etg>,
    fault: Option<Fault>,
    body: B,
    deed: D,
    now: DateTime<Utc>,
) -> Answer
where
    B: Send + 'static,
    D: FnOnce(&Etg, B, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let Some(late) = fault.filter(|fault| fault.name == "commit_late") else {
        return deed(etg, body, fault.as_ref(), now);
    };
    let later = etg.clone();
    let pause = late.after(COMMIT_LATE);
    etg.life.spawn(async move {
        tokio::time::sleep(pause).await;
        deed(&later, body, None, Utc::now());
    });
    Answer::at(StatusCode::GATEWAY_TIMEOUT, "timeout")
}

/// The requests of this minute that are left, of so many; none counted where there is no limit.
#[derive(Clone, Copy)]
struct Limit {
    of: Option<u64>,
    left: u64,
}

/// Turns the answer of the deed into what the caller gets.
fn deliver(fault: Option<&Fault>, answer: &Answer, left: Limit, now: DateTime<Utc>) -> Delivery {
    let write = |answer: &Answer| respond(answer.status, &written(answer, left, now));
    match name(fault) {
        "http_500_after" => {
            Delivery::Now(write(&Answer::at(StatusCode::INTERNAL_SERVER_ERROR, "unknown")))
        }
        "error_unknown_after" => Delivery::Now(write(&Answer::error("unknown"))),
        _ => spoilt(fault, &MANNER, answer, write, |answer| {
            (answer.status, written(answer, left, now).to_string().into_bytes())
        }),
    }
}

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, axum::Json(body)).into_response()
}

/// What every answer is wrapped in, with the limit in `debug`.
fn written(answer: &Answer, limit: Limit, now: DateTime<Utc>) -> Value {
    let reset = now + chrono::TimeDelta::seconds(60 - now.timestamp().rem_euclid(60));
    let mut debug = json!({
        "api_endpoint": {
            "is_active": true,
            "is_limited": limit.of.is_some(),
            "remaining": i64::try_from(limit.left).unwrap_or(i64::MAX),
            "requests_number": limit.of.unwrap_or(0),
            "reset": utc(reset.naive_utc()),
            "seconds_number": 60,
        },
        "method": "POST",
        "utcnow": utc(now.naive_utc()),
    });
    if let Some(what) = &answer.invalid {
        debug["validation_error"] = json!(what);
    }
    json!({
        "data": answer.data, "debug": debug, "error": answer.error, "status": answer.word,
    })
}
