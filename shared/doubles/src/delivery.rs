//! How an answer travels: at once, late, spoilt, or not at all.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};

use crate::faults::Fault;
use crate::server::Cut;

/// How long a truncated body takes to break.
const TRUNCATE_AFTER: Duration = Duration::from_millis(50);
const HUGE_CHUNK: usize = 64 * 1024;
const HUGE_CHUNKS: usize = 512;

/// What becomes of an answer once the deed is done.
pub(crate) enum Delivery {
    Now(Response),
    After(Duration, Response),
    Silence(Duration),
    Reset,
}

impl Delivery {
    /// The status that the caller gets to see; none where there is no answer.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Now(response) | Self::After(_, response) => Some(response.status().as_u16()),
            Self::Silence(_) | Self::Reset => None,
        }
    }

    /// Waits as long as the answer takes, and gives what is to be written.
    pub(crate) async fn travel(self) -> Response {
        match self {
            Self::Now(response) => response,
            Self::After(pause, response) => {
                tokio::time::sleep(pause).await;
                response
            }
            Self::Silence(pause) => {
                tokio::time::sleep(pause).await;
                Cut::Close.into_response()
            }
            Self::Reset => Cut::Reset.into_response(),
        }
    }
}

/// How a double's answers travel when the fault does not say more.
pub(crate) struct Manner {
    /// How long nothing comes of what is never answered.
    pub(crate) silence: Duration,
    /// How late the answer of `slow` is.
    pub(crate) slow: Duration,
    /// Where `redirect` points.
    pub(crate) elsewhere: &'static str,
}

/// What a fault makes of an answer, where it does to every supplier's the same; an answer that no
/// fault strikes travels as it is.
///
/// `respond` writes the answer, `bytes` gives the body of it that can be spoilt.
pub(crate) fn spoilt<A>(
    fault: Option<&Fault>,
    manner: &Manner,
    answer: A,
    respond: impl FnOnce(A) -> Response,
    bytes: impl FnOnce(A) -> (StatusCode, Vec<u8>),
) -> Delivery {
    let after = |default: Duration| fault.map_or(default, |fault| fault.after(default));
    let body = |spoil: fn(StatusCode, Vec<u8>) -> Response, answer| {
        let (status, bytes) = bytes(answer);
        Delivery::Now(spoil(status, bytes))
    };
    match fault.map_or("", |fault| fault.name) {
        "timeout_before_commit" | "timeout_after_commit" => {
            Delivery::Silence(after(manner.silence))
        }
        "reset_after_commit" => Delivery::Reset,
        "http_504_after" | "commit_late" => Delivery::Now(html(
            StatusCode::GATEWAY_TIMEOUT,
            "<html><body><h1>504 Gateway Time-out</h1></body></html>",
        )),
        "html_200" => Delivery::Now(html(
            StatusCode::OK,
            "<html><body><h1>Scheduled maintenance</h1></body></html>",
        )),
        "malformed_body" => body(malformed, answer),
        "truncated_body" => body(truncated, answer),
        "huge_body" => body(huge, answer),
        "slow" => Delivery::After(after(manner.slow), respond(answer)),
        "redirect" => {
            let mut response = respond(answer);
            let elsewhere = HeaderValue::from_static(manner.elsewhere);
            response.headers_mut().insert(header::LOCATION, elsewhere);
            Delivery::Now(response)
        }
        _ => Delivery::Now(respond(answer)),
    }
}

/// A page where JSON was expected.
fn html(status: StatusCode, page: &'static str) -> Response {
    (status, axum::response::Html(page)).into_response()
}

/// A whole body that is not JSON: its last third is gone.
fn malformed(status: StatusCode, mut bytes: Vec<u8>) -> Response {
    bytes.truncate(bytes.len() * 2 / 3);
    (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

/// A body that ends before its announced length, with the connection.
fn truncated(status: StatusCode, bytes: Vec<u8>) -> Response {
    let announced = bytes.len();
    let half = Bytes::from(bytes).slice(..announced / 2);
    // The pause lets what is there leave before the connection breaks.
    let broken = stream::once(async {
        tokio::time::sleep(TRUNCATE_AFTER).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
    });
    let body = Body::from_stream(stream::iter([Ok(half)]).chain(broken));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(announced)),
    ];
    (status, headers, body).into_response()
}

/// Valid JSON of 32 MiB.
fn huge(status: StatusCode, mut bytes: Vec<u8>) -> Response {
    let object = bytes.last() == Some(&b'}');
    bytes.pop();
    let separator: &[u8] = if bytes.len() > 1 { b"," } else { b"" };
    bytes.extend_from_slice(separator);
    bytes.extend_from_slice(if object { br#""padding":""# } else { b"\"" });
    let filler = Bytes::from(vec![b'x'; HUGE_CHUNK]);
    let tail: &'static [u8] = if object { b"\"}" } else { b"\"]" };
    let body = stream::iter([Bytes::from(bytes)])
        .chain(stream::repeat(filler).take(HUGE_CHUNKS))
        .chain(stream::iter([Bytes::from_static(tail)]))
        .map(Ok::<_, std::io::Error>);
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, Body::from_stream(body)).into_response()
}
