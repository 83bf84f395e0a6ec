//! One request and its answer: who may call, the key, the armed fault, the deed, the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Cards;
use super::answers::Answer;
use super::world::{Kept, World};
use crate::delivery::{Delivery, Manner, spoilt};
use crate::faults::{Fault, Offer};

/// How long nothing comes before the connection is closed.
const SILENCE: Duration = Duration::from_secs(80);
/// How late the answer of `slow` is when nothing else is asked for.
const SLOW: Duration = Duration::from_secs(5);
/// How answers travel unless a fault says more.
const MANNER: Manner = Manner { silence: SILENCE, slow: SLOW, elsewhere: "/cards/redirected" };

const ALL: &[&str] = &["create", "show", "capture", "cancel", "refund", "refunds", "disputes"];
const DEEDS: &[&str] = &["create", "capture", "cancel", "refund"];

/// Every fault of the gateway and where it can strike.
pub(super) const OFFERS: &[Offer] = &[
    Offer { fault: "timeout_before_commit", operations: ALL },
    Offer { fault: "timeout_after_commit", operations: ALL },
    Offer { fault: "reset_after_commit", operations: ALL },
    Offer { fault: "http_500_before", operations: ALL },
    Offer { fault: "http_500_after", operations: ALL },
    Offer { fault: "http_429", operations: ALL },
    Offer { fault: "html_200", operations: ALL },
    Offer { fault: "slow", operations: ALL },
    Offer { fault: "key_in_use", operations: DEEDS },
    Offer { fault: "wrong_amount", operations: &["show"] },
    Offer { fault: "wrong_currency", operations: &["show"] },
    Offer { fault: "refused", operations: &["create", "capture", "refund"] },
    Offer { fault: "refund_pending", operations: &["refund"] },
    Offer { fault: "refund_fails", operations: &["refund"] },
    Offer { fault: "webhook_lost", operations: &["webhook"] },
    Offer { fault: "webhook_twice", operations: &["webhook"] },
    Offer { fault: "webhook_late", operations: &["webhook"] },
];

/// The name of the fault that strikes, or nothing.
pub(super) fn name(fault: Option<&Fault>) -> &'static str {
    fault.map_or("", |fault| fault.name)
}

/// A request as it came.
pub(super) struct Asked {
    pub(super) operation: &'static str,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) form: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn new(
        operation: &'static str,
        path: String,
        headers: HeaderMap,
        body: &Bytes,
    ) -> Self {
        let form = form_urlencoded::parse(body).into_owned().collect();
        Self { operation, path, headers, form }
    }

    /// The key that makes it safe to be asked again.
    fn key(&self) -> Option<String> {
        let key = self.headers.get("idempotency-key")?;
        key.to_str().ok().map(str::to_owned)
    }
}

/// Answers one request: `deed` does it and says what an untroubled gateway would answer.
///
/// The deed is done at once and without an await between, so a caller that hangs up cannot stop it
/// halfway; only the answer is slow, spoilt or missing.
pub(super) async fn exchange(
    cards: Arc<Cards>,
    asked: Asked,
    deed: impl FnOnce(&mut World, &Asked, Option<&Fault>) -> Answer + Send,
) -> Response {
    settle(&cards, &asked, deed).travel().await
}

/// Does everything but wait.
fn settle(
    cards: &Cards,
    asked: &Asked,
    deed: impl FnOnce(&mut World, &Asked, Option<&Fault>) -> Answer,
) -> Delivery {
    if !may_call(&asked.headers, &cards.config.secret) {
        let refused = Answer::turned_away(
            StatusCode::UNAUTHORIZED,
            "api_key_invalid",
            "Invalid API Key provided",
        );
        return Delivery::Now(respond(&refused, false));
    }
    // Published: at most 255 characters.
    let key = asked.key();
    if key.as_ref().is_some_and(|key| key.len() > 255) {
        return Delivery::Now(respond(&Answer::parameter("parameter_invalid", "key"), false));
    }
    let fault = cards.faults.take(asked.operation);
    let strikes = name(fault.as_ref());
    cards.with_world(|world| {
        let known = key.as_ref().and_then(|key| world.kept.get(key)).cloned();
        let (answer, replayed) = match known {
            Some(known) if known.path != asked.path || known.form != asked.form => {
                (Answer::other_request(), false)
            }
            Some(known) => (known.answer, true),
            None => {
                let answer = match strikes {
                    "key_in_use" => Answer::turned_away(
                        StatusCode::CONFLICT,
                        "idempotency_key_in_use",
                        "There is currently another in-progress request using this key.",
                    ),
                    "http_429" => Answer::turned_away(
                        StatusCode::TOO_MANY_REQUESTS,
                        "rate_limit",
                        "Too many requests",
                    ),
                    "timeout_before_commit" => {
                        Answer { kept: false, ..Answer::broken(StatusCode::GATEWAY_TIMEOUT) }
                    }
                    "http_500_before" => Answer::broken(StatusCode::INTERNAL_SERVER_ERROR),
                    "refused" => Answer::refused(
                        StatusCode::PAYMENT_REQUIRED,
                        "card_declined",
                        "The bank said no.",
                    ),
                    _ => deed(world, asked, fault.as_ref()),
                };
                // Published: a failure of the gateway is kept under its key like any other answer.
                let kept = match strikes {
                    "http_500_after" => Answer::broken(StatusCode::INTERNAL_SERVER_ERROR),
                    _ => answer.clone(),
                };
                if let Some(key) = key.as_ref().filter(|_| answer.kept) {
                    let (path, form) = (asked.path.clone(), asked.form.clone());
                    world.kept.insert(key.clone(), Kept { path, form, answer: kept.clone() });
                }
                (kept, false)
            }
        };
        let delivery = deliver(fault.as_ref(), &answer, replayed);
        let seen = delivery.status().map(|_| &answer);
        world.remember(asked.operation, key.as_deref(), seen);
        delivery
    })
}

/// Published: the secret key as a bearer token, or as the user name of basic authentication.
fn may_call(headers: &HeaderMap, secret: &str) -> bool {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    given.and_then(|given| given.strip_prefix("Bearer ")) == Some(secret)
}

fn deliver(fault: Option<&Fault>, answer: &Answer, replayed: bool) -> Delivery {
    let write = |answer: &Answer| respond(answer, replayed);
    spoilt(fault, &MANNER, answer, write, |answer| {
        (answer.status, answer.body.to_string().into_bytes())
    })
}

fn respond(answer: &Answer, replayed: bool) -> Response {
    let mut response = (answer.status, axum::Json(answer.body.clone())).into_response();
    if replayed {
        // Published: tells a repeated answer from a first one.
        response.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}
