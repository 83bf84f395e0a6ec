//! Bookings that wait for a person: whose each is, and the repairs that its owner calls safe. Money
//! that was sent back by hand is believed when the chain shows it, not because somebody says so.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::{
    ids::{BookingId, LegId},
    internal::{
        RefundProofRequest, RefundSettlementRequest, RefundStanding, ReviewAct, ReviewActRequest,
        ReviewReply, SafeAct,
    },
};
use http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    APPROVER, OPERATOR,
    acting::{self, Actor, Attempt},
    actions::Because,
    elsewhere::{self, Told},
    in_a_column, may_look, refunds,
};
use crate::App;

const OWNER: &str = "booking";
const TREASURER: &str = "payment-verification";

/// Who looks into a booking or settles a leg of it, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
    pub(crate) act: ReviewAct,
    pub(crate) leg_id: Option<LegId>,
}

/// Which transaction brought a refund, and how that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    #[serde(deserialize_with = "acting::reason")]
    pub(crate) reason: String,
    pub(crate) transaction: String,
}

/// How a booking's review stands, and what is safe; none when booking does not say.
pub(crate) async fn standing(app: &App, booking_id: BookingId) -> Option<ReviewReply> {
    ask(app, booking_id).await?.ok()
}

async fn ask(app: &App, booking_id: BookingId) -> Option<Result<ReviewReply, CallError>> {
    let path = format!("/internal/bookings/{booking_id}/review");
    let told = app.owners.one::<ReviewReply>(OWNER, &path).await?;
    Some(match told {
        Ok(review) => Ok(with_approvals(app, booking_id, review).await),
        Err(error) => Err(error),
    })
}

/// What waits for a second person is not sent: to let it go is what helps, and the treasurer alone
/// knows that. One that is silent refuses by itself what is not safe.
async fn with_approvals(app: &App, booking_id: BookingId, mut review: ReviewReply) -> ReviewReply {
    let settles = review.safe.iter().find_map(|act| match act {
        SafeAct::SettleRefund { refund_id } => Some(*refund_id),
        _ => None,
    });
    let Some(refund_id) = settles else { return review };
    if let Ok(Some(_waits)) = refunds::one(app, booking_id, refund_id).await {
        let of_it = [SafeAct::ProveRefund { refund_id }, SafeAct::SettleRefund { refund_id }];
        review.safe.retain(|act| !of_it.contains(act));
        review.safe.push(SafeAct::ApproveRefund { refund_id });
    }
    review
}

pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Json<ReviewReply>, ApiError> {
    may_look(&claims)?;
    match ask(&app, booking_id).await {
        Some(Ok(found)) => Ok(Json(found)),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            Err(ApiError::not_found())
        }
        Some(Err(_)) | None => Err(elsewhere::silent(OWNER)),
    }
}

/// Takes a review, leaves it to others, or settles a leg of it.
pub(crate) async fn act(
    State(app): State<App>,
    actor: Actor,
    Path(booking_id): Path<BookingId>,
    body: Result<Json<Wanted>, ApiError>,
) -> Result<Json<ReviewReply>, ApiError> {
    let name = match &body {
        Ok(Json(Wanted { act: ReviewAct::Take, .. })) => "take_review",
        Ok(Json(Wanted { act: ReviewAct::Release, .. })) => "release_review",
        Ok(Json(Wanted { act: ReviewAct::LeaveLeg, .. })) => "leave_leg",
        Ok(Json(Wanted { act: ReviewAct::GiveBackLeg, .. })) => "give_back_leg",
        Err(_) => "review_act",
    };
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), OPERATOR).await?;
    let Json(Wanted { reason, act, leg_id }) = body?;
    let attempt = attempt.because(&reason)?;
    let staff = attempt.actor_name().to_owned();
    let body = ReviewActRequest { staff, why: reason, act, leg_id };
    let path = format!("/internal/bookings/{booking_id}/review");
    elsewhere::tell(&app, attempt, Told { owner: OWNER, path, body }).await.map(Json)
}

/// Names the transaction that brought a refund of this booking. 202: its owner looks at the chain,
/// and says what is missing still.
pub(crate) async fn prove(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    body: Result<Json<Proof>, ApiError>,
) -> Result<(StatusCode, Json<Option<RefundStanding>>), ApiError> {
    let name = "prove_refund";
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), APPROVER).await?;
    let Json(Proof { reason, transaction }) = body?;
    let attempt = attempt.because(&reason)?;
    in_a_column("/transaction", Some(&transaction))?;
    let attempt = safe(&app, attempt, booking_id, SafeAct::ProveRefund { refund_id }).await?;
    let staff = attempt.actor_name().to_owned();
    let body = RefundProofRequest { staff, why: reason, transaction };
    let path = format!("/internal/refunds/{refund_id}/proof");
    let told = Told { owner: TREASURER, path, body };
    let standing = elsewhere::tell(&app, attempt, told).await?;
    Ok((StatusCode::ACCEPTED, Json(standing)))
}

/// Answers for what is missing of a refund of this booking. No money is sent.
pub(crate) async fn settle(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<RefundStanding>, ApiError> {
    let name = "settle_refund";
    let attempt = Attempt::permit_about(&app, actor, name, booking_id.into(), APPROVER).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let attempt = safe(&app, attempt, booking_id, SafeAct::SettleRefund { refund_id }).await?;
    let staff = attempt.actor_name().to_owned();
    let body = RefundSettlementRequest { staff, why: reason };
    let path = format!("/internal/refunds/{refund_id}/settlement");
    elsewhere::tell(&app, attempt, Told { owner: TREASURER, path, body }).await.map(Json)
}

/// Goes on with what booking calls safe as things stand; that also says whose the refund is.
async fn safe(
    app: &App,
    attempt: Attempt,
    booking_id: BookingId,
    act: SafeAct,
) -> Result<Attempt, ApiError> {
    let Some(review) = standing(app, booking_id).await else {
        return Err(attempt.refused(elsewhere::silent(OWNER)).await);
    };
    if !review.safe.contains(&act) {
        let detail = "nothing of that is asked for a refund of this booking as things stand";
        return Err(attempt.refused(ApiError::conflict("not_safe_now", detail)).await);
    }
    Ok(attempt)
}
