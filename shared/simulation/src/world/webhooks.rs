//! The supplier's callbacks, signed as the real ones, and the service that takes them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::{
    ids::{CallbackId, MessageId, derive},
    messages::CallbackReceived,
    supplier::Supplier,
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{Happening, World};
use crate::{
    commit::{Commit, Rows},
    parcel::{Parcel, Role},
    sometimes::Sometimes,
    supplier_sync::rapid,
};

const KEY: [u8; 32] = [7; 32];
const AGE_MAX: Duration = Duration::from_secs(300);
const TRIES_MAX: u32 = 6;

/// One try of one callback.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    id: String,
    event: &'static str,
    reference: String,
    client_reference: String,
    tries: u32,
    forged: bool,
    /// Signed this long before it comes.
    age_s: i64,
}

impl Push {
    pub(super) fn reference(&self) -> &str {
        &self.reference
    }
}

impl World {
    /// The supplier decides to push something, now or much later, once or often.
    pub(super) fn supplier_pushes(&mut self, event: &'static str, reference: &str) {
        if self.chance(self.faults.callback_lost) {
            return;
        }
        let client_reference = self.rapid.get(reference).unwrap().client_reference.clone();
        let id = format!("msg_{}_{reference}", event.replace('.', "_"));
        let reference = reference.to_owned();
        let push =
            Push { id, event, reference, client_reference, tries: 0, forged: false, age_s: 0 };
        let copies =
            if self.chance(self.faults.callback_repeated) { self.seconds(2, 5) } else { 1 };
        for _ in 0..copies {
            let late = i64::from(self.faults.callback_late_max_s);
            // Most come soon, whatever the latest may be.
            let latest = if self.chance(500) { late } else { late.min(5) };
            let seconds = self.seconds(0, latest);
            self.put_in(seconds, Happening::Push(push.clone()));
        }
        if self.chance(self.faults.callback_forged) {
            let id = format!("{}_forged", push.id);
            let forged = Push { id, forged: true, ..push.clone() };
            self.put_in(1, Happening::Push(forged));
        }
        if self.chance(self.faults.callback_old) {
            // One that somebody kept and sends again.
            let id = format!("{}_old", push.id);
            let age_s = self.seconds(301, 86_400);
            self.put_in(1, Happening::Push(Push { id, age_s, ..push.clone() }));
        }
        if self.chance(self.faults.callback_lies) {
            self.hit(Sometimes::CallbackUntrue);
            let event = match push.event {
                "itinerary.agent.cancel" | "itinerary.supplier.cancel" => {
                    "itinerary.supplier.confirm"
                }
                _ => "itinerary.supplier.cancel",
            };
            let id = format!("{}_untrue", push.id);
            let seconds = self.seconds(0, 600);
            self.put_in(seconds, Happening::Push(Push { id, event, ..push }));
        }
    }

    /// A callback comes in: proven, stored once, and said in the same transaction.
    pub(super) fn push(&mut self, mut push: Push) {
        let body = serde_json::json!({
            "event_type": push.event,
            "itinerary_id": push.reference,
            "affiliate_reference_id": push.client_reference,
        });
        let body = body.to_string().into_bytes();
        let headers = self.signed(&push, &body);
        let secrets = [STANDARD.encode(KEY).into()];
        let verified = rapid().verify_callback(&secrets, self.now, AGE_MAX, &headers, &body);
        let callback = match (verified, push.forged || push.age_s > 0) {
            (Ok(callback), false) => callback,
            (Err(_), true) if push.forged => return self.hit(Sometimes::CallbackForged),
            (Err(_), true) => return self.hit(Sometimes::CallbackTooOld),
            (verified, forged) => {
                let what = format!("forged {forged}, believed {}", verified.is_ok());
                return self.broken("S15", None, what);
            }
        };
        if self.crashes() {
            push.tries += 1;
            if push.tries < TRIES_MAX {
                self.put_in(60, Happening::Push(push));
            }
            return;
        }
        if self.callbacks.contains(&callback.id) {
            return self.hit(Sometimes::CallbackRepeated);
        }
        let callback_id = CallbackId(derive(self.now, &[callback.id.as_bytes()]));
        let message = CallbackReceived {
            callback_id,
            supplier: Supplier::Rapid,
            client_reference: callback.client_reference,
            reference: callback.reference,
            claim: callback.claim,
            received_at: self.now,
        };
        let id = MessageId::caused_by(self.now, callback_id.0, 1, 0);
        let commit = Commit {
            rows: vec![Rows::Callback(callback.id)],
            said: vec![Parcel::of(id, &message)],
            ..Commit::default()
        };
        self.transact(Role::Callbacks, commit);
    }

    fn signed(&self, push: &Push, body: &[u8]) -> Vec<(String, String)> {
        let stamp = (self.now.timestamp() - push.age_s).to_string();
        let key = if push.forged { [8; 32] } else { KEY };
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        for part in [push.id.as_bytes(), b".", stamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let headers = [
            ("webhook-id", push.id.clone()),
            ("webhook-timestamp", stamp),
            ("webhook-signature", signature),
        ];
        headers.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }
}
