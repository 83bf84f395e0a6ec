//! The rate feed, and the treasury against a real node.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use doubles::{Config, TreasuryConfig};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::partner::Partner;

const STAMPED: &str = "include_last_updated_at=true";
const PAYEE: &str = "0x00000000000000000000000000000000000c0ffe";

#[tokio::test]
async fn both_sources_of_rates_answer_what_they_know() {
    let partner = Partner::new().await;
    let three = "ids=ethereum,bitcoin,dogecoin&vs_currencies=eur,usd";
    let url = format!("{}/rates/api/v3/simple/price?{three}&{STAMPED}", partner.base);
    let ask =
        || async { partner.http.get(&url).send().await.unwrap().json::<Value>().await.unwrap() };
    let prices = ask().await;
    assert_eq!(prices["ethereum"]["eur"], 2500.0);
    assert_eq!(prices["bitcoin"]["usd"], 64800.0);
    assert!(prices.get("dogecoin").is_none());
    let as_of = prices["ethereum"]["last_updated_at"].as_i64().unwrap();
    assert!((Utc::now().timestamp() - as_of) < 5);
    let set = json!({ "id": "eth", "vs": "eur", "price": "1234.5" });
    assert_eq!(partner.steer("/rates/set", &set).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(ask().await["ethereum"]["eur"], 1234.5);
    let ticker = format!("{}/rates/api/v3/ticker/price", partner.base);
    let trades: Value = partner.http.get(&ticker).send().await.unwrap().json().await.unwrap();
    let traded = json!({ "symbol": "ETHEUR", "price": "1234.5" });
    assert!(trades.as_array().unwrap().contains(&traded), "{trades}");
    for price in ["-1", "1e3", "01", "1.", "", "\"1\""] {
        let bad = json!({ "id": "eth", "vs": "eur", "price": price });
        let answer = partner.steer("/rates/set", &bad).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{price}");
    }
}

#[tokio::test]
async fn the_feed_goes_wrong_on_demand() {
    let partner = Partner::new().await;
    let url = format!(
        "{}/rates/api/v3/simple/price?ids=ethereum&vs_currencies=eur&{STAMPED}",
        partner.base
    );
    let ask = || async { partner.http.get(&url).send().await.unwrap() };
    let arm = |fault: &'static str| {
        let partner = &partner;
        async move {
            let armed =
                partner.steer("/rates/faults", &json!({ "fault": fault, "times": 1 })).await;
            assert_eq!(armed.status(), StatusCode::NO_CONTENT);
        }
    };
    arm("zero").await;
    assert_eq!(ask().await.json::<Value>().await.unwrap()["ethereum"]["eur"], 0);
    arm("times_1000").await;
    assert_eq!(ask().await.json::<Value>().await.unwrap()["ethereum"]["eur"], 2_500_000);
    arm("texts").await;
    assert_eq!(ask().await.json::<Value>().await.unwrap()["ethereum"]["eur"], "2500.00");
    arm("no_instant").await;
    assert!(
        ask().await.json::<Value>().await.unwrap()["ethereum"].get("last_updated_at").is_none()
    );
    arm("html_200").await;
    assert_eq!(ask().await.headers()["content-type"], "text/html; charset=utf-8");
    arm("stale").await;
    let stale: Value = ask().await.json().await.unwrap();
    let as_of = stale["ethereum"]["last_updated_at"].as_i64().unwrap();
    assert!((Utc::now().timestamp() - as_of) >= 59 * 60);
    assert_eq!(ask().await.json::<Value>().await.unwrap()["ethereum"]["eur"], 2500.0);
    let unknown = partner.steer("/rates/faults", &json!({ "fault": "slow", "times": 1 })).await;
    assert_eq!(unknown.status(), StatusCode::BAD_REQUEST);
}

/// A node of our own, killed with the test.
struct Node {
    child: Child,
    url: String,
}

