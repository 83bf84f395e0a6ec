//! The ETG double as a partner meets it: strict about what is published, and each fault does what
//! its name says.

use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use doubles::{Config, Doubles, EtgConfig};
use serde_json::{Value, json};

/// A stay far enough ahead that it can be cancelled free.
fn checkin() -> NaiveDate {
    Utc::now().date_naive() + Days::new(60)
}

fn checkout() -> NaiveDate {
    checkin() + Days::new(2)
}

struct Etg {
    doubles: Doubles,
    http: reqwest::Client,
}

impl Etg {
    async fn start() -> Self {
        let config = Config { etg: EtgConfig::default(), ..Config::default() };
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { doubles, http }
    }

    async fn call(&self, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/etg/api/b2b/v3/{path}/", self.doubles.base_url());
        let asked = self.http.post(url).basic_auth("dev-etg-key", Some("dev-etg-secret-token"));
        let reply = asked.json(body).timeout(Duration::from_secs(5)).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap_or_default())
    }

    async fn control(&self, path: &str, body: &Value) -> u16 {
        let url = format!("{}/etg/{path}", self.doubles.base_url());
        self.http.post(url).json(body).send().await.unwrap().status().as_u16()
    }

    async fn truth(&self) -> Vec<String> {
        let url = format!("{}/etg/truth", self.doubles.base_url());
        let truth: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let all = truth["reservations"].as_array().unwrap().iter();
        all.map(|it| it["state"].as_str().unwrap().to_owned()).collect()
    }

    async fn rates(&self) -> Vec<Value> {
        let (_, found) = self.call("search/hp", &search()).await;
        found["data"]["hotels"][0]["rates"].as_array().cloned().unwrap_or_default()
    }

    /// The hash of a prebooked rate that is paid from the deposit.
    async fn prebooked(&self) -> String {
        let hash = self.rates().await[0]["book_hash"].clone();
        let (_, found) = self.call("hotel/prebook", &json!({ "hash": hash })).await;
        let rate = &found["data"]["hotels"][0]["rates"][0];
        rate["book_hash"].as_str().unwrap().to_owned()
    }

    async fn form(&self, own: &str) -> Value {
        let body = json!({
            "partner_order_id": own, "book_hash": self.prebooked().await, "language": "en",
            "user_ip": "192.0.2.1",
        });
        self.call("hotel/order/booking/form", &body).await.1
    }

    async fn start_booking(&self, own: &str, form: &Value) -> Value {
        self.call("hotel/order/booking/finish", &finish(own, form)).await.1
    }

    async fn status(&self, own: &str) -> Value {
        let body = json!({ "partner_order_id": own });
        self.call("hotel/order/booking/finish/status", &body).await.1
    }

    async fn book(&self, own: &str) -> Value {
        let form = self.form(own).await;
        self.start_booking(own, &form).await;
        self.status(own).await
    }

    async fn orders(&self, own: &str) -> Vec<Value> {
        let body = json!({
            "ordering": { "ordering_type": "desc", "ordering_by": "created_at" },
            "pagination": { "page_size": 10, "page_number": 1 },
            "search": { "partner_order_ids": [own] },
        });
        let (_, found) = self.call("hotel/order/info", &body).await;
        found["data"]["orders"].as_array().cloned().unwrap_or_default()
    }

    async fn cancel(&self, own: &str) -> Value {
        self.call("hotel/order/cancel", &json!({ "partner_order_id": own })).await.1
    }
}

fn search() -> Value {
    json!({
        "checkin": checkin(), "checkout": checkout(), "residency": "de", "language": "en",
        "guests": [{ "adults": 2, "children": [] }], "hid": 8_473_001, "currency": "EUR",
    })
}

fn finish(own: &str, form: &Value) -> Value {
    let way = &form["data"]["payment_types"][0];
    json!({
        "user": { "email": "ops@partner.example", "phone": "+4915112345678" },
        "partner": { "partner_order_id": own },
        "language": "en",
        "rooms": [{ "guests": [
            { "first_name": "Ada", "last_name": "Lovelace" },
            { "first_name": "Ida", "last_name": "Lovelace" },
        ] }],
        "payment_type": {
            "type": way["type"], "amount": way["amount"], "currency_code": way["currency_code"],
        },
    })
}

