//! What is alike at every supplier's double: the names of faults, the truth, how callbacks fail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use doubles::{CallbackConfig, Config, Doubles, NeutralConfig};
use http::{HeaderMap, StatusCode};
use reqwest::Client;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::partner::day;

const SUPPLIERS: [&str; 5] = ["rapid", "etg", "hotelbeds", "duffel", "neutral"];
const OPERATIONS: [&str; 7] =
    ["reserve", "confirm", "cancel", "lookup", "search", "price_check", "callback"];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Every name, and the doubles whose dialect has nothing that could fail so.
const FAULTS: [(&str, &[&str]); 37] = [
    ("timeout_before_commit", &[]),
    ("timeout_after_commit", &[]),
    ("reset_after_commit", &[]),
    ("http_500_before", &[]),
    ("http_500_after", &[]),
    ("http_503", &[]),
    ("http_504_after", &[]),
    ("http_429", &["hotelbeds"]),
    ("accepted_202", &["etg"]),
    ("malformed_body", &[]),
    ("truncated_body", &[]),
    ("html_200", &[]),
    ("huge_body", &[]),
    ("wrong_dates", &[]),
    ("wrong_guest", &[]),
    ("wrong_price", &[]),
    ("wrong_currency", &["neutral"]),
    ("sold_out", &[]),
    ("price_changed", &[]),
    ("lookup_lag", &[]),
    ("lookup_empty", &[]),
    ("cancel_refused", &[]),
    ("slow", &[]),
    ("redirect", &[]),
    ("commit_late", &[]),
    ("created_twice", &[]),
    ("lookup_stale", &["etg", "duffel", "neutral"]),
    ("wrong_reference", &["duffel"]),
    ("hold_lapses", &["etg", "neutral"]),
    ("confirm_refused", &["etg"]),
    ("duplicate_reference_400", &["etg", "hotelbeds", "duffel", "neutral"]),
    ("callback_duplicate", &["hotelbeds"]),
    ("callback_late", &["hotelbeds"]),
    ("callback_reordered", &["hotelbeds"]),
    ("callback_contradicting", &["hotelbeds"]),
    ("callback_forged", &["hotelbeds"]),
    ("callback_missing", &["hotelbeds"]),
];

async fn started(config: Config) -> (Doubles, Client) {
    let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
    (doubles, Client::builder().no_proxy().build().unwrap())
}

#[tokio::test]
async fn faults_have_the_same_names_at_every_supplier_and_what_cannot_be_is_said() {
    let (doubles, http) = started(Config::default()).await;
    for supplier in SUPPLIERS {
        let url = format!("{}/{supplier}/faults", doubles.base_url());
        for (fault, without) in FAULTS {
            let (mut armed, mut said) = (0, Vec::new());
            for operation in OPERATIONS {
                let body = json!({ "operation": operation, "fault": fault });
                let answer = http.post(&url).json(&body).send().await.unwrap();
                armed += usize::from(answer.status() == StatusCode::NO_CONTENT);
                said.push(answer.text().await.unwrap());
            }
            assert_eq!(armed == 0, without.contains(&supplier), "{supplier} {fault}");
            let told = said.iter().all(|said| said.contains("is a fault of other doubles"));
            assert_eq!(told, armed == 0, "{supplier} {fault}: {said:?}");
        }
        let body = json!({ "operation": "reserve", "fault": "no_such" });
        let answer = http.post(&url).json(&body).send().await.unwrap();
        assert!(answer.text().await.unwrap().contains("`no_such` is no fault"));
    }
}

