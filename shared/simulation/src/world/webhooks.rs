//! The supplier's callbacks, signed as the real ones, and the service that takes them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::{
    ids::{CallbackId, MessageId, derive},
    messages::CallbackReceived,
    supplier::Supplier,
};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use suppliers::dialect;

use super::{Happening, World};
use crate::{
    commit::{Commit, Rows},
    parcel::{Parcel, Role},
    sometimes::Sometimes,
};

const KEY: [u8; 32] = [7; 32];
const AGE_MAX: Duration = Duration::from_secs(300);
const TRIES_MAX: u32 = 6;

/// What a supplier tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Made,
    Bought,
    Cancelled,
    TakenBack,
    Moved,
    /// That it stands, when it does not.
    StandsIndeed,
    /// That it is gone, when it is not.
    GoneIndeed,
}

impl News {
    /// What this supplier calls it; nothing where it tells of no such thing.
    const fn event(self, supplier: Supplier) -> Option<&'static str> {
        match (supplier, self) {
            (Supplier::Rapid, Self::Made) => Some("itinerary.agent.create"),
            (Supplier::Rapid, Self::Bought | Self::Moved) => Some("itinerary.agent.change"),
            (Supplier::Rapid, Self::Cancelled) => Some("itinerary.agent.cancel"),
            (Supplier::Rapid, Self::TakenBack | Self::GoneIndeed) => {
                Some("itinerary.supplier.cancel")
            }
            (Supplier::Rapid, Self::StandsIndeed) => Some("itinerary.supplier.confirm"),
            // How a booking process ended, and nothing else.
            (Supplier::Etg, Self::Made | Self::StandsIndeed) => Some("completed"),
            (Supplier::Etg, Self::GoneIndeed) => Some("failed"),
            (Supplier::Etg, Self::Bought | Self::Cancelled | Self::TakenBack | Self::Moved) => None,
            (Supplier::Duffel, Self::Made | Self::StandsIndeed) => Some("order.created"),
            (Supplier::Duffel, Self::Bought) => Some("payment.created"),
            (Supplier::Duffel, Self::Cancelled | Self::GoneIndeed) => {
                Some("order_cancellation.confirmed")
            }
            (Supplier::Duffel, Self::TakenBack | Self::Moved) => {
                Some("order.airline_initiated_change_detected")
            }
            (Supplier::Hotelbeds | Supplier::Neutral, _) => None,
        }
    }

    /// What it says who does not tell the truth.
    const fn untrue(self) -> Self {
        match self {
            Self::Cancelled | Self::TakenBack => Self::StandsIndeed,
            Self::Made | Self::Bought | Self::Moved => Self::GoneIndeed,
            Self::StandsIndeed | Self::GoneIndeed => self,
        }
    }
}

/// One try of one callback.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    id: String,
    supplier: Supplier,
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
    pub(super) fn supplier_pushes(&mut self, news: News, reference: &str) {
        let about = self.market.get(reference).unwrap();
        let (supplier, client_reference) = (about.supplier, about.client_reference.clone());
        let Some(event) = news.event(supplier) else { return };
        if self.chance(self.faults.callback_lost) {
            return;
        }
        let id = format!("{news:?}_{reference}_{}", self.now.timestamp());
        let reference = reference.to_owned();
        let push = Push {
            id,
            supplier,
            event,
            reference,
            client_reference,
            tries: 0,
            forged: false,
            age_s: 0,
        };
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
            let Some(event) = news.untrue().event(supplier) else { return };
            let id = format!("{}_untrue", push.id);
            let seconds = self.seconds(0, 600);
            self.put_in(seconds, Happening::Push(Push { id, event, ..push }));
        }
    }

    /// A callback comes in: proven, stored once, and said in the same transaction.
    pub(super) fn push(&mut self, mut push: Push) {
        let (headers, body) = self.signed(&push);
        let secrets = [STANDARD.encode(KEY).into()];
        let dialect = dialect(push.supplier);
        let verified = dialect.verify_callback(&secrets, self.now, AGE_MAX, &headers, &body);
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
            supplier: push.supplier,
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

    /// Headers and body, as this supplier signs.
    fn signed(&self, push: &Push) -> (Vec<(String, String)>, Vec<u8>) {
        let at = self.now.timestamp() - push.age_s;
        let stamp = at.to_string();
        let key = if push.forged { [8; 32] } else { KEY };
        let text = STANDARD.encode(key);
        let named = |name: &str, value: String| (name.to_owned(), value);
        match push.supplier {
            Supplier::Etg => {
                let signature = hex::encode(mac(text.as_bytes(), &[&stamp, &push.id]));
                let body = json!({
                    "data": { "partner_order_id": push.client_reference, "status": push.event },
                    "signature": { "signature": signature, "timestamp": at, "token": push.id },
                });
                (Vec::new(), body.to_string().into_bytes())
            }
            Supplier::Duffel => {
                let event = json!({
                    "id": format!("wev_{}", push.id),
                    "type": push.event,
                    "idempotency_key": push.id,
                    "data": { "object": object(push) },
                });
                let body = event.to_string();
                let signature = hex::encode(mac(text.as_bytes(), &[&stamp, ".", &body]));
                let signed = format!("t={stamp},v1={signature}");
                (vec![named("x-duffel-signature", signed)], body.into_bytes())
            }
            Supplier::Rapid | Supplier::Hotelbeds | Supplier::Neutral => {
                let event = json!({
                    "event_type": push.event,
                    "itinerary_id": push.reference,
                    "affiliate_reference_id": push.client_reference,
                });
                let body = event.to_string();
                let signature = mac(&key, &[&push.id, ".", &stamp, ".", &body]);
                let headers = vec![
                    named("webhook-id", push.id.clone()),
                    named("webhook-timestamp", stamp),
                    named("webhook-signature", format!("v1,{}", STANDARD.encode(signature))),
                ];
                (headers, body.into_bytes())
            }
        }
    }
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac.finalize().into_bytes().to_vec()
}

/// What an event of Duffel's is about: the order, or what names it.
fn object(push: &Push) -> Value {
    let ours = json!({ "client_reference": push.client_reference });
    match push.event {
        "order.created" => json!({ "id": push.reference, "metadata": ours }),
        "payment.created" => json!({ "id": "pay_1", "order_id": push.reference }),
        "order_cancellation.confirmed" => json!({ "id": "ore_1", "order_id": push.reference }),
        _ => json!({ "id": "aic_1", "order_id": push.reference }),
    }
}
