//! What a wallet's camera reads to pay what a booking still needs.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use chassis::{ApiError, auth::Bearer, http::Path};
use contracts::ids::BookingId;
use qrcode::{QrCode, render::svg};

use super::{account, openapi::problems, reader, store_failed, views};
use crate::{App, store};

/// The side of the picture, at least; it is lines and grows without loss.
const SIDE: u32 = 256;

/// What a wallet opens to pay what is missing, as a picture. It has the same text as `payment.uri`
/// of the booking, and there is none whenever that is null.
#[utoipa::path(
    get, path = "/v1/bookings/{id}/qr", tag = "bookings",
    params(("id" = Uuid, Path, description = "The booking")),
    responses(
        (status = 200, description = "An SVG", body = String, content_type = "image/svg+xml"),
        problems::NotFound,
    ),
)]
pub(super) async fn show(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let mut conn = reader(&app).await?;
    let found = store::load_for_account(&mut conn, &account, booking_id).await;
    let booking = found.map_err(store_failed)?.ok_or_else(ApiError::not_found)?;
    let uri = views::pay_uri(&app, &booking).ok_or_else(ApiError::not_found)?;
    let code = QrCode::new(uri).map_err(|error| ApiError::internal(&error))?;
    let picture = code.render::<svg::Color<'_>>().min_dimensions(SIDE, SIDE).build();
    // What is missing changes with every payment.
    let headers =
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "private, no-store")];
    Ok((headers, picture).into_response())
}
