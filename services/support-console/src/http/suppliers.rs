//! How suppliers do, and a breaker that is closed by hand.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::{
    internal::{BreakerResetRequest, ComparisonStanding, SupplierStanding, SuppliersReply},
    supplier::Supplier,
};
use http::StatusCode;

use super::{
    APPROVER,
    acting::{About, Actor, Attempt},
    actions::Because,
    elsewhere::{self, Told},
    may_look,
};
use crate::App;

const OWNER: &str = "supplier-sync";

pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<SuppliersReply>, ApiError> {
    may_look(&claims)?;
    standing(&app).await.map(Json).ok_or_else(|| elsewhere::silent(OWNER))
}

/// Every supplier that is sold; none when their owner does not say.
pub(crate) async fn standing(app: &App) -> Option<SuppliersReply> {
    app.owners.one(OWNER, "/internal/suppliers").await?.ok()
}

/// The newest comparison of a supplier's whole list with ours.
pub(super) async fn comparison(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(supplier): Path<Supplier>,
) -> Result<Json<ComparisonStanding>, ApiError> {
    may_look(&claims)?;
    match compared(&app, supplier).await {
        Some(Ok(standing)) => Ok(Json(standing)),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            Err(ApiError::not_found())
        }
        Some(Err(_)) | None => Err(elsewhere::silent(OWNER)),
    }
}

/// What its owner says of it: 404 when there was none.
pub(crate) async fn compared(
    app: &App,
    supplier: Supplier,
) -> Option<Result<ComparisonStanding, CallError>> {
    app.owners.one(OWNER, &format!("/internal/suppliers/{supplier}/compare")).await
}

/// Closes a breaker. An approver's act: whatever the supplier suffers from, every customer is sent
/// there again.
pub(crate) async fn reset(
    State(app): State<App>,
    actor: Actor,
    Path(supplier): Path<Supplier>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<SupplierStanding>, ApiError> {
    let about = About { supplier: Some(supplier), ..About::default() };
    let attempt = Attempt::permit_about(&app, actor, "reset_breaker", about, APPROVER).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let body = BreakerResetRequest { staff: attempt.actor_name().to_owned(), why: reason };
    let path = format!("/internal/suppliers/{supplier}/reset");
    elsewhere::tell(&app, attempt, Told { owner: OWNER, path, body }).await.map(Json)
}
