//! One request and its answer: authentication, the armed fault, the deed, the log, and how the
//! answer travels.
//!
//! The deed is done at once and without an await between, so a caller that hangs up cannot stop it
//! halfway; only the answer is slow, spoilt or missing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::world::{Answered, Received};
use super::{Rapid, auth, errors};
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// Published: after 120 s no answer will ever come.
const SILENCE: Duration = Duration::from_secs(120);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How late `commit_late` commits: after the last moment at which a new itinerary may be missing
/// has begun, before 120 s.
const COMMIT_LATE: Duration = Duration::from_secs(60);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/rapid/redirected" };

const ALL: &[&str] = &["reserve", "confirm", "cancel", "amend", "lookup", "search", "price_check"];
const DEEDS: &[&str] = &["reserve", "confirm", "cancel", "amend"];
const ANSWERS_WITH_PRICE: &[&str] = &["reserve", "lookup", "search", "price_check"];

/// Every fault of Rapid and where it can strike.
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
    Offer { fault: "wrong_room", operations: &["lookup"] },
    Offer { fault: "wrong_price", operations: ANSWERS_WITH_PRICE },
    Offer { fault: "wrong_currency", operations: ANSWERS_WITH_PRICE },
    Offer { fault: "wrong_reference", operations: &["reserve", "lookup"] },
    Offer { fault: "sold_out", operations: &["search", "price_check", "reserve"] },
    Offer { fault: "price_changed", operations: &["price_check", "reserve"] },
    Offer { fault: "created_twice", operations: &["reserve"] },
    Offer { fault: "duplicate_reference_400", operations: &["reserve"] },
    Offer { fault: "quoting_400", operations: &["reserve"] },
    Offer { fault: "hold_lapses", operations: &["reserve", "confirm"] },
    Offer { fault: "confirm_refused", operations: &["confirm"] },
    Offer { fault: "cancel_refused", operations: &["cancel"] },
    Offer { fault: "amend_refused", operations: &["amend"] },
    Offer { fault: "lookup_lag", operations: &["reserve", "lookup"] },
    Offer { fault: "lookup_empty", operations: &["lookup"] },
    Offer { fault: "new_field", operations: &["search"] },
    Offer { fault: "lookup_stale", operations: &["lookup"] },
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
    pub(crate) body: Option<Value>,
    /// The itinerary that the deed was about, where the request did not say.
    pub(crate) reference: Option<u64>,
    /// Whether the header is added that shows how to authenticate.
    pub(crate) authenticate: bool,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, body: Value) -> Self {
        Self { status, body: Some(body), reference: None, authenticate: false }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, reference: None, authenticate: false }
    }
}

/// What a request is about, as far as it says so itself.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) client_reference: Option<Arc<str>>,
    pub(crate) reference: Option<u64>,
    /// How much of the minute's capacity it takes.
    pub(crate) weight: u64,
}

/// Answers one request of `operation`: `deed` does it and says what an untroubled supplier would
/// answer.
pub(crate) async fn exchange<D>(
    rapid: Arc<Rapid>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
) -> Response
where
    D: FnOnce(&Rapid, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let now = Utc::now();
    settle(&rapid, operation, headers, subject, deed, now).travel().await
}

/// Does everything but wait.
fn settle<D>(
    rapid: &Arc<Rapid>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
    now: DateTime<Utc>,
) -> Delivery
where
    D: FnOnce(&Rapid, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let left = rapid.with_world(|world| {
        world.spend(subject.weight.max(1), rapid.config.capacity_per_minute, now)
    });
    let refused = auth::check(headers, &rapid.config.key, &rapid.config.secret, now).err();
    let (fault, answer, committed) = match (refused, left) {
        (Some(refusal), _) => (None, *refusal, true),
        (None, None) => (None, errors::too_many_requests(), true),
        (None, Some(_)) => {
            let fault = rapid.faults.take(operation);
            let before = fault.as_ref().and_then(|fault| instead(fault, now));
            match before {
                Some(answer) => (fault, answer, false),
                None => {
                    let answer = perform(rapid, fault, deed, now);
                    (fault, answer, true)
                }
            }
        }
    };
    let reference = answer.reference.or(subject.reference);
    let delivery = deliver(fault.as_ref(), answer, committed, left.unwrap_or(0), now);
    let answered = delivery.status().map_or(Answered::Nothing, Answered::Status);
    rapid.with_world(|world| {
        let client_reference = subject
            .client_reference
            .or_else(|| reference.and_then(|reference| world.client_reference_of(reference)));
        world.remember(Received { at: now, operation, client_reference, reference, answered });
    });
    delivery
}

