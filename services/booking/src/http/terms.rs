//! What suppliers ask more than was agreed to, before it is held: the customer goes on with it, or
//! does not.

use axum::{extract::State, response::Response};
use booking_core::Command;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::ids::BookingId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account, acts,
    form::{Faults, Form},
    openapi::problems,
    views,
};
use crate::App;

/// An agreement to what suppliers ask now.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementToTerms {
    /// The `digest` of the booking's `new_terms`: it names exactly the prices and the terms that
    /// are agreed to.
    digest: Uuid,
}

/// Goes on at what suppliers ask now.
///
/// While a supplier asks more than is ours to bear, or has worse terms, the booking is
/// `awaiting_consent` and nothing can be paid. Who agrees pays what is asked; cancelling costs
/// nothing, and saying nothing until `answer_by` undoes it. When something else is asked meanwhile,
/// the answer is 409 `terms_changed` with the terms of now.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/terms", tag = "bookings",
    params(("id" = Uuid, Path, description = "The booking")),
    request_body = AgreementToTerms,
    responses(
        (status = 202, description = "The booking, as it goes on", body = views::ShownBooking),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn accept(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let command = read(&body)?;
    acts::ask(&app, account, booking_id, command).await
}

fn read(body: &Value) -> Result<Command, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    form.required("digest");
    let agreed = form.optional_text("digest", |text| {
        text.parse().map_err(|_| "must be the digest of new terms".to_owned())
    });
    form.end();
    faults.answer()?;
    let agreed = agreed.ok_or_else(ApiError::internal_logged)?;
    Ok(Command::AcceptTerms { agreed })
}
