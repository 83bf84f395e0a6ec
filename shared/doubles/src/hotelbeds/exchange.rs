//! One request and its answer: who may call, the quota, the armed fault, the deed, the log.
//!
//! The deed is done at once and without an await between, so a caller that hangs up cannot stop it
//! halfway; only the answer is slow, spoilt or missing.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::errors::{self, Answer};
use super::world::{Received, instant};
use super::{Hotelbeds, auth};
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// Published: cancelling and reading may take this long.
const SILENCE: Duration = Duration::from_secs(120);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How late `commit_late` commits.
const COMMIT_LATE: Duration = Duration::from_secs(45);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/hotelbeds/redirected" };

const ALL: &[&str] =
    &["reserve", "confirm", "quote_cancel", "cancel", "lookup", "search", "price_check"];
const DEEDS: &[&str] = &["reserve", "confirm", "cancel"];
const TELLS_PRICE: &[&str] = &["reserve", "lookup", "search", "price_check"];

/// Every fault of Hotelbeds and where it can strike.
pub(super) const OFFERS: &[Offer] = &[
    Offer { fault: "timeout_before_commit", operations: ALL },
    Offer { fault: "timeout_after_commit", operations: ALL },
    Offer { fault: "reset_after_commit", operations: ALL },
    Offer { fault: "http_500_before", operations: ALL },
    Offer { fault: "http_500_after", operations: ALL },
    Offer { fault: "http_503", operations: ALL },
    Offer { fault: "http_504_after", operations: ALL },
    Offer { fault: "quota_403", operations: ALL },
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
    Offer { fault: "wrong_price", operations: TELLS_PRICE },
    Offer { fault: "wrong_currency", operations: TELLS_PRICE },
    Offer { fault: "wrong_reference", operations: &["reserve", "lookup"] },
    Offer { fault: "sold_out", operations: &["search", "price_check", "reserve"] },
    Offer { fault: "price_changed", operations: &["price_check", "reserve"] },
    Offer { fault: "created_twice", operations: &["reserve"] },
    Offer { fault: "hold_lapses", operations: &["reserve", "confirm"] },
    Offer { fault: "confirm_refused", operations: &["confirm"] },
    Offer { fault: "cancel_refused", operations: &["cancel"] },
    Offer { fault: "lookup_lag", operations: &["reserve", "lookup"] },
    Offer { fault: "lookup_empty", operations: &["lookup"] },
    Offer { fault: "lookup_stale", operations: &["lookup"] },
];

/// What a request is about, as far as it says so itself.
#[derive(Default)]
pub(crate) struct Subject {
    pub(crate) client_reference: Option<Arc<str>>,
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
    hotelbeds: Arc<Hotelbeds>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
) -> Response
where
    D: FnOnce(&Hotelbeds, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    settle(&hotelbeds, operation, headers, subject, deed, Utc::now()).travel().await
}

/// Does everything but wait.
fn settle<D>(
    hotelbeds: &Arc<Hotelbeds>,
    operation: &'static str,
    headers: &HeaderMap,
    subject: Subject,
    deed: D,
    now: DateTime<Utc>,
) -> Delivery
where
    D: FnOnce(&Hotelbeds, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let Hotelbeds { config, faults, .. } = &**hotelbeds;
    let served = hotelbeds.with_world(|world| world.spend(config.quota_per_minute, now));
    let refused = auth::check(headers, &config.key, &config.secret, subject.has_body, now).err();
    let (fault, answer) = match refused {
        Some(refusal) => (None, *refusal),
        None if !served => (None, errors::turned_away("ERR_403_DEVELOPER_OVER_RATE")),
        None => {
            let fault = faults.take(operation);
            let answer = match instead(name(fault.as_ref())) {
                Some(answer) => answer,
                None => perform(hotelbeds, fault, deed, now),
            };
            (fault, answer)
        }
    };
    let reference = answer.reference.clone().or(subject.reference);
    let delivery = deliver(fault.as_ref(), answer, now);
    let status = delivery.status();
    hotelbeds.with_world(|world| {
        let known = reference.as_deref().and_then(|reference| world.get(reference));
        let client_reference = subject
            .client_reference
            .or_else(|| known.and_then(|booking| booking.client_reference.clone()));
        world.remember(Received { at: now, operation, client_reference, reference, status });
    });
    delivery
}

