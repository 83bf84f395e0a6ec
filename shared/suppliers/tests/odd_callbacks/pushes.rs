//! Pushes of every supplier that pushes: a good one, and what can be odd about it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::supplier::Supplier;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) const PUSHERS: [Supplier; 4] =
    [Supplier::Rapid, Supplier::Etg, Supplier::Duffel, Supplier::Neutral];

/// One push as it comes in.
#[derive(Clone)]
pub(crate) struct Push {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What a supplier signs with.
pub(crate) fn secret(supplier: Supplier) -> String {
    match supplier {
        Supplier::Rapid => format!("whsec_{}", STANDARD.encode([7_u8; 32])),
        Supplier::Neutral => format!("whsec_{}", STANDARD.encode([9_u8; 32])),
        Supplier::Etg => "etg-token-of-an-api-key".to_owned(),
        Supplier::Duffel | Supplier::Hotelbeds => "duffel-webhook-secret".to_owned(),
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// A push signed with `secret` in the way of a supplier.
fn signed(supplier: Supplier, secret: &str, id: &str, at: i64, body: &Value) -> Push {
    let stamp = at.to_string();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match supplier {
        Supplier::Rapid | Supplier::Neutral => {
            let body = body.to_string().into_bytes();
            let text = secret.strip_prefix("whsec_").unwrap_or(secret);
            let key = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
            let parts = [id.as_bytes(), b".", stamp.as_bytes(), b".", &body];
            let signature = format!("v1,{}", STANDARD.encode(hmac(&key, &parts)));
            let headers = vec![
                header("webhook-id", id),
                header("webhook-timestamp", &stamp),
                header("webhook-signature", &signature),
            ];
            Push { headers, body }
        }
        Supplier::Etg => {
            let made = hmac(secret.as_bytes(), &[stamp.as_bytes(), id.as_bytes()]);
            let signature = json!({"signature": hex::encode(made), "timestamp": at, "token": id});
            let body = json!({"data": body, "signature": signature});
            Push { headers: vec![], body: body.to_string().into_bytes() }
        }
        Supplier::Duffel | Supplier::Hotelbeds => {
            let body = body.to_string().into_bytes();
            let made = hmac(secret.as_bytes(), &[stamp.as_bytes(), b".", &body]);
            let value = format!("t={stamp},v1={}", hex::encode(made));
            Push { headers: vec![header("X-Duffel-Signature", &value)], body }
        }
    }
}

fn says(supplier: Supplier) -> Value {
    match supplier {
        Supplier::Rapid => json!({
            "event_id": "e1", "event_type": "itinerary.agent.cancel",
            "itinerary_id": "8955599932111", "affiliate_reference_id": "ours",
        }),
        Supplier::Neutral => json!({
            "type": "reservation.cancelled", "reference": "NR-7", "client_reference": "ours",
        }),
        Supplier::Etg => json!({"partner_order_id": "ours", "status": "completed"}),
        Supplier::Duffel | Supplier::Hotelbeds => json!({
            "id": "wev_1", "type": "order.created", "idempotency_key": "ord_1",
            "data": {"object": {"id": "ord_00009hthhsUZ8W4LxQgkjo"}},
        }),
    }
}

/// One that was signed at this second.
pub(crate) fn good(supplier: Supplier, at: i64) -> Push {
    signed(supplier, &secret(supplier), "msg_1", at, &says(supplier))
}

/// Every one that is odd, made of a good one of this second; each with its name.
pub(crate) fn odd(supplier: Supplier, at: i64) -> Vec<(String, Push)> {
    let (body, own) = (says(supplier), secret(supplier));
    let mut all: Vec<(String, Push)> = Vec::new();
    // Other keys: somebody's, another supplier's, ours for something else, nearly ours.
    let mut keys: Vec<String> =
        ["", "guess", "0", "whsec_", "duffel_test_development-only"].map(str::to_owned).into();
    keys.extend(PUSHERS.into_iter().filter(|other| *other != supplier).map(secret));
    keys.push(format!("whsec_{}", STANDARD.encode([8_u8; 32])));
    keys.push(own.to_ascii_uppercase());
    keys.push(own[..own.len() - 4].to_owned());
    for key in keys {
        all.push((format!("key {key}"), signed(supplier, &key, "msg_1", at, &body)));
    }
    // Other times, signed as they are.
    for off in [-301, -3_600, -86_400, 360, 3_600, 86_400, -at, i64::MAX - at, -2 * at] {
        all.push((format!("time {off}"), signed(supplier, &own, "msg_1", at + off, &body)));
    }
    // Another body under the old signature.
    let whole = good(supplier, at);
    for n in (0..whole.body.len()).step_by((whole.body.len() / 12).max(1)) {
        let mut push = whole.clone();
        push.body[n] ^= 0x01;
        all.push((format!("body changed at {n}"), push));
    }
    for (name, more) in [("a space", " "), ("more", "{}"), ("nothing", "")] {
        let mut push = whole.clone();
        if more.is_empty() {
            push.body.clear();
        } else {
            push.body.extend_from_slice(more.as_bytes());
        }
        all.push((format!("body with {name}"), push));
    }
    all.push(("body huge".to_owned(), Push { body: vec![b'['; 2 << 20], ..whole.clone() }));
    all.push(("body no text".to_owned(), Push { body: vec![0xff; 64], ..whole.clone() }));
    all.extend(odd_headers(&whole));
    all.extend(odd_ids(supplier, at, &own));
    if supplier == Supplier::Etg {
        all.extend(odd_signatures_of_etg(&whole));
    }
    all
}

/// Each header missing, doubled, emptied, cut, stretched; and one that is no text of ours.
fn odd_headers(whole: &Push) -> Vec<(String, Push)> {
    let mut all = Vec::new();
    for n in 0..whole.headers.len() {
        let (name, value) = whole.headers[n].clone();
        let mut missing = whole.clone();
        missing.headers.remove(n);
        all.push((format!("without {name}"), missing));
        let mut twice = whole.clone();
        twice.headers.push((name.to_ascii_uppercase(), value.clone()));
        all.push((format!("twice {name}"), twice));
        let half = value[..value.len() / 2].to_owned();
        let others = [String::new(), half, format!("{value}0"), "…".to_owned(), "x".repeat(70_000)];
        for other in others {
            let mut push = whole.clone();
            push.headers[n].1 = other;
            all.push((format!("other {name}"), push));
        }
    }
    all
}

/// Ids that could pass for another id with another time, or are none.
fn odd_ids(supplier: Supplier, at: i64, own: &str) -> Vec<(String, Push)> {
    let body = says(supplier);
    let ids: Vec<String> = match supplier {
        Supplier::Rapid | Supplier::Neutral => {
            vec!["msg.1".into(), format!("msg.{at}"), String::new(), "a b".into(), "x".repeat(129)]
        }
        Supplier::Etg => vec![String::new(), "a b".into(), "é".into(), "x".repeat(129)],
        // What is signed has no id.
        Supplier::Duffel | Supplier::Hotelbeds => Vec::new(),
    };
    let push = |id: String| (format!("id {id:.20}"), signed(supplier, own, &id, at, &body));
    ids.into_iter().map(push).collect()
}

/// The signature is in the body here: every part of it spoilt.
fn odd_signatures_of_etg(whole: &Push) -> Vec<(String, Push)> {
    let push: Value = serde_json::from_slice(&whole.body).unwrap();
    let mut all = Vec::new();
    for field in ["signature", "timestamp", "token"] {
        for value in [Value::Null, json!(""), json!("zz"), json!([]), json!(1.5), json!({})] {
            let mut other = push.clone();
            other["signature"][field] = value;
            let name = format!("etg {field} {}", other["signature"][field]);
            all.push((name, Push { headers: vec![], body: other.to_string().into_bytes() }));
        }
    }
    let mut moved = push;
    let stamp = moved["signature"]["timestamp"].as_i64().unwrap().to_string();
    // A digit of the time in the token: the same text is signed.
    let token = format!("{}{}", &stamp[9..], moved["signature"]["token"].as_str().unwrap());
    moved["signature"]["timestamp"] = json!(stamp[..9].parse::<i64>().unwrap());
    moved["signature"]["token"] = json!(token);
    all.push((
        "etg moved digit".into(),
        Push { headers: vec![], body: moved.to_string().into_bytes() },
    ));
    all
}
