//! The HTTP edge: what every service's router is wrapped in, and the loop that serves it.
//!
//! Around each request: a server span that continues the caller's trace, a deadline, a cap on the
//! body, a net for panics, a metric. Beside the routes: `GET /health`, `GET /ready`,
//! `GET /metrics`. Whatever goes wrong is answered with a problem body, 404 and 405 included.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Extension, Router, extract::DefaultBodyLimit, middleware, response::IntoResponse, routing::get,
};
use http::{StatusCode, header};

use crate::{api_error::ApiError, metrics, process::Process};

mod extract;
mod faults;
mod observe;
mod ready;
mod server;

pub use extract::{Json, Path, Query, twice};
pub use ready::Ready;
pub use server::{CannotListen, Listener, bind};

/// What one caller may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body; a route sets another by `axum::extract::DefaultBodyLimit::max`.
    pub body_max: usize,
    /// The longest wait for an answer to begin; streams may go on after that.
    pub answer_within: Duration,
    /// The most connections at once; more wait in the kernel.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A booking with its travellers is some 4 KiB.
            body_max: 64 * 1024,
            // The slowest supplier is given 30 s to say what something costs now.
            answer_within: Duration::from_secs(40),
            // Below the usual limit of 16,384 descriptors, with room for pools.
            connections_max: 10_000,
        }
    }
}

/// Listens on an address and serves a router until the process stops; says where it listens.
///
/// The loop is a task of the process. When the process stops, no new connection is taken, `/ready`
/// says no, running requests are answered, and streams are expected to end by themselves: a handler
/// that streams watches `process.shutdown`.
///
/// # Errors
///
/// [`CannotListen`] at once, when the address is taken or not ours.
pub async fn serve(
    process: &Process,
    addr: SocketAddr,
    router: Router,
    ready: Ready,
) -> Result<SocketAddr, CannotListen> {
    serve_with(process, addr, router, ready, Limits::default()).await
}

/// Serves as [`serve`] does, within limits of the caller's.
///
/// # Errors
///
/// [`CannotListen`], as [`serve`].
pub async fn serve_with(
    process: &Process,
    addr: SocketAddr,
    router: Router,
    ready: Ready,
    limits: Limits,
) -> Result<SocketAddr, CannotListen> {
    let listener = bind(addr).await?;
    let addr = listener.addr();
    let router = app(process, router, ready, limits);
    let shutdown = process.shutdown.clone();
    process.tasks.spawn("http", server::run(listener, router, limits.connections_max, shutdown));
    tracing::info!("{} listens on {addr}", process.name);
    Ok(addr)
}

/// Wraps a router as [`serve`] does, without a socket: tests call it with `oneshot`.
pub fn app(process: &Process, router: Router, ready: Ready, limits: Limits) -> Router {
    let own = Router::new()
        .route("/health", get(|| async { axum::Json(serde_json::json!({ "status": "ok" })) }))
        .route("/ready", get(ready::answer))
        .route("/metrics", get(show_metrics))
        .layer(Extension(ready::State::new(process, ready)));
    router
        .method_not_allowed_fallback(no_such_method)
        .fallback(no_such_route)
        .layer(DefaultBodyLimit::max(limits.body_max))
        .layer(middleware::from_fn_with_state(limits.answer_within, observe::observe))
        .merge(own)
}

async fn no_such_route() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_route", "there is no such address here")
}

async fn no_such_method() -> ApiError {
    let detail = "this address does not know that method";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", detail)
}

async fn show_metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render())
}

#[cfg(test)]
mod tests;
