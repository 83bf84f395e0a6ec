//! One request and its answer: who may call, the limit, the armed fault, the deed, the log.
//!
//! The deed is done at once and without an await between, so a caller that hangs up cannot stop it
//! halfway; only the answer is slow, spoilt or missing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Neutral;
use super::world::Received;
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// How far a caller's clock may be off (partner-api.yaml, info).
const SKEW_SECONDS: i64 = 5 * 60;
const SILENCE: Duration = Duration::from_secs(60);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How late `commit_late` commits.
const COMMIT_LATE: Duration = Duration::from_secs(20);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/neutral/redirected" };

const ALL: &[&str] = &["reserve", "confirm", "cancel", "lookup", "search", "price_check"];
const DEEDS: &[&str] = &["reserve", "confirm", "cancel"];

/// Every fault of the partner and where it can strike.
pub(super) const OFFERS: &[Offer] = &[
    Offer { fault: "timeout_before_commit", operations: ALL },
    Offer { fault: "timeout_after_commit", operations: ALL },
    Offer { fault: "reset_after_commit", operations: ALL },
    Offer { fault: "http_500_before", operations: ALL },
    Offer { fault: "http_500_after", operations: ALL },
    Offer { fault: "http_503", operations: ALL },
    Offer { fault: "http_504_after", operations: ALL },
    Offer { fault: "http_429", operations: ALL },
    Offer { fault: "accepted_202", operations: DEEDS },
    Offer { fault: "malformed_body", operations: ALL },
    Offer { fault: "truncated_body", operations: ALL },
    Offer { fault: "html_200", operations: ALL },
    Offer { fault: "huge_body", operations: ALL },
    Offer { fault: "slow", operations: ALL },
    Offer { fault: "redirect", operations: ALL },
    Offer { fault: "commit_late", operations: DEEDS },
    Offer { fault: "wrong_dates", operations: &["reserve", "lookup"] },
    Offer { fault: "wrong_guest", operations: &["reserve", "lookup"] },
    Offer { fault: "wrong_room", operations: &["reserve", "lookup"] },
    Offer { fault: "wrong_price", operations: &["reserve", "lookup"] },
    Offer { fault: "wrong_reference", operations: &["reserve", "lookup"] },
    Offer { fault: "sold_out", operations: &["search", "price_check", "reserve"] },
    Offer { fault: "price_changed", operations: &["price_check", "reserve"] },
    // By two hundredths, where `price_changed` is by ten.
    Offer { fault: "price_crept", operations: &["price_check", "reserve"] },
    Offer { fault: "created_twice", operations: &["reserve"] },
    Offer { fault: "confirm_refused", operations: &["confirm"] },
    Offer { fault: "cancel_refused", operations: &["cancel"] },
    Offer { fault: "lookup_lag", operations: &["reserve", "lookup"] },
    Offer { fault: "lookup_empty", operations: &["lookup"] },
    Offer { fault: "callback_duplicate", operations: &["callback"] },
    Offer { fault: "callback_late", operations: &["callback"] },
    Offer { fault: "callback_reordered", operations: &["callback"] },
    Offer { fault: "callback_contradicting", operations: &["callback"] },
    Offer { fault: "callback_forged", operations: &["callback"] },
    Offer { fault: "callback_missing", operations: &["callback"] },
];

/// An answer before anything spoils it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The reservation that the deed was about.
    pub(crate) reference: Option<String>,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, body: Value) -> Self {
        let reference = body["reference"].as_str().map(str::to_owned);
        Self { status, body, reference }
    }

    pub(crate) fn failed(status: StatusCode, code: &str) -> Self {
        let message = code.replace('_', " ");
        Self::of(status, json!({ "error": { "code": code, "message": message } }))
    }
}

/// A request: what is signed of it, and what it is about as far as it says so itself.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
}

/// The name of the fault that strikes, or nothing.
pub(crate) fn name(fault: Option<&Fault>) -> &'static str {
    fault.map_or("", |fault| fault.name)
}

/// Answers one request of `operation`: `deed` does it and says what an untroubled partner would
/// answer.
pub(crate) async fn exchange<D>(
    neutral: Arc<Neutral>,
    operation: &'static str,
    asked: Asked,
    deed: D,
) -> Response
where
    D: FnOnce(&Neutral, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    settle(&neutral, operation, &asked, deed, Utc::now()).travel().await
}

