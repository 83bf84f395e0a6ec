//! A caller of the Rapid double who does as the published rules say.

use std::time::Duration;

use chrono::{Days, NaiveDate, Utc};
use doubles::{Config, Doubles};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

pub(crate) const KEY: &str = "dev-rapid-key";
pub(crate) const SECRET: &str = "dev-rapid-secret";
pub(crate) const EMAIL: &str = "smith@example.com";

/// A running double and somebody who calls it.
pub(crate) struct Partner {
    /// Serves as long as it is not dropped.
    _doubles: Doubles,
    pub(crate) http: Client,
    pub(crate) base: String,
}

/// A rate that was found and what its price check said.
pub(crate) struct Checked {
    pub(crate) property: String,
    pub(crate) room: String,
    pub(crate) rate: Value,
    pub(crate) body: Value,
}

impl Checked {
    pub(crate) fn book(&self) -> String {
        self.body["links"]["book"]["href"].as_str().expect("a book link").to_owned()
    }

    pub(crate) fn total(&self) -> &str {
        self.body["occupancy_pricing"]["2"]["totals"]["inclusive"]["request_currency"]["value"]
            .as_str()
            .expect("a price")
    }
}

pub(crate) fn authorization(key: &str, secret: &str, seconds: i64) -> String {
    let signature = hex::encode(Sha512::digest(format!("{key}{secret}{seconds}")));
    format!("EAN APIKey={key},Signature={signature},timestamp={seconds}")
}

pub(crate) fn day(ahead: u64) -> NaiveDate {
    Utc::now().date_naive() + Days::new(ahead)
}

pub(crate) fn booking(client_reference: &str, hold: bool) -> Value {
    json!({
        "affiliate_reference_id": client_reference,
        "hold": hold,
        "email": EMAIL,
        "phone": { "country_code": "1", "area_code": "487", "number": "5550077" },
        "rooms": [{ "given_name": "Ada", "family_name": "Quill" }],
        "payments": [{
            "type": "affiliate_collect",
            "billing_contact": {
                "given_name": "Ada", "family_name": "Quill",
                "address": { "line_1": "1 Example Street", "city": "Lisbon", "country_code": "PT" },
            },
        }],
    })
}

impl Partner {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let base = doubles.base_url();
        Self { _doubles: doubles, http, base }
    }

    /// A signed call of the API; `href` begins with `/v3`.
    pub(crate) fn call(&self, method: Method, href: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/rapid{href}", self.base))
            .header("Authorization", authorization(KEY, SECRET, Utc::now().timestamp()))
            .header("Customer-Ip", "5.5.5.5")
    }

    pub(crate) async fn get(&self, href: &str) -> Response {
        self.call(Method::GET, href).send().await.unwrap()
    }

    pub(crate) fn search_href(property: &str, from: NaiveDate, to: NaiveDate) -> String {
        format!(
            "/v3/properties/availability?checkin={from}&checkout={to}&currency=EUR&country_code=PT\
             &language=en-US&occupancy=2&property_id={property}&rate_plan_count=250\
             &sales_channel=website&sales_environment=hotel_only&include=rooms.rates.holdable"
        )
    }

    /// The first rate of the property's first room that can be held or cannot.
    pub(crate) async fn find(&self, property: &str, holdable: bool) -> (String, Value) {
        let href = Self::search_href(property, day(30), day(33));
        let found: Value = self.get(&href).await.json().await.unwrap();
        let room = &found[0]["rooms"][0];
        let rates = room["rates"].as_array().unwrap();
        let rate = rates.iter().find(|rate| rate["holdable"] == holdable).unwrap();
        (room["id"].as_str().unwrap().to_owned(), rate.clone())
    }

    /// Searches and checks the price of a rate.
    pub(crate) async fn check(&self, property: &str, holdable: bool) -> Checked {
        let (room, rate) = self.find(property, holdable).await;
        let response = self.get(&price_check_href(&rate)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.json().await.unwrap();
        Checked { property: property.to_owned(), room, rate, body }
    }

    pub(crate) async fn post(&self, href: &str, body: &Value) -> Response {
        self.call(Method::POST, href).json(body).send().await.unwrap()
    }

    /// Holds or books the rate of a fresh price check.
    pub(crate) async fn reserve(&self, client_reference: &str, hold: bool) -> Value {
        let checked = self.check("1100001", hold).await;
        let response = self.post(&checked.book(), &booking(client_reference, hold)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        response.json().await.unwrap()
    }

    pub(crate) async fn look_up(&self, client_reference: &str) -> Value {
        let href =
            format!("/v3/itineraries?affiliate_reference_id={client_reference}&email={EMAIL}");
        let response = self.get(&href).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    /// Calls the control interface.
    pub(crate) async fn steer(&self, path: &str, body: &Value) -> Response {
        self.http.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }

    pub(crate) async fn arm(&self, operation: &str, fault: &str, after_ms: Option<u64>) {
        let mut body = json!({ "operation": operation, "fault": fault, "times": 1 });
        if let Some(after_ms) = after_ms {
            body["after_ms"] = json!(after_ms);
        }
        assert_eq!(self.steer("/rapid/faults", &body).await.status(), StatusCode::NO_CONTENT);
    }

    pub(crate) async fn truth(&self) -> Value {
        let url = format!("{}/rapid/truth", self.base);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The states of every reservation under a client reference, oldest first.
    pub(crate) async fn states(&self, client_reference: &str) -> Vec<String> {
        let truth = self.truth().await;
        let all = truth["reservations"].as_array().unwrap();
        let mine = all.iter().filter(|it| it["client_reference"] == client_reference);
        mine.map(|it| it["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the truth says so.
    pub(crate) async fn until_states(&self, client_reference: &str, wanted: &[&str]) {
        for _ in 0..400 {
            if self.states(client_reference).await == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{client_reference} never became {wanted:?}: {}", self.truth().await);
    }

    /// What the last request of `operation` was answered with.
    pub(crate) async fn last_status(&self, operation: &str) -> Value {
        let truth = self.truth().await;
        let all = truth["requests"].as_array().unwrap();
        all.iter().rfind(|it| it["operation"] == operation).unwrap()["status"].clone()
    }
}

pub(crate) fn price_check_href(rate: &Value) -> String {
    let groups = rate["bed_groups"].as_object().unwrap();
    let group = groups.values().next().unwrap();
    group["links"]["price_check"]["href"].as_str().unwrap().to_owned()
}

pub(crate) fn href(links: &Value, name: &str) -> String {
    links[name]["href"].as_str().unwrap_or_else(|| panic!("no link {name} in {links}")).to_owned()
}
