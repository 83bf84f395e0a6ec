//! Webhooks: pushed when something changes, at least once, in no order that is promised.
//!
//! Published: `Stripe-Signature: t=…,v1=…`, the hex HMAC-SHA256 of time stamp, dot and body under
//! the endpoint's secret as it is written; `id` is the same over repeats.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::Cards;
use super::world::Event;
use crate::Life;
use crate::config::CallbackConfig;
use crate::outgoing::Outgoing;

const PUSH_DEADLINE: Duration = Duration::from_secs(10);
/// How late a late one is when nothing else is asked for.
const LATE_BY: Duration = Duration::from_secs(30);
/// How far a stale time stamp lies behind; receivers take five minutes.
const STALE_BY: i64 = 600;

/// Where webhooks go, if anywhere.
pub(crate) struct Webhooks {
    to: Option<Arc<Target>>,
    life: Life,
}

struct Target {
    config: CallbackConfig,
    outgoing: Outgoing,
}

/// How a push is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    Rightly,
    /// With another secret.
    Forged,
    /// With a time stamp of long ago.
    Stale,
}

impl Webhooks {
    pub(crate) fn new(config: Option<CallbackConfig>, life: &Life) -> Self {
        let target = |config| Arc::new(Target { config, outgoing: Outgoing::new() });
        Self { to: config.map(target), life: life.clone() }
    }
}

impl Cards {
    /// Pushes an event.
    pub(super) fn tell(&self, event: &Event) {
        if self.webhooks.to.is_none() {
            return;
        }
        let fault = self.faults.take("webhook");
        let (times, pause) = match fault.map_or("", |fault| fault.name) {
            "webhook_lost" => return,
            "webhook_twice" => (2, Duration::ZERO),
            "webhook_late" => (1, fault.map_or(LATE_BY, |fault| fault.after(LATE_BY))),
            _ => (1, Duration::ZERO),
        };
        self.push(event, times, pause, Signed::Rightly);
    }

    /// Pushes an event so often, signed so.
    pub(super) fn push(&self, event: &Event, times: u32, pause: Duration, signed: Signed) {
        let Some(target) = self.webhooks.to.clone() else { return };
        let body = json!({
            "id": format!("evt_{}", uuid::Uuid::new_v4().simple()),
            "object": "event",
            "type": event.kind,
            "created": Utc::now().timestamp(),
            "livemode": false,
            "data": { "object": event.object },
        });
        let body = Bytes::from(body.to_string());
        for _ in 0..times {
            let (target, body) = (target.clone(), body.clone());
            self.webhooks.life.spawn(async move {
                tokio::time::sleep(pause).await;
                target.push(body, signed).await;
            });
        }
    }
}

impl Target {
    /// Tries until it is answered with success, with growing pauses; what is not rightly signed is
    /// tried once.
    async fn push(&self, body: Bytes, signed: Signed) {
        let CallbackConfig { url, secret, retry_after, attempts } = &self.config;
        let mut pause = *retry_after;
        let attempts = if signed == Signed::Rightly { *attempts } else { 1 };
        for _ in 0..attempts {
            let signature = signature(secret, &body, signed);
            let headers = [("stripe-signature", signature.as_str())];
            let answer = self.outgoing.post(url, &headers, body.clone(), PUSH_DEADLINE).await;
            if answer.is_ok_and(|(status, _)| status.is_success()) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

fn signature(secret: &str, body: &Bytes, signed: Signed) -> String {
    let late = if signed == Signed::Stale { STALE_BY } else { 0 };
    let stamp = (Utc::now().timestamp() - late).to_string();
    let key = if signed == Signed::Forged { "whsec_somebody_else" } else { secret };
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(stamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={stamp},v1={}", hex::encode(mac.finalize().into_bytes()))
}
