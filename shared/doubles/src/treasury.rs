//! The treasury: sends refunds as real transactions of its nodes' own accounts, once per id.
//!
//! It only sends. Whether money arrived is for the payer to prove on chain.

mod evm;
mod utxo;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::StatusCode;
use ruint::aliases::U256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Life;
use crate::config::TreasuryConfig;
use crate::control::{problem, read};
use crate::faults::{Board, Fault, Offer};
use crate::outgoing::Outgoing;

const OFFERS: &[Offer] = &[
    Offer { fault: "never", operations: &["payout"] },
    Offer { fault: "twice", operations: &["payout"] },
    Offer { fault: "wrong_amount", operations: &["payout"] },
    Offer { fault: "wrong_address", operations: &["payout"] },
    Offer { fault: "late", operations: &["payout"] },
    Offer { fault: "dropped", operations: &["payout"] },
    Offer { fault: "replaced", operations: &["payout"] },
];

/// How late a late payout is when the fault names no pause.
const LATE_BY: Duration = Duration::from_secs(30);
/// A node on loopback answers in milliseconds, or is down.
const NODE_DEADLINE: Duration = Duration::from_secs(10);

/// What is asked of the treasury; `amount` in the asset's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Payout {
    id: String,
    /// As CAIP-2 writes it.
    chain: String,
    asset: String,
    contract: Option<String>,
    to: String,
    amount: String,
}

/// A payout and what became of it.
#[derive(Clone, Serialize)]
struct Entry {
    #[serde(flatten)]
    payout: Payout,
    /// `accepted`, then `sent`.
    status: &'static str,
    transactions: Vec<String>,
    created_at: DateTime<Utc>,
}

struct Treasury {
    config: TreasuryConfig,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while the node is given a transaction: of two that it gets at once from one account, it
    /// may lose one that it answered.
    sending: tokio::sync::Mutex<()>,
    faults: Board,
    outgoing: Outgoing,
    life: Life,
}

/// Serves payouts, the list of all, and the faults.
pub(crate) fn router(config: TreasuryConfig, life: &Life) -> Router {
    let treasury = Treasury {
        config,
        entries: Mutex::default(),
        sending: tokio::sync::Mutex::default(),
        faults: Board::new(OFFERS),
        outgoing: Outgoing::new(),
        life: life.clone(),
    };
    Router::new()
        .route("/payouts", post(accept))
        .route("/payouts/{id}", get(show))
        .route("/truth", get(truth))
        .route(
            "/faults",
            post(
                |State(it): State<Arc<Treasury>>, body: Bytes| async move { it.faults.arm(&body) },
            )
            .delete(|State(it): State<Arc<Treasury>>| async move { it.faults.clear() })
            .get(|State(it): State<Arc<Treasury>>| async move { it.faults.list() }),
        )
        .with_state(Arc::new(treasury))
}

/// Takes a payout on: 202 the first time, 200 for the same again, 409 for another under the same
/// id.
async fn accept(State(treasury): State<Arc<Treasury>>, body: Bytes) -> Response {
    let payout: Payout = match read(&body) {
        Ok(payout) => payout,
        Err(answer) => return answer,
    };
    let wrong = wrong_fields(&payout);
    if !wrong.is_empty() {
        let more = json!({ "errors": wrong });
        return problem(StatusCode::BAD_REQUEST, "bad-payout", "some fields are wrong", more);
    }
    let entry = {
        let mut entries = treasury.entries.lock().unwrap();
        if let Some(known) = entries.get(&payout.id) {
            if known.payout == payout {
                return Json(known.clone()).into_response();
            }
            let detail = "another payout has this id";
            return problem(StatusCode::CONFLICT, "id-taken", detail, Value::Null);
        }
        let entry = Entry {
            payout: payout.clone(),
            status: "accepted",
            transactions: Vec::new(),
            created_at: Utc::now(),
        };
        entries.insert(payout.id.clone(), entry.clone());
        entry
    };
    let fault = treasury.faults.take("payout");
    treasury.life.spawn(perform(treasury.clone(), payout, fault));
    (StatusCode::ACCEPTED, Json(entry)).into_response()
}

async fn show(State(treasury): State<Arc<Treasury>>, Path(id): Path<String>) -> Response {
    match treasury.entries.lock().unwrap().get(&id) {
        Some(entry) => Json(entry.clone()).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no-such-payout", &id, Value::Null),
    }
}

async fn truth(State(treasury): State<Arc<Treasury>>) -> Response {
    let payouts: Vec<Entry> = treasury.entries.lock().unwrap().values().cloned().collect();
    Json(json!({ "payouts": payouts })).into_response()
}