/// The answer of a fault that keeps the deed from being done.
fn instead(fault: &str) -> Option<Answer> {
    match fault {
        "timeout_before_commit" => Some(Answer::empty(StatusCode::GATEWAY_TIMEOUT)),
        "http_500_before" => Some(errors::internal()),
        "http_503" => Some(errors::unavailable()),
        "quota_403" => Some(errors::turned_away("ERR_403_DEVELOPER_OVER_RATE")),
        "redirect" => Some(Answer::empty(StatusCode::TEMPORARY_REDIRECT)),
        _ => None,
    }
}

/// Does the deed at once, or later where the fault says so.
fn perform<D>(
    hotelbeds: &Arc<Hotelbeds>,
    fault: Option<Fault>,
    deed: D,
    now: DateTime<Utc>,
) -> Answer
where
    D: FnOnce(&Hotelbeds, Option<&Fault>, DateTime<Utc>) -> Answer + Send + 'static,
{
    let (pause, status) = match fault {
        Some(fault) if fault.name == "commit_late" => {
            (fault.after(COMMIT_LATE), StatusCode::GATEWAY_TIMEOUT)
        }
        Some(fault) if fault.name == "accepted_202" && fault.after_asked().is_some() => {
            (fault.after(COMMIT_LATE), StatusCode::ACCEPTED)
        }
        _ => return deed(hotelbeds, fault.as_ref(), now),
    };
    let later = hotelbeds.clone();
    hotelbeds.life.spawn(async move {
        tokio::time::sleep(pause).await;
        deed(&later, None, Utc::now());
    });
    Answer::empty(status)
}

/// Turns the answer of the deed into what the caller gets.
fn deliver(fault: Option<&Fault>, answer: Answer, now: DateTime<Utc>) -> Delivery {
    let write = |answer: Answer| respond(answer, now);
    match name(fault) {
        "http_500_after" => Delivery::Now(write(errors::internal())),
        "accepted_202" => Delivery::Now(write(Answer::empty(StatusCode::ACCEPTED))),
        _ => spoilt(fault, &MANNER, answer, write, |it| (it.status, bytes_of(it, now))),
    }
}

fn respond(answer: Answer, now: DateTime<Utc>) -> Response {
    let (status, mashery) = (answer.status, answer.mashery);
    let mut response = match written(answer, now) {
        Some(body) => (status, axum::Json(body)).into_response(),
        None => status.into_response(),
    };
    if let Some(mashery) = mashery {
        let value = HeaderValue::from_static(mashery);
        response.headers_mut().insert("x-mashery-error-code", value);
    }
    response
}

/// The bytes that would have been answered; a deed without a body still says something.
fn bytes_of(answer: Answer, now: DateTime<Utc>) -> Vec<u8> {
    written(answer, now).unwrap_or(json!({ "status": "done" })).to_string().into_bytes()
}

/// The body with the envelope round it, as the activities API answers everything.
fn written(answer: Answer, now: DateTime<Utc>) -> Option<Value> {
    let mut body = answer.body?;
    if answer.enveloped
        && let Some(body) = body.as_object_mut()
    {
        let operation_id = format!("{:016x}", now.timestamp_micros());
        body.insert("operationId".to_owned(), json!(operation_id));
        let audit = json!({
            "processTime": 12.0,
            "time": instant(now),
            "serverId": "double",
            "environment": "double",
        });
        body.insert("auditData".to_owned(), audit);
    }
    Some(body)
}
