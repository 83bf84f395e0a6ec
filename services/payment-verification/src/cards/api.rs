//! The gateway's API: `PaymentIntents` as Stripe publishes them.
//!
//! Every request that does something carries a key under which the gateway does it once and gives
//! the same answer again, failures too: only an answer that is said to be a repeated failure proves
//! that the key is of no use any more.

use std::{collections::BTreeMap, time::Duration};

use chassis::{
    HttpClient, HttpClientConfig, HttpReply, HttpRequest, http_client::CannotMakeClient,
};
use contracts::{ids::PaymentId, money::Currency};
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

/// The gateway answers in this time, or may have acted; it is asked what is true then.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What the gateway keeps of ours with a payment and with a refund.
const OUR_PAYMENT: &str = "payment_id";
const OUR_REFUND: &str = "refund_id";

/// The gateway as this service reaches it.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    http: HttpClient,
    url: String,
    key: SecretString,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// It was done.
    Done(T),
    /// The gateway refused; nothing was done.
    Refused,
    /// Nobody knows: it may have been done.
    Unknown,
    /// It failed under this key and always will; what it did has to be looked up.
    Spent,
}

/// A payment as the gateway tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: u64,
    #[serde(default)]
    pub(super) amount_capturable: u64,
    #[serde(default)]
    pub(super) amount_received: u64,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) client_secret: Option<String>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default)]
    latest_charge: Option<Latest>,
}

/// The charge of a payment: whole where that was asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Latest {
    Whole(Charge),
    Name(#[expect(dead_code, reason = "read only to be told from a whole one")] String),
}

#[derive(Debug, Clone, Deserialize)]
struct Charge {
    #[serde(default)]
    disputed: bool,
}

impl Intent {
    /// The payment that it is of, as we said when it was made.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        self.metadata.get(OUR_PAYMENT)?.parse::<Uuid>().ok().map(PaymentId)
    }

    /// Whether the card's holder says that it was not so.
    pub(super) fn is_disputed(&self) -> bool {
        matches!(&self.latest_charge, Some(Latest::Whole(charge)) if charge.disputed)
    }
}

/// A refund as the gateway tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: u64,
    pub(super) status: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl Refund {
    /// Which refund it is, as we said when it was asked for.
    pub(super) fn ours(&self) -> Option<Uuid> {
        self.metadata.get(OUR_REFUND)?.parse().ok()
    }
}

/// A holder's complaint.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    pub(super) status: String,
}

#[derive(Deserialize)]
struct Listed<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

impl Gateway {
    pub(super) fn new(url: String, key: SecretString) -> Result<Self, CannotMakeClient> {
        let config = HttpClientConfig { timeout: ANSWER_WITHIN, ..HttpClientConfig::default() };
        Ok(Self { http: HttpClient::new(config)?, url, key })
    }

    /// Makes a payment that is held first and taken later.
    pub(super) async fn open(
        &self,
        payment: PaymentId,
        amount: u64,
        currency: Currency,
        attempt: i32,
    ) -> Outcome<Intent> {
        let form = [
            ("amount", amount.to_string()),
            ("currency", currency.code().to_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("payment_method_types[]", "card".to_owned()),
            ("metadata[payment_id]", payment.to_string()),
        ];
        self.post("/v1/payment_intents", &format!("{payment}-open-{attempt}"), &form).await
    }

    /// How a payment stands; nothing when nobody can tell.
    pub(super) async fn read(&self, intent: &str) -> Option<Intent> {
        self.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge")).await
    }

    /// Everything that was given back of a payment; nothing when nobody can tell.
    pub(super) async fn refunds(&self, intent: &str) -> Option<Vec<Refund>> {
        self.list("refunds", intent).await
    }

    pub(super) async fn disputes(&self, intent: &str) -> Option<Vec<Dispute>> {
        self.list("disputes", intent).await
    }

    /// Takes all that is held.
    pub(super) async fn take(
        &self,
        intent: &str,
        payment: PaymentId,
        attempt: i32,
    ) -> Outcome<Intent> {
        let path = format!("/v1/payment_intents/{intent}/capture");
        self.post(&path, &format!("{payment}-take-{attempt}"), &[]).await
    }

    /// Gives up what is held or was never paid.
    pub(super) async fn let_go(
        &self,
        intent: &str,
        payment: PaymentId,
        attempt: i32,
    ) -> Outcome<Intent> {
        let path = format!("/v1/payment_intents/{intent}/cancel");
        let form = [("cancellation_reason", "abandoned".to_owned())];
        self.post(&path, &format!("{payment}-let-go-{attempt}"), &form).await
    }

    /// Gives back a part of what was taken.
    pub(super) async fn give_back(
        &self,
        intent: &str,
        refund: Uuid,
        amount: u64,
        attempt: i32,
    ) -> Outcome<Refund> {
        let form = [
            ("payment_intent", intent.to_owned()),
            ("amount", amount.to_string()),
            ("metadata[refund_id]", refund.to_string()),
        ];
        self.post("/v1/refunds", &format!("{refund}-give-back-{attempt}"), &form).await
    }

    async fn list<T: DeserializeOwned>(&self, what: &str, intent: &str) -> Option<Vec<T>> {
        let path = format!("/v1/{what}?payment_intent={intent}&limit=100");
        let listed: Listed<T> = self.get(&path).await?;
        if listed.has_more {
            tracing::warn!("the card gateway has more {what} of one payment than are read");
            return None;
        }
        Some(listed.data)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let request = HttpRequest::new(Method::GET, format!("{}{path}", self.url));
        match self.send(request).await {
            Some(reply) if reply.status == StatusCode::OK => readable(&reply),
            Some(reply) => {
                tracing::warn!(status = %reply.status, "the card gateway does not tell");
                None
            }
            None => None,
        }
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, String)],
    ) -> Outcome<T> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = HttpRequest::new(Method::POST, format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("idempotency-key", key);
        request.body = body.into();
        let Some(reply) = self.send(request).await else { return Outcome::Unknown };
        match reply.status {
            StatusCode::OK => readable(&reply).map_or(Outcome::Unknown, Outcome::Done),
            status if is_refusal(status) => {
                tracing::warn!(%status, code = code(&reply), "the card gateway refuses");
                Outcome::Refused
            }
            status => {
                tracing::warn!(%status, code = code(&reply), "the card gateway does not answer");
                let again = reply.headers.get("idempotent-replayed");
                let again = again.is_some_and(|value| value == "true");
                if again && status.is_server_error() { Outcome::Spent } else { Outcome::Unknown }
            }
        }
    }

    async fn send(&self, request: HttpRequest) -> Option<HttpReply> {
        match self.http.send(request.bearer(Some(&self.key))).await {
            Ok(reply) => Some(reply),
            Err(error) => {
                let error = chassis::chain(&error).to_string();
                tracing::warn!(error, "the card gateway gave no answer");
                None
            }
        }
    }
}

/// Statuses by which the gateway says that this will not be done. Not those that are about who
/// asks, how often, or at the same moment.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND)
}

fn readable<T: DeserializeOwned>(reply: &HttpReply) -> Option<T> {
    let read = serde_json::from_slice(&reply.body);
    if let Err(error) = &read {
        tracing::warn!(%error, "the card gateway's answer cannot be read");
    }
    read.ok()
}

/// The code of an error, a word of the gateway's own; its message may name a person.
fn code(reply: &HttpReply) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let code = body.pointer("/error/code").and_then(serde_json::Value::as_str);
    code.unwrap_or("none").chars().take(64).collect()
}
