//! Whose a push is: `Stripe-Signature: t=…,v1=…`, a hex HMAC-SHA256 over the time stamp, a dot and
//! the raw body.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

/// How far a time stamp may be from now, in seconds, either way.
const TOLERANCE: i64 = 300;

/// Whether the push is the gateway's and of now. While a secret is changed there are two, and the
/// gateway then signs with both.
pub(super) fn holds(
    secrets: &[SecretString],
    header: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> bool {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let mut stamps = parts().filter(|(name, _)| *name == "t").map(|(_, stamp)| stamp);
    // With two, two readers could differ.
    let (Some(stamp), None) = (stamps.next(), stamps.next()) else { return false };
    let Ok(at) = stamp.parse::<i64>() else { return false };
    if now.timestamp().saturating_sub(at).saturating_abs() > TOLERANCE {
        return false;
    }
    let mut holds = Choice::from(0);
    for (_, signature) in parts().filter(|(name, _)| *name == "v1") {
        let Ok(signature) = hex::decode(signature) else { continue };
        for secret in secrets {
            let key = secret.expose_secret().as_bytes();
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { continue };
            for part in [stamp.as_bytes(), b".", body] {
                mac.update(part);
            }
            holds |= signature.as_slice().ct_eq(mac.finalize().into_bytes().as_slice());
        }
    }
    bool::from(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const AT: i64 = 1_800_000_000;

    fn made(secret: &str, stamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{stamp}.").as_bytes());
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    fn check(header: &str, body: &[u8]) -> bool {
        let secrets = ["whsec_old", "whsec_new"].map(SecretString::from);
        holds(&secrets, header, body, DateTime::from_timestamp(AT, 0).unwrap())
    }

    /// Row: L4
    #[test]
    fn only_a_push_that_the_gateway_signed_lately_is_believed() {
        let right = made("whsec_new", AT, BODY);
        assert!(check(&format!("t={AT},v1={right}"), BODY));
        assert!(check(&format!("t={AT},v1=00,v1={right},v0=11"), BODY), "one of several holds");
        let old = made("whsec_old", AT, BODY);
        assert!(check(&format!("t={AT},v1={old}"), BODY), "while the secret changes");
        let stale = AT - TOLERANCE - 1;
        let early = AT + TOLERANCE + 1;
        for bad in [
            String::new(),
            "t=,v1=".to_owned(),
            format!("v1={right}"),
            format!("t={AT}"),
            format!("t={AT},t={AT},v1={right}"),
            format!("t={AT},v0={right}"),
            format!("t={AT},v1={}", made("whsec_other", AT, BODY)),
            format!("t={},v1={right}", AT + 1),
            format!("t={stale},v1={}", made("whsec_new", stale, BODY)),
            format!("t={early},v1={}", made("whsec_new", early, BODY)),
        ] {
            assert!(!check(&bad, BODY), "{bad}");
        }
        assert!(!check(&format!("t={AT},v1={right}"), br#"{"id":"evt_2"}"#), "another body");
    }
}
