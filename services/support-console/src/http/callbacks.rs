//! Callbacks of suppliers, taken again by a person.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::{
    ids::{BookingId, CallbackId},
    internal::{FindReply, LookUpRequest},
};
use http::StatusCode;

use super::{
    OPERATOR,
    acting::{About, Actor, Attempt},
    actions::Because,
    elsewhere::{self, Told},
};
use crate::App;

const OWNER: &str = "supplier-callback";

/// Has it said once more, as it is read today: whoever hears of it looks at the supplier again.
/// 202: what comes of it is in the timeline.
pub(crate) async fn again(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<CallbackId>,
    body: Result<Json<Because>, ApiError>,
) -> Result<StatusCode, ApiError> {
    let about = About { callback_id: Some(id.0), ..About::default() };
    let attempt =
        Attempt::permit_about(&app, actor, "take_callback_again", about, OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let mut attempt = attempt.because(&reason)?;
    attempt.about(booking_of(&app, id).await.map(|id| id.0));
    let body = LookUpRequest { staff: attempt.actor_name().to_owned() };
    let path = format!("/internal/callbacks/{id}/again");
    elsewhere::tell::<_, ()>(&app, attempt, Told { owner: OWNER, path, body }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The booking that a callback is about; none when nobody says, or when it is about none that is
/// known yet.
pub(crate) async fn booking_of(app: &App, id: CallbackId) -> Option<BookingId> {
    let asked = app.owners.one::<FindReply>(OWNER, &format!("/internal/find?key={id}")).await;
    let found = asked?.ok()?.found;
    found.first().map(|found| found.booking_id)
}
