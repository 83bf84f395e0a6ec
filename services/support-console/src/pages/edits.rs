//! Deciding about an edit that waits for a second person.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use serde::Deserialize;
use uuid::Uuid;

use super::session::Form;
use crate::{
    App,
    http::{acting::Actor, actions::Because, edits},
};

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Said {
    reason: String,
    letter: Uuid,
}

/// Lets it pass, or takes it out.
pub(super) async fn decide(
    State(app): State<App>,
    actor: Actor,
    Path((id, act)): Path<(Uuid, String)>,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let letter = said.as_ref().map_or_else(|_| Uuid::nil(), |said| said.letter);
    let because = said.map(|said| Json(Because { reason: said.reason }));
    match act.as_str() {
        "approve" => drop(Box::pin(edits::approve(State(app), actor, Path(id), because)).await?),
        "refuse" => drop(edits::refuse(State(app), actor, Path(id), because).await?),
        _ => return Err(ApiError::not_found()),
    }
    Ok(Redirect::to(&format!("/letters/{letter}")).into_response())
}
