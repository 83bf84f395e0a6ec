//! The words of the control interface: problem documents and what arms a fault.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

/// An `application/problem+json` answer of the control interface.
pub(crate) fn problem(status: StatusCode, kind: &str, detail: &str, more: Value) -> Response {
    let mut body = json!({
        "type": format!("urn:holdfast:doubles:{kind}"),
        "title": kind.replace('-', " "),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/problem+json"),
    );
    response
}

/// Reads a JSON body of the control interface, or says what is wrong with it.
///
/// # Errors
/// With the 400 to answer when the bytes are not the JSON that is asked for.
#[expect(clippy::result_large_err, reason = "the error is the answer, made once per bad request")]
pub(crate) fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| {
        problem(StatusCode::BAD_REQUEST, "bad-body", &error.to_string(), Value::Null)
    })
}
