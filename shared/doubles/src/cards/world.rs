//! What the gateway knows: intents, what was charged, refunds, disputes, and the keys of requests.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::{Value, json};

use super::answers::Answer;

/// Everything.
#[derive(Default)]
pub(crate) struct World {
    pub(super) intents: BTreeMap<String, Intent>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
    pub(super) kept: BTreeMap<String, Kept>,
    requests: Vec<Value>,
    /// What happened and was not pushed yet.
    pub(super) events: Vec<Event>,
    minted: u64,
}

/// What an event says, and of which object.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) kind: &'static str,
    pub(crate) object: Value,
}

/// An answer that a key gets again.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) path: String,
    pub(crate) form: BTreeMap<String, String>,
    pub(crate) answer: Answer,
}

/// One payment.
#[derive(Clone)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) manual: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) status: &'static str,
    pub(crate) capturable: u64,
    pub(crate) received: u64,
    pub(crate) last_error: Option<&'static str>,
    /// The card that waits for 3-D Secure.
    pub(crate) challenged: Option<String>,
    pub(crate) cancelled_because: Option<String>,
    pub(crate) charge: Option<Charge>,
    pub(crate) created: DateTime<Utc>,
}

/// What a card was charged.
#[derive(Clone)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) amount: u64,
    pub(crate) refunded: u64,
    pub(crate) disputed: bool,
    pub(crate) made: DateTime<Utc>,
}

/// Money on its way back.
#[derive(Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) intent: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) status: &'static str,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A holder who says that it was not so.
#[derive(Clone)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) intent: String,
    pub(crate) amount: u64,
    pub(crate) status: &'static str,
}

impl World {
    /// A new id, such as `pi_…`; assumed: 24 characters after the prefix.
    pub(crate) fn mint(&mut self, prefix: &str) -> String {
        self.minted += 1;
        let random = uuid::Uuid::new_v4().simple().to_string();
        format!("{prefix}_{:04}{}", self.minted, random.split_at(20).0)
    }

    /// Published: what is not captured in seven days is given back, and the intent cancelled.
    pub(super) fn lapse(&mut self, now: DateTime<Utc>, after: Duration) {
        let late = |intent: &&mut Intent| {
            let made = intent.charge.as_ref().map_or(now, |charge| charge.made);
            intent.status == "requires_capture"
                && (now - made).to_std().is_ok_and(|age| age >= after)
        };
        let lapsed = self.intents.values_mut().filter(late);
        let ids: Vec<String> = lapsed.map(|intent| intent.id.clone()).collect();
        for id in ids {
            self.cancel(&id, "automatic");
        }
    }

    /// Cancels without asking whether that may be.
    pub(super) fn cancel(&mut self, id: &str, because: &str) {
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.status = "canceled";
        intent.capturable = 0;
        intent.challenged = None;
        intent.cancelled_because = Some(because.to_owned());
        self.say("payment_intent.canceled", id);
    }

    /// Remembers that something happened to an intent.
    pub(super) fn say(&mut self, kind: &'static str, id: &str) {
        let Some(object) = self.intents.get(id).map(Intent::shown) else { return };
        self.events.push(Event { kind, object });
    }

    /// The customer's card says yes.
    pub(super) fn authorise(&mut self, id: &str) {
        let charge = self.mint("ch");
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.challenged = None;
        intent.last_error = None;
        intent.charge = Some(Charge {
            id: charge,
            amount: intent.amount,
            refunded: 0,
            disputed: false,
            made: Utc::now(),
        });
        if intent.manual {
            intent.status = "requires_capture";
            intent.capturable = intent.amount;
            self.say("payment_intent.amount_capturable_updated", id);
        } else {
            intent.status = "succeeded";
            intent.received = intent.amount;
            self.say("payment_intent.succeeded", id);
        }
    }

