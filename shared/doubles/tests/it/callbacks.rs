//! Notifications arrive signed, in order, again after a refusal, and wrong in the ways that are
//! asked for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use doubles::{CallbackConfig, Config, RapidConfig};
use http::{HeaderMap, StatusCode};
use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::partner::{EMAIL, Partner, href};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Takes notifications and answers with what it is set to.
#[derive(Default)]
struct Receiver {
    taken: Mutex<Vec<(HeaderMap, Bytes)>>,
    answer: AtomicU16,
}

impl Receiver {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let receiver = Arc::new(Self { answer: AtomicU16::new(204), ..Self::default() });
        let router = Router::new().route("/rapid", post(take)).with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, address)
    }

    /// Waits until `count` have come and returns (event type, client reference, signature holds,
    /// webhook id).
    async fn come(&self, count: usize) -> Vec<(String, String, bool, String)> {
        for _ in 0..500 {
            let taken = self.taken.lock().unwrap().clone();
            if taken.len() >= count {
                return taken.iter().map(|(headers, body)| read(headers, body)).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} never came: {:?}", self.taken.lock().unwrap());
    }
}

async fn take(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    receiver.taken.lock().unwrap().push((headers, body));
    StatusCode::from_u16(receiver.answer.load(Ordering::SeqCst)).unwrap()
}

fn read(headers: &HeaderMap, body: &[u8]) -> (String, String, bool, String) {
    let genuine = Webhook::new(SECRET).unwrap().verify(body, headers).is_ok();
    let body: Value = serde_json::from_slice(body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    assert_eq!(id, text("event_id"));
    (text("event_type"), text("affiliate_reference_id"), genuine, id)
}

async fn started() -> (Partner, Arc<Receiver>) {
    let (receiver, address) = Receiver::start().await;
    let callback = CallbackConfig {
        retry_after: Duration::from_millis(20),
        attempts: 3,
        ..CallbackConfig::new(format!("http://{address}/rapid"), SECRET)
    };
    let rapid = RapidConfig { callback: Some(callback), ..RapidConfig::default() };
    (Partner::with(Config { rapid, ..Config::default() }).await, receiver)
}

#[tokio::test]
async fn a_stay_s_changes_are_pushed_signed_and_in_order() {
    let (partner, receiver) = started().await;
    let made = partner.reserve("push-1", true).await;
    partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
    partner.call(Method::DELETE, &href(&made["links"], "retrieve")).send().await.unwrap();
    let come = receiver.come(3).await;
    let types: Vec<&str> = come.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(
        types,
        ["itinerary.agent.create", "itinerary.supplier.confirm", "itinerary.agent.cancel"]
    );
    assert!(come.iter().all(|it| it.1 == "push-1" && it.2));
    let body: Value = serde_json::from_slice(&receiver.taken.lock().unwrap()[0].1).unwrap();
    assert_eq!(body["itinerary_id"], made["itinerary_id"]);
    assert_eq!(body["email"], EMAIL);
    assert!(body["event_time"].is_string() && body["message"].is_string());
}

#[tokio::test]
async fn callbacks_are_doubled_forged_turned_round_and_lost_on_demand() {
    let (partner, receiver) = started().await;
    partner.arm("callback", "callback_missing", None).await;
    partner.reserve("missing-1", true).await;
    partner.arm("callback", "callback_duplicate", None).await;
    partner.reserve("double-1", true).await;
    let come = receiver.come(2).await;
    assert_eq!(come[0], come[1]);
    assert_eq!(come[0].1, "double-1");

    partner.arm("callback", "callback_forged", None).await;
    partner.reserve("forged-1", true).await;
    let come = receiver.come(4).await;
    let forged: Vec<_> = come[2..].iter().map(|it| (it.0.as_str(), it.2)).collect();
    assert_eq!(forged, [("itinerary.supplier.cancel", false), ("itinerary.agent.create", true)]);

    partner.arm("callback", "callback_contradicting", None).await;
    partner.reserve("against-1", true).await;
    let come = receiver.come(5).await;
    assert_eq!((come[4].0.as_str(), come[4].2), ("itinerary.supplier.cancel", true));
    assert_eq!(partner.states("against-1").await, ["held"]);
}

#[tokio::test]
async fn callbacks_come_late_or_overtaken_on_demand() {
    let (partner, receiver) = started().await;
    partner.arm("callback", "callback_late", Some(400)).await;
    partner.reserve("late-1", true).await;
    partner.reserve("next-1", true).await;
    let come = receiver.come(2).await;
    assert_eq!((come[0].1.as_str(), come[1].1.as_str()), ("next-1", "late-1"));

    partner.arm("callback", "callback_reordered", None).await;
    let made = partner.reserve("order-1", true).await;
    partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
    let come = receiver.come(4).await;
    let types: Vec<&str> = come[2..].iter().map(|it| it.0.as_str()).collect();
    assert_eq!(types, ["itinerary.supplier.confirm", "itinerary.agent.create"]);
    partner.arm("callback", "callback_reordered", Some(50)).await;
    partner.reserve("alone-1", true).await;
    assert_eq!(receiver.come(5).await[4].1, "alone-1");
}

#[tokio::test]
async fn a_refused_push_is_repeated_and_then_fetched_once() {
    let (partner, receiver) = started().await;
    receiver.answer.store(503, Ordering::SeqCst);
    partner.reserve("refused-1", true).await;
    let come = receiver.come(3).await;
    assert!(come.iter().all(|it| *it == come[0]), "{come:?}");
    let fetch = || async {
        let response = partner.get("/v3/notifications?undeliverable=true").await;
        response.json::<Value>().await.unwrap()
    };
    let mut fetched = fetch().await;
    for _ in 0..200 {
        if fetched != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        fetched = fetch().await;
    }
    assert_eq!(fetched[0]["affiliate_reference_id"], "refused-1");
    assert_eq!(fetch().await, json!([]));
}

#[tokio::test]
async fn support_can_push_now_about_anything_and_forge_it() {
    let (partner, receiver) = started().await;
    let notify = json!({ "reference": "8999", "client_reference": "never", "event_type": "itinerary.fraud.cancel" });
    assert_eq!(partner.steer("/rapid/notify", &notify).await.status(), StatusCode::ACCEPTED);
    let come = receiver.come(1).await;
    assert_eq!(
        (come[0].0.as_str(), come[0].1.as_str(), come[0].2),
        ("itinerary.fraud.cancel", "never", true)
    );
    let forged = json!({ "event_type": "itinerary.agent.cancel", "forged": true });
    partner.steer("/rapid/notify", &forged).await;
    assert!(!receiver.come(2).await[1].2);
    let test = json!({ "event_type": "itinerary.supplier.confirm" });
    let response = partner.post("/v3/notifications", &test).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(receiver.come(3).await[2].0, "itinerary.supplier.confirm");
    let unknown = partner.post("/v3/notifications", &json!({ "event_type": "x" })).await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_lapsed_hold_is_told_as_the_property_s_cancellation() {
    let (partner, receiver) = started().await;
    partner.arm("reserve", "hold_lapses", Some(100)).await;
    partner.reserve("lapse-1", true).await;
    assert_eq!(receiver.come(2).await[1].0, "itinerary.supplier.cancel");
    assert_eq!(partner.states("lapse-1").await, ["cancelled"]);
}
