//! A second person lets a refund go that is beyond what goes by itself.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path},
};
use contracts::internal::{
    RefundApprovalRequest, RefundLetGo, Versions, WaitingRefund, WaitingRefundsReply,
};
use http::StatusCode;
use messaging::StoreError;
use payment_verification_core::{
    Fact,
    refund::approval::{NotForThem, may_let_go},
};
use uuid::Uuid;

use super::{repairs::who_and_why, support::failed};
use crate::{
    App,
    handle::Desk,
    store::{approval, card::now, refund},
};

const LISTED_MAX: i64 = 200;

/// Every refund that waits for somebody.
pub(super) async fn list(State(app): State<App>) -> Result<Json<WaitingRefundsReply>, ApiError> {
    let waiting = approval::waiting(app.messaging.pool(), None, LISTED_MAX).await;
    Ok(Json(WaitingRefundsReply { refunds: waiting.map_err(|error| failed(&error))? }))
}

/// One of them.
pub(super) async fn show(
    State(app): State<App>,
    Path(refund_id): Path<Uuid>,
) -> Result<Json<WaitingRefund>, ApiError> {
    let waiting = approval::waiting(app.messaging.pool(), Some(refund_id), 1).await;
    let waiting = waiting.map_err(|error| failed(&error))?;
    waiting.into_iter().next().map(Json).ok_or_else(ApiError::not_found)
}

pub(super) async fn approve(
    State(app): State<App>,
    Path(refund_id): Path<Uuid>,
    Json(asked): Json<RefundApprovalRequest>,
) -> Result<(StatusCode, Json<RefundLetGo>), ApiError> {
    let wrong = who_and_why(&asked.staff, &asked.why);
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let answer = let_go(&app, refund_id, &asked).await.map_err(|error| failed(&error))?;
    match answer {
        Ok(versions) => Ok((StatusCode::ACCEPTED, Json(RefundLetGo { versions }))),
        Err(NotForThem::NoSuchRefund) => Err(ApiError::not_found()),
        Err(why @ NotForThem::NotWaiting) => {
            Err(ApiError::conflict("not_waiting", why.to_string()))
        }
        Err(why @ NotForThem::SamePerson) => {
            Err(ApiError::conflict("same_person", why.to_string()))
        }
    }
}

async fn let_go(
    app: &App,
    refund_id: Uuid,
    asked: &RefundApprovalRequest,
) -> Result<Result<Versions, NotForThem>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let Some((id, _)) = refund::chain_of(tx.conn(), refund_id).await? else {
        return Ok(Err(NotForThem::NoSuchRefund));
    };
    let mut desk = Desk::open(app, tx.conn(), &[id]).await?;
    let Some(payment) = desk.payment(id) else { return Ok(Err(NotForThem::NoSuchRefund)) };
    if let Err(why) = may_let_go(payment, refund_id, &asked.staff) {
        return Ok(Err(why));
    }
    let before = payment.seq;
    let now = now(tx.conn()).await?;
    let (by, why) = (asked.staff.clone(), asked.why.clone());
    desk.tell(id, &Fact::RefundApproved { refund_id, by, why }, now)?;
    let after = desk.payment(id).map_or(before, |payment| payment.seq);
    desk.save(&mut tx).await?;
    tx.commit().await?;
    Ok(Ok(Versions { before, after }))
}
