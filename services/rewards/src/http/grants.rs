//! Points that staff or other services give; who gave them, and why, is kept with them.

use axum::{extract::State, http::HeaderMap};
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use contracts::{ids::AccountId, internal::AccountReply};
use messaging::StoreError;
use rewards_core::{Command, GrantId, Refusal, translate::Inbound};
use serde::Deserialize;
use uuid::Uuid;

use super::{failed, reply};
use crate::{
    App,
    handle::{Asked, Cause, feed},
    store,
};

/// How often a request is tried again after somebody else changed the account first.
const CONFLICTS_MAX: usize = 5;
/// What a member of staff needs to give points.
const GRANTS_ROLE: &str = "support_admin";
const REASON_MAX: usize = 500;

/// What is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    /// Made by whoever gives, so that asking twice gives once.
    grant_id: Uuid,
    points: u64,
    /// Staff have to say why.
    reason: Option<String>,
}

pub(super) async fn grant(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<AccountId>,
    body: Result<Json<Grant>, ApiError>,
) -> Result<Json<AccountReply>, ApiError> {
    let giver = Giver::of(&app, &headers)?;
    let Json(Grant { grant_id, points, reason }) = body?;
    let asked = giver.because(reason)?;
    let command = Command::Grant { grant_id: GrantId(grant_id), points };
    let inbound = Inbound::command(id.clone(), command);
    let span = tracing::Span::current();
    let cause = Cause { source: "request", id: Some(grant_id), asked: Some(asked), span };
    let done = in_one_transaction(&app, inbound, cause).await.map_err(|error| failed(&error))?;
    done.map_err(refused)?;
    reply(&app, &id).await.map(Json).map_err(|error| failed(&error))
}

/// Whoever may give points.
enum Giver {
    Service(String),
    Staff(String),
}

impl Giver {
    /// Another service may, and staff with the role.
    fn of(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Ok(claims) = app.services.authenticate(headers) {
            return Ok(Self::Service(claims.sub));
        }
        let claims = app.staff.authenticate(headers)?;
        match claims.require_role(GRANTS_ROLE) {
            Ok(()) => Ok(Self::Staff(claims.sub)),
            Err(denied) => {
                tracing::warn!(actor = claims.sub, "points were not given: no role {GRANTS_ROLE}");
                Err(denied)
            }
        }
    }

    /// Takes the reason, which staff have to give.
    fn because(self, reason: Option<String>) -> Result<Asked, ApiError> {
        let reason = reason.map(|reason| reason.trim().to_owned());
        let fits = |reason: &String| {
            (1..=REASON_MAX).contains(&reason.chars().count()) && !reason.contains('\0')
        };
        let is_well = reason.as_ref().map_or(matches!(self, Self::Service(_)), fits);
        if !is_well {
            let detail = format!("must have 1 to {REASON_MAX} characters");
            return Err(ApiError::invalid(vec![FieldError::new("/reason", "invalid", detail)]));
        }
        let actor = match self {
            Self::Service(name) => name,
            Self::Staff(name) => format!("staff:{name}"),
        };
        Ok(Asked { actor, reason })
    }
}

async fn in_one_transaction(
    app: &App,
    inbound: Inbound,
    cause: Cause,
) -> Result<Result<(), Refusal>, StoreError> {
    let mut conflicts = 0;
    loop {
        match try_once(app, inbound.clone(), cause.clone()).await {
            Err(StoreError::Conflict) if conflicts < CONFLICTS_MAX => conflicts += 1,
            done => return done,
        }
    }
}

async fn try_once(
    app: &App,
    inbound: Inbound,
    cause: Cause,
) -> Result<Result<(), Refusal>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let now = store::now(tx.conn()).await?;
    let mut fed = feed(&app.policy, &mut tx, vec![(inbound, cause)], now).await?;
    tx.commit().await?;
    app.cache.show(fed.shown);
    Ok(fed.answers.pop().unwrap_or(Ok(())))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::GrantDiffers { .. } => ApiError::conflict("grant_differs", refusal.to_string()),
        Refusal::GrantOutOfRange { .. } => {
            ApiError::unprocessable("grant_out_of_range", refusal.to_string())
        }
    }
}
