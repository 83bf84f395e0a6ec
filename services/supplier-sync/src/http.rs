//! What other services ask while they work: searches and price checks, and what support asks.

mod repairs;
mod suppliers;
mod support;
mod timeline;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use chassis::{
    ApiError, Process,
    auth::guarded,
    http::{Json, Ready},
};
use contracts::{
    internal::{PriceCheckReply, PriceCheckRequest, SearchRequest},
    shown::ShownOffers,
};
use serde_json::Value;

use crate::{
    App, search,
    shop::{self, Checked},
};

/// Serves the edge until the process stops.
pub(crate) async fn serve(app: App, process: &Process, addr: SocketAddr) -> anyhow::Result<()> {
    let ready = ready(&app);
    chassis::http::serve(process, addr, router(app), ready).await?;
    Ok(())
}

/// Every route of the service.
pub fn router(app: App) -> Router {
    let internal = Router::new()
        .route("/internal/search", post(find))
        .route("/internal/price-check", post(price_check))
        .route("/internal/timeline/{booking}", get(support::timeline))
        .route("/internal/find", get(support::find))
        .route("/internal/attention", get(support::attention))
        .route("/internal/suppliers", get(suppliers::all))
        .route("/internal/suppliers/{supplier}/reset", post(suppliers::reset))
        .route(
            "/internal/suppliers/{supplier}/compare",
            get(suppliers::compared).post(suppliers::compare),
        )
        .route("/internal/suppliers/{supplier}/undelivered", post(suppliers::undelivered))
        .route("/internal/cases", get(suppliers::cases))
        .route("/internal/cases/{case}", get(suppliers::case))
        .route("/internal/cases/{case}/close", post(suppliers::close))
        .route("/internal/bookings/{booking}/references", get(support::references))
        .route("/internal/legs/{leg}/look-up", post(support::look_up))
        .route("/internal/bookings/{booking}/legs", get(repairs::legs))
        .route("/internal/legs/{leg}/acts", post(repairs::act))
        .merge(app.messaging.routes());
    guarded(internal, app.services.clone()).with_state(app)
}

async fn find(
    State(app): State<App>,
    Json(search): Json<SearchRequest>,
) -> Result<axum::Json<Arc<ShownOffers>>, ApiError> {
    let found = search::search(&app, search).await;
    found
        .map(axum::Json)
        .ok_or_else(|| ApiError::unavailable("search_unavailable", "no supplier can be asked now"))
}

async fn price_check(
    State(app): State<App>,
    Json(request): Json<PriceCheckRequest>,
) -> Result<Json<PriceCheckReply>, ApiError> {
    match shop::price_check(&app, &request).await {
        Checked::Answer(answer) => Ok(Json(answer)),
        Checked::Expired => Err(ApiError::gone("offer_expired", "search again")),
        Checked::BadKey => {
            Err(ApiError::unprocessable("bad_rate_key", "it is no key of this supplier"))
        }
        Checked::Unavailable => Err(ApiError::unavailable(
            "supplier_unavailable",
            "the supplier did not answer in time",
        )),
    }
}

fn ready(app: &App) -> Ready {
    let pool = app.messaging.pool();
    let (database, broker, clock) = (pool.clone(), app.messaging.clone(), pool.clone());
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
