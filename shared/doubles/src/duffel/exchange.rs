//! One request and its answer: who may call, the limit, the armed fault, the deed, the log.
//!
//! The deed is done at once and without an await between, so a caller that hangs up cannot stop it
//! halfway; only the answer is slow, spoilt or missing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Duffel;
use super::errors::{self, Answer};
use super::world::Received;
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// Assumed: how long nothing comes before the connection is closed.
const SILENCE: Duration = Duration::from_secs(120);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How late `commit_late` commits.
const COMMIT_LATE: Duration = Duration::from_secs(45);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/duffel/redirected" };

const ALL: &[&str] =
    &["search", "price_check", "reserve", "confirm", "quote_cancel", "cancel", "lookup"];
const DEEDS: &[&str] = &["reserve", "confirm", "cancel"];

/// Every fault of Duffel and where it can strike.
pub(super) const OFFERS: &[Offer] = &[
    Offer { fault: "timeout_before_commit", operations: ALL },
    Offer { fault: "timeout_after_commit", operations: ALL },
    Offer { fault: "reset_after_commit", operations: ALL },
    Offer { fault: "http_500_before", operations: ALL },
    Offer { fault: "http_500_after", operations: ALL },
    Offer { fault: "http_502_after", operations: ALL },
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
    Offer { fault: "wrong_price", operations: &["price_check", "reserve", "lookup"] },
    Offer { fault: "wrong_currency", operations: &["search", "price_check"] },
    Offer { fault: "sold_out", operations: &["search", "price_check", "reserve"] },
    Offer { fault: "price_changed", operations: &["price_check", "reserve", "confirm"] },
    Offer { fault: "created_twice", operations: &["reserve"] },
    Offer { fault: "hold_lapses", operations: &["reserve", "confirm"] },
    Offer { fault: "confirm_refused", operations: &["confirm"] },
    Offer { fault: "dearer_cancellation", operations: &["quote_cancel"] },
    Offer { fault: "refund_in_credits", operations: &["quote_cancel"] },
    Offer { fault: "cancel_refused", operations: &["quote_cancel", "cancel"] },
    Offer { fault: "lookup_lag", operations: &["lookup"] },
    Offer { fault: "lookup_empty", operations: &["lookup"] },
    Offer { fault: "callback_duplicate", operations: &["callback"] },
    Offer { fault: "callback_late", operations: &["callback"] },
    Offer { fault: "callback_reordered", operations: &["callback"] },
    Offer { fault: "callback_contradicting", operations: &["callback"] },
    Offer { fault: "callback_forged", operations: &["callback"] },
    Offer { fault: "callback_missing", operations: &["callback"] },
];

/// What a request is about, as far as it says so itself.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    /// Whether the request carries a body, whose type is then checked.
    pub(crate) has_body: bool,
}

/// The name of the fault that strikes, or nothing.
pub(crate) fn name(fault: Option<&Fault>) -> &'static str {
    fault.map_or("", |fault| fault.name)
}

/// Answers one request of `operation`: `deed` does it and says what an untroubled supplier would
/// answer.
pub(crate) async fn exchange<D>(
    duffel: Arc<Duffel>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
) -> Response
where
    D: FnOnce(&Duffel, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    settle(&duffel, operation, headers, subject, deed, Utc::now()).travel().await
}

/// Does everything but wait.
fn settle<D>(
    duffel: &Arc<Duffel>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
    now: DateTime<Utc>,
) -> Delivery
where
    D: FnOnce(&Duffel, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let config = &duffel.config;
    let limit = config.requests_per_minute.unwrap_or(u64::from(u32::MAX));
    let left = duffel.with_world(|world| world.spend(limit, now));
    let refused = turned_away(headers, &config.secret, subject.has_body);
    let (fault, answer) = match (refused, left) {
        (Some(refusal), _) => (None, refusal),
        (None, None) => (None, errors::too_many()),
        (None, Some(_)) => {
            let fault = duffel.faults.take(operation);
            let answer = match instead(name(fault.as_ref())) {
                Some(answer) => answer,
                None => perform(duffel, fault, deed, now),
            };
            (fault, answer)
        }
    };
    let reference = answer.reference.clone().or(subject.reference);
    let delivery = deliver(fault.as_ref(), answer, (limit, left.unwrap_or(0), now));
    let status = delivery.status();
    duffel.with_world(|world| {
        let known = reference.as_deref().and_then(|reference| world.order(reference));
        let known = known.and_then(|order| order.client_reference().map(str::to_owned));
        let client_reference = subject.client_reference.or(known);
        world.remember(Received { at: now, operation, client_reference, reference, status });
    });
    delivery
}

