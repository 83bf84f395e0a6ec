//! Lets money that is due back of one booking pay another one.

use axum::{extract::State, response::Response};
use booking_core::{Booking, Command, Rebooking};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::ids::{AccountId, BookingId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    account, acts,
    form::{self, Faults, Form},
    openapi::problems,
    reader, store_failed, views,
};
use crate::{App, store};

/// What the money pays.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RebookingRequest {
    /// Another booking of the same account, which waits for its money.
    booking_id: Uuid,
}

/// Lets what is due back of a booking that is over pay another one, which was quoted, accepted at
/// its price and says `pay`, in what was paid with before. What is missing is paid there as ever;
/// what is too much can be asked back there.
///
/// The same booking again is a repeat. Of sending the money back and of this only one can be. Where
/// the other booking needs no money any more when it would come, or the money does not lie as deep
/// yet as the other one's price needs, it stays due here, and both are open again.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/rebooking", tag = "bookings", request_body = RebookingRequest,
    params(("id" = Uuid, Path, description = "The booking whose money is due back")),
    responses(
        (status = 202, description = "That booking, with what its money pays now", body = views::ShownBooking),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
    ),
)]
pub(super) async fn rebook(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let into = read(&body)?;
    let from = acts::booking_of(&app, &account, booking_id).await?;
    let repeat = |known: &&Rebooking| {
        known.booking_id == into && from.refund_to() == Some(known.place().as_str())
    };
    if let Some(known) = from.pays_for().filter(repeat) {
        // The other one may be paid by now.
        let command = Command::Rebook { into: Box::new(known.clone()) };
        return acts::ask(&app, account, booking_id, command).await;
    }
    let Some(into) = Rebooking::of(&other(&app, &account, into).await?) else {
        let detail = "the other booking does not wait for its money";
        return Err(acts::instead(&app, &from, ApiError::conflict("nothing_to_pay", detail)));
    };
    acts::ask(&app, account, booking_id, Command::Rebook { into: Box::new(into) }).await
}

async fn other(app: &App, account: &AccountId, id: BookingId) -> Result<Booking, ApiError> {
    let mut conn = reader(app).await?;
    let found = store::load_for_account(&mut conn, account, id).await.map_err(store_failed)?;
    found.ok_or_else(|| {
        let detail = "is no booking of this account";
        ApiError::invalid(vec![form::error("/booking_id", "unknown", detail)])
    })
}

fn read(body: &Value) -> Result<BookingId, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let id = form.text("booking_id", |text| {
        text.parse().map_err(|_| "must be the id of a booking".to_owned())
    });
    form.end();
    faults.answer()?;
    id.ok_or_else(ApiError::internal_logged)
}
