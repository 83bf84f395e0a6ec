//! What a customer is shown: the booking, its history, assets, points.

mod booking;
mod further;
mod terms;
mod words;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::Booking;
use chassis::{ApiError, auth::Bearer, http::Json};
use contracts::{
    internal::PointsEntry,
    shown::{ShownPoints, points_key},
};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::{
    booking::{ShownBooking, at_depth, booking},
    terms::shown as new_terms,
    words::{ChangeAnswer, MoneyAxis, RefundBasis, ReviewWhy, Status},
};
use super::{
    account,
    openapi::{problems, shapes},
    quotes,
};
use crate::App;

/// Whether the address to pay to may be shown.
pub(super) fn is_payable(app: &App, shown: &Booking) -> bool {
    booking::instruction(app, shown).is_some()
}

/// What a wallet opens to pay what is missing; nothing when nothing is, or when it may not be
/// shown.
pub(super) fn pay_uri(app: &App, shown: &Booking) -> Option<String> {
    if let Some(due) = shown.due() {
        return further::due_uri(app, shown, due);
    }
    let told = booking::instruction(app, shown)?;
    booking::pay_uri(told, shown)
}

/// What one can pay with, and at what rate now.
#[utoipa::path(
    get, path = "/v1/assets", tag = "quotes",
    responses((status = 200, description = "Every asset", body = shapes::Assets), problems::Unavailable),
)]
pub(super) async fn assets(State(app): State<App>, bearer: Bearer) -> Result<Response, ApiError> {
    account(&bearer)?;
    Ok(Json(quotes::assets(&app).await?).into_response())
}

/// Points and their entries; what nobody can say now is null, with the reason.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rewards {
    #[schema(value_type = Option<shapes::Points>)]
    points: Option<ShownPoints>,
    /// The newest entries first.
    #[schema(value_type = Option<Vec<shapes::PointsEntry>>)]
    entries: Option<Vec<PointsEntry>>,
    /// Why something is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

/// The account's points, from rewards, or as last shown when that does not answer.
#[utoipa::path(
    get, path = "/v1/rewards", tag = "account",
    responses((status = 200, description = "Points and entries", body = Rewards)),
)]
pub(super) async fn rewards(
    State(app): State<App>,
    bearer: Bearer,
) -> Result<Json<Rewards>, ApiError> {
    let account = account(&bearer)?;
    let reply = match app.owners.account(account.as_str()).await {
        Ok(reply) => {
            Rewards { points: Some(reply.points), entries: Some(reply.entries), why: None }
        }
        Err(error) => {
            tracing::warn!(error = %chassis::chain(&error), "rewards did not answer");
            let points = app.cache.shown(&points_key(account.as_str())).await;
            Rewards { points, entries: None, why: Some("rewards does not answer now") }
        }
    };
    Ok(Json(reply))
}
