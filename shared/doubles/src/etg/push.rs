//! The webhook on how a booking process ended.
//!
//! Published (receive booking status webhook): the body, a signature over time stamp and token
//! alone with the API key's token, and repetitions while the answer is no 200.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::world::Notice;
use crate::Life;
use crate::config::CallbackConfig;
use crate::faults::{Board, pushes};
use crate::outgoing::Outgoing;

const PUSH_DEADLINE: Duration = Duration::from_secs(10);

/// Sends what it is told to the configured address, with the faults of `callback`.
pub(crate) struct Pusher {
    config: CallbackConfig,
    faults: Arc<Board>,
    outgoing: Outgoing,
    life: Life,
}

impl Pusher {
    pub(crate) fn new(config: CallbackConfig, faults: Arc<Board>, life: &Life) -> Arc<Self> {
        Arc::new(Self { config, faults, outgoing: Outgoing::new(), life: life.clone() })
    }

    /// Tells of an end, with whatever fault is armed.
    pub(crate) fn tell(self: &Arc<Self>, notice: Notice) {
        let status = if notice.status == "completed" { "failed" } else { "completed" };
        let against = Notice { status, ..notice.clone() };
        let body = self.body(&notice, false);
        for pushed in pushes(self.faults.take("callback")) {
            let body = match (pushed.forged, pushed.contradicting) {
                (true, _) => self.body(&notice, true),
                (false, true) => self.body(&against, false),
                (false, false) => body.clone(),
            };
            self.push(body, pushed.after);
        }
    }

    /// Tells just so, signed by somebody else where that is asked for.
    pub(crate) fn tell_plain(self: &Arc<Self>, notice: &Notice, forged: bool) {
        self.push(self.body(notice, forged), Duration::ZERO);
    }

    fn body(&self, notice: &Notice, forged: bool) -> Bytes {
        let (stamp, token) = (Utc::now().timestamp(), uuid::Uuid::new_v4().to_string());
        let key = if forged { "a key of somebody else" } else { &self.config.secret };
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(format!("{stamp}{token}").as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let body = json!({
            "data": { "partner_order_id": &*notice.partner_order_id, "status": notice.status },
            "signature": { "signature": signature, "timestamp": stamp, "token": token },
        });
        Bytes::from(body.to_string())
    }

    fn push(self: &Arc<Self>, body: Bytes, pause: Duration) {
        let pusher = self.clone();
        self.life.spawn(async move {
            tokio::time::sleep(pause).await;
            let mut wait = pusher.config.retry_after;
            for _ in 0..pusher.config.attempts {
                let url = &pusher.config.url;
                let pushed = pusher.outgoing.post(url, &[], body.clone(), PUSH_DEADLINE).await;
                if pushed.is_ok_and(|(status, _)| status.is_success()) {
                    return;
                }
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
        });
    }
}
