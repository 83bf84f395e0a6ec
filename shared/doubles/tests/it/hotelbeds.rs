//! The Hotelbeds double: its rules, and every class of fault.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use doubles::{Config, Doubles, HotelbedsConfig};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CODE: &str = "E-E10-BCN0001";
const HOLDER: (&str, &str) = ("Holdfast", "Bookings");

/// A caller who does as the published rules say.
struct Agent {
    _doubles: Doubles,
    http: Client,
    base: String,
}

fn signature(secret: &str, seconds: i64) -> String {
    hex::encode(Sha256::digest(format!("dev-hotelbeds-key{secret}{seconds}")))
}

fn day() -> NaiveDate {
    Utc::now().date_naive() + Days::new(30)
}

fn body(rate_key: &str, client_reference: &str) -> Value {
    json!({
        "language": "en",
        "clientReference": client_reference,
        "holder": { "name": HOLDER.0, "surname": HOLDER.1, "email": "ops@holdfast.example",
                    "telephones": ["4915112345678"] },
        "activities": [{
            "rateKey": rate_key, "from": day(), "to": day(),
            "paxes": [
                { "name": "Ada", "surname": "Quill", "age": 30, "type": "ADULT" },
                { "name": "Bo", "surname": "Quill", "age": 9, "type": "CHILDREN" },
            ],
        }],
    })
}

impl Agent {
    async fn new() -> Self {
        Self::with(HotelbedsConfig::default()).await
    }

    async fn with(hotelbeds: HotelbedsConfig) -> Self {
        let config = Config { hotelbeds, ..Config::default() };
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let base = doubles.base_url();
        Self { _doubles: doubles, http, base }
    }