#[tokio::test]
async fn the_truth_says_when_something_was_made_and_when_it_ended() {
    let (doubles, http) = started(Config::default()).await;
    for supplier in ["rapid", "etg", "hotelbeds", "neutral"] {
        let at = |path: &str| format!("{}/{supplier}/{path}", doubles.base_url());
        let mut planted = json!({ "client_reference": "planted-1" });
        let more = match supplier {
            "hotelbeds" => json!({ "from": day(30), "holder": ["Ada", "Quill"] }),
            _ => json!({ "check_in": day(30), "check_out": day(32) }),
        };
        planted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = http.post(at("plant")).json(&planted).send().await.unwrap();
        assert!(answer.status().is_success(), "{supplier}: {}", answer.text().await.unwrap());
        let reservation = async || {
            let truth: Value = http.get(at("truth")).send().await.unwrap().json().await.unwrap();
            truth["reservations"][0].clone()
        };
        let made = reservation().await;
        for field in ["reference", "client_reference", "state", "check_in", "check_out"] {
            assert!(made[field].is_string(), "{supplier} {field}: {made}");
        }
        assert!(made["created_at"].is_string() && made["guests"].is_array(), "{made}");
        assert_eq!(made.get("cancelled_at"), Some(&Value::Null), "{supplier}");
        let act = json!({ "client_reference": "planted-1", "act": "cancel" });
        let answer = http.post(at("act")).json(&act).send().await.unwrap();
        assert!(answer.status().is_success(), "{supplier}");
        let over = reservation().await;
        assert_eq!(over["state"], "cancelled", "{supplier}");
        assert_eq!(over["created_at"], made["created_at"], "{supplier}");
        assert!(over["cancelled_at"].is_string(), "{supplier}: {over}");
    }
}

#[tokio::test]
async fn who_asks_for_a_double_that_is_not_there_is_told_which_are() {
    let (doubles, http) = started(Config::default()).await;
    let answer = http.get(format!("{}/nope/truth", doubles.base_url())).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let told: Value = answer.json().await.unwrap();
    let doubles = told["doubles"].as_array().unwrap();
    assert!(SUPPLIERS.iter().all(|supplier| doubles.contains(&json!(supplier))), "{told}");
}

type Taken = Arc<Mutex<Vec<(String, bool)>>>;

async fn take(State(taken): State<Taken>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let genuine = Webhook::new(SECRET).unwrap().verify(&body, &headers).is_ok();
    let body: Value = serde_json::from_slice(&body).unwrap();
    taken.lock().unwrap().push((body["type"].as_str().unwrap().to_owned(), genuine));
    StatusCode::NO_CONTENT
}

async fn receiver() -> (Taken, SocketAddr) {
    let taken = Taken::default();
    let router = Router::new().route("/", post(take)).with_state(taken.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (taken, address)
}

#[tokio::test]
async fn a_partner_s_callbacks_fail_as_the_fault_is_named() {
    let (taken, address) = receiver().await;
    let callback = Some(CallbackConfig::new(format!("http://{address}/"), SECRET));
    let neutral = NeutralConfig { callback, ..NeutralConfig::default() };
    let (doubles, http) = started(Config { neutral, ..Config::default() }).await;
    let at = |path: &str| format!("{}/neutral/{path}", doubles.base_url());
    let (right, wrong) = ("reservation.cancelled", "reservation.confirmed");
    for (fault, expected) in [
        ("callback_missing", vec![]),
        ("callback_duplicate", vec![(right, true), (right, true)]),
        ("callback_contradicting", vec![(wrong, true)]),
        ("callback_forged", vec![(right, true), (wrong, false)]),
        ("callback_reordered", vec![(right, true)]),
    ] {
        let planted =
            json!({ "client_reference": fault, "check_in": day(30), "check_out": day(32) });
        http.post(at("plant")).json(&planted).send().await.unwrap();
        let armed = json!({ "operation": "callback", "fault": fault, "after_ms": 5 });
        http.post(at("faults")).json(&armed).send().await.unwrap();
        let act = json!({ "client_reference": fault, "act": "cancel" });
        http.post(at("act")).json(&act).send().await.unwrap();
        for _ in 0..100 {
            if !expected.is_empty() && taken.lock().unwrap().len() >= expected.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut come = std::mem::take(&mut *taken.lock().unwrap());
        come.sort();
        let expected: Vec<_> =
            expected.into_iter().map(|(kind, is)| (kind.to_owned(), is)).collect();
        assert_eq!(come, expected, "{fault}");
    }
}
