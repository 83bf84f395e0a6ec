//! The audit: who did what, why, from where; and who was kept from it.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    connection, failed, may_look,
    paging::{self, Page},
};
use crate::{
    App,
    store::{self, ActFilter, Acted},
};

/// What the list can be asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) dead_letter_id: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) replay_run_id: Option<Uuid>,
    pub(crate) actor: Option<String>,
    /// Where the page before ended.
    #[serde(default, deserialize_with = "paging::cursor")]
    pub(crate) cursor: Option<String>,
    #[serde(default, deserialize_with = "paging::limit")]
    pub(crate) limit: Option<u16>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) acts: Vec<Acted>,
    /// Where the next page begins; none at the end.
    pub(crate) next_cursor: Option<String>,
}

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Listed>, ApiError> {
    may_look(&claims)?;
    let page = Page::read(wanted.limit, wanted.cursor.as_deref())?;
    let Wanted { dead_letter_id, booking_id, replay_run_id, actor, .. } = wanted;
    let filter = ActFilter { dead_letter_id, booking_id, replay_run_id, actor };
    let mut conn = connection(&app).await?;
    let acts = store::acts(&mut conn, &filter, page.after, page.rows()).await;
    let mut acts = acts.map_err(|error| failed(&error))?;
    let next_cursor = page.cut(&mut acts, |act| (act.at, act.act_id));
    Ok(Json(Listed { acts, next_cursor }))
}