    fn unsigned(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/hotelbeds/activity-api/3.0{path}", self.base))
            .header("Accept", "application/json")
            .header("Api-key", "dev-hotelbeds-key")
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let signature = signature("dev-hotelbeds-secret", Utc::now().timestamp());
        self.unsigned(method, path).header("X-Signature", signature)
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Response {
        self.call(method, path).json(body).send().await.unwrap()
    }

    async fn details(&self, code: &str) -> Response {
        let asked = json!({ "code": code, "from": day(), "to": day(), "language": "en",
                            "paxes": [{ "age": 30 }, { "age": 9 }] });
        self.ask(Method::POST, "/activities/details", &asked).await
    }

    /// The first rate detail of the first rate: flexible.
    async fn rate(&self) -> Value {
        let found: Value = self.details(CODE).await.json().await.unwrap();
        found["activity"]["modalities"][0]["rates"][0]["rateDetails"][0].clone()
    }

    async fn rate_key(&self) -> String {
        self.rate().await["rateKey"].as_str().unwrap().to_owned()
    }

    fn preconfirming(&self, rate_key: &str, client_reference: &str) -> RequestBuilder {
        self.call(Method::PUT, "/bookings/preconfirm").json(&body(rate_key, client_reference))
    }

    async fn preconfirm(&self, client_reference: &str) -> Value {
        let request = self.preconfirming(&self.rate_key().await, client_reference);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    async fn reconfirm(&self, reference: &Value) -> Response {
        let body = json!({ "language": "en", "reference": reference });
        self.ask(Method::PUT, "/bookings/reconfirm", &body).await
    }

    async fn cancel(&self, reference: &Value, flag: &str) -> Response {
        let reference = reference.as_str().unwrap();
        let path = format!("/bookings/en/{reference}?cancellationFlag={flag}");
        self.call(Method::DELETE, &path).send().await.unwrap()
    }

    async fn look_up(&self, client_reference: &str) -> Response {
        let (from, to) = (day() - Days::new(1), day() + Days::new(1));
        let (name, surname) = HOLDER;
        let path = format!("/bookings/en/{client_reference}/{name}/{surname}/{from}/{to}");
        self.call(Method::GET, &path).send().await.unwrap()
    }

    async fn steer(&self, path: &str, body: &Value) -> StatusCode {
        let url = format!("{}/hotelbeds{path}", self.base);
        self.http.post(url).json(body).send().await.unwrap().status()
    }

    async fn arm(&self, operation: &str, fault: &str, after_ms: Option<u64>) {
        let mut body = json!({ "operation": operation, "fault": fault });
        if let Some(after_ms) = after_ms {
            body["after_ms"] = json!(after_ms);
        }
        assert_eq!(self.steer("/faults", &body).await, StatusCode::NO_CONTENT);
    }

    async fn truth(&self) -> Value {
        let url = format!("{}/hotelbeds/truth", self.base);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn states(&self, client_reference: &str) -> Vec<String> {
        let truth = self.truth().await;
        let all = truth["reservations"].as_array().unwrap();
        let mine = all.iter().filter(|it| it["client_reference"] == client_reference);
        mine.map(|it| it["state"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn an_activity_is_found_preconfirmed_reconfirmed_seen_and_cancelled_after_a_simulation() {
    let agent = Agent::new().await;
    let asked = json!({
        "filters": [{ "searchFilterItems": [{ "type": "destination", "value": "BCN" }] }],
        "from": day(), "to": day(), "language": "en", "paxes": [{ "age": 30 }, { "age": 9 }],
    });
    let found: Value =
        agent.ask(Method::POST, "/activities/availability", &asked).await.json().await.unwrap();
    assert_eq!(found["pagination"]["totalItems"], 4);
    assert_eq!(found["activities"][0]["code"], CODE);
    let rate = agent.rate().await;
    let total = rate["totalAmount"]["amount"].clone();
    assert!(total.is_f64(), "{total}");

    let made = agent.preconfirm("LIFE-1").await["booking"].clone();
    assert_eq!(made["status"], "PRECONFIRMED");
    assert_eq!(made["total"], total);
    assert_eq!(made["clientReference"], "LIFE-1");
    assert_eq!(made["activities"][0]["dateFrom"], day().to_string());
    // The server's local time with a Z behind it: an hour ahead of the truth.
    let created: DateTime<Utc> = made["creationDate"].as_str().unwrap().parse().unwrap();
    assert!(created > Utc::now() + TimeDelta::minutes(55), "{created}");
    assert_eq!(agent.states("LIFE-1").await, ["held"]);

    let reference = &made["reference"];
    let booked: Value = agent.reconfirm(reference).await.json().await.unwrap();
    assert_eq!(booked["booking"]["status"], "CONFIRMED");
    let again = agent.reconfirm(reference).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    let seen: Value = agent.look_up("LIFE-1").await.json().await.unwrap();
    assert_eq!(seen["booking"]["reference"], *reference);
    assert_eq!(seen["booking"]["status"], "CONFIRMED");

    let quoted: Value = agent.cancel(reference, "SIMULATION").await.json().await.unwrap();
    assert_eq!(quoted["booking"]["total"].to_string(), "0.0");
    assert_eq!(agent.states("LIFE-1").await, ["confirmed"]);
    let cancelled: Value = agent.cancel(reference, "CANCELLATION").await.json().await.unwrap();
    assert_eq!(cancelled["booking"]["status"], "CANCELLED");
    assert_eq!(agent.states("LIFE-1").await, ["cancelled"]);
    let again = agent.cancel(reference, "CANCELLATION").await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_wrong_key_a_wrong_signature_a_wrong_clock_and_a_spent_quota_are_403() {
    let agent =
        Agent::with(HotelbedsConfig { quota_per_minute: Some(6), ..HotelbedsConfig::default() })
            .await;
    let now = Utc::now().timestamp();
    let path = "/bookings/en/102-1";
    let told = |request: RequestBuilder| async move {
        let response = request.send().await.unwrap();
        let code = response.headers().get("x-mashery-error-code");
        let code = code.map(|code| code.to_str().unwrap().to_owned()).unwrap_or_default();
        (response.status().as_u16(), code)
    };
    let signed =
        |signature: String| agent.unsigned(Method::GET, path).header("X-Signature", signature);
    let unauthorized = (403, "ERR_403_NOT_AUTHORIZED".to_owned());
    assert_eq!(told(agent.unsigned(Method::GET, path)).await, unauthorized);
    assert_eq!(told(signed(signature("guessed", now))).await, unauthorized);
    assert_eq!(told(signed(signature("dev-hotelbeds-secret", now - 330))).await, unauthorized);
    assert_eq!(told(signed(signature("dev-hotelbeds-secret", now - 270))).await.0, 404);
    let wrong_key = agent
        .http
        .get(format!("{}/hotelbeds/activity-api/3.0{path}", agent.base))
        .header("Api-key", "another");
    assert_eq!(told(wrong_key).await, (403, "ERR_403_DEVELOPER_INACTIVE".to_owned()));
    assert_eq!(told(agent.call(Method::GET, path)).await.0, 404);
    let over = (403, "ERR_403_DEVELOPER_OVER_RATE".to_owned());
    assert_eq!(told(agent.call(Method::GET, path)).await, over);
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_said_and_books_nothing() {
    let agent = Agent::new().await;
    let key = agent.rate_key().await;
    let good = body(&key, "STRICT-1");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        body
    };
    let wrong = [
        with(&|it| it["clientReference"] = json!("123456789012345678901")),
        with(&|it| it["holder"]["surname"] = json!("")),
        with(&|it| it["activities"] = json!([])),
        with(&|it| it["activities"][0]["rateKey"] = json!("nobodys")),
        with(&|it| it["activities"][0]["from"] = json!(day() + Days::new(1))),
        with(&|it| it["activities"][0]["paxes"] = json!([])),
        with(&|it| it["activities"][0]["paxes"][0]["age"] = json!(31)),
        with(&|it| it["activities"][0]["paxes"][1]["type"] = json!("CHILD")),
        json!({ "language": "en" }),
    ];
    for body in wrong {
        let response = agent.ask(Method::PUT, "/bookings/preconfirm", &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let told: Value = response.json().await.unwrap();
        assert!(told["errors"][0]["code"].as_str().unwrap().starts_with("INVALID_"), "{told}");
    }
    assert_eq!(agent.truth().await["reservations"], json!([]));
    let plain = agent.call(Method::PUT, "/bookings/preconfirm").body(good.to_string());
    assert_eq!(plain.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(agent.details("E-E10-NOWHERE").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_product_that_is_gone_or_dearer_is_500_and_the_last_place_is_sold_once() {
    let agent = Agent::new().await;
    let places = json!({ "code": CODE, "units": 2 });
    assert_eq!(agent.steer("/inventory", &places).await, StatusCode::NO_CONTENT);
    let key = agent.rate_key().await;
    let tries = (0..40).map(|n| agent.preconfirming(&key, &format!("LAST-{n}")).send());
    let statuses: Vec<u16> = futures::future::join_all(tries)
        .await
        .into_iter()
        .map(|response| response.unwrap().status().as_u16())
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 39);
    let none: Value = agent.details(CODE).await.json().await.unwrap();
    let left = none["activity"]["modalities"].as_array().unwrap();
    assert_eq!(left.len(), 1, "only the one with a guide: {left:?}");

    agent.steer("/inventory", &json!({ "code": CODE, "units": null })).await;
    let old = agent.rate_key().await;
    agent.arm("price_check", "price_changed", None).await;
    let dearer = agent.rate_key().await;
    let refused = agent.preconfirming(&old, "OLD").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(refused["errors"][0]["code"], "PRODUCT_ERROR");
    let taken = agent.preconfirming(&dearer, "NEW").send().await.unwrap();
    assert_eq!(taken.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_preconfirmation_ends_and_gives_its_places_back() {
    let agent = Agent::with(HotelbedsConfig {
        hold_for: Duration::from_millis(60),
        ..HotelbedsConfig::default()
    })
    .await;
    agent.steer("/inventory", &json!({ "code": CODE, "units": 2 })).await;
    let made = agent.preconfirm("ENDS-1").await;
    while agent.states("ENDS-1").await != ["cancelled"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let late = agent.reconfirm(&made["booking"]["reference"]).await;
    assert_eq!(late.status(), StatusCode::INTERNAL_SERVER_ERROR);
    agent.preconfirm("ENDS-2").await;
}

/// What the caller gets: a status, an unreadable body, or nothing.
#[derive(Debug, PartialEq)]
enum Got {
    Status(u16),
    BadBody(u16),
    Nothing,
}

async fn got(request: RequestBuilder) -> Got {
    let Ok(response) = request.timeout(Duration::from_millis(1500)).send().await else {
        return Got::Nothing;
    };
    let status = response.status().as_u16();
    match response.bytes().await {
        Ok(body) if body.is_empty() || serde_json::from_slice::<Value>(&body).is_ok() => {
            Got::Status(status)
        }
        Ok(_) | Err(_) => Got::BadBody(status),
    }
}

#[tokio::test]
async fn a_booking_is_made_or_not_exactly_as_the_fault_is_named() {
    let agent = Agent::new().await;
    let none: &[&str] = &[];
    let cases = [
        ("timeout_before_commit", none, Got::Nothing),
        ("timeout_after_commit", &["held"], Got::Nothing),
        ("reset_after_commit", &["held"], Got::Nothing),
        ("http_500_before", none, Got::Status(500)),
        ("http_500_after", &["held"], Got::Status(500)),
        ("http_503", none, Got::Status(503)),
        ("http_504_after", &["held"], Got::BadBody(504)),
        ("quota_403", none, Got::Status(403)),
        ("accepted_202", &["held"], Got::Status(202)),
        ("malformed_body", &["held"], Got::BadBody(200)),
        ("truncated_body", &["held"], Got::BadBody(200)),
        ("html_200", &["held"], Got::BadBody(200)),
        ("huge_body", &["held"], Got::Status(200)),
        ("redirect", none, Got::Status(307)),
        ("created_twice", &["held", "held"], Got::Status(200)),
        ("wrong_reference", &["held"], Got::Status(200)),
        ("wrong_dates", &["held"], Got::Status(200)),
        ("wrong_guest", &["held"], Got::Status(200)),
        ("wrong_price", &["held"], Got::Status(200)),
        ("wrong_currency", &["held"], Got::Status(200)),
        ("sold_out", none, Got::Status(500)),
        ("hold_lapses", &["cancelled"], Got::Status(200)),
    ];
    for (at, (fault, states, answer)) in cases.into_iter().enumerate() {
        let client_reference = format!("F-{at}");
        let key = agent.rate_key().await;
        agent.arm("reserve", fault, None).await;
        assert_eq!(got(agent.preconfirming(&key, &client_reference)).await, answer, "{fault}");
        assert_eq!(agent.states(&client_reference).await, states, "{fault}");
    }
    let key = agent.rate_key().await;
    agent.arm("reserve", "commit_late", Some(200)).await;
    assert_eq!(got(agent.preconfirming(&key, "LATE")).await, Got::BadBody(504));
    assert_eq!(agent.states("LATE").await, none);
    while agent.states("LATE").await != ["held"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.arm("reserve", "price_changed", None).await;
    assert_eq!(got(agent.preconfirming(&key, "DEARER")).await, Got::Status(500));
    assert_eq!(agent.states("DEARER").await, none);
}

#[tokio::test]
async fn reconfirming_and_cancelling_happen_or_not_as_the_fault_is_named() {
    let agent = Agent::new().await;
    let cases = [
        ("confirm", "http_500_before", "held", 500),
        ("confirm", "http_500_after", "confirmed", 500),
        ("confirm", "accepted_202", "confirmed", 202),
        ("confirm", "confirm_refused", "cancelled", 500),
        ("confirm", "hold_lapses", "cancelled", 500),
        ("cancel", "http_500_before", "held", 500),
        ("cancel", "http_500_after", "cancelled", 500),
        ("cancel", "accepted_202", "cancelled", 202),
        ("cancel", "cancel_refused", "held", 400),
        ("quote_cancel", "quota_403", "held", 403),
    ];
    for (at, (operation, fault, state, status)) in cases.into_iter().enumerate() {
        let client_reference = format!("DEED-{at}");
        let made = agent.preconfirm(&client_reference).await;
        let reference = &made["booking"]["reference"];
        agent.arm(operation, fault, None).await;
        let response = match operation {
            "confirm" => agent.reconfirm(reference).await,
            "cancel" => agent.cancel(reference, "CANCELLATION").await,
            _ => agent.cancel(reference, "SIMULATION").await,
        };
        assert_eq!(response.status().as_u16(), status, "{operation} {fault}");
        assert_eq!(agent.states(&client_reference).await, [state], "{operation} {fault}");
    }
}

#[tokio::test]
async fn a_look_up_can_be_empty_behind_early_or_wrong() {
    let agent = Agent::new().await;
    let made = agent.preconfirm("LOOK-1").await;
    for fault in ["lookup_empty", "lookup_lag"] {
        agent.arm("lookup", fault, None).await;
        assert_eq!(agent.look_up("LOOK-1").await.status(), StatusCode::NOT_FOUND, "{fault}");
    }
    agent.reconfirm(&made["booking"]["reference"]).await;
    agent.arm("lookup", "lookup_stale", None).await;
    let booking = || async { agent.look_up("LOOK-1").await.json::<Value>().await.unwrap() };
    assert_eq!(booking().await["booking"]["status"], "PRECONFIRMED");
    agent.arm("lookup", "wrong_dates", None).await;
    let tomorrow = (day() + Days::new(1)).to_string();
    assert_eq!(booking().await["booking"]["activities"][0]["dateFrom"], tomorrow);
    agent.arm("lookup", "wrong_guest", None).await;
    assert_eq!(booking().await["booking"]["activities"][0]["paxes"][0]["surname"], "Else");
    agent.arm("lookup", "wrong_price", None).await;
    assert_ne!(booking().await["booking"]["total"], made["booking"]["total"]);
    agent.arm("lookup", "wrong_currency", None).await;
    assert_eq!(booking().await["booking"]["currency"], "GBP");
    agent.arm("lookup", "wrong_reference", None).await;
    assert_ne!(booking().await["booking"]["clientReference"], "LOOK-1");
    assert_eq!(booking().await["booking"]["status"], "CONFIRMED");
}

#[tokio::test]
async fn the_list_filters_by_creation_and_pages() {
    let agent = Agent::new().await;
    for n in 0..3 {
        agent.preconfirm(&format!("LIST-{n}")).await;
    }
    let plant = json!({ "client_reference": "STRAY-1", "from": day(), "holder": ["Some", "One"] });
    assert_eq!(agent.steer("/plant", &plant).await, StatusCode::CREATED);
    let act = json!({ "client_reference": "STRAY-1", "act": "cancel" });
    assert_eq!(agent.steer("/act", &act).await, StatusCode::NO_CONTENT);
    let today = Utc::now().date_naive();
    let list = |more: &str| {
        let (from, to) = (today - Days::new(1), today + Days::new(1));
        let path = format!("/bookings/en?start={from}&end={to}&filterType=CREATION{more}");
        let request = agent.call(Method::GET, &path);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let all = list("&includedCancelled=true").await;
    assert_eq!(all["bookings"].as_array().unwrap().len(), 4);
    let standing = list("&includedCancelled=false&itemsPerPage=2&page=2").await;
    assert_eq!(standing["bookings"].as_array().unwrap().len(), 1);
    assert_eq!(standing["pagination"]["totalItems"], 3);
    assert!(standing["bookings"][0]["activities"][0].get("paxes").is_none());
}

#[tokio::test]
async fn every_fault_can_be_armed_strikes_once_and_the_server_goes_on() {
    let agent = Agent::new().await;
    let url = format!("{}/hotelbeds/faults", agent.base);
    let listed: Value = agent.http.get(&url).send().await.unwrap().json().await.unwrap();
    let faults = listed["faults"].as_object().unwrap();
    assert_eq!(faults.len(), 31);
    let mut struck = 0;
    for (fault, operations) in faults {
        for operation in operations.as_array().unwrap().iter().map(|it| it.as_str().unwrap()) {
            if fault == "huge_body" {
                continue;
            }
            struck += 1;
            let key = agent.rate_key().await;
            let asked = json!({ "code": CODE, "from": day(), "to": day(), "paxes": [{ "age": 1 }],
                "filters": [{ "searchFilterItems": [{ "type": "service", "value": CODE }] }] });
            let reference = "102-1";
            agent.arm(operation, fault, Some(1)).await;
            let request = match operation {
                "search" => agent.call(Method::POST, "/activities/availability").json(&asked),
                "price_check" => agent.call(Method::POST, "/activities/details").json(&asked),
                "reserve" => agent.preconfirming(&key, &format!("S-{struck}")),
                "confirm" => agent
                    .call(Method::PUT, "/bookings/reconfirm")
                    .json(&json!({ "reference": reference })),
                "lookup" => agent.call(Method::GET, &format!("/bookings/en/{reference}")),
                "cancel" => agent.call(Method::DELETE, &format!("/bookings/en/{reference}")),
                "quote_cancel" => {
                    let path = format!("/bookings/en/{reference}?cancellationFlag=SIMULATION");
                    agent.call(Method::DELETE, &path)
                }
                other => panic!("{other} is not exercised"),
            };
            got(request).await;
        }
    }
    assert!(struck > 90, "{struck}");
    let left: Value = agent.http.get(&url).send().await.unwrap().json().await.unwrap();
    assert!(left["armed"].as_array().unwrap().iter().all(|it| it["times"] == 0), "{left}");
    agent.preconfirm("AFTER-ALL").await;
}