fn wrong_fields(payout: &Payout) -> Vec<Value> {
    let mut wrong = Vec::new();
    let mut say = |pointer: &str, detail: &str| {
        wrong.push(json!({ "pointer": pointer, "detail": detail }));
    };
    if payout.id.is_empty() {
        say("/id", "must not be empty");
    }
    match Family::of(&payout.chain) {
        Some(Family::Evm) => evm::wrong_places(payout, &mut say),
        Some(Family::Utxo) => utxo::wrong_places(payout, &mut say),
        None => say("/chain", "must be of eip155 or bip122"),
    }
    if payout.amount.parse::<U256>().is_err() || payout.amount.starts_with("0x") {
        say("/amount", "must be a decimal integer in the asset's smallest unit");
    }
    wrong
}

/// Sends the payout, or does what `fault` says instead.
async fn perform(treasury: Arc<Treasury>, mut payout: Payout, fault: Option<Fault>) {
    let id = payout.id.clone();
    let (mut sends, mut replaces) = (1, false);
    match fault.map_or("", |fault| fault.name) {
        "never" => return,
        "twice" => sends = 2,
        "wrong_amount" => {
            let amount: U256 = payout.amount.parse().unwrap_or_default();
            payout.amount = (amount / U256::from(2)).to_string();
        }
        "wrong_address" => payout.to = treasury.wrong_address(&payout).await,
        "replaced" => replaces = true,
        "late" => tokio::time::sleep(fault.map_or(LATE_BY, |fault| fault.after(LATE_BY))).await,
        "dropped" => {
            // A transaction that a node took and lost: its hash was told, no block ever has it.
            treasury.sent(&id, lost_hash(&payout));
            return;
        }
        _ => {}
    }
    for _ in 0..sends {
        let hash = treasury.send(&payout).await;
        treasury.sent(&id, hash.clone());
        if replaces && let Some(instead) = treasury.replace(&payout, &hash).await {
            treasury.sent(&id, instead);
        }
    }
}

/// The hash of a transaction that never was, as its chain writes hashes.
fn lost_hash(payout: &Payout) -> String {
    let digits = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    match Family::of(&payout.chain) {
        Some(Family::Utxo) => digits,
        Some(Family::Evm) | None => format!("0x{digits}"),
    }
}

/// How a chain moves money.
#[derive(Clone, Copy)]
enum Family {
    Evm,
    Utxo,
}

impl Family {
    fn of(chain: &str) -> Option<Self> {
        match chain.split_once(':')?.0 {
            "eip155" => Some(Self::Evm),
            "bip122" => Some(Self::Utxo),
            _ => None,
        }
    }
}

impl Treasury {
    fn sent(&self, id: &str, hash: String) {
        if let Some(entry) = self.entries.lock().unwrap().get_mut(id) {
            entry.status = "sent";
            entry.transactions.push(hash);
        }
    }

    /// Sends until the node takes it.
    async fn send(&self, payout: &Payout) -> String {
        loop {
            match self.try_send(payout).await {
                Ok(hash) => return hash,
                Err(error) => {
                    tracing::warn!(error = %error, payout = %payout.id, "a payout was not taken");
                }
            }
            tokio::time::sleep(self.config.retry_after).await;
        }
    }

    async fn try_send(&self, payout: &Payout) -> anyhow::Result<String> {
        match Family::of(&payout.chain) {
            Some(Family::Evm) => evm::send(self, payout).await,
            Some(Family::Utxo) => utxo::send(self, payout).await,
            None => anyhow::bail!("{} is of no family", payout.chain),
        }
    }

    /// An address of the payout's chain that is somebody else's.
    async fn wrong_address(&self, payout: &Payout) -> String {
        match Family::of(&payout.chain) {
            Some(Family::Utxo) => loop {
                match utxo::own_address(self).await {
                    Ok(address) => return address,
                    Err(error) => tracing::warn!(error = %error, "the node gave no address"),
                }
                tokio::time::sleep(self.config.retry_after).await;
            },
            Some(Family::Evm) | None => evm::WRONG_ADDRESS.to_owned(),
        }
    }

    /// Pays a higher fee for what waits, where that makes it another transaction. Of an EVM chain
    /// nothing waits long enough here.
    async fn replace(&self, payout: &Payout, hash: &str) -> Option<String> {
        match Family::of(&payout.chain)? {
            Family::Evm => None,
            Family::Utxo => match utxo::replace(self, hash).await {
                Ok(instead) => Some(instead),
                Err(error) => {
                    tracing::warn!(error = %error, payout = %payout.id, "not replaced");
                    None
                }
            },
        }
    }

    async fn call(
        &self,
        rpc: &str,
        headers: &[(&str, &str)],
        method: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = Bytes::from(body.to_string());
        let (_, answer) = self.outgoing.post(rpc, headers, body, NODE_DEADLINE).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        anyhow::ensure!(answer["error"].is_null(), "the node refused: {}", answer["error"]);
        Ok(answer["result"].take())
    }
}
