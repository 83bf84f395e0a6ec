//! Around each request: the span, the deadline, the net for panics, the metric.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use http::Method;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span, field::Empty, info_span};

use crate::{
    api_error::ApiError,
    metrics::{self, Counter, Histogram},
    trace,
};

/// Longer paths are somebody's attack; the beginning tells enough.
const PATH_CHARS_MAX: usize = 256;

/// Runs one request.
pub(super) async fn observe(
    State(answer_within): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = server_span(&request, method, route.as_ref());
    if let Some(caller) = trace::extract(request.headers()) {
        trace::set_parent(&span, &caller);
    }
    let begun = Instant::now();
    let handled = AssertUnwindSafe(timeout(answer_within, next.run(request))).catch_unwind();
    let response = async {
        match handled.await {
            Ok(Ok(response)) => response,
            Ok(Err(_elapsed)) => {
                tracing::warn!("no answer was found within {answer_within:?}");
                let detail = "no answer was found in time; what was asked may still have happened";
                ApiError::unavailable("too_slow", detail).into_response()
            }
            Err(_panic) => {
                // The panic hook has logged what and where.
                metrics::add(Counter::TasksPanicked, &[("task", "request")], 1);
                ApiError::internal_logged().into_response()
            }
        }
    };
    let response = response.instrument(span.clone()).await;
    note(&span, &response, method, route.as_ref(), begun.elapsed());
    response
}

/// Names and attributes are those of OpenTelemetry's conventions for HTTP servers.
fn server_span(request: &Request, method: &'static str, route: Option<&MatchedPath>) -> Span {
    let span_name =
        route.map_or_else(|| method.to_owned(), |route| format!("{method} {}", route.as_str()));
    // The query is left out: it carries search terms, references and tickets.
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let span = info_span!(
        "request",
        otel.name = span_name,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Empty,
        http.response.status_code = Empty,
        url.path = path,
        url.scheme = "http",
        error.type = Empty,
    );
    if let Some(route) = route {
        span.record("http.route", route.as_str());
    }
    span
}

fn note(
    span: &Span,
    response: &Response,
    method: &'static str,
    route: Option<&MatchedPath>,
    took: Duration,
) {
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    let route = route.map_or("none", MatchedPath::as_str);
    let labels = [("method", method), ("route", route), ("status", status.as_str())];
    metrics::add(Counter::HttpRequests, &labels, 1);
    metrics::observe(Histogram::HttpSeconds, &[("method", method), ("route", route)], took);
}

/// A method of the caller's invention would be a label of the caller's invention.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
