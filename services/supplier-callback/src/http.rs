//! Where suppliers push: one route, one order. Known supplier, signature, stored, answered. Beside
//! it what support asks, behind a service's token.

mod again;
mod support;

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    routing::{get, post},
};
use chassis::{
    ApiError, Process,
    auth::guarded,
    fields,
    http::{Path, Ready},
    metrics::{self, Counter},
};
use chrono::DateTime;
use contracts::supplier::Supplier;
use http::{HeaderMap, StatusCode};
use messaging::{StoreError, database};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use suppliers::Forged;

use crate::{
    App,
    door::FORGED_KEPT,
    store::{self, Raw, Stored},
    taking::{Push, Taken, Taking, verify},
};

/// A notification of a supplier is some 500 bytes.
const BODY_MAX: usize = 256 * 1024;

/// Serves until the process stops.
pub(crate) async fn serve(app: App, process: &Process, addr: SocketAddr) -> anyhow::Result<()> {
    let ready = ready(&app);
    chassis::http::serve(process, addr, router(app), ready).await?;
    Ok(())
}

/// Every route of the service.
pub fn router(app: App) -> Router {
    let internal = Router::new()
        .route("/internal/timeline/{booking}", get(support::timeline))
        .route("/internal/find", get(support::find))
        .route("/internal/attention", get(support::attention))
        .route("/internal/callbacks/{id}/again", post(again::take));
    Router::new()
        .route("/v1/callbacks/{supplier}", post(take))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .merge(guarded(internal, app.services.clone()))
        .with_state(app)
}

/// Takes one callback.
///
/// 200 means that it is stored, now or before, and for every repeat; whether it is about anything
/// we know is not asked here. 401 does not say why: whoever forges would learn from it. 429 and 401
/// for what no secret of ours signed cost no transaction of those that are believed.
async fn take(
    State(app): State<App>,
    Path(supplier): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, ApiError> {
    let supplier: Supplier = supplier.parse().map_err(|_unknown| ApiError::not_found())?;
    let body = body.map_err(|error| unreadable(supplier, &error))?;
    let raw = Raw { headers: plain(&headers), body: body.to_vec() };
    // By its signature alone; its age is judged by the database's clock.
    let id = match verify(&app, supplier, &raw, DateTime::UNIX_EPOCH, Duration::MAX) {
        Ok(callback) => callback.id,
        Err(forged) => {
            app.doors.forged(supplier).map_err(|wait| too_many(supplier, wait))?;
            return Err(refused(&app, supplier, forged, &body).await);
        }
    };
    app.doors.signed(supplier, &id).map_err(|wait| too_many(supplier, wait))?;
    let push = Push { supplier, raw, span: tracing::Span::current() };
    let (stored, event) = match Taking::take(&app, push).await {
        Some(Taken::Stored(stored, event)) => (stored, event),
        Some(Taken::Forged(forged)) => return Err(refused(&app, supplier, forged, &body).await),
        Some(Taken::Unstored(error)) => return Err(unstored(supplier, Some(&error))),
        None => return Err(unstored(supplier, None)),
    };
    app.doors.remember(supplier, id);
    let verdict = match stored {
        Stored::First => "first",
        Stored::Again => "again",
    };
    count(supplier, verdict);
    // Its row says so for good.
    tracing::debug!({ fields::SUPPLIER } = %supplier, verdict, event, "a callback was taken");
    Ok(StatusCode::OK)
}

/// Header names and values as text; a byte that is no text becomes a mark, and no signature has
/// one.
fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Notes a callback that is not believed, as long as there are not too many of them.
async fn refused(app: &App, supplier: Supplier, forged: Forged, body: &[u8]) -> ApiError {
    count(supplier, forged.word());
    let why = forged.word();
    tracing::warn!({ fields::SUPPLIER } = %supplier, why, "a callback was not believed");
    if app.doors.keeps(supplier)
        && let Err(error) = note(app, supplier, forged, body).await
    {
        tracing::warn!(error = %chassis::chain(&error), "it could not be noted either");
    }
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "")
}

async fn note(
    app: &App,
    supplier: Supplier,
    forged: Forged,
    body: &[u8],
) -> Result<(), StoreError> {
    let taken = app.messaging.pool().acquire().await;
    let mut conn = taken.map_err(database("taking a connection"))?;
    store::note(&mut conn, supplier, forged, &Sha256::digest(body), FORGED_KEPT).await
}

fn too_many(supplier: Supplier, wait: Duration) -> ApiError {
    count(supplier, "too_many");
    ApiError::too_many_requests(wait)
}

/// 503, so that the supplier sends it again: it is not stored, or we do not know that it is.
fn unstored(supplier: Supplier, error: Option<&StoreError>) -> ApiError {
    count(supplier, "unstored");
    tracing::warn!(
        { fields::SUPPLIER } = %supplier,
        { fields::ERROR } = error.map(|error| tracing::field::display(chassis::chain(error))),
        "a callback could not be stored"
    );
    ApiError::unavailable("not_stored", "")
}

fn unreadable(supplier: Supplier, error: &BytesRejection) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        count(supplier, "too_large");
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "");
    }
    ApiError::bad_request("body_unreadable", "the body ended before it was complete")
}

fn count(supplier: Supplier, verdict: &'static str) {
    let labels = [("supplier", supplier.word()), ("verdict", verdict)];
    metrics::add(Counter::CallbacksReceived, &labels, 1);
}

fn ready(app: &App) -> Ready {
    let (database, broker) = (app.messaging.pool().clone(), app.messaging.clone());
    let clock = database.clone();
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
