//! The Duffel double: its rules, and what can be made to go wrong.

use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use doubles::{Config, Doubles, DuffelConfig};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

const TOKEN: &str = "duffel_test_development-only";

/// A caller who does as the published rules say.
struct Agent {
    _doubles: Doubles,
    http: Client,
    base: String,
}

fn day() -> NaiveDate {
    Utc::now().date_naive() + Days::new(40)
}

impl Agent {
    async fn new() -> Self {
        Self::with(DuffelConfig::default()).await
    }

    async fn with(duffel: DuffelConfig) -> Self {
        let config = Config { duffel, ..Config::default() };
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let base = doubles.base_url();
        Self { _doubles: doubles, http, base }
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/duffel{path}", self.base))
            .header("accept", "application/json")
            .header("duffel-version", "v2")
            .bearer_auth(TOKEN)
    }

    async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    async fn post(&self, path: &str, data: Value) -> Response {
        self.call(Method::POST, path).json(&json!({ "data": data })).send().await.unwrap()
    }

    async fn offers(&self) -> Vec<Value> {
        let asked = json!({
            "slices": [{ "origin": "LHR", "destination": "JFK", "departure_date": day() }],
            "passengers": [{ "type": "adult" }, { "age": 9 }],
        });
        let answer = self.post("/air/offer_requests?return_offers=true", asked).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        data(answer).await["offers"].as_array().unwrap().clone()
    }

    fn order_of(offer: &Value, kind: &str) -> Value {
        let born = [day() - Days::new(40 * 365), day() - Days::new(9 * 365 + 100)];
        let passenger = |n: usize| {
            json!({
                "id": offer["passengers"][n]["id"], "title": "ms", "gender": "f",
                "given_name": "Ada", "family_name": "Quill", "born_on": born[n],
                "email": "ops@holdfast.example", "phone_number": "+4930901820",
            })
        };
        json!({
            "type": kind,
            "selected_offers": [offer["id"]],
            "passengers": [passenger(0), passenger(1)],
            "metadata": { "client_reference": "ours-1" },
        })
    }

    async fn hold(&self, fare: usize) -> Value {
        let offers = self.offers().await;
        let answer = self.post("/air/orders", Self::order_of(&offers[fare], "hold")).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        data(answer).await
    }

    async fn pay(&self, order: &Value, amount: &Value) -> Response {
        let payment = json!({
            "type": "balance", "amount": amount, "currency": order["total_currency"],
        });
        self.post("/air/payments", json!({ "order_id": order["id"], "payment": payment })).await
    }

    async fn arm(&self, operation: &str, fault: &str) {
        let body = json!({ "operation": operation, "fault": fault });
        let url = format!("{}/duffel/faults", self.base);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{fault}");
    }

    async fn truth(&self) -> Value {
        let url = format!("{}/duffel/truth", self.base);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn states(&self) -> Vec<String> {
        let truth = self.truth().await;
        let all = truth["reservations"].as_array().unwrap().iter();
        all.map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    }
}

async fn data(answer: Response) -> Value {
    let body: Value = answer.json().await.unwrap();
    body["data"].clone()
}

async fn refused(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["errors"][0]["code"].as_str().unwrap().to_owned())
}

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn nobody_is_let_in_without_token_version_and_json() {
    let agent = Agent::new().await;
    let url = format!("{}/duffel/air/orders", agent.base);
    let bare = || agent.http.get(&url).header("accept", "application/json");
    let answer = bare().header("duffel-version", "v2").send().await.unwrap();
    assert_eq!(refused(answer).await, code(401, "access_token_not_found"));
    let answer = bare().bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(refused(answer).await, code(400, "missing_version_header"));
    let answer = bare().bearer_auth(TOKEN).header("duffel-version", "beta").send().await.unwrap();
    assert_eq!(refused(answer).await, code(400, "unsupported_version"));
    let answer = agent.call(Method::POST, "/air/orders").body("{}").send().await.unwrap();
    assert_eq!(refused(answer).await, code(400, "invalid_content_type_header"));
}

