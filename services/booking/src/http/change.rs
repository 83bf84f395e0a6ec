//! What a supplier changed of what was bought, answered by the customer: taken as it is now, or
//! given back.

use axum::{extract::State, response::Response};
use booking_core::Command;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::ids::{BookingId, LegId};
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

/// An answer to what a supplier changed.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerToChange {
    /// The `change` of the leg: it names exactly the values that are answered.
    change: Uuid,
    /// One of the change's `answers`, but `rebook`.
    answer: views::ChangeAnswer,
}

/// Answers what a supplier changed of a leg.
///
/// `accept` takes it as it is now, for the price that was paid. `refund` gives the leg back, and
/// all of its money goes back, whatever the terms say; the last one goes with the booking.
/// `undo_trip` gives back the whole trip in the same way, where it was booked as all or nothing, or
/// points paid a part of the leg: they come back whole or not at all. What may be used already
/// stays paid. Where the change's `answers` name `rebook`, another leg can be had in its place by
/// `POST …/legs/{leg_id}/amendment`.
/// When the supplier changed it again meanwhile, the answer is 409 `changed_again`.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/legs/{leg_id}/change", tag = "bookings",
    params(
        ("id" = Uuid, Path, description = "The booking"),
        ("leg_id" = Uuid, Path, description = "The leg"),
    ),
    request_body = AnswerToChange,
    responses(
        (
            status = 202,
            description = "The booking, as it goes on. The same answer said again is the same \
                           wish, and is answered with the booking as it is then",
            body = views::ShownBooking,
        ),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn answer(
    State(app): State<App>,
    bearer: Bearer,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let command = read(&body, leg_id)?;
    acts::ask(&app, account, booking_id, command).await
}

fn read(body: &Value, leg_id: LegId) -> Result<Command, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let agreed = form
        .text("change", |text| text.parse().map_err(|_| "must be the change of a leg".to_owned()));
    let answer = form.text("answer", |text| match text {
        "accept" => Ok(booking_core::ChangeAnswer::Accept),
        "refund" => Ok(booking_core::ChangeAnswer::Refund),
        "undo_trip" => Ok(booking_core::ChangeAnswer::UndoTrip),
        "rebook" => Err("is done by an amendment of the leg".to_owned()),
        _ => Err("must be accept, refund or undo_trip".to_owned()),
    });
    form.end();
    faults.answer()?;
    let read = answer.zip(agreed).ok_or_else(ApiError::internal_logged)?;
    Ok(Command::AnswerChange { leg_id, answer: read.0, agreed: read.1 })
}
