//! What happens outside the API: the page where a customer types a card, the truth, faults, and
//! what banks do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Cards;
use super::webhooks::Signed;
use super::world::{Event, Intent, World};
use crate::control::{problem, read};

/// What a card does; the published numbers for tests.
enum Card {
    Pays,
    /// 3-D Secure comes first.
    Challenges,
    Declines(&'static str),
}

impl Card {
    fn of(number: &str) -> Self {
        match number {
            "4000002500003155" | "4000000000003220" => Self::Challenges,
            "4000000000000002" => Self::Declines("card_declined"),
            "4000000000009995" => Self::Declines("insufficient_funds"),
            "4000000000000069" => Self::Declines("expired_card"),
            "4000000000000127" => Self::Declines("incorrect_cvc"),
            _ => Self::Pays,
        }
    }
}

/// `GET /cards/pay/{client_secret}`: the page itself.
pub(super) async fn page(State(cards): State<Arc<Cards>>, Path(secret): Path<String>) -> Response {
    let shown = cards.with_world(|world| by_secret(world, &secret).map(|intent| intent.shown()));
    let Some(shown) = shown else { return no_such(&secret) };
    let (amount, currency) = (&shown["amount"], &shown["currency"]);
    let status = &shown["status"];
    Html(format!("<html><body><p>{amount} {currency}: {status}</p></body></html>")).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    card: String,
}

/// `POST /cards/pay/{client_secret}`: the customer types a card number.
pub(super) async fn pay(
    State(cards): State<Arc<Cards>>,
    Path(secret): Path<String>,
    body: Bytes,
) -> Response {
    let typed: Typed = match read(&body) {
        Ok(typed) => typed,
        Err(answer) => return answer,
    };
    let number: String = typed.card.chars().filter(char::is_ascii_digit).collect();
    let shown = cards.with_world(|world| {
        let id = by_secret(world, &secret)?.id.clone();
        let intent = world.intents.get_mut(&id)?;
        if !["requires_payment_method", "requires_action"].contains(&intent.status) {
            return Some(Err(intent.shown()));
        }
        match Card::of(&number) {
            Card::Pays => world.authorise(&id),
            Card::Declines(code) => world.decline(&id, code),
            Card::Challenges => {
                intent.status = "requires_action";
                intent.challenged = Some(number);
                world.say("payment_intent.requires_action", &id);
            }
        }
        Some(Ok(world.intents.get(&id)?.shown()))
    });
    answer(shown, &secret)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authenticated {
    passes: bool,
}

/// `POST /cards/pay/{client_secret}/authenticate`: the bank asked, and the customer was who they
/// say, or was not.
pub(super) async fn authenticate(
    State(cards): State<Arc<Cards>>,
    Path(secret): Path<String>,
    body: Bytes,
) -> Response {
    let told: Authenticated = match read(&body) {
        Ok(told) => told,
        Err(answer) => return answer,
    };
    let shown = cards.with_world(|world| {
        let intent = by_secret(world, &secret)?;
        let id = intent.id.clone();
        if intent.status != "requires_action" {
            return Some(Err(intent.shown()));
        }
        if told.passes {
            world.authorise(&id);
        } else {
            world.decline(&id, "payment_intent_authentication_failure");
        }
        Some(Ok(world.intents.get(&id)?.shown()))
    });
    answer(shown, &secret)
}

fn by_secret<'a>(world: &'a World, secret: &str) -> Option<&'a Intent> {
    world.intents.values().find(|intent| intent.secret == secret)
}

fn answer(shown: Option<Result<Value, Value>>, secret: &str) -> Response {
    match shown {
        None => no_such(secret),
        Some(Ok(shown)) => Json(shown).into_response(),
        Some(Err(shown)) => {
            let status = shown["status"].as_str().unwrap_or_default();
            problem(StatusCode::CONFLICT, "unexpected-state", status, Value::Null)
        }
    }
}

fn no_such(secret: &str) -> Response {
    problem(StatusCode::NOT_FOUND, "no-such-payment", secret, Value::Null)
}

/// `GET /cards/truth`.
pub(super) async fn truth(State(cards): State<Arc<Cards>>) -> Response {
    Json(cards.with_world(|world| world.truth())).into_response()
}

pub(super) async fn arm(State(cards): State<Arc<Cards>>, body: Bytes) -> Response {
    cards.faults.arm(&body)
}

pub(super) async fn disarm(State(cards): State<Arc<Cards>>) -> Response {
    cards.faults.clear()
}

pub(super) async fn armed(State(cards): State<Arc<Cards>>) -> Response {
    cards.faults.list()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    /// An intent, or a refund.
    of: String,
    act: String,
}

const ACTS: [&str; 7] = [
    "expire",
    "dispute",
    "dispute_lost",
    "dispute_won",
    "refund_succeeds",
    "refund_fails",
    "cancel",
];

/// `POST /cards/act`: something happens at a bank or in the gateway's dashboard.
pub(super) async fn act(State(cards): State<Arc<Cards>>, body: Bytes) -> Response {
    let Act { of, act } = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    if !ACTS.contains(&act.as_str()) {
        return problem(StatusCode::BAD_REQUEST, "unknown-act", &act, json!({ "acts": ACTS }));
    }
    let known = cards.with_world(|world| {
        let known =
            world.intents.contains_key(&of) || world.refunds.iter().any(|refund| refund.id == of);
        match act.as_str() {
            "expire" => world.cancel(&of, "automatic"),
            "cancel" => world.cancel(&of, "requested_by_customer"),
            "dispute" => world.dispute(&of, "needs_response"),
            "dispute_lost" => world.dispute(&of, "lost"),
            "dispute_won" => world.dispute(&of, "won"),
            "refund_succeeds" => world.end_refund(&of, "succeeded"),
            _ => world.end_refund(&of, "failed"),
        }
        known
    });
    if known { StatusCode::NO_CONTENT.into_response() } else { no_such(&of) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notify {
    payment_intent: String,
    #[serde(default)]
    forged: bool,
    #[serde(default)]
    stale: bool,
}

/// `POST /cards/notify`: pushes that an intent succeeded, whether it did or not.
pub(super) async fn notify(State(cards): State<Arc<Cards>>, body: Bytes) -> Response {
    let asked: Notify = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let signed = match (asked.forged, asked.stale) {
        (true, _) => Signed::Forged,
        (false, true) => Signed::Stale,
        (false, false) => Signed::Rightly,
    };
    let object = cards
        .with_world(|world| world.intents.get(&asked.payment_intent).map(|intent| intent.shown()));
    let Some(mut object) = object else { return no_such(&asked.payment_intent) };
    object["status"] = json!("succeeded");
    object["amount_received"] = object["amount"].clone();
    let event = Event { kind: "payment_intent.succeeded", object };
    cards.push(&event, 1, Duration::ZERO, signed);
    StatusCode::ACCEPTED.into_response()
}