/// Published: a bearer token, the version in a header, JSON both ways.
fn turned_away(headers: &HeaderMap, token: &str, has_body: bool) -> Option<Answer> {
    let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if shown("authorization").and_then(|given| given.strip_prefix("Bearer ")) != Some(token) {
        return Some(errors::unauthorized());
    }
    match shown("duffel-version") {
        None => return Some(errors::unreadable("missing_version_header")),
        Some("v2") => {}
        Some(_) => return Some(errors::unreadable("unsupported_version")),
    }
    if !shown("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Some(errors::not_acceptable());
    }
    let json = shown("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    (has_body && !json).then(|| errors::unreadable("invalid_content_type_header"))
}

/// The answer of a fault that keeps the deed from being done.
fn instead(fault: &str) -> Option<Answer> {
    match fault {
        "timeout_before_commit" => Some(errors::api(StatusCode::GATEWAY_TIMEOUT)),
        "http_500_before" => Some(errors::api(StatusCode::INTERNAL_SERVER_ERROR)),
        "http_503" => Some(errors::api(StatusCode::SERVICE_UNAVAILABLE)),
        "http_429" => Some(errors::too_many()),
        "redirect" => Some(errors::api(StatusCode::TEMPORARY_REDIRECT)),
        _ => None,
    }
}

/// Does the deed at once, or later where the fault says so.
fn perform<D>(duffel: &Arc<Duffel>, fault: Option<Fault>, deed: D, now: DateTime<Utc>) -> Answer
where
    D: FnOnce(&Duffel, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let late = |name: &str| name == "commit_late" || name == "accepted_202";
    let pause = match fault {
        Some(fault) if fault.name == "commit_late" => fault.after(COMMIT_LATE),
        Some(fault) if late(fault.name) && fault.after_asked().is_some() => {
            fault.after(COMMIT_LATE)
        }
        _ => return deed(duffel, fault.as_ref(), now),
    };
    let later = duffel.clone();
    duffel.life.spawn(async move {
        tokio::time::sleep(pause).await;
        deed(&later, None, Utc::now());
    });
    errors::api(StatusCode::GATEWAY_TIMEOUT)
}

/// Turns the answer of the deed into what the caller gets.
fn deliver(fault: Option<&Fault>, answer: Answer, limit: (u64, u64, DateTime<Utc>)) -> Delivery {
    let write = |answer: Answer| respond(answer, limit);
    let instead = |status| Delivery::Now(write(errors::api(status)));
    match name(fault) {
        "http_500_after" => instead(StatusCode::INTERNAL_SERVER_ERROR),
        "http_502_after" => instead(StatusCode::BAD_GATEWAY),
        "http_504_after" | "commit_late" => instead(StatusCode::GATEWAY_TIMEOUT),
        // Published: taken in; wait for the event or list the orders.
        "accepted_202" => {
            let body = serde_json::json!({ "data": null });
            let taken = Answer { status: StatusCode::ACCEPTED, body, reference: None };
            Delivery::Now(write(taken))
        }
        _ => spoilt(fault, &MANNER, answer, write, |answer| {
            (answer.status, answer.body.to_string().into_bytes())
        }),
    }
}

/// Published: `ratelimit-limit`, `-remaining` and `-reset`, the last as an HTTP date.
fn respond(answer: Answer, (limit, left, now): (u64, u64, DateTime<Utc>)) -> Response {
    let mut response = (answer.status, axum::Json(answer.body)).into_response();
    let reset = (now + chrono::TimeDelta::minutes(1)).format("%a, %d %b %Y %H:%M:00 GMT");
    let headers = [
        ("ratelimit-limit", limit.to_string()),
        ("ratelimit-remaining", left.to_string()),
        ("ratelimit-reset", reset.to_string()),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
