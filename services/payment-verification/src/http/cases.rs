//! What a person may have to look into about payments, each with what shows it; and its closing.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    asset::AssetAmount,
    ids::PaymentId,
    internal::{CaseCloseRequest, CasesReply, PaymentCase},
};
use messaging::StoreError;
use payment_verification_core::{
    Fact,
    loss::{NotLost, may_write_off},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{repairs::who_and_why, support::failed};
use crate::{
    App,
    handle::Desk,
    store::{card::now, case, refund},
    treasury::{MayHave, Treasury},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only those that nobody is done with.
    #[serde(default)]
    open: bool,
}

/// The newest.
pub(super) async fn list(
    State(app): State<App>,
    Query(Wanted { open }): Query<Wanted>,
) -> Result<Json<CasesReply>, ApiError> {
    let pool = app.messaging.pool();
    let listed = if open { case::open_ones(pool).await } else { case::list(pool).await };
    let cases = listed.map_err(|error| failed(&error))?;
    let open = case::count_open(pool).await.map_err(|error| failed(&error))?;
    let cases = cases.into_iter().map(|case| named(&app, case)).collect();
    Ok(Json(CasesReply { cases, open }))
}

/// One, open or closed.
pub(super) async fn show(
    State(app): State<App>,
    Path(case_id): Path<Uuid>,
) -> Result<Json<PaymentCase>, ApiError> {
    one(&app, case_id).await
}

/// Closes one. Told again it changes nothing: who closed it first, and why, stays.
pub(super) async fn close(
    State(app): State<App>,
    Path(case_id): Path<Uuid>,
    Json(CaseCloseRequest { staff, why }): Json<CaseCloseRequest>,
) -> Result<Json<PaymentCase>, ApiError> {
    let wrong = who_and_why(&staff, &why);
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let closed = case::close(app.messaging.pool(), case_id, &staff, &why).await;
    closed.map_err(|error| failed(&error))?;
    one(&app, case_id).await
}

/// Says that the money of a case is lost for good: nobody waits for it any more, and the cases of
/// its having left close with who says so and why.
pub(super) async fn write_off(
    State(treasury): State<Treasury>,
    Path(case_id): Path<Uuid>,
    Json(CaseCloseRequest { staff, why }): Json<CaseCloseRequest>,
) -> Result<Json<PaymentCase>, ApiError> {
    let wrong = who_and_why(&staff, &why);
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let app = treasury.app();
    let Json(case) = one(app, case_id).await?;
    match treasury.may_have(case.payment_id).await.map_err(|error| failed(&error))? {
        MayHave::HasNone => {}
        MayHave::Has => {
            let why = NotLost::RefundUnderWay;
            return Err(ApiError::conflict("refund_under_way", why.to_string()));
        }
        MayHave::DoesNotSay => {
            let detail = "the treasury was told to send a refund of the payment and does not say \
                          whether it has it";
            return Err(ApiError::conflict("treasury_silent", detail));
        }
    }
    let done = lose(app, case.payment_id, &staff, &why).await.map_err(|error| failed(&error))?;
    match done {
        Ok(()) => one(app, case_id).await,
        Err(why @ NotLost::NothingAway) => Err(ApiError::conflict("nothing_away", why.to_string())),
        Err(why @ NotLost::RefundUnderWay) => {
            Err(ApiError::conflict("refund_under_way", why.to_string()))
        }
    }
}

async fn lose(
    app: &App,
    id: PaymentId,
    staff: &str,
    why: &str,
) -> Result<Result<(), NotLost>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let mut desk = Desk::open(app, tx.conn(), &[id]).await?;
    let Some(payment) = desk.payment(id) else { return Ok(Err(NotLost::NothingAway)) };
    if let Err(why) = may_write_off(payment) {
        return Ok(Err(why));
    }
    if refund::is_handed(tx.conn(), id).await? {
        return Ok(Err(NotLost::RefundUnderWay));
    }
    let now = now(tx.conn()).await?;
    desk.tell(id, &Fact::WrittenOff { by: staff.to_owned(), why: why.to_owned() }, now)?;
    desk.save(&mut tx).await?;
    case::close_lost(tx.conn(), id, staff, why).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

async fn one(app: &App, case_id: Uuid) -> Result<Json<PaymentCase>, ApiError> {
    let case = case::one(app.messaging.pool(), case_id).await.map_err(|error| failed(&error))?;
    case.map(|case| Json(named(app, case))).ok_or_else(ApiError::not_found)
}

/// The case with what was moved as the registry calls it.
fn named(app: &App, case: PaymentCase) -> PaymentCase {
    let Some(units) = case.units else { return case };
    let mut assets = app.registry.assets().chain(app.registry.unwatched());
    let contract = case.contract.as_deref().map(str::to_lowercase);
    let asset = assets.find(|asset| {
        Some(&asset.chain) == case.chain.as_ref()
            && asset.contract.as_deref().map(str::to_lowercase) == contract
    });
    let amount =
        asset.map(|asset| AssetAmount { units, decimals: asset.decimals, asset: asset.id.clone() });
    PaymentCase {
        amount_decimal: amount.as_ref().map(AssetAmount::decimal),
        asset: amount.map(|amount| amount.asset),
        ..case
    }
}
