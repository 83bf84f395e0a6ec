//! A customer's HTTP: what a web app would send to the gateway, and the answers as they come.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use chrono::{DateTime, Days, Utc};
use contracts::asset::{AssetAmount, Units};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

/// The gateway as one account.
#[derive(Debug, Clone)]
pub struct Gateway {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// An answer, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Which stay is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    pub property_id: String,
    pub check_in: String,
    pub check_out: String,
}

/// A price that is promised.
#[derive(Debug, Clone)]
pub struct Quote {
    pub quote_id: String,
    /// Everything the gateway said of it.
    pub shown: Value,
}

/// A booking as its customer sees it.
#[derive(Debug, Clone)]
pub struct Shown(pub Value);

/// Where a customer is told to send money.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub address: String,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
}

impl Answer {
    /// # Panics
    /// When the body is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", text()))
    }

    /// A header's text, empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The last word of the problem's type.
    #[must_use]
    pub fn problem(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let kind = body["type"].as_str().unwrap_or("");
        kind.rsplit(['/', ':', '#']).next().unwrap_or(kind).to_owned()
    }

    /// The JSON pointers of all fields that are wrong.
    #[must_use]
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|e| e["pointer"].as_str().map(str::to_owned)).collect()
    }
}

impl Shown {
    #[must_use]
    pub fn status(&self) -> &str {
        self.0["status"].as_str().unwrap_or("")
    }

    #[must_use]
    pub fn next_actions(&self) -> Vec<&str> {
        self.0["next_actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether nothing will change it any more.
    #[must_use]
    pub fn ended(&self) -> bool {
        let over = matches!(self.status(), "completed" | "no_show");
        over || matches!(self.status(), "confirmed" | "failed" | "cancelled")
    }

    #[must_use]
    pub fn in_review(&self) -> bool {
        !self.0["review"].is_null()
    }

    /// Where to pay, once that is shown.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.0["payment"]["address"].as_str()
    }

    /// The contract of the token that is to be paid; nothing for the chain's own coin.
    #[must_use]
    pub fn contract(&self) -> Option<&str> {
        self.0["payment"]["contract"].as_str()
    }

    /// What to pay, once that is shown.
    #[must_use]
    pub fn amount(&self) -> Option<AssetAmount> {
        serde_json::from_value(self.0["payment"]["amount"].clone()).ok()
    }

    /// What is to be paid in all, also for legs that cost more than those whose place they took;
    /// not for those that could not be had.
    #[must_use]
    pub fn charged(&self) -> Option<Units> {
        let lost = |leg_id: &Value| {
            let mut legs = self.0["legs"].as_array().into_iter().flatten();
            legs.any(|leg| leg["leg_id"] == *leg_id && !leg["left_out_because"].is_null())
        };
        let counts = |one: &&Value| !lost(&one["leg_id"]);
        let amounts = self.further().filter(counts).map(|one| one["amount"]["units"].clone());
        let units = amounts.filter_map(|units| serde_json::from_value::<Units>(units).ok());
        let first = self.amount()?.units;
        Some(units.fold(first, |sum, units| sum.checked_add(units).unwrap_or(sum)))
    }

    /// Payments beside the first one.
    pub fn further(&self) -> impl Iterator<Item = &Value> {
        self.0["further_payments"].as_array().into_iter().flatten()
    }

    /// Wherever the customer is told to pay to.
    #[must_use]
    pub fn places(&self) -> BTreeSet<Place> {
        let place = |payment: &Value| {
            let address = payment["address"].as_str()?.to_owned();
            Some(Place { address, contract: payment["contract"].as_str().map(str::to_owned) })
        };
        std::iter::once(&self.0["payment"]).chain(self.further()).filter_map(place).collect()
    }

    /// What is left to pay, once that is shown.
    #[must_use]
    pub fn remaining(&self) -> Option<Units> {
        serde_json::from_value(self.0["payment"]["remaining"].clone()).ok()
    }

    /// What was given back or is on its way.
    #[must_use]
    pub fn refunds(&self) -> Units {
        let refunds = self.0["payment"]["refunds"].as_array().cloned().unwrap_or_default();
        refunds
            .iter()
            .filter_map(|refund| serde_json::from_value::<Units>(refund["units"].clone()).ok())
            .fold(Units::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
    }

    /// What a cancellation cost, in units of what was paid.
    #[must_use]
    pub fn fee(&self) -> Option<Units> {
        serde_json::from_value(self.0["cancellation"]["fee_units"].clone()).ok()
    }

    /// What legs that were cancelled alone or replaced give back, in units of what was paid.
    #[must_use]
    pub fn given_back(&self) -> Units {
        let legs = self.0["legs"].as_array().into_iter().flatten();
        let back = legs
            .flat_map(|leg| ["cancellation", "replaced"].map(|why| leg[why]["back_units"].clone()));
        back.filter_map(|units| serde_json::from_value::<Units>(units).ok())
            .fold(Units::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
    }

    /// Whether a leg is one that the booking goes on with.
    #[must_use]
    pub fn goes_on_with(leg: &Value) -> bool {
        let gone = ["cancellation", "left_out_because", "replaced"];
        gone.iter().all(|why| leg[why].is_null())
    }

    /// Whether all that was to go back has arrived.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.0["payment"]["state"] == "refunded"
    }

    /// The legs that the booking goes on with.
    pub fn standing(&self) -> impl Iterator<Item = &Value> {
        self.0["legs"].as_array().into_iter().flatten().filter(|leg| Self::goes_on_with(leg))
    }

    /// The suppliers' references of the legs that the booking goes on with.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.standing().filter_map(|leg| leg["reference"].as_str().map(str::to_owned)).collect()
    }

    /// Whether nobody has to say where money that goes back is to be sent: an address is known, or
    /// it goes back to a card.
    #[must_use]
    pub fn knows_where_back(&self) -> bool {
        let payment = &self.0["payment"];
        !payment["refund_to"].is_null() || !payment["card"].is_null()
    }

    /// What should have arrived, or been looked at, by now: refunds, and the person's review.
    #[must_use]
    pub fn overdue(&self, now: DateTime<Utc>) -> Vec<String> {
        let past = |by: &Value| {
            let by = serde_json::from_value::<DateTime<Utc>>(by.clone());
            by.is_ok_and(|by| by < now)
        };
        let refunds = self.0["payment"]["refunds"].as_array().into_iter().flatten();
        // One that failed waits for another address of the customer's.
        let under_way =
            |refund: &&Value| !matches!(refund["state"].as_str(), Some("confirmed" | "failed"));
        let refunds = refunds.filter(under_way).filter(|refund| past(&refund["by"]));
        let refunds = refunds.map(|refund| format!("refund {}", refund["refund_id"]));
        let review =
            past(&self.0["review"]["by"]).then(|| format!("review {}", self.0["review"]["why"]));
        refunds.chain(review).collect()
    }
}

/// Whether an offer is one to take.
pub type Suits = fn(&Value) -> bool;

impl Gateway {
    /// # Panics
    /// When no HTTP client can be made.
    #[must_use]
    pub fn new(base: &str, token: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(40)).build();
        Self { base: base.to_owned(), token: token.to_owned(), http: http.unwrap() }
    }

