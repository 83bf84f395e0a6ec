//! What a call that got no whole answer says about the other side.

use http::StatusCode;
use serde_json::Value;

use super::reach::is_not_public;

/// There is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not one byte of the request left: the other side cannot have acted. Safe to repeat.
    #[error("the request was not sent ({reason})")]
    NotSent {
        /// Why.
        reason: Reason,
        /// What the library says.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The request may have arrived, and may have been acted on.
    #[error("the request may have been sent ({reason})")]
    MaybeSent {
        /// Why it is not known.
        reason: Reason,
        /// What the library says.
        #[source]
        source: Option<reqwest::Error>,
    },
}

/// Why there is no whole answer, as a class for metrics and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The address, a header or the body is none.
    NotARequest,
    /// The address is one this client may not call.
    NotPublic,
    /// No connection: the name, the port, the route or TLS.
    Connect,
    /// No connection in time.
    ConnectTimeout,
    /// No answer, or not all of it, in time.
    Timeout,
    /// The connection broke before the answer was whole.
    Broken,
    /// The answer is larger than is read.
    BodyTooLarge,
}

/// A call to another of our services did not end well.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no whole answer.
    #[error("no answer")]
    NoAnswer(#[source] HttpError),
    /// The answer is no.
    #[error("refused with {status}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The problem body, or null.
        problem: Value,
    },
    /// The answer is not what was agreed.
    #[error("reading the answer")]
    NotReadable(#[source] serde_json::Error),
    /// What was to be sent cannot be written as JSON.
    #[error("writing the request")]
    NotWritable(#[source] serde_json::Error),
}

impl HttpError {
    /// Why there is no whole answer.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotSent { reason, .. } | Self::MaybeSent { reason, .. } => *reason,
        }
    }

    /// Says whether the other side may have acted.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::MaybeSent { .. })
    }

    /// Classes an error from before the answer's head.
    ///
    /// Only what is known not to have left counts as not sent: the request could not be made, or
    /// there was never a connection. Everything else, a reset of a reused connection above all, may
    /// have arrived.
    pub(super) fn of_sending(error: reqwest::Error) -> Self {
        // The address may hold a key; the span has what may be shown of it.
        let error = error.without_url();
        if error.is_builder() {
            return Self::NotSent { reason: Reason::NotARequest, source: Some(error) };
        }
        if error.is_connect() {
            let reason = match &error {
                error if is_not_public(error) => Reason::NotPublic,
                error if error.is_timeout() => Reason::ConnectTimeout,
                _ => Reason::Connect,
            };
            return Self::NotSent { reason, source: Some(error) };
        }
        Self::of_reading(error)
    }

    /// Classes an error from after the answer's head.
    pub(super) fn of_reading(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let reason = if error.is_timeout() { Reason::Timeout } else { Reason::Broken };
        Self::MaybeSent { reason, source: Some(error) }
    }
}

impl CallError {
    /// The status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer(_) | Self::NotReadable(_) | Self::NotWritable(_) => None,
        }
    }

    /// The stable code of a refusal's problem body.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { problem, .. } => problem.get("code").and_then(Value::as_str),
            Self::NoAnswer(_) | Self::NotReadable(_) | Self::NotWritable(_) => None,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotARequest => "not_a_request",
            Self::NotPublic => "not_public",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::BodyTooLarge => "body_too_large",
        })
    }
}
