//! What other services ask while they work.

mod approvals;
mod cases;
mod repairs;
mod support;

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use chassis::{
    ApiError,
    auth::{Verifier, guarded},
    http::{Json, Ready},
};
use contracts::shown::ShownAssets;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{App, Config, cards, store};

/// Serves internal HTTP until the process stops.
pub(crate) async fn serve(config: &Config, app: App) -> anyhow::Result<()> {
    let process = app.process.clone();
    let ready = ready(&app);
    let router = router(config, app)?;
    chassis::http::serve(&process, config.http_addr, router, ready).await?;
    Ok(())
}

/// The routes, without a socket.
///
/// # Errors
/// When a key of the configuration cannot be read.
pub fn router(config: &Config, app: App) -> anyhow::Result<Router> {
    let verifier = Verifier::from_keys(&config.token_public_keys, &config.token_issuer, "internal")
        .context("reading PAYMENT_VERIFICATION_TOKEN_PUBLIC_KEYS")?;
    let outside = app.clone();
    let losses = Router::new()
        .route("/internal/cases/{id}/write-off", post(cases::write_off))
        .with_state(app.treasury(config)?);
    let internal = Router::new()
        .route("/internal/shown", get(shown))
        .route("/internal/timeline/{booking}", get(support::timeline))
        .route("/internal/find", get(support::find))
        .route("/internal/cases", get(cases::list))
        .route("/internal/cases/{id}", get(cases::show))
        .route("/internal/cases/{id}/close", post(cases::close))
        .route("/internal/refunds/waiting", get(approvals::list))
        .route("/internal/refunds/{id}/approval", get(approvals::show).post(approvals::approve))
        .route("/internal/refunds/{id}/proof", post(repairs::prove))
        .route("/internal/refunds/{id}/settlement", post(repairs::settle))
        .route("/internal/attention", get(support::attention))
        .merge(app.messaging.routes())
        .with_state(app)
        .merge(losses);
    let has_cards = config.card_gateway.is_some();
    let guarded = guarded(internal, verifier);
    // The gateway shows no token of ours: what it pushes is signed.
    let pushed = Router::new().route("/webhooks/cards", post(cards::take)).with_state(outside);
    Ok(if has_cards { guarded.merge(pushed) } else { guarded })
}

async fn shown(State(app): State<App>) -> Result<Json<ShownAssets>, ApiError> {
    let unknown = || {
        let detail = "no rates were read yet";
        ApiError::new(http::StatusCode::SERVICE_UNAVAILABLE, "no_rates", detail)
    };
    app.feed.shown().map(Json).ok_or_else(unknown)
}

/// Ready means: what is asked can be taken in and answered. A node that is away makes nobody else
/// ready, so it is told beside and decides nothing.
fn ready(app: &App) -> Ready {
    let (database, broker, beside) =
        (app.messaging.pool().clone(), app.messaging.clone(), app.messaging.pool().clone());
    Ready::new()
        .check("database", move || {
            let pool = database.clone();
            async move {
                let answer = sqlx::query("select 1").execute(&pool).await;
                answer.map(drop).map_err(|error| chassis::chain(&error).to_string())
            }
        })
        .check("messages", move || {
            let messaging = broker.clone();
            async move {
                let parts = messaging.ready().await.into_iter();
                let wrong = parts
                    .filter_map(|(part, state)| state.err().map(|why| format!("{part}: {why}")));
                let wrong: Vec<_> = wrong.collect();
                if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
            }
        })
        .detail("clock_offset_ms", {
            let pool = beside.clone();
            move || clock_offset_ms(pool.clone())
        })
        .detail("chains", move || chains(beside.clone()))
}

async fn clock_offset_ms(pool: PgPool) -> Value {
    let Ok(mut conn) = pool.acquire().await else { return Value::Null };
    let offset = messaging::clock_offset(&mut conn).await;
    offset.map_or(Value::Null, |offset| json!(offset.num_milliseconds()))
}

/// How far each chain is taken in, and for how long nothing came.
async fn chains(pool: PgPool) -> Value {
    let chains = store::chain::progress(&pool).await.unwrap_or_default();
    let told = chains.into_iter().map(|(chain, height, quiet_s)| {
        (chain, json!({ "height": height, "quiet_for_s": quiet_s }))
    });
    Value::Object(told.collect())
}