impl Node {
    fn start() -> Self {
        let infra = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.run/infra.json");
        let infra = std::fs::read(infra).expect("scripts/lib/infra up writes .run/infra.json");
        let infra: Value = serde_json::from_slice(&infra).unwrap();
        let mut child = Command::new(infra["anvil"].as_str().unwrap())
            .args(["--port", "0", "--accounts", "2"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.map(Result::unwrap).find(|line| line.starts_with("Listening on "));
        let address = listening.unwrap().replace("Listening on ", "");
        Self { child, url: format!("http://{address}") }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

struct Treasury {
    partner: Partner,
    node: Node,
}

impl Treasury {
    async fn start() -> Self {
        let node = Node::start();
        let treasury = TreasuryConfig {
            evm_rpc: Some(node.url.clone()),
            retry_after: Duration::from_millis(50),
            ..TreasuryConfig::default()
        };
        let partner = Partner::with(Config { treasury, ..Config::default() }).await;
        Self { partner, node }
    }

    async fn pay(&self, id: &str, amount: &str) -> reqwest::Response {
        let payout = json!({
            "id": id, "chain": "eip155:31337", "asset": "eth", "contract": null, "to": PAYEE, "amount": amount,
        });
        self.partner.steer("/treasury/payouts", &payout).await
    }

    async fn sent(&self, id: &str, count: usize) -> Vec<Value> {
        let url = format!("{}/treasury/payouts/{id}", self.partner.base);
        for _ in 0..500 {
            let payout: Value =
                self.partner.http.get(&url).send().await.unwrap().json().await.unwrap();
            let transactions = payout["transactions"].as_array().unwrap();
            if transactions.len() == count {
                assert_eq!(payout["status"], if count > 0 { "sent" } else { "accepted" });
                return transactions.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{id} was never sent {count} times");
    }

    async fn node(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.partner.http.post(&self.node.url).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["result"].clone()
    }

    async fn balance(&self, address: &str) -> u128 {
        let balance = self.node("eth_getBalance", json!([address, "latest"])).await;
        u128::from_str_radix(balance.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    async fn arm(&self, fault: &str, after_ms: u64) {
        let body = json!({ "fault": fault, "times": 1, "after_ms": after_ms });
        let armed = self.partner.steer("/treasury/faults", &body).await;
        assert_eq!(armed.status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_payout_is_one_real_transaction_however_often_it_is_asked_for() {
    let treasury = Treasury::start().await;
    assert_eq!(treasury.pay("p-1", "1000").await.status(), StatusCode::ACCEPTED);
    assert_eq!(treasury.pay("p-1", "1000").await.status(), StatusCode::OK);
    assert_eq!(treasury.pay("p-1", "2000").await.status(), StatusCode::CONFLICT);
    let sent = treasury.sent("p-1", 1).await;
    let receipt = treasury.node("eth_getTransactionReceipt", json!([sent[0]])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(treasury.balance(PAYEE).await, 1000);
    assert_eq!(treasury.pay("p-2", "-5").await.status(), StatusCode::BAD_REQUEST);
    let url = format!("{}/treasury/payouts/none", treasury.partner.base);
    let unknown = treasury.partner.http.get(url).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn payouts_go_wrong_on_demand() {
    let treasury = Treasury::start().await;
    treasury.arm("twice", 0).await;
    treasury.pay("w-1", "1000").await;
    treasury.sent("w-1", 2).await;
    assert_eq!(treasury.balance(PAYEE).await, 2000);
    treasury.arm("wrong_amount", 0).await;
    treasury.pay("w-2", "1000").await;
    treasury.sent("w-2", 1).await;
    assert_eq!(treasury.balance(PAYEE).await, 2500);
    treasury.arm("wrong_address", 0).await;
    treasury.pay("w-3", "1000").await;
    treasury.sent("w-3", 1).await;
    assert_eq!(treasury.balance("0x000000000000000000000000000000000000dead").await, 1000);
    treasury.arm("dropped", 0).await;
    treasury.pay("w-4", "1000").await;
    let dropped = treasury.sent("w-4", 1).await;
    assert_eq!(treasury.node("eth_getTransactionByHash", json!([dropped[0]])).await, Value::Null);
    treasury.arm("late", 200).await;
    treasury.pay("w-5", "1000").await;
    treasury.arm("never", 0).await;
    treasury.pay("w-6", "1000").await;
    treasury.sent("w-5", 1).await;
    assert_eq!(treasury.balance(PAYEE).await, 3500);
    treasury.sent("w-6", 0).await;
}
