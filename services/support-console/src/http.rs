//! What staff ask over HTTP. Every route wants a member of staff's token, and each says which role.

mod parked;

use std::net::SocketAddr;

use axum::{Router, routing::get};
use chassis::{
    ApiError, Process,
    auth::{Claims, guarded},
    http::Ready,
};

use serde_json::Value;

use crate::App;

/// The roles of staff, from the least to the most that may be done.
const ROLES: [&str; 4] =
    ["support_viewer", "support_operator", "support_approver", "support_admin"];

/// Serves the edge until the process stops.
pub(crate) async fn serve(app: App, process: &Process, addr: SocketAddr) -> anyhow::Result<()> {
    let ready = ready(&app);
    chassis::http::serve(process, addr, router(app), ready).await?;
    Ok(())
}

/// Every route of the console.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/v1/dead-letters", get(parked::list))
        .route("/v1/dead-letters/{id}", get(parked::show));
    guarded(routes, app.staff.clone()).with_state(app)
}

/// Refuses whoever is not staff at all: every role may look.
fn may_look(claims: &Claims) -> Result<(), ApiError> {
    if ROLES.iter().any(|role| claims.has_role(role)) { Ok(()) } else { Err(ApiError::forbidden()) }
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