    /// The same gateway as somebody else, over the same connections.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let reply = request.send().await.with_context(|| format!("{path} got no answer"))?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        Ok(Answer { status, headers, body: reply.bytes().await? })
    }

    /// # Errors
    /// When the gateway does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, &[], None).await
    }

    /// # Errors
    /// When the gateway does not answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, &[], Some(body.to_string().into())).await
    }

    /// The offers of a stay for two.
    ///
    /// # Errors
    /// When there is no answer or it is no list.
    pub async fn offers(&self, stay: &Stay) -> anyhow::Result<Vec<Value>> {
        let Stay { property_id, check_in, check_out } = stay;
        let path = format!(
            "/v1/stays?property_id={property_id}&check_in={check_in}&check_out={check_out}&adults=2&currency=EUR"
        );
        self.found(&path).await
    }

    /// The offers that a search finds.
    ///
    /// # Errors
    /// When there is no answer or it is no list.
    pub async fn found(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.get(path).await?;
        ensure!(answer.status == StatusCode::OK, "{path}: {}", describe(&answer));
        serde_json::from_value(answer.json()["offers"].take()).context("offers are a list")
    }

    /// Quotes the first offer of a stay that can be held and cancelled free, in ether.
    ///
    /// # Errors
    /// When there is none or it is refused.
    pub async fn quote(&self, stay: &Stay) -> anyhow::Result<Quote> {
        self.quote_in(stay, "eth").await
    }

    /// Quotes the first offer of a stay that can be held and cancelled free, in an asset.
    ///
    /// # Errors
    /// When there is none or it is refused.
    pub async fn quote_in(&self, stay: &Stay, asset: &str) -> anyhow::Result<Quote> {
        let offers = self.offers(stay).await?;
        let offer =
            offers.iter().find(|offer| suits(offer)).context("no offer that can be held")?;
        self.quote_offer_in(&offer["offer_id"], asset).await
    }

    /// Quotes an offer in ether.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn quote_offer(&self, offer_id: &Value) -> anyhow::Result<Quote> {
        self.quote_offer_in(offer_id, "eth").await
    }

    /// Quotes a trip in ether: of each stay the first offer that is as wanted.
    ///
    /// # Errors
    /// When there is none or the trip is refused.
    pub async fn quote_trip(&self, legs: &[(Stay, Suits)]) -> anyhow::Result<Quote> {
        let mut ids = Vec::new();
        for (stay, wanted) in legs {
            let offers = self.offers(stay).await?;
            let offer = offers.iter().find(|offer| wanted(offer)).context("no such offer")?;
            ids.push(offer["offer_id"].clone());
        }
        self.quote_offers_in(&json!(ids), "eth").await
    }

    async fn quote_offer_in(&self, offer_id: &Value, asset: &str) -> anyhow::Result<Quote> {
        self.quote_offers_in(&json!([offer_id]), asset).await
    }

    /// Quotes offers together, in an asset.
    ///
    /// # Errors
    /// When they are refused.
    pub async fn quote_offers_in(&self, offers: &Value, asset: &str) -> anyhow::Result<Quote> {
        let body = json!({"offers": offers, "pay_with": asset});
        let answer = self.post("/v1/quotes", &body).await?;
        ensure!(answer.status == StatusCode::CREATED, "a quote was refused: {}", describe(&answer));
        let shown = answer.json();
        let quote_id = shown["quote_id"].as_str().context("a quote has an id")?.to_owned();
        Ok(Quote { quote_id, shown })
    }

    /// Sends a booking request under a key, whatever the answer is.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn book(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let body = Some(body.to_string().into());
        self.send(Method::POST, "/v1/bookings", &[("idempotency-key", key)], body).await
    }

    /// A booking of ours.
    ///
    /// # Errors
    /// When it is not to be had.
    pub async fn booking(&self, booking_id: &str) -> anyhow::Result<Shown> {
        let answer = self.get(&format!("/v1/bookings/{booking_id}")).await?;
        ensure!(answer.status == StatusCode::OK, "booking {booking_id}: {}", describe(&answer));
        Ok(Shown(answer.json()))
    }

    /// Its changes.
    ///
    /// # Errors
    /// When it is not to be had.
    pub async fn history(&self, booking_id: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.get(&format!("/v1/bookings/{booking_id}/history")).await?;
        ensure!(answer.status == StatusCode::OK, "history of {booking_id}: {}", describe(&answer));
        serde_json::from_value(answer.json()["changes"].take()).context("changes are a list")
    }

    /// Asks for the booking to be cancelled, whatever the answer is.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn cancel(&self, booking_id: &str) -> anyhow::Result<Answer> {
        self.send(Method::POST, &format!("/v1/bookings/{booking_id}/cancellation"), &[], None).await
    }

    /// The account's points and entries.
    ///
    /// # Errors
    /// When they are not to be had.
    pub async fn points(&self) -> anyhow::Result<Value> {
        let answer = self.get("/v1/rewards").await?;
        ensure!(answer.status == StatusCode::OK, "rewards: {}", describe(&answer));
        Ok(answer.json())
    }
}

