//! What staff ask over HTTP. Every route of the API wants a member of staff's token, and each says
//! which role; the pages want a session.

pub(crate) mod acting;
pub(crate) mod actions;
pub(crate) mod acts;
pub(crate) mod attention;
pub(crate) mod callbacks;
pub(crate) mod cases;
pub(crate) mod contacts;
pub(crate) mod edits;
pub(crate) mod elsewhere;
pub(crate) mod flow;
pub(crate) mod legs;
mod openapi;
pub(crate) mod paging;
pub(crate) mod parked;
pub(crate) mod payment_cases;
pub(crate) mod people;
pub(crate) mod preview;
pub(crate) mod proofs;
pub(crate) mod refunds;
pub(crate) mod review;
pub(crate) mod runs;
pub(crate) mod seen;
pub(crate) mod suppliers;
pub(crate) mod timeline;

use std::net::SocketAddr;

use axum::{
    Router,
    routing::{get, post},
};
use chassis::{
    ApiError, FieldError, Process,
    auth::{Claims, guarded},
    http::Ready,
};
use messaging::{StoreError, database};
use serde_json::Value;
use sqlx::{Postgres, pool::PoolConnection};

use crate::{App, pages};

/// The roles of staff, from the least to the most that may be done.
pub(crate) const ROLES: [&str; 4] = [VIEWER, OPERATOR, APPROVER, "support_admin"];
/// The least role of staff.
const VIEWER: &str = "support_viewer";
/// The least role that may let pass what somebody else proposed.
pub(crate) const APPROVER: &str = "support_approver";
/// The least role that may change something, or see what is masked.
pub(crate) const OPERATOR: &str = "support_operator";

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
        .route("/v1/dead-letters/{id}", get(parked::show))
        .route("/v1/dead-letters/{id}/preview", get(preview::show))
        .route("/v1/dead-letters/{id}/replay", post(actions::replay))
        .route("/v1/dead-letters/{id}/discard", post(actions::discard))
        .route("/v1/dead-letters/{id}/restore", post(actions::restore))
        .route("/v1/dead-letters/{id}/unmask", post(actions::unmask))
        .route("/v1/replays", get(runs::list).post(runs::begin))
        .route("/v1/replays/{id}", get(runs::show))
        .route("/v1/replays/{id}/{change}", post(runs::change))
        .route("/v1/edits", get(edits::list))
        .route("/v1/edits/{id}/approve", post(edits::approve))
        .route("/v1/edits/{id}/refuse", post(edits::refuse))
        .route("/v1/attention", get(attention::show))
        .route("/v1/flow", get(flow::show))
        .route("/v1/suppliers", get(suppliers::list))
        .route("/v1/suppliers/{supplier}/reset", post(suppliers::reset))
        .route("/v1/suppliers/{supplier}/comparison", get(suppliers::comparison))
        .route("/v1/cases", get(cases::list))
        .route("/v1/cases/{id}", get(cases::show))
        .route("/v1/cases/{id}/close", post(cases::close))
        .route("/v1/payment-cases", get(payment_cases::list))
        .route("/v1/payment-cases/{id}", get(payment_cases::show))
        .route("/v1/payment-cases/{id}/close", post(payment_cases::close))
        .route("/v1/payment-cases/{id}/write-off", post(payment_cases::write_off))
        .route("/v1/callbacks/{id}/again", post(callbacks::again))
        .route("/v1/acts", get(acts::list))
        .route("/v1/bookings/{id}/seen", get(seen::show))
        .route("/v1/bookings/{id}/legs", get(legs::list))
        .route("/v1/bookings/{id}/legs/{leg}/acts", post(legs::act))
        .route("/v1/bookings/{id}/review", get(review::show).post(review::act))
        .route("/v1/bookings/{id}/refunds/{refund}/proof", post(review::prove))
        .route("/v1/bookings/{id}/refunds/{refund}/settlement", post(review::settle))
        .route("/v1/bookings/{id}/refunds/{refund}/approval", post(refunds::approve))
        .route("/v1/refunds", get(refunds::list))
        .route("/v1/bookings/{id}/travellers", post(people::show))
        .route("/v1/bookings/{id}/timeline", get(timeline::show))
        .route("/v1/search", get(timeline::search))
        .route("/v1/search/contacts", post(contacts::find));
    let pages = pages::router(&app);
    let internal = Router::new().route("/internal/proofs", post(proofs::told));
    let described = Router::new().route("/openapi.json", get(openapi::show));
    guarded(routes, app.staff.clone())
        .merge(guarded(internal, app.internal.clone()))
        .merge(described)
        .merge(pages)
        .with_state(app)
}

/// Refuses whoever is not staff at all: every role may look.
fn may_look(claims: &Claims) -> Result<(), ApiError> {
    if has_rank(claims, VIEWER) { Ok(()) } else { Err(ApiError::forbidden()) }
}

/// Refuses a text that no column can hold: nothing is like it.
pub(crate) fn in_a_column(field: &'static str, text: Option<&str>) -> Result<(), ApiError> {
    if text.is_none_or(|text| !text.contains('\0')) {
        return Ok(());
    }
    let detail = "must have no zero byte";
    Err(ApiError::invalid(vec![FieldError::new(field, "invalid", detail)]))
}

/// Whether one of the caller's roles is this one or one that may do more.
pub(crate) fn has_rank(claims: &Claims, role: &str) -> bool {
    ROLES.iter().skip_while(|known| **known != role).any(|known| claims.has_role(known))
}

pub(crate) async fn connection(app: &App) -> Result<PoolConnection<Postgres>, ApiError> {
    let taken = app.pool.acquire().await.map_err(database("taking a connection"));
    taken.map_err(|error| failed(&error))
}

pub(crate) fn failed(error: &StoreError) -> ApiError {
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
