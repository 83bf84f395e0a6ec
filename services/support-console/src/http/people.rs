//! Who travels and how to reach them: personal data, shown for a reason to who may see it, and each
//! look recorded.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::{ids::BookingId, internal::TravellersReply};
use http::StatusCode;

use super::{
    OPERATOR,
    acting::{Actor, Attempt},
    actions::Because,
    elsewhere,
};
use crate::App;

const OWNER: &str = "booking";

/// Shows them. Nothing leaves before the audit has it.
pub(crate) async fn show(
    State(app): State<App>,
    actor: Actor,
    Path(booking_id): Path<BookingId>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<TravellersReply>, ApiError> {
    let name = "see_travellers";
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let path = format!("/internal/bookings/{booking_id}/travellers");
    let people = match app.owners.one::<TravellersReply>(OWNER, &path).await {
        Some(Ok(people)) => people,
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            return Err(attempt.refused(ApiError::not_found()).await);
        }
        Some(Err(_)) | None => return Err(attempt.refused(elsewhere::silent(OWNER)).await),
    };
    attempt.done_elsewhere(None).await?;
    Ok(Json(people))
}
