//! Callbacks that are signed as Standard Webhooks says: id, time stamp and raw body under one HMAC.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use contracts::{messages::CallbackClaim, mutants::mutant};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

/// Signatures in one header; a rotation has two.
const SIGNATURES_MAX: usize = 8;

/// A callback that is proven to be the supplier's. A hint to look, never state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The supplier's id of it, the same over repeats.
    pub id: String,
    /// Our reference, where it names one.
    pub client_reference: Option<String>,
    /// The supplier's reference, where it names one.
    pub reference: Option<String>,
    /// What the supplier calls the event, where it says.
    pub event: Option<String>,
    /// What it says of the reservation, in our words; nothing for any other event, and where the
    /// signature does not cover it.
    pub claim: Option<CallbackClaim>,
    /// What the signature proves.
    pub covers: Covers,
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// The body too.
    Body,
    /// Only that the supplier sent something; the body may be anybody's.
    Sender,
}

/// Why a callback is not believed. For our own log: the sender is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// A header is missing or not of its form.
    #[error("header missing or malformed")]
    Header,
    /// Its time stamp is too old.
    #[error("too old")]
    Stale,
    /// Its time stamp is ahead of us.
    #[error("from the future")]
    Future,
    /// No secret of ours made its signature.
    #[error("signature does not hold")]
    Signature,
}

impl Forged {
    /// The word used in metrics and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Signature => "signature",
        }
    }
}

/// Verifies a callback signed as Standard Webhooks says, and gives its id.
///
/// The signature is over `id.timestamp.body`, so an id with a dot could pass for another id with
/// another time: it is refused. Nothing of the body is parsed before its signature holds. Time
/// comes in, so the crate of that name, which asks its own clock, is used by tests only.
///
/// # Errors
/// When a header is missing, doubled or odd, the time stamp is further than `age_max` from `now`,
/// or no secret of ours made any of the signatures.
pub fn verify_standard<'h>(
    secrets: &[SecretString],
    now: DateTime<Utc>,
    age_max: Duration,
    headers: &'h [(String, String)],
    body: &[u8],
) -> Result<&'h str, Forged> {
    let id = only(headers, "webhook-id")?;
    let stamp = only(headers, "webhook-timestamp")?;
    let signatures = only(headers, "webhook-signature")?;
    let id_fits =
        (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'.');
    let stamp_fits = (1..=11).contains(&stamp.len()) && stamp.bytes().all(|b| b.is_ascii_digit());
    if !id_fits || !stamp_fits {
        return Err(Forged::Header);
    }
    let at: i64 = stamp.parse().map_err(|_| Forged::Header)?;
    let age_max = i64::try_from(age_max.as_secs()).unwrap_or(i64::MAX);
    let age = now.timestamp().saturating_sub(at);
    if age > age_max && !mutant("old_callback_believed") {
        return Err(Forged::Stale);
    }
    if age < age_max.saturating_neg() {
        return Err(Forged::Future);
    }
    let signed = signatures
        .split(' ')
        .take(SIGNATURES_MAX)
        .filter_map(|s| s.strip_prefix("v1,"))
        .filter_map(|s| STANDARD.decode(s).ok())
        .collect::<Vec<_>>();
    let mut holds = Choice::from(0);
    for key in secrets.iter().filter_map(key_of) {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { continue };
        for part in [id.as_bytes(), b".", stamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        let made = mac.finalize().into_bytes();
        for signature in &signed {
            holds |= signature.as_slice().ct_eq(made.as_slice());
        }
    }
    let believed = bool::from(holds) || mutant("signature_unchecked");
    if believed { Ok(id) } else { Err(Forged::Signature) }
}

/// Whether a secret is of the form that Standard Webhooks gives it: base64 of 24 to 64 bytes, with
/// or without `whsec_` before it. For the start of a process, so that a typing error is not a 401.
#[must_use]
pub fn is_secret(secret: &SecretString) -> bool {
    key_of(secret).is_some()
}

fn key_of(secret: &SecretString) -> Option<Vec<u8>> {
    let text = secret.expose_secret();
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

/// The value of a header that must come exactly once: with two, two readers could differ.
fn only<'h>(headers: &'h [(String, String)], name: &str) -> Result<&'h str, Forged> {
    let mut found = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value),
        (None | Some(_), _) => Err(Forged::Header),
    }
}
