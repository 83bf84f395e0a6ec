//! Who may call: `Api-key` and `X-Signature`.
//!
//! Published: the signature is the hex SHA-256 of key, secret and Unix seconds joined; the seconds
//! themselves are not sent, so the server tries those near its own clock. How near is not
//! published: five minutes are assumed.

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};

use super::errors::{self, Answer};

/// Assumed tolerance for the caller's clock, either way.
const SKEW_SECONDS: i64 = 5 * 60;

/// Lets a caller in, or answers the published 403, 406 or 415.
pub(crate) fn check(
    headers: &HeaderMap,
    key: &str,
    secret: &str,
    has_body: bool,
    now: DateTime<Utc>,
) -> Result<(), Box<Answer>> {
    let shown = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if shown("api-key") != Some(key) {
        return Err(Box::new(errors::turned_away("ERR_403_DEVELOPER_INACTIVE")));
    }
    let signature = shown("x-signature").unwrap_or_default();
    if !signed(signature, key, secret, now.timestamp()) {
        return Err(Box::new(errors::turned_away("ERR_403_NOT_AUTHORIZED")));
    }
    if !shown("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Err(Box::new(Answer::empty(StatusCode::NOT_ACCEPTABLE)));
    }
    let json = shown("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    if has_body && !json {
        return Err(Box::new(Answer::empty(StatusCode::UNSUPPORTED_MEDIA_TYPE)));
    }
    Ok(())
}

/// Whether the signature is of a second near `now`; the nearest are tried first.
fn signed(signature: &str, key: &str, secret: &str, now: i64) -> bool {
    let start = Sha256::new().chain_update(key).chain_update(secret);
    let of = |second: i64| {
        hex::encode(start.clone().chain_update(second.to_string()).finalize())
            .eq_ignore_ascii_case(signature)
    };
    signature.len() == 64 && (0..=SKEW_SECONDS).any(|skew| of(now - skew) || of(now + skew))
}
