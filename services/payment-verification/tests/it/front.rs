//! What stands between the service and its node: it can be down, behind itself, or without a
//! method, as nodes behind a balancer are.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use chassis::{HttpClient, HttpClientConfig, HttpRequest};
use serde_json::{Value, json};
use testkit::Anvil;

/// How the node misbehaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    /// It answers nothing.
    pub(crate) down: bool,
    /// Blocks from this height on are told of as the newest, and not had when asked for by number.
    pub(crate) lacks_from: Option<u64>,
    /// A method that it does not know.
    pub(crate) unknown: Option<&'static str>,
    /// What it answers, whatever it is asked.
    pub(crate) says: Option<&'static str>,
    /// What it says its newest block is.
    pub(crate) newest: Option<u64>,
    /// It tells of tokens and outputs with other amounts.
    pub(crate) other_units: bool,
    /// It writes amounts of outputs so that nobody reads them.
    pub(crate) odd_units: bool,
    /// It tells of this first block.
    pub(crate) other_first: bool,
    /// It tells of blocks under other hashes.
    pub(crate) other_hash: bool,
    /// It tells of blocks that stand on none that anybody knows.
    pub(crate) other_parent: bool,
    /// It calls a block of another branch final.
    pub(crate) other_final: bool,
    /// It tells of no logs.
    pub(crate) no_logs: bool,
    /// It tells of this balance, whoever is asked about.
    pub(crate) balance: Option<u128>,
    /// It has no state of any block any more.
    pub(crate) forgets: bool,
    /// It refuses to tell of more blocks than this at once.
    pub(crate) blocks_max: Option<usize>,
}

#[derive(Clone)]
pub(crate) struct Front {
    url: String,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<String>>>,
    node: Arc<Mutex<String>>,
}

#[derive(Clone)]
struct Behind {
    http: HttpClient,
    front: Front,
}

impl Front {
    pub(crate) async fn before(anvil: &Anvil) -> Self {
        Self::before_node(anvil.url()).await
    }

    /// One before a node of any family.
    pub(crate) async fn before_node(url: String) -> Self {
        let front = Self::to_come().await;
        *front.node.lock().unwrap() = url;
        front
    }

    /// Says what is behind it.
    pub(crate) fn stand_before(&self, anvil: &Anvil) {
        *self.node.lock().unwrap() = anvil.url();
    }

    /// One that stands before nothing yet.
    pub(crate) async fn to_come() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let front =
            Self { url, manner: Arc::default(), asked: Arc::default(), node: Arc::default() };
        let http = HttpClientConfig { max_body: 64 * 1024 * 1024, ..HttpClientConfig::default() };
        let http = HttpClient::new(http).unwrap();
        let behind = Behind { http, front: front.clone() };
        let router = Router::new().route("/", post(answer)).with_state(behind);
        tokio::spawn(async move { axum::serve(listener, router).await });
        front
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How often a method was asked for.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == method).count()
    }
}

async fn answer(State(behind): State<Behind>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let manner = behind.front.manner.lock().unwrap().clone();
    if manner.down {
        return Err(StatusCode::BAD_GATEWAY);
    }
    if let Some(says) = manner.says {
        return Ok(says.as_bytes().to_vec());
    }
    let mut calls: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let methods = calls.iter().map(|call| call["method"].as_str().unwrap().to_owned());
    behind.front.asked.lock().unwrap().extend(methods);
    let blocks = calls.iter().filter(|call| call["method"] == "eth_getBlockReceipts").count();
    if manner.blocks_max.is_some_and(|max| blocks > max) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    for call in calls.iter_mut().filter(|call| call["params"][0] == "latest") {
        if let Some(newest) = manner.newest {
            call["params"][0] = json!(format!("{newest:#x}"));
        }
    }
    let node = behind.front.node.lock().unwrap().clone();
    let body = serde_json::to_vec(&calls).unwrap();
    let request = HttpRequest::new(http::Method::POST, node).json(body);
    let reply = behind.http.send(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let mut replies: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
    for reply in &mut replies {
        let call = calls.iter().find(|call| call["id"] == reply["id"]).unwrap();
        if manner.unknown.is_some_and(|method| call["method"] == method) {
            let error = json!({ "code": -32601, "message": "no such method" });
            *reply = json!({ "jsonrpc": "2.0", "id": call["id"], "error": error });
        }
        if manner.forgets && call["method"] == "eth_getBalance" {
            let error = json!({ "code": -32000, "message": "missing trie node" });
            *reply = json!({ "jsonrpc": "2.0", "id": call["id"], "error": error });
        }
        if let Some(units) = manner.balance.filter(|_| call["method"] == "eth_getBalance") {
            reply["result"] = json!(format!("{units:#x}"));
        }
        if manner.other_final && call["params"][0] == "finalized" {
            reply["result"]["hash"] = json!(format!("0x{}", "5".repeat(64)));
        }
        let by_number = call["method"] == "eth_getBlockByNumber" && call["params"][0] != "latest";
        if by_number && manner.lacks_from.is_some_and(|from| height(&call["params"][0]) >= from) {
            reply["result"] = Value::Null;
        }
        let past = manner.newest.filter(|_| by_number);
        if past.is_some_and(|newest| height(&call["params"][0]) > newest) {
            reply["result"] = Value::Null;
        }
        if manner.other_first && call["method"] == "getblockhash" && call["params"][0] == 0 {
            reply["result"] = json!("5".repeat(64));
        }
        lie(&manner, &mut reply["result"]);
    }
    Ok(serde_json::to_vec(&replies).unwrap())
}

/// Changes what is told of blocks and receipts.
fn lie(manner: &Manner, told: &mut Value) {
    if manner.other_hash && told["parentHash"].is_string() {
        told["hash"] = json!(format!("0x{}", "5".repeat(64)));
    }
    if manner.other_parent && told["parentHash"].is_string() {
        told["parentHash"] = json!(format!("0x{}", "7".repeat(64)));
    }
    // What chains of the Bitcoin family call these.
    if manner.other_hash && told["previousblockhash"].is_string() {
        told["hash"] = json!("5".repeat(64));
    }
    if manner.other_parent && told["previousblockhash"].is_string() {
        told["previousblockhash"] = json!("7".repeat(64));
    }
    let transactions = told.get_mut("tx").and_then(Value::as_array_mut);
    for transaction in transactions.into_iter().flatten() {
        let outputs = transaction.get_mut("vout").and_then(Value::as_array_mut);
        for output in outputs.into_iter().flatten() {
            if manner.other_units {
                output["value"] = json!(9.5);
            }
            if manner.odd_units {
                output["value"] = json!("1.5");
            }
        }
    }
    for receipt in told.as_array_mut().into_iter().flatten() {
        if manner.other_hash && receipt["logs"].is_array() {
            receipt["blockHash"] = json!(format!("0x{}", "5".repeat(64)));
        }
        if manner.no_logs && receipt["logs"].is_array() {
            receipt["logs"] = json!([]);
        }
        for log in receipt["logs"].as_array_mut().into_iter().flatten() {
            if manner.other_units {
                log["data"] = json!(format!("0x{:064x}", 99_000_000));
            }
        }
    }
}

fn height(hex: &Value) -> u64 {
    u64::from_str_radix(hex.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}
