//! What an HTTP caller is told when something is wrong: `application/problem+json` (RFC 9457).
//!
//! `code` is stable and closed per service; `type` is made of it. A 5xx says nothing of its cause:
//! that is logged once, and the trace id in the body leads to it.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{chain::chain, trace};

/// The media type of every error body.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// What a problem's `type` begins with; the code follows.
pub const PROBLEM_BASE: &str = "https://holdfast.dev/problems/";

/// An error as the caller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word for programs, in snake case.
    pub code: &'static str,
    /// A short sentence for people, the same for every error of this code.
    pub title: &'static str,
    /// What is wrong this time.
    pub detail: Option<String>,
    /// All fields that are wrong, at once.
    pub errors: Vec<FieldError>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// Members of the body beyond RFC 9457's, such as a new price.
    pub extra: Option<Box<Map<String, Value>>>,
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// A JSON pointer into the body (`/travellers/0/name`), or `?name` for a query parameter.
    pub pointer: String,
    /// A stable word: `missing`, `unknown`, `wrong_type`, `invalid`, or the service's own.
    pub code: Cow<'static, str>,
    /// What is wrong, for people.
    pub detail: String,
}

impl ApiError {
    /// Makes an error of any status; the title is the status's own until [`Self::with_title`].
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            title: status.canonical_reason().unwrap_or("Error"),
            detail: Some(detail.into()).filter(|detail| !detail.is_empty()),
            errors: Vec::new(),
            retry_after: None,
            extra: None,
        }
    }

    /// 400: the request is not one.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: it is not known who asks.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = "a bearer token that is valid here is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: it is known who asks, and they may not.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "this is not yours to do")
    }

    /// 404: there is nothing here, or nothing the caller may know of.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here for you")
    }

    /// 409: it cannot be done as things are.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 410: it was here and is over.
    pub fn gone(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, detail)
    }

    /// 422: fields are wrong; all of them are listed.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [] => "the request cannot be accepted".to_owned(),
            [one] => format!("{}: {}", one.pointer, one.detail),
            [one, rest @ ..] => {
                format!("{}: {} (and {} more)", one.pointer, one.detail, rest.len())
            }
        };
        let error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
        Self { errors, ..error }
    }

    /// 422: the request is well formed and still cannot be accepted, for a reason with its own
    /// code.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429: too often.
    #[must_use]
    pub fn too_many_requests(retry_after: Duration) -> Self {
        let detail = "there were too many requests; wait before the next one";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_in(retry_after)
    }

    /// 503: something needed is away; nothing is wrong with the request.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        error.retry_in(Duration::from_secs(1))
    }

    /// 500: our fault. Logs the error with all its causes; the caller is told nothing of it.
    #[must_use]
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::internal_logged()
    }

    /// 500, for a cause that is logged already.
    #[must_use]
    pub fn internal_logged() -> Self {
        let detail = "something went wrong on our side; it was noted";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// Sets the title.
    #[must_use]
    pub fn with_title(self, title: &'static str) -> Self {
        Self { title, ..self }
    }

    /// Sets the field errors.
    #[must_use]
    pub fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub fn retry_in(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extra.get_or_insert_default().insert(member.to_owned(), value.into());
        self
    }

    fn body(&self) -> Value {
        let mut body = self.extra.as_deref().cloned().unwrap_or_default();
        body.insert("type".to_owned(), format!("{PROBLEM_BASE}{}", self.code).into());
        body.insert("title".to_owned(), self.title.into());
        body.insert("status".to_owned(), self.status.as_u16().into());
        body.insert("code".to_owned(), self.code.into());
        if let Some(detail) = &self.detail {
            body.insert("detail".to_owned(), detail.as_str().into());
        }
        if !self.errors.is_empty() {
            body.insert("errors".to_owned(), json!(self.errors));
        }
        if self.status.is_server_error()
            && let Some(trace_id) = trace::trace_id(&tracing::Span::current())
        {
            body.insert("trace_id".to_owned(), trace_id.into());
        }
        Value::Object(body)
    }
}

impl FieldError {
    /// Says what is wrong with one field.
    pub fn new(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self { pointer: pointer.into(), code: code.into(), detail: detail.into() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // An error is true now, not later.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: zero would mean at once.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.as_u16(), self.code)?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl Error for ApiError {}

#[cfg(test)]
mod tests;
