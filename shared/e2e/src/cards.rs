//! The card gateway's double from outside: the page where a customer types a card, and the truth.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use contracts::asset::Units;
use serde_json::{Value, json};

/// A card that pays.
pub const GOOD: &str = "4242424242424242";
/// A card whose bank asks who the customer is.
pub const SECURE: &str = "4000002500003155";
/// A card that is declined.
pub const DECLINED: &str = "4000000000000002";

/// The gateway's double.
#[derive(Debug, Clone)]
pub struct Cards {
    url: String,
    http: reqwest::Client,
}

impl Cards {
    /// The gateway of the doubles at a base URL.
    #[must_use]
    pub fn at(doubles: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url: format!("{doubles}/cards"), http }
    }

    /// The customer types a card on the gateway's page; how the payment stands then.
    ///
    /// # Errors
    /// When the page takes none.
    pub async fn pay(&self, client_secret: &str, card: &str) -> anyhow::Result<Value> {
        self.post(&format!("pay/{client_secret}"), &json!({ "card": card })).await
    }

    /// The bank asks the customer, who passes or does not.
    ///
    /// # Errors
    /// When nobody was asked.
    pub async fn authenticate(&self, client_secret: &str, passes: bool) -> anyhow::Result<Value> {
        let path = format!("pay/{client_secret}/authenticate");
        self.post(&path, &json!({ "passes": passes })).await
    }

    /// Arms a fault.
    ///
    /// # Errors
    /// When there is no such fault.
    pub async fn arm(&self, operation: &str, fault: &str) -> anyhow::Result<()> {
        let body = json!({ "operation": operation, "fault": fault });
        self.post("faults", &body).await.map(drop)
    }

    /// What every customer is without in the end, by our payment.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn charged(&self) -> anyhow::Result<BTreeMap<String, Units>> {
        let mut charged = BTreeMap::new();
        for intent in self.intents().await? {
            let units = Units::parse(&intent["charged"].to_string())?;
            let sum: &mut Units = charged.entry(payment(&intent)).or_default();
            *sum = sum.checked_add(units).context("more than can be charged")?;
        }
        Ok(charged)
    }

    /// What was ever taken, by our payment, whatever went back of it.
    ///
    /// # Errors
    /// When the doubles are away.
    pub async fn taken(&self) -> anyhow::Result<BTreeMap<String, i128>> {
        let mut taken = BTreeMap::new();
        for intent in self.intents().await? {
            let units = intent["amount_received"].as_i64().context("no amount in the truth")?;
            *taken.entry(payment(&intent)).or_default() += i128::from(units);
        }
        Ok(taken)
    }

    async fn intents(&self) -> anyhow::Result<Vec<Value>> {
        let reply = self.http.get(format!("{}/truth", self.url)).send().await?;
        let mut truth: Value = reply.json().await?;
        serde_json::from_value(truth["payment_intents"].take()).context("no payments in the truth")
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.url);
        let reply = self.http.post(url).json(body).send().await?;
        let status = reply.status();
        let text = reply.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

fn payment(intent: &Value) -> String {
    intent["metadata"]["payment_id"].as_str().unwrap_or_default().to_owned()
}
