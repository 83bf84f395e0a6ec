//! What the supplier answers, and how it says no.
//!
//! Published (`API_Errors`): 403 with `X-Mashery-Error-Code` for a wrong key, a wrong signature and
//! a spent quota; 400 `INVALID_REQUEST` and `INVALID_DATA`; a product that is gone, or dearer, is
//! 500 `PRODUCT_ERROR` and the caller starts again. The envelope with `errors` is the activities
//! API's own. Which of 400 and 404 a missing booking gets is assumed.

use http::StatusCode;
use serde_json::{Value, json};

/// An answer before anything spoils it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What stands beside `operationId` and `auditData`; none for an empty body.
    pub(crate) body: Option<Value>,
    /// Whether the envelope goes round the body.
    pub(crate) enveloped: bool,
    pub(crate) mashery: Option<&'static str>,
    /// The booking that the deed was about, where the request did not say.
    pub(crate) reference: Option<String>,
}

impl Answer {
    pub(crate) fn of(status: StatusCode, body: Value) -> Self {
        Self { status, body: Some(body), enveloped: true, mashery: None, reference: None }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, body: None, enveloped: false, mashery: None, reference: None }
    }

    /// The answer, known to be about this booking.
    pub(crate) fn about(mut self, reference: &str) -> Self {
        self.reference = Some(reference.to_owned());
        self
    }
}

/// 403 at the door: the gateway before the API answers, in its own words.
pub(crate) fn turned_away(mashery: &'static str) -> Answer {
    let error = match mashery {
        "ERR_403_DEVELOPER_OVER_RATE" => "Developer Over Rate",
        "ERR_403_DEVELOPER_OVER_QPS" => "Developer Over Qps",
        _ => "Access to this API has been disallowed",
    };
    Answer {
        status: StatusCode::FORBIDDEN,
        body: Some(json!({ "error": error })),
        enveloped: false,
        mashery: Some(mashery),
        reference: None,
    }
}

fn said(status: StatusCode, code: &str, text: &str) -> Answer {
    let error = json!({ "code": code, "text": text, "internalDescription": text });
    Answer::of(status, json!({ "errors": [error] }))
}

pub(crate) fn unreadable(text: &str) -> Answer {
    said(StatusCode::BAD_REQUEST, "INVALID_REQUEST", text)
}

pub(crate) fn invalid(text: &str) -> Answer {
    said(StatusCode::BAD_REQUEST, "INVALID_DATA", text)
}

pub(crate) fn missing(text: &str) -> Answer {
    said(StatusCode::NOT_FOUND, "INVALID_DATA", text)
}

pub(crate) fn product(text: &str) -> Answer {
    said(StatusCode::INTERNAL_SERVER_ERROR, "PRODUCT_ERROR", text)
}

pub(crate) fn internal() -> Answer {
    said(StatusCode::INTERNAL_SERVER_ERROR, "SYSTEM_ERROR", "Internal server error")
}

pub(crate) fn unavailable() -> Answer {
    said(StatusCode::SERVICE_UNAVAILABLE, "SYSTEM_ERROR", "Service unavailable")
}
