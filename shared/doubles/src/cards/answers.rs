//! Answers and errors, in the published shape.

use http::StatusCode;
use serde_json::{Value, json};

/// What the API says.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Whether a later request with the same key gets it again. Published: not what failed before
    /// the endpoint began.
    pub(crate) kept: bool,
    /// The intent that it is about.
    pub(crate) intent: Option<String>,
}

impl Answer {
    pub(crate) fn ok(intent: &str, body: Value) -> Self {
        Self { status: StatusCode::OK, body, kept: true, intent: Some(intent.to_owned()) }
    }

    /// Something of an endpoint that began is refused.
    pub(crate) fn refused(status: StatusCode, code: &str, message: &str) -> Self {
        let kind = match status {
            StatusCode::PAYMENT_REQUIRED => "card_error",
            _ => "invalid_request_error",
        };
        let body = json!({ "error": { "type": kind, "code": code, "message": message } });
        Self { status, body, kept: true, intent: None }
    }

    /// The same where the endpoint did not begin.
    pub(crate) fn turned_away(status: StatusCode, code: &str, message: &str) -> Self {
        Self { kept: false, ..Self::refused(status, code, message) }
    }

    /// A parameter is wrong.
    pub(crate) fn parameter(code: &str, name: &str) -> Self {
        let message = format!("Invalid {name}");
        let mut answer = Self::turned_away(StatusCode::BAD_REQUEST, code, &message);
        answer.body["error"]["param"] = json!(name);
        answer
    }

    pub(crate) fn missing(what: &str) -> Self {
        let message = format!("No such object: '{what}'");
        Self::turned_away(StatusCode::NOT_FOUND, "resource_missing", &message)
    }

    /// Published: the key's first request had other parameters.
    pub(crate) fn other_request() -> Self {
        let mut answer = Self::turned_away(
            StatusCode::BAD_REQUEST,
            "idempotency_key_reused",
            "Keys for idempotent requests can only be used with the same parameters.",
        );
        answer.body["error"]["type"] = json!("idempotency_error");
        answer
    }

    /// The gateway itself failed.
    pub(crate) fn broken(status: StatusCode) -> Self {
        let body = json!({ "error": { "type": "api_error", "message": "Something went wrong" } });
        Self { status, body, kept: true, intent: None }
    }
}
