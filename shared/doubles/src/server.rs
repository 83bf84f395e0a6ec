//! The listening socket: real HTTP/1.1, and the two ways to give no answer.
//!
//! axum's own `serve` always answers. A supplier sometimes does not: a response that carries a
//! [`Cut`] is never written, its connection is closed or reset instead.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::{fmt, io};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::Life;

/// Marks a response that must not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset (TCP RST) without an answer.
    Reset,
}

impl IntoResponse for Cut {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Binds `address` and serves `router` on it until `life` ends; returns the address bound.
pub(crate) async fn listen(
    address: SocketAddr,
    router: Router,
    life: &Life,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let connections = life.clone();
    life.spawn(async move {
        loop {
            // Out of descriptors or a client that left early: the listener itself is still sound.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            };
            connections.spawn(converse(stream, router.clone()));
        }
    });
    Ok(bound)
}

/// Answers the requests of one connection until either side is done with it.
async fn converse(stream: TcpStream, router: Router) {
    // Small answers at once: Nagle would add 40 ms to each.
    stream.set_nodelay(true).ok();
    let reset = Arc::new(AtomicBool::new(false));
    let line = Line { stream, reset: reset.clone() };
    let service = service_fn(move |request| {
        let router = router.clone();
        let reset = reset.clone();
        async move {
            let Ok(response) = router.oneshot(request).await;
            match response.extensions().get::<Cut>() {
                None => Ok(response),
                Some(Cut::Close) => Err(NoAnswer),
                Some(Cut::Reset) => {
                    reset.store(true, Ordering::SeqCst);
                    Err(NoAnswer)
                }
            }
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(line), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// What hyper is told so that it drops the connection without writing an answer.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("no answer is given")
    }
}

impl std::error::Error for NoAnswer {}

/// A TCP stream that can be made to end with a reset.
struct Line {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
