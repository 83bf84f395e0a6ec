//! The card gateway: the published rules of payment intents, keys, faults and webhooks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::post};
use bytes::Bytes;
use chrono::Utc;
use doubles::{CallbackConfig, CardsConfig, Config};
use hmac::{Hmac, Mac};
use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::partner::Partner;

const SECRET: &str = "sk_test_development-only";
const WEBHOOK_SECRET: &str = "whsec_test";
const GOOD: &str = "4242 4242 4242 4242";
const SECURE: &str = "4000002500003155";
const DECLINED: &str = "4000000000000002";

/// A merchant who does as the published rules say.
struct Merchant(Partner);

impl Merchant {
    async fn new() -> Self {
        Self(Partner::new().await)
    }

    fn request(&self, path: &str, key: Option<&str>, form: &[(&str, &str)]) -> RequestBuilder {
        let form: BTreeMap<_, _> = form.iter().copied().collect();
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.0.http.post(format!("{}/cards/v1{path}", self.0.base));
        let request = request.bearer_auth(SECRET).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    }

    async fn post(&self, path: &str, key: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = self.request(path, Some(key), form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.0.http.get(format!("{}/cards/v1{path}", self.0.base));
        request.bearer_auth(SECRET).send().await.unwrap().json().await.unwrap()
    }

    /// An intent of 120.00 EUR, captured by hand.
    async fn intent(&self, key: &str) -> Value {
        let form = [
            ("amount", "12000"),
            ("currency", "eur"),
            ("capture_method", "manual"),
            ("metadata[payment_id]", "p1"),
        ];
        let (status, intent) = self.post("/payment_intents", key, &form).await;
        assert_eq!(status, StatusCode::OK, "{intent}");
        intent
    }

    /// An intent that is authorised; its id.
    async fn authorised(&self, key: &str) -> String {
        let intent = self.intent(key).await;
        assert_eq!(self.types(&intent, GOOD).await.1["status"], "requires_capture");
        text(&intent, "id")
    }

    /// The customer types a card.
    async fn types(&self, intent: &Value, card: &str) -> (StatusCode, Value) {
        let path = format!("/cards/pay/{}", text(intent, "client_secret"));
        self.steer(&path, json!({ "card": card })).await
    }

    async fn steer(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.0.steer(path, &body).await;
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn truth(&self) -> Value {
        let answer = self.0.http.get(format!("{}/cards/truth", self.0.base)).send().await;
        answer.unwrap().json().await.unwrap()
    }

    async fn charged(&self) -> u64 {
        self.truth().await["payment_intents"][0]["charged"].as_u64().unwrap()
    }

    async fn arm(&self, operation: &str, fault: &str) {
        let body = json!({ "operation": operation, "fault": fault, "after_ms": 10 });
        assert_eq!(self.steer("/cards/faults", body).await.0, StatusCode::NO_CONTENT);
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("{field} of {value}")).to_owned()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn money_is_held_then_taken_and_parts_go_back() {
    let merchant = Merchant::new().await;
    let id = merchant.authorised("a").await;
    let held = merchant.get(&format!("/payment_intents/{id}?expand[]=latest_charge")).await;
    assert_eq!((&held["amount_capturable"], &held["amount_received"]), (&json!(12000), &json!(0)));
    assert_eq!(held["metadata"]["payment_id"], "p1");
    assert_eq!(merchant.charged().await, 0, "what is held is not taken");

    let capture = format!("/payment_intents/{id}/capture");
    let (_, taken) = merchant.post(&capture, "b", &[]).await;
    assert_eq!((&taken["status"], &taken["amount_received"]), (&json!("succeeded"), &json!(12000)));
    let (status, again) = merchant.post(&capture, "c", &[]).await;
    assert_eq!(
        (status, code(&again)),
        (StatusCode::BAD_REQUEST, "payment_intent_unexpected_state")
    );
    let (status, late) = merchant.post(&format!("/payment_intents/{id}/cancel"), "d", &[]).await;
    assert_eq!((status, code(&late)), (StatusCode::BAD_REQUEST, "payment_intent_unexpected_state"));

    let part = [("payment_intent", id.as_str()), ("amount", "2000"), ("metadata[refund_id]", "r")];
    let (_, refund) = merchant.post("/refunds", "e", &part).await;
    assert_eq!((&refund["status"], &refund["amount"]), (&json!("succeeded"), &json!(2000)));
    let more = [("payment_intent", id.as_str()), ("amount", "10001")];
    let (status, too_much) = merchant.post("/refunds", "f", &more).await;
    assert_eq!((status, code(&too_much)), (StatusCode::BAD_REQUEST, "amount_too_large"));
    let listed = merchant.get(&format!("/refunds?payment_intent={id}&limit=100")).await;
    assert_eq!(listed["data"][0]["metadata"]["refund_id"], "r");
    assert_eq!(merchant.charged().await, 10000);
}

#[tokio::test]
async fn a_declined_card_can_be_followed_by_another_and_3d_secure_comes_between() {
    let merchant = Merchant::new().await;
    let intent = merchant.intent("a").await;
    let (_, declined) = merchant.types(&intent, DECLINED).await;
    assert_eq!(declined["status"], "requires_payment_method");
    assert_eq!(declined["last_payment_error"]["code"], "card_declined");
    let (_, asked) = merchant.types(&intent, SECURE).await;
    assert_eq!(asked["status"], "requires_action");
    let url = text(&asked["next_action"]["redirect_to_url"], "url");
    let url = format!("/cards{url}");
    let failed = merchant.steer(&url, json!({ "passes": false })).await.1;
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    merchant.types(&intent, SECURE).await;
    let passed = merchant.steer(&url, json!({ "passes": true })).await.1;
    assert_eq!(passed["status"], "requires_capture");
    assert_eq!(merchant.types(&intent, GOOD).await.0, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_key_gets_its_first_answer_again_also_where_that_was_a_failure() {
    let merchant = Merchant::new().await;
    let first = merchant.intent("a").await;
    assert_eq!(merchant.intent("a").await["id"], first["id"]);
    let other = [("amount", "1"), ("currency", "eur")];
    let (status, refused) = merchant.post("/payment_intents", "a", &other).await;
    assert_eq!(
        (status, &refused["error"]["type"]),
        (StatusCode::BAD_REQUEST, &json!("idempotency_error"))
    );

    let id = merchant.authorised("b").await;
    let capture = format!("/payment_intents/{id}/capture");
    merchant.arm("capture", "http_500_after").await;
    assert_eq!(merchant.post(&capture, "c", &[]).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    let again = merchant.request(&capture, Some("c"), &[]).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    let intent = merchant.get(&format!("/payment_intents/{id}")).await;
    assert_eq!(intent["status"], "succeeded", "it was done all the same");

    // What was turned away before it began leaves no trace under its key.
    merchant.arm("refund", "key_in_use").await;
    let all = [("payment_intent", id.as_str())];
    assert_eq!(merchant.post("/refunds", "d", &all).await.0, StatusCode::CONFLICT);
    merchant.arm("refund", "timeout_before_commit").await;
    assert!(merchant.request("/refunds", Some("d"), &all).send().await.is_err());
    merchant.arm("refund", "timeout_after_commit").await;
    assert!(merchant.request("/refunds", Some("d"), &all).send().await.is_err());
    assert_eq!(merchant.post("/refunds", "d", &all).await.1["amount"], 12000);
    let truth = merchant.truth().await;
    assert_eq!(truth["refunds"].as_array().unwrap().len(), 1, "{truth}");
}

#[tokio::test]
async fn amounts_are_in_the_smallest_unit_that_the_gateway_takes() {
    let merchant = Merchant::new().await;
    for (amount, currency, expected) in [
        ("12000", "jpy", ""),
        ("12340", "kwd", ""),
        ("12345", "kwd", "invalid_amount"),
        ("0", "eur", "parameter_invalid_integer"),
        ("1.5", "eur", "parameter_invalid_integer"),
        ("-5", "eur", "parameter_invalid_integer"),
        ("100000000", "eur", "parameter_invalid_integer"),
        ("100", "EUR", "parameter_invalid"),
    ] {
        let form = [("amount", amount), ("currency", currency)];
        let (_, answer) =
            merchant.post("/payment_intents", &format!("{amount} {currency}"), &form).await;
        assert_eq!(code(&answer), expected, "{amount} {currency}: {answer}");
    }
    let unsigned = merchant.0.http.get(format!("{}/cards/v1/payment_intents/x", merchant.0.base));
    assert_eq!(unsigned.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_taken_in_time_is_given_back_and_disputes_take_what_was() {
    let cards = CardsConfig { authorised_for: Duration::ZERO, ..CardsConfig::default() };
    let merchant = Merchant(Partner::with(Config { cards, ..Config::default() }).await);
    let intent = merchant.intent("a").await;
    merchant.types(&intent, GOOD).await;
    let id = text(&intent, "id");
    let lapsed = merchant.get(&format!("/payment_intents/{id}")).await;
    assert_eq!(
        (&lapsed["status"], &lapsed["cancellation_reason"]),
        (&json!("canceled"), &json!("automatic"))
    );

    let merchant = Merchant::new().await;
    let id = merchant.authorised("a").await;
    merchant.post(&format!("/payment_intents/{id}/capture"), "b", &[]).await;
    for act in ["dispute", "dispute_lost"] {
        merchant.steer("/cards/act", json!({ "of": id, "act": act })).await;
    }
    let intent = merchant.get(&format!("/payment_intents/{id}")).await;
    assert_eq!(intent["latest_charge"]["disputed"], true);
    let disputes = merchant.get(&format!("/disputes?payment_intent={id}")).await;
    assert_eq!(disputes["data"][0]["status"], "lost");
    assert_eq!(merchant.charged().await, 0);
}

/// A push: whether its signature holds, its age, its body.
type Push = (bool, i64, Value);
type Pushes = Arc<Mutex<Vec<Push>>>;

async fn take(State(pushes): State<Pushes>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = headers["stripe-signature"].to_str().unwrap();
    let (stamp, made) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
    mac.update(format!("{stamp}.").as_bytes());
    mac.update(&body);
    let holds = mac.verify_slice(&hex::decode(made).unwrap()).is_ok();
    let age = Utc::now().timestamp() - stamp.parse::<i64>().unwrap();
    pushes.lock().unwrap().push((holds, age, serde_json::from_slice(&body).unwrap()));
    StatusCode::OK
}

#[tokio::test]
async fn webhooks_are_signed_and_can_be_lost_repeated_forged_and_stale() {
    let pushes = Pushes::default();
    let router = Router::new().route("/", post(take)).with_state(pushes.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let callback = Some(CallbackConfig::new(format!("http://{address}/"), WEBHOOK_SECRET));
    let cards = CardsConfig { callback, ..CardsConfig::default() };
    let merchant = Merchant(Partner::with(Config { cards, ..Config::default() }).await);
    let come = |count: usize| {
        let pushes = pushes.clone();
        async move {
            for _ in 0..500 {
                let come = pushes.lock().unwrap().clone();
                if come.len() >= count {
                    return come;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("{count} never came: {:?}", pushes.lock().unwrap());
        }
    };
    merchant.arm("webhook", "webhook_lost").await;
    merchant.arm("webhook", "webhook_twice").await;
    let id = merchant.authorised("a").await;
    let twice = come(2).await;
    assert!(twice.iter().all(|(holds, age, _)| *holds && *age < 5));
    assert_eq!(twice[0].2["id"], twice[1].2["id"]);
    assert_eq!(twice[0].2["type"], "payment_intent.amount_capturable_updated");
    assert_eq!(twice[0].2["data"]["object"]["id"], json!(id));

    let notify = |how: &'static str| json!({ "payment_intent": id, (how): true });
    merchant.steer("/cards/notify", notify("forged")).await;
    let forged = come(3).await;
    assert!(!forged[2].0);
    merchant.steer("/cards/notify", notify("stale")).await;
    let stale = come(4).await;
    assert!(stale[3].0 && stale[3].1 >= 600);
}
