//! Callbacks: signed as Standard Webhooks says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::messages::CallbackClaim;
use secrecy::SecretString;
use serde::Deserialize;

use super::key::is_id;
use crate::{Callback, Covers, Forged, callback::verify_standard};

#[derive(Debug, Default, Deserialize)]
struct Event {
    r#type: Option<String>,
    client_reference: Option<String>,
    reference: Option<String>,
}

/// Says whether a callback is the partner's, and what it is about. Nothing of the body is parsed
/// before its signature holds.
pub(super) fn verify(
    secrets: &[SecretString],
    now: DateTime<Utc>,
    age_max: Duration,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Callback, Forged> {
    let id = verify_standard(secrets, now, age_max, headers, body)?.to_owned();
    // A body that cannot be read is still a push of theirs: it is kept, and names nothing.
    let event: Event = serde_json::from_slice(body).unwrap_or_default();
    let named = |text: Option<String>| text.filter(|text| is_id(text));
    let word = event.r#type.filter(|word| {
        (1..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic())
    });
    Ok(Callback {
        id,
        client_reference: named(event.client_reference),
        reference: named(event.reference),
        claim: claim(word.as_deref()),
        event: word,
        covers: Covers::Body,
    })
}

fn claim(event: Option<&str>) -> Option<CallbackClaim> {
    match event? {
        "reservation.held" => Some(CallbackClaim::Made),
        "reservation.confirmed" => Some(CallbackClaim::Confirmed),
        "reservation.cancelled" | "reservation.expired" => Some(CallbackClaim::Gone),
        _ => None,
    }
}
