//! Pushes: a token and a time under an HMAC, which says nothing of the body.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::wire::Push;
use crate::{Callback, Covers, Forged};

/// Seconds since 1970 as they are written for the next 260 years. The signature joins time and
/// token without anything between them: with another length, digits could move from one to the
/// other.
const STAMP_LENGTH: usize = 10;

/// Whether a push is the supplier's (page "Receive booking status webhook"): HMAC-SHA256 of time
/// stamp and token, with the API key's token as key, in hexadecimal digits.
///
/// Only the sender is proven, so what the body says of a booking is no claim: it is a reason to ask
/// about the order that it names.
pub(super) fn verify(
    secrets: &[SecretString],
    now: DateTime<Utc>,
    age_max: Duration,
    body: &[u8],
) -> Result<Callback, Forged> {
    let push: Push = serde_json::from_slice(body).map_err(|_| Forged::Header)?;
    let stamp = push.signature.timestamp.to_string();
    let token = &push.signature.token;
    let token_fits =
        (1..=128).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    let signature = hex::decode(&push.signature.signature).map_err(|_| Forged::Header)?;
    if !token_fits || stamp.len() != STAMP_LENGTH {
        return Err(Forged::Header);
    }
    let age_max = i64::try_from(age_max.as_secs()).unwrap_or(i64::MAX);
    let age = now.timestamp().saturating_sub(push.signature.timestamp);
    if age > age_max {
        return Err(Forged::Stale);
    }
    if age < age_max.saturating_neg() {
        return Err(Forged::Future);
    }
    let mut holds = Choice::from(0);
    for secret in secrets {
        let key = secret.expose_secret().as_bytes();
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { continue };
        mac.update(stamp.as_bytes());
        mac.update(token.as_bytes());
        holds |= mac.finalize().into_bytes().as_slice().ct_eq(&signature);
    }
    if !bool::from(holds) {
        return Err(Forged::Signature);
    }
    // What cannot be read is still a push of theirs: it is kept, and names nothing.
    let said = |name: &str, most: usize| {
        let text = push.data.get(name).and_then(Value::as_str)?;
        let fits = (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| text.to_owned())
    };
    Ok(Callback {
        id: token.clone(),
        client_reference: said("partner_order_id", 256),
        reference: None,
        event: said("status", 64),
        claim: None,
        covers: Covers::Sender,
    })
}
