//! Callbacks: Standard Webhooks, at least once, in no order that is promised.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use serde_json::{Value, json};
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook,
};

use super::Neutral;
use crate::Life;
use crate::config::CallbackConfig;
use crate::faults::pushes;
use crate::outgoing::Outgoing;

const PUSH_DEADLINE: Duration = Duration::from_secs(10);
/// Signs what is forged: base64 of a key that nobody has.
const FORGED: &str = "Zm9yZ2VkLWZvcmdlZC1mb3JnZWQtZm9yZ2VkLTEyMzQ=";

/// Where callbacks go, if anywhere.
pub(crate) struct Webhooks {
    to: Option<Arc<Target>>,
    life: Life,
}

struct Target {
    config: CallbackConfig,
    outgoing: Outgoing,
}

impl Webhooks {
    pub(crate) fn new(config: Option<CallbackConfig>, life: &Life) -> Self {
        let target = |config| Arc::new(Target { config, outgoing: Outgoing::new() });
        Self { to: config.map(target), life: life.clone() }
    }
}

impl Neutral {
    /// Pushes what became of a reservation.
    pub(crate) fn tell(&self, reservation: &Value) {
        let Some(target) = self.webhooks.to.clone() else { return };
        let state = reservation["state"].as_str().unwrap_or_default();
        let opposite = if state == "confirmed" { "cancelled" } else { "confirmed" };
        let event = |state: &str| {
            let event = json!({
                "type": format!("reservation.{state}"),
                "reference": reservation["reference"],
                "client_reference": reservation["client_reference"],
            });
            Bytes::from(event.to_string())
        };
        let id = uuid::Uuid::new_v4().to_string();
        for pushed in pushes(self.faults.take("callback")) {
            let body = event(if pushed.contradicting { opposite } else { state });
            let (target, id) = (target.clone(), id.clone());
            self.webhooks.life.spawn(async move {
                tokio::time::sleep(pushed.after).await;
                target.push(&id, body, pushed.forged).await;
            });
        }
    }
}

impl Target {
    /// Tries until it is answered with success, with growing pauses.
    async fn push(&self, id: &str, body: Bytes, forged: bool) {
        let CallbackConfig { url, secret, retry_after, attempts } = &self.config;
        let signer = Webhook::new(if forged { FORGED } else { secret }).unwrap();
        let mut pause = *retry_after;
        for _ in 0..*attempts {
            let at = Utc::now().timestamp();
            let stamp = at.to_string();
            let signature = signer.sign(id, at, &body).unwrap();
            let headers = [
                (HEADER_WEBHOOK_ID, id),
                (HEADER_WEBHOOK_TIMESTAMP, stamp.as_str()),
                (HEADER_WEBHOOK_SIGNATURE, signature.as_str()),
            ];
            let answer = self.outgoing.post(url, &headers, body.clone(), PUSH_DEADLINE).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
