//! A booking as its customer sees it, now or as it was.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path, Query},
    http_client::CallError,
};
use contracts::{ids::BookingId, internal::SeenReply};
use http::StatusCode;
use serde::Deserialize;

use super::{elsewhere, may_look};
use crate::App;

const OWNER: &str = "booking";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AsOf {
    /// The booking as of this change; now without it.
    pub(crate) at: Option<u64>,
}

pub(super) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
    Query(AsOf { at }): Query<AsOf>,
) -> Result<Json<SeenReply>, ApiError> {
    may_look(&claims)?;
    match ask(&app, booking_id, at).await {
        Some(Ok(seen)) => Ok(Json(seen)),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            Err(ApiError::not_found())
        }
        Some(Err(_)) | None => Err(elsewhere::silent(OWNER)),
    }
}

/// What its owner says.
pub(crate) async fn ask(
    app: &App,
    booking_id: BookingId,
    at: Option<u64>,
) -> Option<Result<SeenReply, CallError>> {
    let as_of = at.map(|at| format!("?at={at}")).unwrap_or_default();
    app.owners.one(OWNER, &format!("/internal/bookings/{booking_id}/seen{as_of}")).await
}
