//! Dead letters: a list by pages, and each with all that came with it.

use axum::extract::State;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chassis::{
    ApiError, FieldError,
    auth::Bearer,
    http::{Json, Path, Query},
};
use chrono::DateTime;
use messaging::{StoreError, database};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{Postgres, pool::PoolConnection};
use uuid::Uuid;

use super::may_look;
use crate::{
    App,
    store::{self, After, Filter, Summary, Whole},
};

const PAGE_DEFAULT: u16 = 50;
const PAGE_MAX: u16 = 200;

/// What a list can be asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    consumer: Option<String>,
    cause: Option<String>,
    booking_id: Option<Uuid>,
    /// Where the page before ended.
    cursor: Option<String>,
    limit: Option<u16>,
}

#[derive(Debug, Serialize)]
pub(super) struct Page {
    dead_letters: Vec<Summary>,
    /// Where the next page begins; none at the end.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    summary: Summary,
    headers: Box<RawValue>,
    body_base64: String,
    /// The body as text, where it is text.
    body_text: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page>, ApiError> {
    may_look(&claims)?;
    let (limit, after) = paging(&wanted)?;
    let Wanted { consumer, cause, booking_id, .. } = wanted;
    let filter = Filter { consumer, cause, booking_id };
    let mut conn = connection(&app).await?;
    let mut letters = store::list(&mut conn, &filter, after, i64::from(limit) + 1)
        .await
        .map_err(|error| ApiError::internal(&error))?;
    // One more than shown was asked for, to know whether there is a next page.
    let more = letters.len() > usize::from(limit);
    letters.truncate(usize::from(limit));
    let next_cursor = letters.last().filter(|_| more).map(cursor);
    Ok(Json(Page { dead_letters: letters, next_cursor }))
}

pub(super) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<Shown>, ApiError> {
    may_look(&claims)?;
    let mut conn = connection(&app).await?;
    let letter = store::load(&mut conn, id).await.map_err(|error| ApiError::internal(&error))?;
    let Whole { summary, headers, body } = letter.ok_or_else(ApiError::not_found)?;
    let body_base64 = STANDARD.encode(&body);
    Ok(Json(Shown { summary, headers, body_base64, body_text: String::from_utf8(body).ok() }))
}

async fn connection(app: &App) -> Result<PoolConnection<Postgres>, ApiError> {
    let taken: Result<_, StoreError> =
        app.pool.acquire().await.map_err(database("taking a connection"));
    taken.map_err(|error| ApiError::internal(&error))
}

fn paging(wanted: &Wanted) -> Result<(u16, Option<After>), ApiError> {
    let mut errors = Vec::new();
    let limit = wanted.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        let detail = format!("must be 1 to {PAGE_MAX}");
        errors.push(FieldError::new("?limit", "invalid", detail));
    }
    let after = wanted.cursor.as_deref().map(read_cursor);
    if after == Some(None) {
        errors.push(FieldError::new("?cursor", "invalid", "is not one that was given out"));
    }
    if errors.is_empty() { Ok((limit, after.flatten())) } else { Err(ApiError::invalid(errors)) }
}

fn cursor(last: &Summary) -> String {
    let micros = last.parked_at.timestamp_micros();
    URL_SAFE_NO_PAD.encode(format!("{micros} {}", last.dead_letter_id))
}

fn read_cursor(text: &str) -> Option<After> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = text.split_once(' ')?;
    Some(After {
        parked_at: DateTime::from_timestamp_micros(micros.parse().ok()?)?,
        dead_letter_id: id.parse().ok()?,
    })
}
