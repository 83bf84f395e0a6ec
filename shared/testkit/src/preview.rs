//! A message as support asks what it would do.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use contracts::{
    envelope::{SPEC_VERSION, header},
    internal::PreviewRequest,
    message::Message,
};
use serde_json::Map;
use uuid::Uuid;

/// Asks what the first delivery of a message would do at its consumer.
///
/// # Panics
/// When the message has no JSON form.
#[must_use]
pub fn preview_of<M: Message + Sync>(consumer: &str, message: &M) -> PreviewRequest {
    let message_id = Uuid::from_u128(rand::random());
    let mut headers = Map::new();
    for (name, text) in [
        (header::SPEC, SPEC_VERSION.to_owned()),
        (header::ID, message_id.to_string()),
        (header::TYPE, M::TYPE.to_owned()),
        (header::SOURCE, "test".to_owned()),
        (header::SUBJECT, message.subject().to_string()),
        (header::TIME, "2026-01-01T00:00:00Z".to_owned()),
    ] {
        headers.insert(name.to_owned(), text.into());
    }
    PreviewRequest {
        consumer: consumer.to_owned(),
        message_id,
        attempt: 0,
        headers,
        body_base64: STANDARD.encode(serde_json::to_vec(message).unwrap()),
    }
}
