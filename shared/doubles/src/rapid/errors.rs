//! Rapid's error bodies: `type`, `message`, `fields`, and for bad input the single `errors`.
//!
//! The words for links, duplicates, prices, rooms, dates, e-mail and authentication are published.
//! The names of the other field errors follow their pattern and are assumed.

use http::StatusCode;
use serde_json::{Value, json};

use super::exchange::Answer;

/// One wrong field.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    kind: String,
    message: String,
    fields: Vec<Value>,
}

impl Wrong {
    pub(crate) fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), fields: Vec::new() }
    }

    /// Names the field and where it stood: `querystring`, `body`, `header` or `path`.
    pub(crate) fn field(mut self, name: &str, place: &str, value: impl Into<Value>) -> Self {
        self.fields.push(json!({ "name": name, "type": place, "value": value.into() }));
        self
    }

    fn json(self) -> Value {
        let mut body = json!({ "type": self.kind, "message": self.message });
        if !self.fields.is_empty() {
            body["fields"] = Value::Array(self.fields);
        }
        body
    }
}

/// 400 with every wrong field at once.
pub(crate) fn invalid(wrong: Vec<Wrong>) -> Answer {
    let errors: Vec<Value> = wrong.into_iter().map(Wrong::json).collect();
    Answer::of(
        StatusCode::BAD_REQUEST,
        json!({
            "type": "invalid_input",
            "message": "An invalid request was sent in, please check the nested errors for details.",
            "errors": errors,
        }),
    )
}

/// An error that is one word.
pub(crate) fn plain(status: StatusCode, kind: &str, message: &str) -> Answer {
    Answer::of(status, json!({ "type": kind, "message": message }))
}

pub(crate) fn link_invalid() -> Answer {
    invalid(vec![Wrong::new("link.invalid", "Link is invalid.")])
}

pub(crate) fn link_expired() -> Answer {
    invalid(vec![Wrong::new("link.expired", "Link has expired.")])
}

pub(crate) fn not_found() -> Answer {
    plain(
        StatusCode::NOT_FOUND,
        "resource_not_found",
        "Itinerary was not found with provided request.",
    )
}

pub(crate) fn duplicate(client_reference: &str) -> Answer {
    let message = "An itinerary already exists with this affiliate reference id.";
    invalid(vec![Wrong::new("duplicate_itinerary", message).field(
        "affiliate_reference_id",
        "body",
        client_reference,
    )])
}

/// An error that repeats what was sent, names and all, in its words and beside them.
pub(crate) fn quoting<'a>(names: impl Iterator<Item = &'a str>) -> Answer {
    let wrong = |name: &str| {
        let message = format!("The guest {name} could not be booked.");
        Wrong::new(format!("guest.{name}.invalid"), message).field(
            "rooms.family_name",
            "body",
            name,
        )
    };
    invalid(names.map(wrong).collect())
}

pub(crate) fn rooms_unavailable() -> Answer {
    plain(StatusCode::GONE, "rooms_unavailable", "One or more requested rooms are unavailable.")
}

pub(crate) fn price_mismatch(known: &str, current: &str) -> Answer {
    Answer::of(
        StatusCode::CONFLICT,
        json!({
            "type": "price_mismatch",
            "message": "Payment amount did not match current price, please check price and try again.",
            "fields": [
                { "name": "payments.amount", "type": "body", "value": known },
                { "name": "price.amount", "type": "body", "value": current },
            ],
        }),
    )
}

pub(crate) fn too_many_requests() -> Answer {
    plain(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "You have reached your capacity for this type of request.",
    )
}

pub(crate) fn internal() -> Answer {
    plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "unknown_internal_error",
        "An internal server error has occurred.",
    )
}

pub(crate) fn unavailable() -> Answer {
    plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "service_unavailable",
        "This service is currently unavailable.",
    )
}