/// Whether an offer can be held, and cancelled free for a while.
#[must_use]
pub fn suits(offer: &Value) -> bool {
    let terms = &offer["terms"];
    let charged_from = terms["cancel_steps"][0]["from"].as_str().unwrap_or("9999");
    let tomorrow = Utc::now().checked_add_days(Days::new(1)).map(|day| day.to_rfc3339());
    terms["holdable"] == json!(true)
        && terms["refundable"] == json!(true)
        && tomorrow.is_some_and(|tomorrow| charged_from > tomorrow.as_str())
}

/// Whether an offer can be held, and a part of it comes back from the first moment on.
#[must_use]
pub fn costs_a_part(offer: &Value) -> bool {
    let (terms, now) = (&offer["terms"], Utc::now().to_rfc3339());
    let first = &terms["cancel_steps"][0];
    terms["holdable"] == json!(true)
        && terms["refundable"] == json!(true)
        && first["from"].as_str().is_some_and(|from| from <= now.as_str())
        && first["fee"] != offer["price"]
}

/// Whether an offer can be held, and nothing of it comes back once it is bought.
#[must_use]
pub fn is_final(offer: &Value) -> bool {
    offer["terms"]["holdable"] == json!(true) && offer["terms"]["refundable"] == json!(false)
}

/// An answer for a message of failure.
#[must_use]
pub fn describe(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}