#[tokio::test]
async fn a_stay_is_searched_prebooked_booked_shown_and_cancelled_free() {
    let etg = Etg::start().await;
    assert_eq!(etg.book("own-1").await["status"], "ok");
    let [order] = etg.orders("own-1").await.try_into().unwrap();
    assert_eq!((&order["status"], &order["checkin_at"]), (&json!("completed"), &json!(checkin())));
    let cancelled = etg.cancel("own-1").await;
    assert_eq!(cancelled["data"]["amount_payable"]["amount"], "0.00");
    assert_eq!(etg.cancel("own-1").await["error"], "order_not_found");
    assert_eq!(etg.orders("own-1").await[0]["status"], "cancelled");
    assert_eq!(etg.truth().await, ["cancelled"]);
}

#[tokio::test]
async fn a_reference_is_used_once_and_a_process_started_once() {
    let etg = Etg::start().await;
    let form = etg.form("own-1").await;
    assert_eq!(etg.status("own-1").await["error"], "booking_finish_did_not_succeed");
    assert_eq!(etg.form("own-1").await["error"], "double_booking_form");
    assert_eq!(etg.start_booking("own-1", &form).await["status"], "ok");
    assert_eq!(etg.start_booking("own-1", &form).await["error"], "double_booking_finish");
    assert_eq!(etg.form("own-1").await["error"], "duplicate_reservation");
    assert_eq!(etg.status("own-2").await["error"], "order_not_found");
    assert_eq!(etg.truth().await, ["confirmed"]);
}

#[tokio::test]
async fn what_is_started_has_to_be_what_was_searched_and_created() {
    let etg = Etg::start().await;
    let form = etg.form("own-1").await;
    let good = finish("own-1", &form);
    let with = |path: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(path).unwrap() = value;
        body
    };
    let child = json!({ "first_name": "Ben", "last_name": "Lovelace", "is_child": true, "age": 4 });
    for (body, error) in [
        (with("/rooms/0/guests/1", child), "incorrect_guests_number"),
        (with("/rooms", json!([])), "incorrect_rooms_number"),
        (with("/payment_type/amount", json!("1.00")), "incorrect_chosen_payment_type"),
        (
            with("/payment_type/type", json!("now")),
            "chosen_payment_type_was_not_available_on_booking_form",
        ),
        (with("/user/email", json!("nobody")), "email"),
        (with("/rooms/0/guests/0/first_name", json!("R2D2")), "ok"),
    ] {
        let (_, reply) = etg.call("hotel/order/booking/finish", &body).await;
        assert_eq!(reply["error"].as_str().unwrap_or("ok"), error);
    }
    assert_eq!(etg.truth().await, ["confirmed"]);
}

#[tokio::test]
async fn whoever_shows_no_key_or_sends_nonsense_is_turned_away() {
    let etg = Etg::start().await;
    let url = format!("{}/etg/api/b2b/v3/search/hp/", etg.doubles.base_url());
    let anonymous = etg.http.post(&url).json(&search()).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    let wrong = etg.http.post(&url).basic_auth("dev-etg-key", Some("x")).json(&search());
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    for (key, value) in [
        ("checkin", json!("2020-01-01")),
        ("checkout", json!(checkin())),
        ("guests", json!([{ "adults": 7 }])),
        ("guests", json!([{ "adults": 1, "children": [1, 2, 3, 4, 5] }])),
        ("id", json!("both_names")),
        ("language", json!("english")),
        ("hid", json!("text")),
    ] {
        let mut body = search();
        body[key] = value;
        let (status, reply) = etg.call("search/hp", &body).await;
        assert_eq!((status, &reply["error"]), (400, &json!("invalid_params")), "{key}");
    }
}

