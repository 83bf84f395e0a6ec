//! Webhooks: pushed when something changes, at least once, in no order that is promised.
//!
//! Published (guide on receiving webhooks, api/webhooks): `X-Duffel-Signature: t=…,v1=…`, the hex
//! HMAC-SHA256 of time stamp, dot and body under the webhook's secret; `idempotency_key` is the
//! same over repeats. Assumed: `data.object` is the resource that the event is about.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Duffel;
use super::world::instant;
use crate::Life;
use crate::config::CallbackConfig;
use crate::faults::pushes;
use crate::outgoing::Outgoing;

const PUSH_DEADLINE: Duration = Duration::from_secs(10);
const FORGED: &str = "a secret of somebody else";

/// Where webhooks go, if anywhere.
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

impl Duffel {
    /// Pushes an event about a resource.
    pub(crate) fn tell(&self, kind: &str, idempotency_key: &str, object: &Value) {
        let Some(target) = self.webhooks.to.clone() else { return };
        let opposite = match kind {
            "order_cancellation.confirmed" => "order.created",
            _ => "order_cancellation.confirmed",
        };
        let event = |kind: &str| {
            let event = json!({
                "id": self.with_world(|world| world.mint("wev")),
                "type": kind,
                "api_version": "v2",
                "live_mode": false,
                "idempotency_key": idempotency_key,
                "created_at": instant(Utc::now()),
                "data": { "object": object },
            });
            Bytes::from(event.to_string())
        };
        let (body, against) = (event(kind), event(opposite));
        for pushed in pushes(self.faults.take("callback")) {
            let body = if pushed.contradicting { against.clone() } else { body.clone() };
            let target = target.clone();
            self.webhooks.life.spawn(async move {
                tokio::time::sleep(pushed.after).await;
                target.push(body, pushed.forged).await;
            });
        }
    }
}

impl Target {
    /// Tries until it is answered with success, with growing pauses.
    async fn push(&self, body: Bytes, forged: bool) {
        let CallbackConfig { url, secret, retry_after, attempts } = &self.config;
        let secret = if forged { FORGED } else { secret.as_str() };
        let mut pause = *retry_after;
        for _ in 0..*attempts {
            let stamp = Utc::now().timestamp().to_string();
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(stamp.as_bytes());
            mac.update(b".");
            mac.update(&body);
            let made = hex::encode(mac.finalize().into_bytes());
            let signature = format!("t={stamp},v1={made}");
            let headers = [("x-duffel-signature", signature.as_str())];
            let answer = self.outgoing.post(url, &headers, body.clone(), PUSH_DEADLINE).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}
