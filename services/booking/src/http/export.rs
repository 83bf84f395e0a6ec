//! `GET /internal/bookings/{id}/export`: a booking with all that made it.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::{ids::BookingId, internal::ExportReply};

use super::{reader, store_failed};
use crate::{App, store};

pub(super) async fn export(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<ExportReply>, ApiError> {
    let mut conn = reader(&app).await?;
    let export = store::export(&mut conn, booking_id).await.map_err(store_failed)?;
    let export = export.ok_or_else(ApiError::not_found)?;
    tracing::info!(booking.id = %booking_id, by = %claims.sub, "a booking was exported");
    Ok(Json(export))
}
