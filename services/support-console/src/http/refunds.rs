//! Refunds that a second person has to let go. Their owner knows who looked into the booking, and
//! the audit who acted on it otherwise: neither may.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::{
    ids::BookingId,
    internal::{RefundApprovalRequest, RefundLetGo, WaitingRefund, WaitingRefundsReply},
    staff::same_person,
};
use http::StatusCode;
use uuid::Uuid;

use super::{
    APPROVER,
    acting::{Actor, Attempt},
    actions::Because,
    connection,
    elsewhere::{self, Told},
    failed, may_look,
};
use crate::{App, store};

const TREASURER: &str = "payment-verification";

pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<WaitingRefundsReply>, ApiError> {
    may_look(&claims)?;
    waiting(&app).await.map(Json)
}

/// All that wait.
///
/// # Errors
/// When their owner does not answer.
pub(crate) async fn waiting(app: &App) -> Result<WaitingRefundsReply, ApiError> {
    let told = app.owners.one(TREASURER, "/internal/refunds/waiting").await;
    told.and_then(Result::ok).ok_or_else(|| elsewhere::silent(TREASURER))
}

/// One that waits; nothing when it does not, or is another booking's.
///
/// # Errors
/// When their owner does not answer.
pub(crate) async fn one(
    app: &App,
    booking_id: BookingId,
    refund_id: Uuid,
) -> Result<Option<WaitingRefund>, ApiError> {
    let path = format!("/internal/refunds/{refund_id}/approval");
    match app.owners.one::<WaitingRefund>(TREASURER, &path).await {
        Some(Ok(refund)) => Ok(Some(refund).filter(|refund| refund.booking_id == booking_id)),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => Ok(None),
        Some(Err(_)) | None => Err(elsewhere::silent(TREASURER)),
    }
}

/// Lets it go. 202: its owner has it sent.
pub(crate) async fn approve(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    body: Result<Json<Because>, ApiError>,
) -> Result<StatusCode, ApiError> {
    let name = "approve_refund";
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), APPROVER).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    match one(&app, booking_id, refund_id).await {
        Ok(Some(_waits)) => {}
        Ok(None) => {
            let detail = "no such refund of this booking waits for a second person";
            return Err(attempt.refused(ApiError::conflict("not_waiting", detail)).await);
        }
        Err(error) => return Err(attempt.refused(error).await),
    }
    if had_a_hand(&app, booking_id, attempt.actor_name()).await? {
        let detail = "whoever acted on this booking before does not let its refund go";
        return Err(attempt.refused(ApiError::conflict("same_person", detail)).await);
    }
    let staff = attempt.actor_name().to_owned();
    let body = RefundApprovalRequest { staff, why: reason };
    let path = format!("/internal/refunds/{refund_id}/approval");
    let told = Told { owner: TREASURER, path, body };
    elsewhere::tell::<_, Option<RefundLetGo>>(&app, attempt, told).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Whether somebody did what led to the refund, or may have.
async fn had_a_hand(app: &App, booking_id: BookingId, name: &str) -> Result<bool, ApiError> {
    let mut conn = connection(app).await?;
    let hands = store::hands_on(&mut conn, booking_id.0).await.map_err(|error| failed(&error))?;
    Ok(hands.iter().any(|hand| same_person(hand, name)))
}
