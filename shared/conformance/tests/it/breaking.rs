//! A partner that breaks one rule of the published contract: what it does stands in front of our
//! double, which keeps them all.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header::HOST, request::Parts};
use serde_json::json;

/// The rules, by the names of the checks that look at them.
pub(crate) const RULES: [&str; 7] = [
    "signature",
    "clock",
    "unknown_reference",
    "broken_request",
    "repeat",
    "cancel_twice",
    "expiry",
];

const ALIVE: &str = "alive";
const NOTHING: &str = r#"{"reservations":[]}"#;

struct Breaking {
    rule: &'static str,
    doubles: String,
    http: reqwest::Client,
    /// What was asked for before.
    before: Mutex<BTreeSet<String>>,
    /// What was made last, as it was answered.
    made: Mutex<String>,
}

/// Serves a partner that breaks a rule; its address.
pub(crate) async fn front(doubles: &str, rule: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let breaking = Breaking {
        rule,
        doubles: doubles.to_owned(),
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        before: Mutex::default(),
        made: Mutex::default(),
    };
    let router = Router::new().fallback(answer).with_state(Arc::new(breaking));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn answer(State(breaking): State<Arc<Breaking>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().unwrap().as_str();
    let mut headers = head.headers.clone();
    headers.remove(HOST);
    let url = format!("{}{path}", breaking.doubles);
    let sent = breaking.http.request(head.method.clone(), url).headers(headers).body(body.clone());
    let reply = sent.send().await.unwrap();
    let status = reply.status();
    let mut told = HeaderMap::new();
    for (name, value) in reply.headers() {
        let is_limit = name.as_str().starts_with("ratelimit-");
        if is_limit && breaking.rule != "no_limits_told" {
            told.insert(name.clone(), value.clone());
        }
    }
    // Its holds are over within seconds, and it offers them as long enough to be sold.
    let text = reply.text().await.unwrap().replace(r#""hold_for_s":4"#, r#""hold_for_s":86400"#);
    let (status, text) = breaking.spoil(&head, &body, status, text).await;
    (status, told, [("content-type", "application/json")], text).into_response()
}

impl Breaking {
    /// The answer as it is where the rule is broken.
    async fn spoil(
        &self,
        head: &Parts,
        body: &Bytes,
        status: StatusCode,
        text: String,
    ) -> (StatusCode, String) {
        let (method, headers, path) = (&head.method, &head.headers, head.uri.path());
        let asks = method == Method::GET;
        let reserves = method == Method::POST && path.ends_with("/reservations");
        let again = |what: String| !self.before.lock().unwrap().insert(what);
        let let_in = || (StatusCode::OK, NOTHING.to_owned());
        match self.rule {
            "signature" if status == StatusCode::UNAUTHORIZED && !is_old(headers) => let_in(),
            "clock" if status == StatusCode::UNAUTHORIZED && is_old(headers) => let_in(),
            "unknown_reference" if asks && text == NOTHING => (StatusCode::NOT_FOUND, text),
            "broken_request" if reserves && status == StatusCode::BAD_REQUEST => {
                self.make(body).await;
                (status, text)
            }
            "repeat" if reserves && status.is_success() && again(named(body)) => {
                self.make(body).await;
                (status, text)
            }
            "repeat_409" if reserves && status.is_success() && again(named(body)) => {
                refused(StatusCode::CONFLICT, "reference_taken")
            }
            "repeat_500" if reserves && status.is_success() && again(named(body)) => {
                refused(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
            // Whoever asks for something else is answered with what there is.
            "taken_200" if reserves && status.is_success() => {
                self.made.lock().unwrap().clone_from(&text);
                (status, text)
            }
            "taken_200" if reserves && status == StatusCode::CONFLICT => {
                (StatusCode::OK, self.made.lock().unwrap().clone())
            }
            "cancel_twice_409" if method == Method::DELETE && again(path.to_owned()) => {
                refused(StatusCode::CONFLICT, "not_cancellable")
            }
            "cancel_twice_500" if method == Method::DELETE && again(path.to_owned()) => {
                refused(StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
            // What is cancelled once more lives again.
            "cancel_twice" if method == Method::DELETE && again(path.to_owned()) => {
                self.before.lock().unwrap().insert(ALIVE.to_owned());
                (status, text)
            }
            "cancel_twice" if asks && self.before.lock().unwrap().contains(ALIVE) => {
                (status, text.replace(r#""cancelled""#, r#""confirmed""#))
            }
            // It takes every second look-up alone, and says so.
            "busy" if asks && self.seconds() => refused(StatusCode::TOO_MANY_REQUESTS, "limit"),
            "expiry" if asks => (status, text.replace(r#""expired""#, r#""confirmed""#)),
            _ => (status, text),
        }
    }

    /// Whether this is the second of two.
    fn seconds(&self) -> bool {
        let mut before = self.before.lock().unwrap();
        let second = before.remove("first");
        if !second {
            before.insert("first".to_owned());
        }
        second
    }

    /// A reservation under the reference that was named.
    async fn make(&self, body: &Bytes) {
        let (check_in, check_out) = ("2031-05-01", "2031-05-03");
        let reference = named(body);
        let made = json!({
            "client_reference": reference, "check_in": check_in, "check_out": check_out,
        });
        let planted = self.http.post(format!("{}/neutral/plant", self.doubles)).json(&made);
        assert!(planted.send().await.unwrap().status().is_success());
    }
}

fn refused(status: StatusCode, code: &str) -> (StatusCode, String) {
    (status, json!({ "error": { "code": code, "message": code } }).to_string())
}

/// The reference that a request names, also where only half of it is there.
fn named(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let (_, after) = text.split_once(r#""client_reference":""#).unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn is_old(headers: &HeaderMap) -> bool {
    let stamp = headers.get("partner-timestamp").and_then(|it| it.to_str().ok());
    let stamp: i64 = stamp.and_then(|it| it.parse().ok()).unwrap_or_default();
    chrono::Utc::now().timestamp() - stamp > 300
}
