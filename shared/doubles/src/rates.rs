//! Two public sources of rates: CoinGecko's prices by coin, which are JSON numbers with an instant,
//! and Binance's last trades, which are texts without one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::config::RatesConfig;
use crate::control;
use crate::faults::{Board, Offer};

const OFFERS: &[Offer] = &[
    Offer { fault: "stale", operations: &["simple_price"] },
    Offer { fault: "zero", operations: &["simple_price"] },
    Offer { fault: "times_1000", operations: &["simple_price", "ticker"] },
    Offer { fault: "html_200", operations: &["simple_price", "ticker"] },
    Offer { fault: "texts", operations: &["simple_price"] },
    Offer { fault: "no_instant", operations: &["simple_price"] },
];

/// What CoinGecko calls what exchanges trade; another coin has one name.
const COINS: &[(&str, &str)] = &[
    ("bitcoin", "btc"),
    ("ethereum", "eth"),
    ("litecoin", "ltc"),
    ("tether", "usdt"),
    ("usd-coin", "usdc"),
];

/// How old a stale price says it is when the fault names no age.
const STALE_BY: Duration = Duration::from_secs(3600);

struct Feed {
    prices: Mutex<BTreeMap<(String, String), String>>,
    faults: Board,
}

/// Serves both, `set`, and their faults.
pub(crate) fn router(config: RatesConfig) -> Router {
    let prices = config.prices.into_iter().map(|(asset, vs, price)| ((asset, vs), price));
    let feed = Feed {
        prices: Mutex::new(prices.collect()),
        faults: Board::mostly("simple_price", OFFERS),
    };
    Router::new()
        .route("/api/v3/simple/price", get(show))
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
    vs_currencies: String,
    #[serde(default)]
    include_last_updated_at: bool,
}

/// Answers the coins that it knows and leaves out the others.
async fn show(State(feed): State<Arc<Feed>>, Query(wanted): Query<Wanted>) -> Response {
    let fault = feed.faults.take("simple_price");
    let fault_name = fault.map_or("", |fault| fault.name);
    if fault_name == "html_200" {
        return Html("<html><body>Checking your browser</body></html>").into_response();
    }
    let mut as_of: DateTime<Utc> = Utc::now();
    if let Some(fault) = fault.filter(|fault| fault.name == "stale") {
        as_of -= fault.after(STALE_BY);
    }
    let prices = feed.prices.lock().unwrap();
    let mut answer = BTreeMap::new();
    for coin in wanted.ids.split(',') {
        let traded = COINS.iter().find(|(id, _)| *id == coin).map_or(coin, |(_, traded)| traded);
        let mut entry = BTreeMap::new();
        for vs in wanted.vs_currencies.split(',') {
            if let Some(price) = prices.get(&(traded.to_owned(), vs.to_owned())) {
                let price = match fault_name {
                    "zero" => "0".to_owned(),
                    "times_1000" => thousandfold(price),
                    "texts" => format!("\"{price}\""),
                    _ => price.clone(),
                };
                entry.insert(vs, RawValue::from_string(price).unwrap());
            }
        }
        if entry.is_empty() {
            continue;
        }
        if wanted.include_last_updated_at && fault_name != "no_instant" {
            let seconds = as_of.timestamp().to_string();
            entry.insert("last_updated_at", RawValue::from_string(seconds).unwrap());
        }
        answer.insert(coin, entry);
    }
    Json(answer).into_response()
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
    let decimal = set.price.bytes().all(|each| each.is_ascii_digit() || each == b'.')
        && RawValue::from_string(set.price.clone()).is_ok();
    if !decimal {
        let detail = "a price is a decimal number in a text, such as 2500.00";
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
