//! A connection that asks for the same again and again, with as little work of its own as there is:
//! what measures shares the machine with what is measured.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One connection, kept.
pub(super) struct Wire {
    sender: SendRequest<Empty<Bytes>>,
    host: HeaderValue,
    path: Uri,
    bearer: HeaderValue,
}

impl Wire {
    /// Connects to where the address lies.
    pub(super) async fn open(url: &str, token: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse()?;
        let authority = url.authority().context("an address without a host")?.as_str();
        let path = url.path_and_query().context("an address without a path")?.clone();
        let way = TcpStream::connect(authority).await?;
        way.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(way)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: HeaderValue::from_str(authority)?,
            path: path.into(),
            bearer: HeaderValue::from_str(&format!("Bearer {token}"))?,
        })
    }

    /// Asks once and reads all of the answer; how many bytes that were.
    pub(super) async fn get(&mut self) -> anyhow::Result<usize> {
        let request = Request::get(self.path.clone())
            .header(header::HOST, self.host.clone())
            .header(header::AUTHORIZATION, self.bearer.clone())
            .body(Empty::new())?;
        self.sender.ready().await?;
        let mut reply = self.sender.send_request(request).await?;
        ensure!(reply.status().is_success(), "{}", reply.status());
        let mut bytes = 0;
        while let Some(frame) = reply.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }
}
