//! Callbacks that are forged or odd, made of good ones of every supplier that pushes: none is
//! believed, and what is wrong with each is told in one of four words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a panic is a failed test"
)]

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use hmac::{Hmac, Mac as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;
use suppliers::{Covers, Forged, dialect};

const AGE_MAX: Duration = Duration::from_secs(300);
const PUSHERS: [Supplier; 4] =
    [Supplier::Rapid, Supplier::Etg, Supplier::Duffel, Supplier::Neutral];

/// One push as it comes in.
#[derive(Clone)]
struct Push {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn secret(supplier: Supplier) -> String {
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

fn good(supplier: Supplier) -> Push {
    signed(supplier, &secret(supplier), "msg_1", now().timestamp(), &says(supplier))
}

fn verdict(supplier: Supplier, push: &Push) -> Result<suppliers::Callback, Forged> {
    let secrets = [SecretString::from(secret(supplier))];
    dialect(supplier).verify_callback(&secrets, now(), AGE_MAX, &push.headers, &push.body)
}

/// Row: B4
#[test]
fn a_hundred_odd_callbacks_of_every_kind_are_told_and_none_is_believed() {
    let mut told: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for supplier in PUSHERS {
        let believed = verdict(supplier, &good(supplier)).expect("the good one is believed");
        for (name, push) in odd(supplier) {
            match verdict(supplier, &push) {
                Err(forged) => {
                    *told.entry((supplier.word(), forged.word())).or_default() += 1;
                }
                // Where only the sender is proven, the body is anybody's, and claims nothing.
                Ok(callback) if believed.covers == Covers::Sender && name.starts_with("body") => {
                    assert_eq!(callback.claim, None, "{supplier} {name}");
                    *told.entry((supplier.word(), "claims nothing")).or_default() += 1;
                }
                Ok(callback) => panic!("{supplier} believed {name}: {callback:?}"),
            }
        }
    }
    println!("{told:?}");
    assert!(told.values().sum::<usize>() >= 100, "{told:?}");
    for word in ["header", "stale", "future", "signature"] {
        let of = |supplier: Supplier| told.contains_key(&(supplier.word(), word));
        assert!(PUSHERS.into_iter().all(of), "{word}: {told:?}");
    }
}

/// Row: B4
#[test]
fn whatever_is_pushed_in_the_name_of_a_supplier_that_pushes_nothing_is_not_believed() {
    for (name, push) in PUSHERS.map(|s| (s, good(s))) {
        assert!(verdict(Supplier::Hotelbeds, &push).is_err(), "{name}");
    }
}

/// Row: B4
#[test]
fn a_push_that_comes_again_is_known_by_its_id() {
    for supplier in PUSHERS {
        let ids = [good(supplier), good(supplier)].map(|p| verdict(supplier, &p).unwrap().id);
        assert_eq!(ids[0], ids[1], "{supplier}");
    }
}

fn odd(supplier: Supplier) -> Vec<(String, Push)> {
    let (at, body, own) = (now().timestamp(), says(supplier), secret(supplier));
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
    for off in [-301, -3_600, -86_400, 301, 3_600, 86_400, -at, i64::MAX - at, -2 * at] {
        all.push((format!("time {off}"), signed(supplier, &own, "msg_1", at + off, &body)));
    }
    // Another body under the old signature.
    let whole = good(supplier);
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
    all.extend(odd_ids(supplier, &own));
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
fn odd_ids(supplier: Supplier, own: &str) -> Vec<(String, Push)> {
    let (at, body) = (now().timestamp(), says(supplier));
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