    /// The customer's card says no; another one may be tried.
    pub(super) fn decline(&mut self, id: &str, code: &'static str) {
        let Some(intent) = self.intents.get_mut(id) else { return };
        intent.status = "requires_payment_method";
        intent.challenged = None;
        intent.last_error = Some(code);
        self.say("payment_intent.payment_failed", id);
    }

    /// Takes the money; what is not taken is given back.
    pub(super) fn capture(&mut self, id: &str, amount: Option<u64>) -> Answer {
        let Some(intent) = self.intents.get_mut(id) else { return Answer::missing(id) };
        if intent.status != "requires_capture" {
            return unexpected_state(intent, "captured");
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount == 0 || amount > intent.capturable {
            return Answer::refused(
                StatusCode::BAD_REQUEST,
                "amount_too_large",
                "This amount cannot be captured",
            );
        }
        intent.status = "succeeded";
        intent.capturable = 0;
        intent.received = amount;
        let body = intent.shown();
        self.say("payment_intent.succeeded", id);
        Answer::ok(id, body)
    }

    /// Gives back what was authorised or lets go of what was only asked for.
    pub(super) fn cancel_asked(&mut self, id: &str, because: &str) -> Answer {
        let Some(intent) = self.intents.get(id) else { return Answer::missing(id) };
        if ["succeeded", "canceled"].contains(&intent.status) {
            return unexpected_state(intent, "canceled");
        }
        self.cancel(id, because);
        let body = self.intents.get(id).map_or(Value::Null, Intent::shown);
        Answer::ok(id, body)
    }

    /// Gives captured money back; all that is left where no amount is named.
    pub(super) fn refund(
        &mut self,
        id: &str,
        amount: Option<u64>,
        metadata: BTreeMap<String, String>,
        status: &'static str,
    ) -> Answer {
        let refund_id = self.mint("re");
        let Some(intent) = self.intents.get_mut(id) else { return Answer::missing(id) };
        let received = intent.received;
        let Some(charge) = intent.charge.as_mut().filter(|_| received > 0) else {
            let message = "This PaymentIntent does not have a successful charge to refund.";
            return Answer::refused(StatusCode::BAD_REQUEST, "charge_not_captured", message);
        };
        let left = received.saturating_sub(charge.refunded);
        let amount = amount.unwrap_or(left);
        if left == 0 {
            let message = "The charge has already been refunded.";
            return Answer::refused(StatusCode::BAD_REQUEST, "charge_already_refunded", message);
        }
        if amount == 0 || amount > left {
            let message = "Refund amount is greater than unrefunded amount on charge";
            return Answer::refused(StatusCode::BAD_REQUEST, "amount_too_large", message);
        }
        if status != "failed" {
            charge.refunded += amount;
        }
        let (intent_id, currency) = (intent.id.clone(), intent.currency.clone());
        let refund =
            Refund { id: refund_id, intent: intent_id, amount, currency, status, metadata };
        let body = refund.shown();
        self.refunds.push(refund);
        self.events.push(Event { kind: "refund.created", object: body.clone() });
        Answer::ok(id, body)
    }

    /// A refund that waited ends; what failed is the merchant's again.
    pub(super) fn end_refund(&mut self, id: &str, status: &'static str) {
        let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == id) else { return };
        let gone_back = refund.status != "failed" && status == "failed";
        refund.status = status;
        let refund = refund.clone();
        if let Some(charge) = self.intents.get_mut(&refund.intent).and_then(|i| i.charge.as_mut())
            && gone_back
        {
            charge.refunded = charge.refunded.saturating_sub(refund.amount);
        }
        let kind = if status == "failed" { "refund.failed" } else { "refund.updated" };
        self.events.push(Event { kind, object: refund.shown() });
    }