/// The answer of a fault that keeps the deed from being done.
fn instead(fault: &Fault, now: DateTime<Utc>) -> Option<Answer> {
    match fault.name {
        "timeout_before_commit" => Some(Answer::empty(StatusCode::GATEWAY_TIMEOUT)),
        "http_500_before" => Some(errors::internal()),
        "http_503" => Some(errors::unavailable()),
        "http_429" => Some(errors::too_many_requests()),
        "redirect" => {
            tracing::debug!(at = %now, "a redirect is answered; nobody should follow it");
            Some(Answer::empty(StatusCode::TEMPORARY_REDIRECT))
        }
        _ => None,
    }
}

/// Does the deed at once, or later where the fault says so.
fn perform<D>(rapid: &Arc<Rapid>, fault: Option<Fault>, deed: D, now: DateTime<Utc>) -> Answer
where
    D: FnOnce(&Rapid, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let (pause, answer) = match fault {
        Some(fault) if fault.name == "commit_late" => {
            (fault.after(COMMIT_LATE), Answer::empty(StatusCode::GATEWAY_TIMEOUT))
        }
        Some(fault) if fault.name == "accepted_202" && fault.after_asked().is_some() => {
            (fault.after(COMMIT_LATE), Answer::empty(StatusCode::ACCEPTED))
        }
        _ => return deed(rapid, fault.as_ref(), now),
    };
    let later = rapid.clone();
    rapid.life.spawn(async move {
        tokio::time::sleep(pause).await;
        deed(&later, None, Utc::now());
    });
    answer
}

/// Turns the answer of the deed into what the caller gets.
fn deliver(
    fault: Option<&Fault>,
    answer: Answer,
    committed: bool,
    left: u64,
    now: DateTime<Utc>,
) -> Delivery {
    let write = |answer: Answer| respond(answer, left, now);
    match fault.map_or("", |fault| fault.name) {
        "http_500_after" => Delivery::Now(write(errors::internal())),
        "accepted_202" => Delivery::Now(write(Answer::empty(StatusCode::ACCEPTED))),
        "http_429" => Delivery::Now(respond(answer, 0, now)),
        "redirect" if committed => Delivery::Now(write(answer)),
        _ => spoilt(fault, &MANNER, answer, write, |answer| bytes_of(&answer)),
    }
}

/// Writes an answer with Rapid's headers.
fn respond(answer: Answer, left: u64, now: DateTime<Utc>) -> Response {
    let mut response = match answer.body {
        Some(body) => (answer.status, axum::Json(body)).into_response(),
        None => answer.status.into_response(),
    };
    let next_minute = (now.timestamp() / 60 + 1) * 60_000;
    let headers = response.headers_mut();
    headers.insert("rate-limit-minute-remaining", HeaderValue::from(left));
    headers.insert("rate-limit-minute-reset", HeaderValue::from(next_minute));
    headers.insert("region", HeaderValue::from_static("double-1"));
    if answer.authenticate {
        let example = "EAN apikey=<yourAPIkey>,signature=<yourSignature>,timestamp=<timestamp>";
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(example));
    }
    response
}

/// The bytes that would have been answered; a deed without a body still says something.
fn bytes_of(answer: &Answer) -> (StatusCode, Vec<u8>) {
    match &answer.body {
        Some(body) => (answer.status, body.to_string().into_bytes()),
        None => (StatusCode::OK, br#"{"status":"done"}"#.to_vec()),
    }
}
