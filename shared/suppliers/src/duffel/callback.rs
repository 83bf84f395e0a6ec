//! Webhooks: `X-Duffel-Signature: t=…,v1=…`, a hex HMAC-SHA256 over the time stamp, a dot and the
//! raw body (guide "Receiving webhooks"; `DuffelAPI::WebhookEvent` of the supplier's Ruby client).
//!
//! They come at least once and in any order; an event that is sent again has the same idempotency
//! key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{messages::CallbackClaim, mutants::mutant};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::key::is_id;
use crate::{Callback, Covers, Forged};

#[derive(Debug, Default, Deserialize)]
struct Event {
    id: Option<String>,
    r#type: Option<String>,
    idempotency_key: Option<String>,
    #[serde(default)]
    data: Value,
}

/// Says whether a webhook is the supplier's, and what it is about. Nothing of the body is parsed
/// before its signature holds.
pub(super) fn verify(
    secrets: &[SecretString],
    now: DateTime<Utc>,
    age_max: Duration,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Callback, Forged> {
    let mut found = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("x-duffel-signature"));
    // With two, two readers could differ.
    let (Some((_, header)), None) = (found.next(), found.next()) else {
        return Err(Forged::Header);
    };
    let (stamp, signature) = parts(header).ok_or(Forged::Header)?;
    in_time(stamp, now, age_max)?;
    let mut holds = Choice::from(0);
    for secret in secrets {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
            continue;
        };
        for part in [stamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        holds |= signature.as_slice().ct_eq(mac.finalize().into_bytes().as_slice());
    }
    if !bool::from(holds) && !mutant("signature_unchecked") {
        return Err(Forged::Signature);
    }
    // A body that cannot be read is still a push of theirs: it is kept, and names nothing.
    let event: Event = serde_json::from_slice(body).unwrap_or_default();
    Ok(told(event, &signature))
}

/// `t` and `v1` of the header, each once.
fn parts(header: &str) -> Option<(&str, Vec<u8>)> {
    let (stamp, signature) = header.strip_prefix("t=")?.split_once(",v1=")?;
    let plain = (1..=11).contains(&stamp.len()) && stamp.bytes().all(|b| b.is_ascii_digit());
    let signature = hex::decode(signature.trim()).ok()?;
    (plain && signature.len() == 32).then_some((stamp, signature))
}

fn in_time(stamp: &str, now: DateTime<Utc>, age_max: Duration) -> Result<(), Forged> {
    let at: i64 = stamp.parse().map_err(|_| Forged::Header)?;
    let age_max = i64::try_from(age_max.as_secs()).unwrap_or(i64::MAX);
    let age = now.timestamp().saturating_sub(at);
    if age > age_max && !mutant("old_callback_believed") {
        Err(Forged::Stale)
    } else if age < age_max.saturating_neg() {
        Err(Forged::Future)
    } else {
        Ok(())
    }
}

fn told(event: Event, signature: &[u8]) -> Callback {
    let said = |text: Option<String>| {
        text.filter(|t| (1..=64).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic()))
    };
    let word = said(event.r#type);
    let (key, id) = (said(event.idempotency_key), said(event.id));
    // The object of the event, or what names the order in it; older versions have no `object`.
    let object = event.data.get("object").unwrap_or(&event.data);
    let named = |field: &str| object.get(field).and_then(Value::as_str);
    let order = [named("order_id"), named("id")].into_iter().flatten().find(|id| is_id("ord_", id));
    let ours = object.get("metadata").and_then(|m| m.get("client_reference"));
    Callback {
        id: match (key, id, &word) {
            (Some(key), _, Some(word)) => format!("{word}:{key}"),
            (_, Some(id), _) => id,
            (Some(_) | None, None, _) => hex::encode(signature),
        },
        client_reference: said(ours.and_then(Value::as_str).map(str::to_owned)),
        reference: order.map(str::to_owned),
        claim: claim(word.as_deref()),
        event: word,
        covers: Covers::Body,
    }
}

/// What an event says of its order. A change of schedule says nothing of how the order stands: it
/// is looked up, and its dates are compared.
fn claim(event: Option<&str>) -> Option<CallbackClaim> {
    match event? {
        "order.created" => Some(CallbackClaim::Made),
        "payment.created" => Some(CallbackClaim::Confirmed),
        "order_cancellation.confirmed" => Some(CallbackClaim::Gone),
        _ => None,
    }
}