#[tokio::test]
async fn an_offer_is_held_paid_and_shown_with_its_tickets() {
    let agent = Agent::new().await;
    let held = agent.hold(0).await;
    assert_eq!(held["payment_status"]["awaiting_payment"], true);
    assert_eq!(held["documents"], json!([]));
    let answer = agent.pay(&held, &json!("1.00")).await;
    assert_eq!(refused(answer).await, code(422, "price_changed"));
    let answer = agent.pay(&held, &held["total_amount"]).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let answer = agent.pay(&held, &held["total_amount"]).await;
    assert_eq!(refused(answer).await, code(422, "already_paid"));
    let path = format!("/air/orders/{}", held["id"].as_str().unwrap());
    let shown = data(agent.get(&path).await).await;
    assert_eq!(shown["payment_status"]["awaiting_payment"], false);
    assert_eq!(shown["documents"].as_array().unwrap().len(), 2);
    assert_eq!(shown["metadata"]["client_reference"], "ours-1");
    assert_eq!(agent.states().await, ["confirmed"]);
}

#[tokio::test]
async fn orders_that_are_not_as_documented_are_refused() {
    let agent = Agent::new().await;
    let offers = agent.offers().await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut order = Agent::order_of(&offers[0], "hold");
        change(&mut order);
        order
    };
    let payments = json!([{ "type": "balance", "amount": "1.00", "currency": "EUR" }]);
    let cases: Vec<(&str, Value)> = vec![
        ("validation_inclusion", changed(&|o| o["type"] = json!("pay_later"))),
        ("validation_length", changed(&|o| o["selected_offers"] = json!([]))),
        ("validation_inclusion", changed(&|o| o["selected_offers"] = json!(["off_x"]))),
        ("validation_exclusion", changed(&|o| o["payments"] = payments.clone())),
        ("validation_length", changed(&|o| o["passengers"] = json!([]))),
        ("validation_required", changed(&|o| o["passengers"][0]["born_on"] = json!(null))),
        ("validation_age", changed(&|o| o["passengers"][0]["born_on"] = json!("2020-01-01"))),
        ("validation_format", changed(&|o| o["passengers"][0]["phone_number"] = json!("030"))),
        ("validation_format", changed(&|o| o["metadata"]["no spaces"] = json!("x"))),
        ("order_type_not_available", Agent::order_of(&offers[3], "hold")),
        ("validation_required", Agent::order_of(&offers[3], "instant")),
    ];
    for (expected, order) in cases {
        let answer = agent.post("/air/orders", order).await;
        assert_eq!(refused(answer).await, code(422, expected));
    }
    assert!(agent.states().await.is_empty());
}

#[tokio::test]
async fn a_cancellation_is_made_first_and_done_when_it_is_confirmed() {
    let agent = Agent::new().await;
    let held = agent.hold(1).await;
    agent.pay(&held, &held["total_amount"]).await;
    let order = json!({ "order_id": held["id"] });
    let older = data(agent.post("/air/order_cancellations", order.clone()).await).await;
    let made = data(agent.post("/air/order_cancellations", order.clone()).await).await;
    assert_eq!(made["confirmed_at"], Value::Null);
    let total: f64 = held["total_amount"].as_str().unwrap().parse().unwrap();
    assert_eq!(made["refund_amount"], format!("{:.2}", total - 40.0));
    assert_eq!(agent.states().await, ["confirmed"]);
    let confirm = |id: &Value| {
        let path = format!("/air/order_cancellations/{}/actions/confirm", id.as_str().unwrap());
        agent.call(Method::POST, &path).send()
    };
    // Only the newest can be confirmed.
    let answer = confirm(&older["id"]).await.unwrap();
    assert_eq!(refused(answer).await, code(422, "order_cancellation_stale"));
    let done = data(confirm(&made["id"]).await.unwrap()).await;
    assert!(done["confirmed_at"].is_string());
    assert_eq!(agent.states().await, ["cancelled"]);
    let answer = agent.post("/air/order_cancellations", order).await;
    assert_eq!(refused(answer).await, code(422, "already_cancelled"));
}

