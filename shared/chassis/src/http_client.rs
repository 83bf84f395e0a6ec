//! Calls over HTTP that say whether the request may have arrived.
//!
//! The one thing a caller must know after a failure is whether the other side may have acted:
//! [`HttpError::NotSent`] says surely not, [`HttpError::MaybeSent`] says it is not known. Nothing
//! is tried again here and no redirect is followed: only whoever knows the meaning of a call may
//! repeat it. Every call has a deadline, every answer a cap, every request the trace.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field::Empty, info_span};

use self::reach::PublicResolver;
use crate::{
    metrics::{self, Histogram},
    trace,
};

mod error;
mod reach;

pub use error::{CallError, HttpError, Reason};
pub use reach::Reach;

/// How a client behaves.
#[derive(Debug, Clone)]
pub struct HttpClientConfig {
    /// How long a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a whole exchange may take when the request does not say.
    pub timeout: Duration,
    /// The largest answer that is read.
    pub max_body: usize,
    /// How long an idle connection is kept; below what the other side keeps it.
    pub pool_idle: Duration,
    /// How many idle connections are kept a host; 0 opens one for each request, which rules out
    /// that a request is written into a connection the other side is closing.
    pub max_idle_per_host: usize,
    /// What we call ourselves.
    pub user_agent: String,
    /// A proxy everything goes through; the environment's proxies are not looked at.
    pub proxy: Option<String>,
    /// Which addresses may be called.
    pub reach: Reach,
}

/// One request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The whole address.
    pub url: String,
    /// Headers besides those of the connection, the trace and the length.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long this exchange may take, if not as long as the client's others.
    pub timeout: Option<Duration>,
}

/// One complete answer, of whatever status.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// How long the exchange took.
    pub took: Duration,
}

/// A client for any number of hosts. Cheap to clone; its connections are shared.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    timeout: Duration,
    max_body: usize,
    reach: Reach,
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("making an HTTP client")]
pub struct CannotMakeClient(#[source] reqwest::Error);

impl HttpClient {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`CannotMakeClient`] when the proxy's address or the name we give ourselves is none.
    pub fn new(config: HttpClientConfig) -> Result<Self, CannotMakeClient> {
        let builder = reqwest::Client::builder()
            .user_agent(config.user_agent)
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(config.pool_idle)
            .pool_max_idle_per_host(config.max_idle_per_host)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .http1_only();
        let builder = match config.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).map_err(CannotMakeClient)?),
            None => builder,
        };
        let builder = match config.reach {
            Reach::PublicOnly => builder.dns_resolver(PublicResolver),
            Reach::Anywhere => builder,
        };
        let client = builder.build().map_err(CannotMakeClient)?;
        let HttpClientConfig { timeout, max_body, reach, .. } = config;
        Ok(Self { client, timeout, max_body, reach })
    }

    /// Sends a request and reads the whole answer, of whatever status.
    ///
    /// # Errors
    ///
    /// [`HttpError`], which says whether the request may have arrived.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpReply, HttpError> {
        let begun = Instant::now();
        let url = reqwest::Url::parse(&request.url)
            .map_err(|_none| HttpError::NotSent { reason: Reason::NotARequest, source: None })?;
        if self.reach == Reach::PublicOnly && reach::check_literal(&url).is_err() {
            return Err(HttpError::NotSent { reason: Reason::NotPublic, source: None });
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let span = client_span(&request.method, &url, &host);
        let exchange = self.exchange(request, url, begun).instrument(span.clone());
        let outcome = exchange.await;
        note(&span, &outcome);
        metrics::observe(Histogram::HttpClientSeconds, &[("host", &host)], begun.elapsed());
        outcome
    }

    /// Asks another of our services for a JSON document.
    ///
    /// # Errors
    ///
    /// [`CallError`] when there was no answer, a refusal, or a body of another shape.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &str,
        token: Option<&SecretString>,
        within: Duration,
    ) -> Result<T, CallError> {
        let request = HttpRequest::new(Method::GET, url).bearer(token).within(within);
        self.call(request).await
    }

    /// Sends a JSON document to another of our services and reads one back.
    ///
    /// # Errors
    ///
    /// [`CallError`] when there was no answer, a refusal, or a body of another shape.
    pub async fn post_json<B: Serialize + Sync + ?Sized, T: DeserializeOwned>(
        &self,
        url: &str,
        body: &B,
        token: Option<&SecretString>,
        within: Duration,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(CallError::NotWritable)?;
        let request = HttpRequest::new(Method::POST, url).bearer(token).within(within).json(body);
        self.call(request).await
    }

    /// Sends a request to another of our services and reads JSON back; `null` for an empty body.
    ///
    /// # Errors
    ///
    /// [`CallError`] when there was no answer, a refusal, or a body of another shape.
    pub async fn call<T: DeserializeOwned>(&self, request: HttpRequest) -> Result<T, CallError> {
        let reply = self.send(request).await.map_err(CallError::NoAnswer)?;
        if !reply.status.is_success() {
            let problem = serde_json::from_slice(&reply.body).unwrap_or_default();
            return Err(CallError::Refused { status: reply.status, problem });
        }
        let body = if reply.body.is_empty() { b"null" } else { reply.body.as_ref() };
        serde_json::from_slice(body).map_err(CallError::NotReadable)
    }

    async fn exchange(
        &self,
        request: HttpRequest,
        url: reqwest::Url,
        begun: Instant,
    ) -> Result<HttpReply, HttpError> {
        let mut headers = request.headers;
        trace::inject(&mut headers);
        let sent = self
            .client
            .request(request.method, url)
            .headers(headers)
            .timeout(request.timeout.unwrap_or(self.timeout))
            .body(request.body)
            .send();
        let mut response = sent.await.map_err(HttpError::of_sending)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(HttpError::of_reading)? {
            if body.len() + chunk.len() > self.max_body {
                return Err(HttpError::MaybeSent { reason: Reason::BodyTooLarge, source: None });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpReply {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
            took: begun.elapsed(),
        })
    }
}

