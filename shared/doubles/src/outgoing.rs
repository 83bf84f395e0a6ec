//! The one HTTP client of the doubles: plain http, JSON out, a bounded body back.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// No answer of a node or of a callback service is near this size.
const BODY_MAX: usize = 1024 * 1024;

/// Posts JSON over plain HTTP with connections kept alive.
#[derive(Clone)]
pub(crate) struct Outgoing {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Outgoing {
    pub(crate) fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Posts `body` with `headers` and reads the whole answer within `deadline`.
    ///
    /// # Errors
    /// When the address is none, nobody answers in time, or the answer is too large.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
        deadline: Duration,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(http::header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body))?;
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_MAX)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!("the answer could not be read: {error}"))?;
            anyhow::Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(deadline, exchange).await?
    }
}