#[tokio::test]
async fn each_fault_of_the_start_does_what_its_name_says() {
    let etg = Etg::start().await;
    for (at, (fault, after_ms, answers, ends, exists)) in [
        ("timeout_before_commit", Some(1), None, "booking_finish_did_not_succeed", 0),
        ("timeout_after_commit", Some(1), None, "ok", 1),
        ("reset_after_commit", None, None, "ok", 1),
        ("http_500_before", None, Some(500), "booking_finish_did_not_succeed", 0),
        ("http_500_after", None, Some(500), "ok", 1),
        ("http_503", None, Some(503), "booking_finish_did_not_succeed", 0),
        ("http_429", None, Some(429), "booking_finish_did_not_succeed", 0),
        ("http_504_after", None, Some(504), "ok", 1),
        ("error_unknown_before", None, Some(200), "booking_finish_did_not_succeed", 0),
        ("error_unknown_after", None, Some(200), "ok", 1),
        ("malformed_body", None, Some(200), "ok", 1),
        ("html_200", None, Some(200), "ok", 1),
        ("sold_out", None, Some(200), "soldout", 0),
        ("provider", None, Some(200), "provider", 0),
        ("book_limit", None, Some(200), "book_limit", 0),
        ("stays_processing", Some(60_000), Some(200), "processing", 0),
        ("created_twice", None, Some(200), "ok", 2),
    ]
    .into_iter()
    .enumerate()
    {
        let own = format!("own-{at}");
        let form = etg.form(&own).await;
        let arm = json!({ "operation": "reserve", "fault": fault, "after_ms": after_ms });
        assert_eq!(etg.control("faults", &arm).await, 204, "{fault}");
        let url = format!("{}/etg/api/b2b/v3/hotel/order/booking/finish/", etg.doubles.base_url());
        let asked = etg.http.post(url).basic_auth("dev-etg-key", Some("dev-etg-secret-token"));
        let reply = asked.json(&finish(&own, &form)).send().await;
        assert_eq!(reply.ok().map(|reply| reply.status().as_u16()), answers, "{fault}");
        let status = etg.status(&own).await;
        let word = status["error"].as_str().or(status["status"].as_str());
        assert_eq!(word, Some(ends), "{fault}");
        assert_eq!(etg.orders(&own).await.len(), exists, "{fault}");
    }
}

#[tokio::test]
async fn a_late_start_books_later_and_a_hidden_order_shows_later() {
    let etg = Etg::start().await;
    let form = etg.form("own-1").await;
    for fault in ["commit_late", "lookup_lag"] {
        let arm = json!({ "operation": "reserve", "fault": fault, "after_ms": 200 });
        etg.control("faults", &arm).await;
    }
    etg.start_booking("own-1", &form).await;
    assert_eq!(etg.truth().await.len(), 0);
    let form = etg.form("own-2").await;
    assert_eq!(etg.start_booking("own-2", &form).await["status"], "ok");
    assert_eq!(etg.status("own-2").await["status"], "ok");
    assert_eq!(etg.orders("own-2").await.len(), 0);
    let mut tries = 0;
    while etg.orders("own-1").await.len() + etg.orders("own-2").await.len() < 2 {
        tries += 1;
        assert!(tries < 100, "neither showed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn prices_move_rooms_run_out_and_the_wrong_is_told_on_request() {
    let etg = Etg::start().await;
    let rate = etg.rates().await[0].clone();
    let price = |rate: &Value| {
        let way = &rate["payment_options"]["payment_types"][0];
        way["amount"].as_str().unwrap().to_owned()
    };
    etg.control("faults", &json!({ "operation": "price_check", "fault": "price_changed" })).await;
    let ask = json!({ "hash": rate["book_hash"], "price_increase_percent": 20 });
    let (_, dearer) = etg.call("hotel/prebook", &ask).await;
    assert_eq!(dearer["data"]["changes"]["price_changed"], true);
    assert_ne!(price(&dearer["data"]["hotels"][0]["rates"][0]), price(&rate));
    let ask = json!({ "hash": rate["book_hash"], "price_increase_percent": 0 });
    let (_, none) = etg.call("hotel/prebook", &ask).await;
    assert_eq!(none["error"], "no_available_rates");

    etg.control("inventory", &json!({ "property_id": "8473001", "units": 1 })).await;
    assert_eq!(etg.book("own-1").await["status"], "ok");
    assert!(
        etg.rates()
            .await
            .iter()
            .all(|rate| rate["room_name"] != "Standard Double Room (queen size bed)")
    );

    for (fault, pointer, right) in [
        ("wrong_dates", "/checkin_at", json!(checkin())),
        ("wrong_currency", "/amount_sell/currency_code", json!("EUR")),
        ("wrong_reference", "/partner_data/order_id", json!("own-1")),
    ] {
        etg.control("faults", &json!({ "operation": "lookup", "fault": fault })).await;
        assert_ne!(etg.orders("own-1").await[0].pointer(pointer), Some(&right), "{fault}");
        assert_eq!(etg.orders("own-1").await[0].pointer(pointer), Some(&right), "{fault}");
    }
    etg.control("faults", &json!({ "operation": "cancel", "fault": "cancel_refused" })).await;
    assert_eq!(etg.cancel("own-1").await["error"], "order_not_cancellable");
    etg.control("act", &json!({ "client_reference": "own-1", "act": "cancel" })).await;
    let plant =
        json!({ "client_reference": "own-9", "check_in": checkin(), "check_out": checkout() });
    assert_eq!(etg.control("plant", &plant).await, 201);
    assert_eq!(etg.truth().await, ["cancelled", "confirmed"]);
}