#[tokio::test]
async fn space_that_is_not_paid_for_in_time_is_released() {
    let soon = DuffelConfig { hold_for: Duration::from_millis(300), ..DuffelConfig::default() };
    let agent = Agent::with(soon).await;
    let held = agent.hold(0).await;
    while agent.states().await != ["cancelled"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = agent.pay(&held, &held["total_amount"]).await;
    assert_eq!(refused(answer).await, code(422, "past_payment_required_by_date"));
}

#[tokio::test]
async fn an_offer_request_is_ordered_from_once_whichever_of_its_offers_it_is() {
    let agent = Agent::new().await;
    let offers = agent.offers().await;
    let order = Agent::order_of(&offers[0], "hold");
    assert_eq!(agent.post("/air/orders", order.clone()).await.status(), StatusCode::CREATED);
    for again in [order, Agent::order_of(&offers[1], "hold")] {
        let answer = agent.post("/air/orders", again).await;
        assert_eq!(refused(answer).await, code(422, "offer_request_already_booked"));
    }
    assert_eq!(agent.states().await.len(), 1);
    agent.hold(1).await;
    assert_eq!(agent.states().await.len(), 2);
}

#[tokio::test]
async fn orders_are_listed_page_by_page_and_by_when_they_were_made() {
    let agent = Agent::new().await;
    let before = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let made = [agent.hold(0).await, agent.hold(1).await, agent.hold(2).await];
    let list = |query: String| {
        let agent = &agent;
        async move {
            let answer = agent.get(&format!("/air/orders?sort=-created_at&{query}")).await;
            let body: Value = answer.json().await.unwrap();
            let ids: Vec<Value> =
                body["data"].as_array().unwrap().iter().map(|o| o["id"].clone()).collect();
            (ids, body["meta"]["after"].as_str().map(str::to_owned))
        }
    };
    let (first, after) = list("limit=2".to_owned()).await;
    assert_eq!(first, [made[2]["id"].clone(), made[1]["id"].clone()]);
    let (second, none) = list(format!("limit=2&after={}", after.unwrap())).await;
    assert_eq!((second, none), (vec![made[0]["id"].clone()], None));
    let since = before.replace(':', "%3A");
    let (all, _) = list(format!("created_at%5Bafter%5D={since}")).await;
    assert_eq!(all.len(), 3);
    let (later, _) = list("created_at%5Bafter%5D=2099-01-01T00%3A00%3A00Z".to_owned()).await;
    assert!(later.is_empty());
    let answer = agent.get("/air/orders?metadata=ours").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn faults_do_what_their_names_say() {
    let agent = Agent::new().await;
    for (fault, status, made) in [
        ("http_500_before", Some(500), 0),
        ("http_429", Some(429), 0),
        ("sold_out", Some(422), 0),
        ("http_500_after", Some(500), 1),
        ("http_504_after", Some(504), 1),
        ("accepted_202", Some(202), 1),
        ("reset_after_commit", None, 1),
        ("created_twice", Some(201), 2),
        ("html_200", Some(200), 1),
        ("redirect", Some(307), 0),
    ] {
        let before = agent.states().await.len();
        let offers = agent.offers().await;
        agent.arm("reserve", fault).await;
        let order = json!({ "data": Agent::order_of(&offers[0], "hold") });
        let answer = agent.call(Method::POST, "/air/orders").json(&order).send().await;
        assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), status, "{fault}");
        assert_eq!(agent.states().await.len() - before, made, "{fault}");
    }
    agent.arm("lookup", "lookup_empty").await;
    let body: Value = agent.get("/air/orders").await.json().await.unwrap();
    assert_eq!(body["data"], json!([]));
    let requests = agent.truth().await["requests"].as_array().unwrap().clone();
    assert!(requests.iter().any(|r| r["status"] == "no_answer" && r["operation"] == "reserve"));
}

#[tokio::test]
async fn the_airline_may_move_the_flights() {
    let agent = Agent::new().await;
    let held = agent.hold(0).await;
    let path = format!("/air/orders/{}", held["id"].as_str().unwrap());
    let departs = |order: &Value| -> chrono::NaiveDateTime {
        let at = &order["slices"][0]["segments"][0]["departing_at"];
        at.as_str().unwrap().parse().unwrap()
    };
    let mut before = departs(&held);
    for (hours, later) in [(json!(null), 24), (json!(5), 5), (json!(-2), -2)] {
        let act = json!({ "reference": held["id"], "act": "schedule_change", "hours": hours });
        let url = format!("{}/duffel/act", agent.base);
        let answer = agent.http.post(url).json(&act).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let now = departs(&data(agent.get(&path).await).await);
        assert_eq!((now - before).num_hours(), later);
        before = now;
    }
}
