//! What other services ask of an account, and gifts by staff. Customers see their points through
//! the gateway.

mod grants;
mod support;

use std::net::SocketAddr;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use chassis::{
    ApiError, Process,
    auth::guarded,
    http::{Json, Path, Ready},
};
use contracts::{ids::AccountId, internal::AccountReply};
use messaging::{StoreError, database};
use rewards_core::{Account, Fact, evolve, learn};
use serde_json::Value;

use crate::{App, cache::shown_points, store};

/// How many entries an answer has.
const ENTRIES_MAX: i64 = 50;

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
    let open_to_staff = Router::new().route("/internal/accounts/{id}/grants", post(grants::grant));
    guarded(internal, app.services.clone()).merge(open_to_staff).with_state(app)
}

async fn show(
    State(app): State<App>,
    Path(id): Path<AccountId>,
) -> Result<Json<AccountReply>, ApiError> {
    reply(&app, &id).await.map(Json).map_err(|error| failed(&error))
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
