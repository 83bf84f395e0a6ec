//! Dead letters: a list by pages, and each with all that came with it and all that was done.

use axum::extract::State;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    connection, failed, may_look,
    paging::{self, Page},
};
use crate::{
    App, mask,
    state::State as Stands,
    store::{self, Filter, Happened, Summary, Whole},
};

/// What a list can be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    consumer: Option<String>,
    cause: Option<String>,
    booking_id: Option<Uuid>,
    state: Option<Stands>,
    letter_cause_id: Option<Uuid>,
    /// Where the page before ended.
    #[serde(default, deserialize_with = "paging::cursor")]
    cursor: Option<String>,
    #[serde(default, deserialize_with = "paging::limit")]
    limit: Option<u16>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    dead_letters: Vec<Summary>,
    /// Where the next page begins; none at the end.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// Ours as they came, the shape of others.
    pub(crate) headers: Map<String, Value>,
    /// The bytes; none while something of them is masked.
    pub(crate) body_base64: Option<String>,
    /// The body as text, or its shape; none where it is no text.
    pub(crate) body_text: Option<String>,
    pub(crate) body_bytes: usize,
    /// Whether the body is hidden: it is not what a service of ours says.
    pub(crate) body_masked: bool,
    /// What was done about it and what came of it, oldest first.
    pub(crate) history: Vec<Happened>,
    /// The dead letter whose replay became this one.
    pub(crate) replay_of: Option<Uuid>,
    /// The dead letter of the same message that came before this one without a replay: a message
    /// without an id is one each time that it is sent.
    pub(crate) came_before: Option<Uuid>,
    /// Whether nobody heard of its replay for so long that it can be sent again.
    pub(crate) replay_late: bool,
}

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Listed>, ApiError> {
    may_look(&claims)?;
    let page = Page::read(wanted.limit, wanted.cursor.as_deref())?;
    let Wanted { consumer, cause, booking_id, state, letter_cause_id, .. } = wanted;
    let filter = Filter { consumer, cause, booking_id, state, letter_cause_id };
    let mut conn = connection(&app).await?;
    let letters = store::list(&mut conn, &filter, page.after, page.rows()).await;
    let mut letters = letters.map_err(|error| failed(&error))?;
    let next_cursor = page.cut(&mut letters, |letter| (letter.parked_at, letter.dead_letter_id));
    let dead_letters = letters.into_iter().map(masked).collect();
    Ok(Json(Listed { dead_letters, next_cursor }))
}

pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<Shown>, ApiError> {
    may_look(&claims)?;
    let mut conn = connection(&app).await?;
    let letter = store::load(&mut conn, id).await.map_err(|error| failed(&error))?;
    let Whole { summary, headers, body, now } = letter.ok_or_else(ApiError::not_found)?;
    let history = store::history(&mut conn, id).await.map_err(|error| failed(&error))?;
    let replay_of = store::replay_of(&mut conn, id).await.map_err(|error| failed(&error))?;
    let came_before = store::came_before(&mut conn, id).await.map_err(|error| failed(&error))?;
    let history = history.into_iter().map(|happened| Happened {
        mended: happened.mended.map(|at| at.iter().map(|at| mask::pointer(at)).collect()),
        ..happened
    });
    let shown = mask::body(summary.message_type.as_deref(), &body);
    let replay_late = summary.is_late(app.support.replay_known_within, now);
    Ok(Json(Shown {
        summary: masked(summary),
        headers: mask::headers(&headers),
        body_base64: (!shown.masked).then(|| STANDARD.encode(&body)),
        body_text: shown.text,
        body_bytes: body.len(),
        body_masked: shown.masked,
        history: history.collect(),
        replay_of,
        came_before,
        replay_late,
    }))
}

/// A type or a sentence may quote what somebody else wrote.
pub(crate) fn masked(summary: Summary) -> Summary {
    Summary {
        message_type: summary.message_type.as_deref().map(mask::word),
        detail: summary.detail.as_deref().map(mask::sentence),
        cause: mask::word(&summary.cause),
        consumer: summary.consumer.as_deref().map(mask::word),
        exchange: mask::word(&summary.exchange),
        routing_key: mask::word(&summary.routing_key),
        ..summary
    }
}
