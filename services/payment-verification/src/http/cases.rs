//! What a person may have to look into about payments, each with what shows it; and its closing.

use axum::extract::State;
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    asset::AssetAmount,
    internal::{CaseCloseRequest, CasesReply, PaymentCase},
};
use serde::Deserialize;
use uuid::Uuid;

use super::{repairs::who_and_why, support::failed};
use crate::{App, store::case};

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
