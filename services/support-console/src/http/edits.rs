//! Edits that wait for a second person: whoever made one cannot let it pass.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::staff::same_person;
use http::StatusCode;
use uuid::Uuid;

use super::{
    APPROVER,
    acting::{Actor, Attempt},
    actions::{self, Because, Done},
    connection, failed, may_look,
};
use crate::{
    App, mask,
    replay::What,
    state::Wish,
    store::{self, Edit},
};

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<Vec<Edit>>, ApiError> {
    may_look(&claims)?;
    let edits = waiting(&app, None, None).await?.into_iter().map(masked);
    Ok(Json(edits.collect()))
}

/// Shows where an edit differs without names that nobody of ours gave.
pub(crate) fn masked(edit: Edit) -> Edit {
    let changed = edit.changed.iter().map(|pointer| mask::pointer(pointer));
    Edit { changed: changed.collect(), ..edit }
}

/// Edits that wait.
pub(crate) async fn waiting(
    app: &App,
    edit_id: Option<Uuid>,
    dead_letter_id: Option<Uuid>,
) -> Result<Vec<Edit>, ApiError> {
    let mut conn = connection(app).await?;
    let edits = store::edits(&mut conn, edit_id, dead_letter_id).await;
    edits.map_err(|error| failed(&error))
}

/// Sends a letter as somebody else edited it.
pub(crate) async fn approve(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Result<Json<Because>, ApiError>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    let edit = waiting(&app, Some(id), None).await?.into_iter().next();
    let letter = edit.as_ref().map(|edit| edit.dead_letter_id);
    let attempt = Attempt::permit(&app, actor, "approve_edit", letter, APPROVER).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let Some(edit) = edit else { return Err(attempt.refused(ApiError::not_found()).await) };
    if same_person(attempt.actor_name(), &edit.proposer) {
        let detail = "whoever made an edit cannot let it pass";
        return Err(attempt.refused(ApiError::conflict("same_person", detail)).await);
    }
    let mut begun = actions::begin(&app, attempt, Wish::Replay, edit.dead_letter_id).await?;
    // Whoever was first has committed by now.
    let still = store::edits(begun.tx.conn(), Some(id), None).await;
    if still.map_err(|error| failed(&error))?.is_empty() {
        let detail = "somebody else has decided about it";
        return Err(begun.refuse(ApiError::conflict("decided_already", detail)).await);
    }
    let agreed = What::Agreed(&edit.body, &edit.changed);
    Box::pin(actions::send(&app, begun, agreed, Some(id))).await
}

/// Lets an edit not pass: the letter waits as before.
pub(crate) async fn refuse(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Result<Json<Because>, ApiError>,
) -> Result<StatusCode, ApiError> {
    let edit = waiting(&app, Some(id), None).await?.into_iter().next();
    let letter = edit.as_ref().map(|edit| edit.dead_letter_id);
    // Whoever made it may take it back, and needs no other role for it.
    let own = edit.as_ref().is_some_and(|edit| same_person(&edit.proposer, actor.name()));
    let role = if own { super::OPERATOR } else { APPROVER };
    let attempt = Attempt::permit(&app, actor, "refuse_edit", letter, role).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    if edit.is_none() {
        return Err(attempt.refused(ApiError::not_found()).await);
    }
    let act = attempt.done();
    let mut tx = app.messaging.begin().await.map_err(|error| failed(&error))?;
    let written = async {
        if store::edits(tx.conn(), Some(id), None).await?.is_empty() {
            return Ok(false);
        }
        store::record(tx.conn(), &act).await?;
        store::decide_edit(tx.conn(), id, "refused", act.act_id).await.map(|()| true)
    };
    if !written.await.map_err(|error| failed(&error))? {
        drop(tx);
        let detail = "somebody else has decided about it";
        return Err(attempt.refused(ApiError::conflict("decided_already", detail)).await);
    }
    tx.commit().await.map_err(|error| failed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}