/// Does everything but wait.
fn settle<D>(
    neutral: &Arc<Neutral>,
    operation: &'static str,
    asked: &Asked,
    deed: D,
    now: DateTime<Utc>,
) -> Delivery
where
    D: FnOnce(&Neutral, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let limit = neutral.config.requests_per_minute;
    let left = neutral.with_world(|world| world.spend(limit, now));
    let (fault, answer) = match (is_signed(neutral, asked, now), left) {
        (false, _) => (None, Answer::failed(StatusCode::UNAUTHORIZED, "signature")),
        (true, None) => (None, Answer::failed(StatusCode::TOO_MANY_REQUESTS, "limit")),
        (true, Some(_)) => {
            let fault = neutral.faults.take(operation);
            let answer = match instead(name(fault.as_ref())) {
                Some(answer) => answer,
                None => perform(neutral, fault, deed, now),
            };
            (fault, answer)
        }
    };
    let reference = answer.reference.clone().or(asked.reference.clone());
    let mut delivery = deliver(fault.as_ref(), &answer);
    if let Delivery::Now(response) | Delivery::After(_, response) = &mut delivery {
        say_limit(response.headers_mut(), limit, left.unwrap_or(0), now);
    }
    let status = delivery.status();
    neutral.with_world(|world| {
        let known = reference.as_deref().and_then(|reference| world.get(reference));
        let client_reference =
            asked.client_reference.clone().or(known.map(|it| it.client_reference.clone()));
        world.remember(Received { at: now, operation, client_reference, reference, status });
    });
    delivery
}

/// Key, time and signature (partner-api.yaml, info).
fn is_signed(neutral: &Neutral, asked: &Asked, now: DateTime<Utc>) -> bool {
    let shown = |name: &str| asked.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
    let stamp = shown("partner-timestamp");
    let near = stamp.parse::<i64>().is_ok_and(|at| (now.timestamp() - at).abs() <= SKEW_SECONDS);
    let mut mac = Hmac::<Sha256>::new_from_slice(neutral.config.secret.as_bytes()).unwrap();
    // The router was nested: what was signed is the path below the partner's address.
    let path = asked.uri.path_and_query().map_or("", |path| path.as_str());
    for part in [stamp, asked.method.as_str(), path] {
        mac.update(part.as_bytes());
        mac.update(b"\n");
    }
    mac.update(&asked.body);
    let made = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
    near && shown("partner-key") == neutral.config.key && shown("partner-signature") == made
}

fn say_limit(headers: &mut HeaderMap, limit: u64, left: u64, now: DateTime<Utc>) {
    let resets = 60 - now.timestamp().rem_euclid(60);
    headers.insert("ratelimit-limit", HeaderValue::from(limit));
    headers.insert("ratelimit-remaining", HeaderValue::from(left));
    headers.insert("ratelimit-reset", HeaderValue::from(resets));
}

/// The answer of a fault that keeps the deed from being done.
fn instead(fault: &str) -> Option<Answer> {
    match fault {
        "timeout_before_commit" => Some(Answer::of(StatusCode::GATEWAY_TIMEOUT, json!({}))),
        "http_500_before" => Some(internal()),
        "http_503" => Some(Answer::failed(StatusCode::SERVICE_UNAVAILABLE, "not_processed")),
        "http_429" => Some(Answer::failed(StatusCode::TOO_MANY_REQUESTS, "limit")),
        "redirect" => Some(Answer::of(StatusCode::TEMPORARY_REDIRECT, json!({}))),
        _ => None,
    }
}

fn internal() -> Answer {
    Answer::failed(StatusCode::INTERNAL_SERVER_ERROR, "internal")
}

/// Does the deed at once, or later where the fault says so.
fn perform<D>(neutral: &Arc<Neutral>, fault: Option<Fault>, deed: D, now: DateTime<Utc>) -> Answer
where
    D: FnOnce(&Neutral, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let (pause, status) = match fault {
        Some(fault) if fault.name == "commit_late" => {
            (fault.after(COMMIT_LATE), StatusCode::GATEWAY_TIMEOUT)
        }
        Some(fault) if fault.name == "accepted_202" && fault.after_asked().is_some() => {
            (fault.after(COMMIT_LATE), StatusCode::ACCEPTED)
        }
        _ => return deed(neutral, fault.as_ref(), now),
    };
    let later = neutral.clone();
    neutral.life.spawn(async move {
        tokio::time::sleep(pause).await;
        deed(&later, None, Utc::now());
    });
    Answer::of(status, json!({}))
}

/// Turns the answer of the deed into what the caller gets.
fn deliver(fault: Option<&Fault>, answer: &Answer) -> Delivery {
    match name(fault) {
        "http_500_after" => Delivery::Now(respond(&internal())),
        "accepted_202" => Delivery::Now(respond(&Answer::of(StatusCode::ACCEPTED, json!({})))),
        _ => spoilt(fault, &MANNER, answer, respond, |answer| {
            (answer.status, answer.body.to_string().into_bytes())
        }),
    }
}

fn respond(answer: &Answer) -> Response {
    (answer.status, axum::Json(answer.body.clone())).into_response()
}