impl HttpRequest {
    /// Begins a request without a body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let headers = HeaderMap::new();
        Self { method, url: url.into(), headers, body: Bytes::new(), timeout: None }
    }

    /// Adds a bearer token, if there is one.
    #[must_use]
    pub fn bearer(mut self, token: Option<&SecretString>) -> Self {
        let value = token.map(|token| format!("Bearer {}", token.expose_secret()));
        if let Some(mut value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
        self
    }

    /// Sets how long the exchange may take.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Sets a JSON body that is written already.
    #[must_use]
    pub fn json(mut self, body: impl Into<Bytes>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = body.into();
        self
    }

    /// Sets a header; one that cannot be written is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl Default for HttpClientConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(30),
            max_body: 1024 * 1024,
            // Servers close idle connections after 15 s at the earliest, ours after 30 s.
            pool_idle: Duration::from_secs(10),
            max_idle_per_host: 32,
            user_agent: concat!("holdfast/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            reach: Reach::Anywhere,
        }
    }
}

/// Names and attributes are those of OpenTelemetry's conventions for HTTP clients. The query is
/// left out: suppliers and nodes take keys and names there.
fn client_span(method: &Method, url: &reqwest::Url, host: &str) -> Span {
    let origin = url.origin().ascii_serialization();
    info_span!(
        "call",
        otel.name = method.as_str(),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method.as_str(),
        http.response.status_code = Empty,
        server.address = host,
        server.port = url.port_or_known_default(),
        url.full = %format_args!("{origin}{}", url.path()),
        url.path = url.path(),
        error.type = Empty,
    )
}

fn note(span: &Span, outcome: &Result<HttpReply, HttpError>) {
    let failed = |class: &dyn fmt::Display| {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", tracing::field::display(class));
    };
    match outcome {
        Ok(reply) => {
            span.record("http.response.status_code", reply.status.as_u16());
            if reply.status.is_client_error() || reply.status.is_server_error() {
                failed(&reply.status.as_u16());
            }
        }
        Err(error) => failed(&error.reason()),
    }
}

#[cfg(test)]
mod tests;
