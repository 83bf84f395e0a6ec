//! What differs between us and suppliers, or is not as they document it: shown, and closed by a
//! person.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::internal::{CaseCloseRequest, SupplierCase, SupplierCasesReply};
use http::StatusCode;
use uuid::Uuid;

use super::{
    OPERATOR,
    acting::{About, Actor, Attempt},
    actions::Because,
    elsewhere::{self, Told},
    may_look,
};
use crate::App;

const OWNER: &str = "supplier-sync";

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<SupplierCasesReply>, ApiError> {
    may_look(&claims)?;
    open(&app).await.map(Json).ok_or_else(|| elsewhere::silent(OWNER))
}

/// The open ones, the oldest first; none when their owner does not say.
pub(crate) async fn open(app: &App) -> Option<SupplierCasesReply> {
    app.owners.one(OWNER, "/internal/cases").await?.ok()
}

/// One of them, open or closed.
pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<SupplierCase>, ApiError> {
    may_look(&claims)?;
    match app.owners.one(OWNER, &format!("/internal/cases/{id}")).await {
        Some(Ok(case)) => Ok(Json(case)),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            Err(ApiError::not_found())
        }
        Some(Err(_)) | None => Err(elsewhere::silent(OWNER)),
    }
}

/// Closes one. Nothing happens at the supplier or to a booking: a person says that it is seen to.
pub(crate) async fn close(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<SupplierCase>, ApiError> {
    let about = About { case_id: Some(id), ..About::default() };
    let attempt = Attempt::permit_about(&app, actor, "close_case", about, OPERATOR).await?;
    let Json(Because { reason }) = body?;
    let attempt = attempt.because(&reason)?;
    let body = CaseCloseRequest { staff: attempt.actor_name().to_owned(), why: reason };
    let path = format!("/internal/cases/{id}/close");
    elsewhere::tell(&app, attempt, Told { owner: OWNER, path, body }).await.map(Json)
}
