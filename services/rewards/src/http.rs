//! What other services ask of an account, and gifts by staff. Customers see their points through
//! the gateway.

mod support;

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    http::HeaderMap,
    routing::{get, post},
};
use chassis::{
    ApiError, Process,
    auth::guarded,
    http::{Json, Path, Ready},
};
use contracts::{ids::AccountId, internal::AccountReply};
use messaging::{StoreError, database};
use rewards_core::{Account, Command, Fact, GrantId, Refusal, evolve, learn, translate::Inbound};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    App,
    cache::shown_points,
    handle::{Cause, feed},
    store,
};

/// How many entries an answer has.
const ENTRIES_MAX: i64 = 50;
/// How often a request is tried again after somebody else changed the account first.
const CONFLICTS_MAX: usize = 5;
/// What a member of staff needs to give points.
const GRANTS_ROLE: &str = "support_admin";

/// Serves the edge until the process stops.
pub(crate) async fn serve(app: App, process: &Process, addr: SocketAddr) -> anyhow::Result<()> {
    let ready = ready(&app);
    chassis::http::serve(process, addr, router(app), ready).await?;
    Ok(())
}

/// Every route of the service.
pub fn router(app: App) -> Router {
    let internal = Router::new()
        .route("/internal/accounts/{id}", get(show))
        .route("/internal/timeline/{booking}", get(support::timeline))
        .route("/internal/find", get(support::find))
        .merge(app.messaging.routes());
    let open_to_staff = Router::new().route("/internal/accounts/{id}/grants", post(grant));
    guarded(internal, app.services.clone()).merge(open_to_staff).with_state(app)
}

async fn show(
    State(app): State<App>,
    Path(id): Path<AccountId>,
) -> Result<Json<AccountReply>, ApiError> {
    reply(&app, &id).await.map(Json).map_err(|error| failed(&error))
}

/// What is given.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grant {
    /// Made by whoever gives, so that asking twice gives once.
    grant_id: Uuid,
    points: u64,
}

async fn grant(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<AccountId>,
    Json(Grant { grant_id, points }): Json<Grant>,
) -> Result<Json<AccountReply>, ApiError> {
    may_grant(&app, &headers)?;
    let command = Command::Grant { grant_id: GrantId(grant_id), points };
    let inbound = Inbound::command(id.clone(), command);
    let cause = Cause { source: "request", id: Some(grant_id), span: tracing::Span::current() };
    let done = in_one_transaction(&app, inbound, cause).await.map_err(|error| failed(&error))?;
    done.map_err(refused)?;
    reply(&app, &id).await.map(Json).map_err(|error| failed(&error))
}

/// Another service may, and staff with the role.
fn may_grant(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if app.services.authenticate(headers).is_ok() {
        return Ok(());
    }
    app.staff.authenticate(headers)?.require_role(GRANTS_ROLE)
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

/// The account as it is at this instant: what is due counts, whether the job has been there or not.
async fn reply(app: &App, id: &AccountId) -> Result<AccountReply, StoreError> {
    let mut conn = app.pool.acquire().await.map_err(database("taking a connection"))?;
    let (account, now) = store::load(&mut conn, id).await?;
    let account = account.unwrap_or_default();
    let due = learn(&account, &Fact::Due, &app.policy, now);
    let account: Account = due.iter().fold(account, evolve);
    let entries = store::entries(&mut conn, id, ENTRIES_MAX).await?;
    Ok(AccountReply { points: shown_points(&account, now), entries })
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::GrantDiffers { .. } => ApiError::conflict("grant_differs", refusal.to_string()),
        Refusal::GrantOutOfRange => {
            ApiError::unprocessable("grant_out_of_range", refusal.to_string())
        }
    }
}

fn failed(error: &StoreError) -> ApiError {
    ApiError::internal(error)
}

fn ready(app: &App) -> Ready {
    let (database, broker, clock) = (app.pool.clone(), app.messaging.clone(), app.pool.clone());
    Ready::new()
        .check("database", move || {
            let pool = database.clone();
            async move {
                let answer = sqlx::query("select 1").execute(&pool).await;
                answer.map(drop).map_err(|error| chassis::chain(&error).to_string())
            }
        })
        .check("messaging", move || {
            let messaging = broker.clone();
            async move {
                let parts = messaging.ready().await.into_iter();
                let wrong =
                    parts.filter_map(|(part, well)| Some(format!("{part}: {}", well.err()?)));
                let wrong = wrong.collect::<Vec<_>>().join("; ");
                if wrong.is_empty() { Ok(()) } else { Err(wrong) }
            }
        })
        .detail("clock_offset_ms", move || {
            let pool = clock.clone();
            async move {
                let Ok(mut conn) = pool.acquire().await else { return Value::Null };
                let offset = messaging::clock_offset(&mut conn).await;
                offset.map_or(Value::Null, |offset| offset.num_milliseconds().into())
            }
        })
}