    /// The card's holder says that it was not so, or the bank decides about that.
    pub(super) fn dispute(&mut self, intent: &str, status: &'static str) {
        let id = self.mint("dp");
        let Some(charge) = self.intents.get_mut(intent).and_then(|intent| intent.charge.as_mut())
        else {
            return;
        };
        charge.disputed = true;
        let amount = charge.amount;
        let known = self.disputes.iter().position(|dispute| dispute.intent == intent);
        let (place, kind) = match known {
            Some(place) => (place, "charge.dispute.closed"),
            None => {
                self.disputes.push(Dispute { id, intent: intent.to_owned(), amount, status });
                (self.disputes.len() - 1, "charge.dispute.created")
            }
        };
        self.disputes[place].status = status;
        let object = self.disputes[place].shown();
        self.events.push(Event { kind, object });
    }

    /// Keeps a line of what was asked.
    pub(super) fn remember(&mut self, operation: &str, key: Option<&str>, answer: Option<&Answer>) {
        let status = answer.map(|answer| answer.status.as_u16());
        let intent = answer.and_then(|answer| answer.intent.clone());
        self.requests.push(json!({
            "operation": operation, "key": key, "payment_intent": intent,
            "status": status.map_or(json!("no_answer"), |status| json!(status)),
        }));
    }

    /// What is true, whatever was answered.
    pub(super) fn truth(&self) -> Value {
        let intents = self.intents.values().map(|intent| {
            let charge = intent.charge.as_ref();
            let refunded = charge.map_or(0, |charge| charge.refunded);
            let lost = self.disputes.iter().any(|d| d.intent == intent.id && d.status == "lost");
            let mut shown = intent.shown();
            shown["refunded"] = json!(refunded);
            // What the customer is without in the end.
            let charged = if lost { 0 } else { intent.received.saturating_sub(refunded) };
            shown["charged"] = json!(charged);
            shown
        });
        json!({
            "payment_intents": intents.collect::<Vec<_>>(),
            "refunds": self.refunds.iter().map(Refund::shown).collect::<Vec<_>>(),
            "disputes": self.disputes.iter().map(Dispute::shown).collect::<Vec<_>>(),
            "requests": self.requests,
        })
    }
}

impl Intent {
    /// The object, with the fields that matter to a merchant; the charge is always expanded.
    pub(crate) fn shown(&self) -> Value {
        let challenge = self.challenged.as_ref().map(|_| {
            let url = format!("/pay/{}/authenticate", self.secret);
            json!({ "type": "redirect_to_url", "redirect_to_url": { "url": url } })
        });
        let error = self.last_error.map(|code| json!({ "type": "card_error", "code": code }));
        let charge = self.charge.as_ref().map(|charge| {
            json!({
                "id": charge.id, "object": "charge", "amount": charge.amount,
                "amount_captured": self.received, "amount_refunded": charge.refunded,
                "captured": self.received > 0, "disputed": charge.disputed,
                "created": charge.made.timestamp(), "payment_intent": self.id,
            })
        });
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount,
            "amount_capturable": self.capturable, "amount_received": self.received,
            "currency": self.currency, "status": self.status, "metadata": self.metadata,
            "capture_method": if self.manual { "manual" } else { "automatic" },
            "client_secret": self.secret, "created": self.created.timestamp(),
            "cancellation_reason": self.cancelled_because, "next_action": challenge,
            "last_payment_error": error, "latest_charge": charge, "livemode": false,
        })
    }
}

impl Refund {
    pub(crate) fn shown(&self) -> Value {
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "currency": self.currency,
            "payment_intent": self.intent, "status": self.status, "metadata": self.metadata,
        })
    }
}

impl Dispute {
    pub(crate) fn shown(&self) -> Value {
        json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "status": self.status,
            "payment_intent": self.intent,
        })
    }
}

fn unexpected_state(intent: &Intent, what: &str) -> Answer {
    let message = format!(
        "This PaymentIntent could not be {what} because it has a status of {}.",
        intent.status
    );
    let code = "payment_intent_unexpected_state";
    Answer::refused(StatusCode::BAD_REQUEST, code, &message)
}
