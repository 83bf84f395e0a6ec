//! What a replay would do, said by the consumer that would do it. Nothing is written anywhere.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::internal::{PreviewReply, PreviewRequest};
use serde::Serialize;
use uuid::Uuid;

use super::{connection, failed, may_look};
use crate::{App, fault, mask, replay, store};

#[derive(Debug, Serialize)]
pub(crate) struct Previewed {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) consumer: String,
    /// The delivery that a replay would be.
    pub(crate) attempt: u32,
    #[serde(flatten)]
    pub(crate) preview: PreviewReply,
}

pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<Previewed>, ApiError> {
    may_look(&claims)?;
    let mut conn = connection(&app).await?;
    let found = store::load(&mut conn, id).await.map_err(|error| failed(&error))?;
    let whole = found.ok_or_else(ApiError::not_found)?;
    if fault::may_have_killed(&whole.summary.cause) {
        // A replay is handled alone, under marks that end it; a preview has no such guard.
        let detail = "it may have ended its consumer, and a preview would run it there";
        return Err(ApiError::conflict("may_crash", detail));
    }
    let bytes = whole.body.len();
    if bytes > PreviewRequest::BODY_MAX {
        let most = PreviewRequest::BODY_MAX;
        let detail = format!("it has {bytes} bytes, and more than {most} are not previewed");
        return Err(ApiError::conflict("too_large_to_preview", detail));
    }
    let next = store::next_attempt(&mut conn, whole.summary.message_id).await;
    let next = next.map_err(|error| failed(&error))?;
    // A pool has few connections, and the answer may take a while.
    drop(conn);
    let replay = replay::plan(&whole, next, replay::What::Original)?.replay;
    let (consumer, attempt) = (replay.consumer.clone(), replay.attempt);
    let request = PreviewRequest {
        consumer: consumer.clone(),
        message_id: replay.message_id.0,
        attempt,
        headers: replay.sent_headers(),
        body_base64: STANDARD.encode(&replay.body),
    };
    let unavailable = |why: &str| {
        let detail = format!("{consumer} does not answer: {why}");
        ApiError::unavailable("owner_unavailable", detail)
    };
    let answer = app.owners.preview(&request).await.ok_or_else(|| unavailable("not known"))?;
    let mut preview = answer.map_err(|error| unavailable(&error.to_string()))?;
    preview.why = mask::sentence(&preview.why);
    Ok(Json(Previewed { dead_letter_id: id, consumer, attempt, preview }))
}
