//! What is odd about payments: shown with what shows it, and closed by a person.

use axum::extract::State;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use contracts::internal::{CaseCloseRequest, CasesReply, PaymentCase};
use http::StatusCode;
use uuid::Uuid;

use super::{
    APPROVER, OPERATOR,
    acting::{About, Actor, Attempt},
    actions::Because,
    elsewhere::{self, Told},
    may_look,
};
use crate::App;

const OWNER: &str = "payment-verification";

pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<CasesReply>, ApiError> {
    may_look(&claims)?;
    open(&app).await.map(Json).ok_or_else(|| elsewhere::silent(OWNER))
}

/// The open ones, the newest first; none when their owner does not say.
pub(crate) async fn open(app: &App) -> Option<CasesReply> {
    app.owners.one(OWNER, "/internal/cases?open=true").await?.ok()
}

/// One of them, open or closed.
pub(crate) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<PaymentCase>, ApiError> {
    may_look(&claims)?;
    one(&app, id).await.map(Json)
}

async fn one(app: &App, id: Uuid) -> Result<PaymentCase, ApiError> {
    match app.owners.one(OWNER, &format!("/internal/cases/{id}")).await {
        Some(Ok(case)) => Ok(case),
        Some(Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. })) => {
            Err(ApiError::not_found())
        }
        Some(Err(_)) | None => Err(elsewhere::silent(OWNER)),
    }
}

/// Closes one. Nothing is sent and no booking changes: a person says that it is seen to.
pub(crate) async fn close(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<PaymentCase>, ApiError> {
    end(&app, actor, id, body, ("close_payment_case", "close", OPERATOR)).await
}

/// Says that the money of one that left its chain is lost for good: its booking waits for it no
/// more.
pub(crate) async fn write_off(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    body: Result<Json<Because>, ApiError>,
) -> Result<Json<PaymentCase>, ApiError> {
    end(&app, actor, id, body, ("write_off_payment", "write-off", APPROVER)).await
}

async fn end(
    app: &App,
    actor: Actor,
    id: Uuid,
    body: Result<Json<Because>, ApiError>,
    (act, path, role): (&'static str, &str, &'static str),
) -> Result<Json<PaymentCase>, ApiError> {
    let about = About { payment_case_id: Some(id), ..About::default() };
    let attempt = Attempt::permit_about(app, actor, act, about, role).await?;
    let Json(Because { reason }) = body?;
    let mut attempt = attempt.because(&reason)?;
    match one(app, id).await {
        Ok(case) => attempt.about(Some(case.booking_id.0)),
        Err(error) => return Err(attempt.refused(error).await),
    }
    let body = CaseCloseRequest { staff: attempt.actor_name().to_owned(), why: reason };
    let path = format!("/internal/cases/{id}/{path}");
    elsewhere::tell(app, attempt, Told { owner: OWNER, path, body }).await.map(Json)
}
