//! Rapid's signature authentication.
//!
//! Published (signature-authentication): `EAN APIKey=…,Signature=…,timestamp=…`, the signature
//! being the hex SHA-512 of key, secret and Unix seconds joined, accepted up to five minutes before
//! or after the server's clock.

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::{
    errors::{Wrong, invalid},
    exchange::Answer,
};

/// Published tolerance for the caller's clock.
const SKEW_SECONDS: u64 = 5 * 60;

#[derive(Default)]
struct Shown<'a> {
    key: Option<&'a str>,
    signature: Option<&'a str>,
    timestamp: Option<&'a str>,
}

/// Lets a caller in, or answers the published 401.
pub(crate) fn check(
    headers: &HeaderMap,
    key: &str,
    secret: &str,
    now: DateTime<Utc>,
) -> Result<(), Box<Answer>> {
    let shown = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("EAN "))
        .map(read)
        .unwrap_or_default();
    let proven = || -> Option<bool> {
        let timestamp = shown.timestamp?;
        let seconds: i64 = timestamp.parse().ok()?;
        let expected = hex::encode(
            Sha512::new().chain_update(key).chain_update(secret).chain_update(timestamp).finalize(),
        );
        let fresh = now.timestamp().abs_diff(seconds) <= SKEW_SECONDS;
        Some(shown.key? == key && shown.signature?.eq_ignore_ascii_case(&expected) && fresh)
    };
    match proven() {
        Some(true) => takes_gzip(headers),
        Some(false) | None => Err(Box::new(refusal(&shown, now))),
    }
}

/// Published: required on every call, and `gzip` is the one value. The name of the error is
/// assumed.
fn takes_gzip(headers: &HeaderMap) -> Result<(), Box<Answer>> {
    let given = headers.get(http::header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();
    if given.split(',').any(|one| one.trim() == "gzip") {
        return Ok(());
    }
    let message = "Accept-Encoding header must be gzip.";
    let wrong = Wrong::new("accept_encoding.invalid", message);
    Err(Box::new(invalid(vec![wrong.field("Accept-Encoding", "header", given)])))
}

fn read(value: &str) -> Shown<'_> {
    let mut shown = Shown::default();
    for (name, value) in value.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "APIKey" => shown.key = Some(value),
            "Signature" => shown.signature = Some(value),
            "timestamp" => shown.timestamp = Some(value),
            _ => {}
        }
    }
    shown
}

fn refusal(shown: &Shown<'_>, now: DateTime<Utc>) -> Answer {
    let timestamp: Value = match shown.timestamp.map(str::parse::<i64>) {
        Some(Ok(seconds)) => json!(seconds),
        Some(Err(_)) | None => json!(shown.timestamp),
    };
    let mut answer = Answer::of(
        StatusCode::UNAUTHORIZED,
        json!({
            "type": "request_unauthenticated",
            "message": "Data required to authenticate your request is missing or inaccurate. \
                        Ensure that your request follows the guidelines in our documentation.",
            "fields": [
                { "name": "apikey", "type": "header", "value": shown.key },
                { "name": "signature", "type": "header", "value": shown.signature },
                { "name": "timestamp", "type": "header", "value": timestamp },
                { "name": "servertimestamp", "type": "server", "value": now.timestamp() },
            ],
        }),
    );
    answer.authenticate = true;
    answer
}
