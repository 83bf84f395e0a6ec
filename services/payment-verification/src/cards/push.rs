//! What the gateway pushes: a hint that something changed, and never what.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use chassis::ApiError;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::signature;
use crate::{App, store::card};

/// No name of the gateway's is longer.
const NAME_MAX: usize = 255;

#[derive(Deserialize)]
struct Event {
    id: String,
    r#type: String,
    #[serde(default)]
    data: Value,
}

/// Keeps a push that is the gateway's, and has the gateway asked what is true.
pub(crate) async fn take(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let pool = app.messaging.pool();
    let now = card::world_time(pool).await.map_err(|error| ApiError::internal(&error))?;
    let mut signatures = headers.get_all("stripe-signature").iter();
    let (first, second) = (signatures.next(), signatures.next());
    let header = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok());
    if !header.is_some_and(|header| signature::holds(&app.card_secrets, header, &body, now)) {
        tracing::warn!("a push that the card gateway did not sign, or not lately");
        let detail = "the signature does not hold";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "forged", detail));
    }
    // Nothing of the body is read before its signature holds.
    let event: Event = serde_json::from_slice(&body).map_err(|_unreadable| {
        ApiError::new(StatusCode::BAD_REQUEST, "unreadable", "this is no event")
    })?;
    let named = |text: &str| Some(text.to_owned()).filter(|text| text.len() <= NAME_MAX);
    let (Some(event_id), Some(kind)) = (named(&event.id), named(&event.r#type)) else {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "unreadable", "this is no event"));
    };
    let intent = intent(&event.data).and_then(named);
    let body_digest = Sha256::digest(&body).to_vec();
    let pushed = card::Pushed { event_id, kind, intent, body_digest };
    card::keep_push(pool, &pushed).await.map_err(|error| ApiError::internal(&error))?;
    Ok(StatusCode::OK)
}

/// The payment that an event is about: its object, or what its object names.
fn intent(data: &Value) -> Option<&str> {
    let object = data.get("object")?;
    let field = if object.get("object")? == "payment_intent" { "id" } else { "payment_intent" };
    object.get(field)?.as_str()
}
