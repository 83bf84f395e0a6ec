//! What the supplier answers, and how it says no.
//!
//! Published (overview, errors): `{"errors":[{type, code, title, message, documentation_url}],
//! "meta":{status, request_id}}`; 422 for what cannot be done, 404 for what does not exist, 401 for
//! a token that is not known, 400 for a request that cannot be read.

use http::StatusCode;
use serde_json::{Value, json};

/// An answer before anything spoils it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The order that the deed was about, where the request did not say.
    pub(crate) reference: Option<String>,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, data: Value) -> Self {
        Self { status, body: json!({ "data": data }), reference: None }
    }

    /// The answer, known to be about this order.
    pub(crate) fn about(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }
}

fn said(status: StatusCode, kind: &str, code: &str) -> Answer {
    let error = json!({
        "type": kind,
        "code": code,
        "title": code.replace('_', " "),
        "message": code.replace('_', " "),
        "documentation_url": "https://duffel.com/docs/api/overview/errors",
    });
    let meta = json!({ "status": status.as_u16(), "request_id": "FoNSa1FsPHFOKZMAAJgB" });
    Answer { status, body: json!({ "errors": [error], "meta": meta }), reference: None }
}

pub(crate) fn unauthorized() -> Answer {
    said(StatusCode::UNAUTHORIZED, "authentication_error", "access_token_not_found")
}

pub(crate) fn unreadable(code: &str) -> Answer {
    said(StatusCode::BAD_REQUEST, "invalid_request_error", code)
}

pub(crate) fn not_acceptable() -> Answer {
    said(StatusCode::NOT_ACCEPTABLE, "invalid_request_error", "not_acceptable")
}

pub(crate) fn not_found() -> Answer {
    said(StatusCode::NOT_FOUND, "invalid_request_error", "not_found")
}

pub(crate) fn invalid(code: &str) -> Answer {
    said(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", code)
}

pub(crate) fn state(code: &str) -> Answer {
    said(StatusCode::UNPROCESSABLE_ENTITY, "invalid_state_error", code)
}

pub(crate) fn airline(code: &str) -> Answer {
    said(StatusCode::UNPROCESSABLE_ENTITY, "airline_error", code)
}

pub(crate) fn too_many() -> Answer {
    said(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded")
}

pub(crate) fn api(status: StatusCode) -> Answer {
    let code = match status.as_u16() {
        502 => "bad_gateway",
        503 => "service_unavailable",
        504 => "gateway_timeout",
        _ => "internal_server_error",
    };
    said(status, "api_error", code)
}
