//! How this process reaches each supplier: address, account, client.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use chassis::{HttpClient, HttpClientConfig, HttpError};
use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use suppliers::{Access, HttpReply, HttpRequest, Sent};

use crate::config::Config;

/// The largest answer that is read, unpacked; a page of offers is some 100 KiB, all of an airline's
/// on a busy route some MiB.
const BODY_MAX: usize = 8 * 1024 * 1024;
/// Idle connections are closed well before a supplier closes them: a request written into a
/// connection that is just being closed is one of which nothing is known.
const IDLE_FOR: Duration = Duration::from_secs(4);

/// Every supplier this process can reach.
pub(crate) struct Accounts {
    accounts: BTreeMap<Supplier, Account>,
}

/// One supplier, as this process reaches it.
pub(crate) struct Account {
    pub(crate) access: Access,
    base_url: String,
    client: HttpClient,
}

impl Accounts {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let mut accounts = BTreeMap::new();
        for (supplier, account) in &config.accounts {
            let at_once = config.policy.of(*supplier).calls_at_once_max;
            let client = HttpClient::new(HttpClientConfig {
                max_body: BODY_MAX,
                pool_idle: IDLE_FOR,
                max_idle_per_host: usize::try_from(at_once).unwrap_or(usize::MAX),
                ..HttpClientConfig::default()
            })
            .with_context(|| format!("making the client for {supplier}"))?;
            let access = Access {
                key: account.key.clone(),
                secret: account.secret.clone(),
                email: account.email.clone(),
                customer_ip: account.customer_ip.clone(),
                country_code: account.country_code.clone(),
                language: account.language.clone(),
            };
            let base_url = account.url.clone();
            accounts.insert(*supplier, Account { access, base_url, client });
        }
        Ok(Self { accounts })
    }

    /// The suppliers that we sell.
    pub(crate) fn suppliers(&self) -> impl Iterator<Item = Supplier> {
        self.accounts.keys().copied()
    }

    /// Our account at a supplier; nothing when the process was told of none.
    pub(crate) fn of(&self, supplier: Supplier) -> Option<&Account> {
        self.accounts.get(&supplier)
    }
}

impl Account {
    /// Sends a request and says how far it got.
    pub(crate) async fn send(&self, request: HttpRequest, within: Duration) -> Sent {
        let Some(request) = self.request(request) else { return Sent::NotSent };
        match self.client.send(request.within(within)).await {
            Ok(reply) => Sent::Reply(HttpReply {
                status: reply.status.as_u16(),
                headers: text(&reply.headers),
                body: reply.body.into(),
            }),
            Err(HttpError::NotSent { .. }) => Sent::NotSent,
            Err(HttpError::MaybeSent { .. }) => Sent::NoAnswer,
        }
    }

    /// The request as our client sends it; nothing when it has a header that is none.
    fn request(&self, request: HttpRequest) -> Option<chassis::HttpRequest> {
        let method = Method::from_bytes(request.method.word().as_bytes()).ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.insert(name, HeaderValue::from_str(value).ok()?);
        }
        let mut made = chassis::HttpRequest::new(
            method,
            format!("{}{}", self.base_url, request.path_and_query),
        );
        made.headers = headers;
        made.body = request.body.unwrap_or_default().into();
        Some(made)
    }
}

/// A request as journals keep it: method, path and body. The headers are our signature and nothing
/// else.
pub(crate) fn written(request: &HttpRequest) -> Vec<u8> {
    let line = format!("{} {}\n\n", request.method.word(), request.path_and_query);
    let body = request.body.as_deref().unwrap_or_default();
    [line.as_bytes(), body].concat()
}

/// The time that signatures carry. Suppliers compare it with their own clock and know nothing of
/// our database's; no decision of ours hangs on it.
#[expect(clippy::disallowed_methods, reason = "for the supplier's eyes only, see above")]
pub(crate) fn signed_at() -> DateTime<Utc> {
    Utc::now()
}

fn text(headers: &HeaderMap) -> Vec<(String, String)> {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, v)| (name.as_str().to_owned(), value(v))).collect()
}
