//! A crypto rate feed in the manner of the public "simple price" APIs, with decimal strings and an
//! instant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::RatesConfig;
use crate::control;
use crate::faults::{Board, Offer};

const OFFERS: &[Offer] = &[
    Offer { fault: "stale", operations: &["prices"] },
    Offer { fault: "zero", operations: &["prices"] },
    Offer { fault: "times_1000", operations: &["prices", "ticker"] },
    Offer { fault: "html_200", operations: &["prices", "ticker"] },
];

/// How old a stale price says it is when the fault names no age.
const STALE_BY: Duration = Duration::from_secs(3600);

struct Feed {
    prices: Mutex<BTreeMap<(String, String), String>>,
    faults: Board,
}

/// Serves the feed: prices, `set`, and its faults.
pub(crate) fn router(config: RatesConfig) -> Router {
    let prices = config.prices.into_iter().map(|(asset, vs, price)| ((asset, vs), price));
    let feed =
        Feed { prices: Mutex::new(prices.collect()), faults: Board::mostly("prices", OFFERS) };
    Router::new()
        .route("/v1/prices", get(show))
        .route("/api/v3/ticker/price", get(ticker))
        .route("/set", post(set))
        .route(
            "/faults",
            post(
                |State(feed): State<Arc<Feed>>, body: Bytes| async move { feed.faults.arm(&body) },
            )
            .delete(|State(feed): State<Arc<Feed>>| async move { feed.faults.clear() })
            .get(|State(feed): State<Arc<Feed>>| async move { feed.faults.list() }),
        )
        .with_state(Arc::new(feed))
}

#[derive(Deserialize)]
struct Wanted {
    ids: String,
    vs: String,
}

/// Answers the assets it knows; the others are left out, as public feeds do.
async fn show(State(feed): State<Arc<Feed>>, Query(wanted): Query<Wanted>) -> Response {
    let fault = feed.faults.take("prices");
    let fault_name = fault.map_or("", |fault| fault.name);
    if fault_name == "html_200" {
        return Html("<html><body>Checking your browser</body></html>").into_response();
    }
    let mut as_of: DateTime<Utc> = Utc::now();
    if let Some(fault) = fault.filter(|fault| fault.name == "stale") {
        as_of -= fault.after(STALE_BY);
    }
    let as_of = as_of.to_rfc3339_opts(SecondsFormat::Millis, true);
    let prices = feed.prices.lock().unwrap();
    let mut answer = serde_json::Map::new();
    for asset in wanted.ids.split(',').map(str::to_lowercase) {
        let mut entry = serde_json::Map::new();
        for vs in wanted.vs.split(',').map(str::to_lowercase) {
            if let Some(price) = prices.get(&(asset.clone(), vs.clone())) {
                let price = match fault_name {
                    "zero" => "0".to_owned(),
                    "times_1000" => thousandfold(price),
                    _ => price.clone(),
                };
                entry.insert(vs, Value::String(price));
            }
        }
        if !entry.is_empty() {
            entry.insert("as_of".to_owned(), Value::String(as_of.clone()));
            answer.insert(asset, Value::Object(entry));
        }
    }
    Json(Value::Object(answer)).into_response()
}

/// Answers every pair it knows by its last trade, as exchanges do: no instant, one text a pair.
async fn ticker(State(feed): State<Arc<Feed>>) -> Response {
    let fault = feed.faults.take("ticker");
    let fault = fault.map_or("", |fault| fault.name);
    if fault == "html_200" {
        return Html("<html><body>Checking your browser</body></html>").into_response();
    }
    let prices = feed.prices.lock().unwrap();
    let trades = prices.iter().map(|((asset, vs), price)| {
        let symbol = format!("{asset}{vs}").to_uppercase();
        let price = if fault == "times_1000" { thousandfold(price) } else { price.clone() };
        json!({ "symbol": symbol, "price": price })
    });
    Json(Value::Array(trades.collect())).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    id: String,
    vs: String,
    price: String,
}

async fn set(State(feed): State<Arc<Feed>>, body: Bytes) -> Response {
    let set: Set = match control::read(&body) {
        Ok(set) => set,
        Err(answer) => return answer,
    };
    let decimal = set.price.chars().all(|each| each.is_ascii_digit() || each == '.')
        && set.price.matches('.').count() <= 1
        && set.price.starts_with(|first: char| first.is_ascii_digit());
    if !decimal {
        let detail = "a price is a decimal string such as 2500.00";
        return control::problem(StatusCode::BAD_REQUEST, "bad-price", detail, json!({}));
    }
    let key = (set.id.to_lowercase(), set.vs.to_lowercase());
    feed.prices.lock().unwrap().insert(key, set.price);
    StatusCode::NO_CONTENT.into_response()
}

/// A thousand times a decimal string, by moving its point.
fn thousandfold(price: &str) -> String {
    let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
    let padded = format!("{fraction:0<3}");
    let (moved, rest) = padded.split_at(3);
    let whole = format!("{whole}{moved}");
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if rest.is_empty() { whole.to_owned() } else { format!("{whole}.{rest}") }
}
