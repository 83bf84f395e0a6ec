//! The gateway: its router, its readiness, and what an error of a booking looks like over HTTP.

mod activities;
mod acts;
mod address;
mod amendment;
mod attention;
mod bookings;
mod cancellation;
mod change;
mod events;
mod export;
mod flights;
mod form;
mod found;
mod history;
mod openapi;
mod people;
mod qr;
mod quotes;
mod rebooking;
mod refund;
mod review;
mod search;
mod support;
mod terms;
mod views;

use anyhow::Context as _;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::{get, post},
};
use booking_core::Refusal;
use chassis::{
    ApiError,
    auth::{Bearer, Verifier, guarded},
    http::Ready,
};
use contracts::ids::AccountId;
pub(crate) use found::Searches;
use http::{HeaderName, HeaderValue, Method, header};
use messaging::{StoreError, StoreTrouble};
pub(crate) use openapi::shapes;
pub(crate) use people::Party;
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;

use crate::{App, Config};

/// A booking with its travellers is some kilobytes.
const BODY_MAX: usize = 64 * 1024;

/// Serves the gateway until the process stops.
pub(crate) async fn serve(config: &Config, app: App) -> anyhow::Result<()> {
    let process = app.process.clone();
    let ready = ready(&app);
    let router = router(config, app)?;
    tokio::task::spawn_blocking(people::warm_up).await.context("reading phone numbers' tables")?;
    chassis::http::serve(&process, config.http_addr, router, ready).await?;
    Ok(())
}

/// The gateway's routes, without a socket.
///
/// # Errors
/// When a key or an origin of the configuration cannot be read.
pub fn router(config: &Config, app: App) -> anyhow::Result<Router> {
    let verifier = |audience| {
        Verifier::from_keys(&config.token_public_keys, &config.token_issuer, audience)
            .context("reading BOOKING_TOKEN_PUBLIC_KEYS")
    };
    let customers = Router::new()
        .route("/v1/stays", get(search::stays))
        .route("/v1/flights", get(flights::flights))
        .route("/v1/activities", get(activities::activities))
        .route("/v1/assets", get(views::assets))
        .route("/v1/rewards", get(views::rewards))
        .route("/v1/quotes", post(quotes::create))
        .route("/v1/quotes/{id}", get(quotes::show))
        .route("/v1/bookings", post(bookings::create))
        .route("/v1/bookings/{id}", get(bookings::show))
        .route("/v1/bookings/{id}/history", get(history::history))
        .route("/v1/bookings/{id}/qr", get(qr::show))
        .route("/v1/bookings/{id}/cancellation", post(cancellation::cancel))
        .route("/v1/bookings/{id}/legs/{leg_id}/cancellation", post(cancellation::cancel_leg))
        .route("/v1/bookings/{id}/legs/{leg_id}/change", post(change::answer))
        .route("/v1/bookings/{id}/legs/{leg_id}/amendment", post(amendment::amend))
        .route("/v1/bookings/{id}/terms", post(terms::accept))
        .route("/v1/bookings/{id}/refund", post(refund::give))
        .route("/v1/bookings/{id}/rebooking", post(rebooking::rebook));
    // A ticket in the address says who watches.
    let watchers = Router::new().route("/v1/bookings/{id}/events", get(events::follow));
    let internal = Router::new()
        .route("/internal/bookings/{id}/travellers", get(people::tell))
        .route("/internal/bookings/{id}/export", get(export::export))
        .route("/internal/timeline/{booking}", get(support::timeline))
        .route("/internal/bookings/{id}/review", get(review::show).post(review::act))
        .route("/internal/bookings/{id}/seen", get(attention::seen))
        .route("/internal/attention", get(attention::attention))
        .route("/internal/find", get(support::find))
        .route("/internal/find-contact", post(support::find_contact))
        .merge(app.messaging.routes());
    let customers = customers.route_layer(from_fn(no_staff));
    Ok(guarded(customers, verifier("holdfast")?)
        .merge(guarded(internal, verifier("internal")?))
        .merge(watchers)
        .merge(openapi::routes())
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(cors(&config.cors_origins)?)
        .with_state(app))
}

/// Whoever has roles and is no customer has no bookings and no points here.
async fn no_staff(
    Bearer(claims): Bearer,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if claims.roles.is_empty() || claims.has_role("customer") {
        return Ok(next.run(request).await);
    }
    Err(ApiError::forbidden())
}

fn cors(origins: &[String]) -> anyhow::Result<CorsLayer> {
    let origins: Result<Vec<_>, _> = origins.iter().map(|o| HeaderValue::from_str(o)).collect();
    Ok(CorsLayer::new()
        .allow_origin(origins.context("reading BOOKING_CORS_ORIGINS")?)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([header::LOCATION, header::RETRY_AFTER]))
}

/// What has to be there for requests to be taken, and what is good to know besides.
pub fn ready(app: &App) -> Ready {
    let (database, broker, clock) = (app.pool.clone(), app.messaging.clone(), app.pool.clone());
    let cache = app.cache.clone();
    Ready::new()
        .check("database", move || {
            let pool = database.clone();
            async move {
                let answer = sqlx::query("select 1").execute(&pool).await;
                answer.map(|_| ()).map_err(|error| chassis::chain(&error).to_string())
            }
        })
        .check("messages", move || {
            let messaging = broker.clone();
            async move {
                let parts = messaging.ready().await;
                let wrong = parts
                    .into_iter()
                    .filter_map(|(part, state)| state.err().map(|why| format!("{part}: {why}")));
                let wrong: Vec<_> = wrong.collect();
                if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
            }
        })
        // Without Redis bookings go on, so it decides nothing.
        .detail("redis", move || {
            let cache = cache.clone();
            async move {
                let told = |up| Value::from(if up { "ok" } else { "away" });
                let each = cache.health().await.map(|(name, up)| (name, told(up)));
                Value::from_iter(each)
            }
        })
        .detail("clock_offset_ms", move || {
            let pool = clock.clone();
            async move {
                let Ok(mut conn) = pool.acquire().await else { return Value::Null };
                let offset = messaging::clock_offset(&mut conn).await;
                offset.map_or(Value::Null, |offset| json!(offset.num_milliseconds()))
            }
        })
}

/// The account that asks.
pub(crate) fn account(bearer: &Bearer) -> Result<AccountId, ApiError> {
    AccountId::parse(&bearer.0.sub).map_err(|_| ApiError::unauthorized())
}

/// What the customer is told when the store fails: nothing but that it is our fault.
pub(crate) fn store_failed(error: StoreError) -> ApiError {
    if error.kind() == StoreTrouble::Unreachable {
        tracing::warn!(error = %chassis::chain(&error), "the database does not answer");
        // The connection may have been lost while a change was committed.
        let detail = "the store does not answer now; send the same request again, with its key";
        return ApiError::unavailable("store_unavailable", detail)
            .retry_in(std::time::Duration::from_secs(2));
    }
    ApiError::internal(&error)
}

/// A business "no" as an answer.
pub(crate) fn refused(refusal: &Refusal) -> ApiError {
    match refusal {
        Refusal::NotAllowed { allowed } => {
            ApiError::conflict("not_allowed_now", "the booking does not allow this now")
                .with("next_actions", json!(allowed))
        }
        Refusal::AgreementNeeded { quote } => {
            let detail = "cancelling needs your agreement to what it costs now";
            ApiError::conflict("agreement_needed", detail)
                .with("quote", json!(cancellation::shown(quote)))
        }
        Refusal::TermsToAgree { terms } => {
            let detail = "suppliers ask something else by now than what was agreed to";
            ApiError::conflict("terms_changed", detail)
                .with("new_terms", json!(views::new_terms(terms)))
        }
        Refusal::AmendmentToAgree { quote } => {
            let detail = "it costs something else by now; ask for a new quote";
            ApiError::conflict("agreement_needed", detail)
                .with("costs", json!(amendment::costs(quote)))
        }
        Refusal::NeedsPayment { price, fee, missing, allowed } => {
            let detail = "it costs more than was paid, and the quote does not say how that is paid; \
                          ask for a new one";
            ApiError::conflict("amendment_needs_payment", detail)
                .with("price", json!(price))
                .with("fee", json!(fee))
                .with("missing", json!(missing))
                .with("next_actions", json!(allowed))
        }
        Refusal::PaidByPoints { allowed } => {
            let detail =
                "points paid a part of this leg, and they come back only with the whole trip";
            ApiError::conflict("paid_by_points", detail).with("next_actions", json!(allowed))
        }
        Refusal::ChangedAgain { change, .. } => {
            let detail = "the answer names another change than the one that waits for it";
            ApiError::conflict("changed_again", detail).with("change", json!(change))
        }
        Refusal::Unknown | Refusal::NoSuchLeg => ApiError::not_found(),
        Refusal::TooManyPoints => {
            let detail = "more points than the price is worth";
            ApiError::invalid(vec![form::error("/redeem_points", "too_many", detail)])
        }
        Refusal::QuoteBroken => {
            ApiError::conflict("quote_broken", "the quote cannot be booked; ask for a new one")
        }
        Refusal::PaidOtherwise { with } => {
            let detail = "the money pays another booking only in what it was paid with; quote that \
                          one with it";
            ApiError::conflict("paid_otherwise", detail).with("pay_with", json!(with))
        }
        Refusal::NotSafe => {
            let detail = "nobody settles that leg by hand as things stand, or nobody looks into it";
            ApiError::conflict("not_safe_now", detail)
        }
        Refusal::NotInReview => ApiError::conflict("not_in_review", "the booking waits for nobody"),
        Refusal::TakenBy { name } => {
            ApiError::conflict("taken", "somebody else looks into it").with("owner", json!(name))
        }
        Refusal::NotHoldable => ApiError::conflict(
            "not_holdable",
            "this rate cannot be held before it is paid, and such rates are not sold yet",
        ),
    }
}

/// Connects to the database for a read.
pub(crate) async fn reader(
    app: &App,
) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, ApiError> {
    app.pool.acquire().await.map_err(messaging::database("connecting")).map_err(store_failed)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use http::StatusCode;
    use messaging::database;

    use super::*;

    #[test]
    fn a_database_that_starts_again_is_away_and_one_that_is_misunderstood_is_our_fault() {
        let status =
            |error: sqlx::Error| store_failed(database("reading")(error)).into_response().status();
        // What its port answers while it comes up is no answer yet.
        let garbled = "unexpected response from SSLRequest: 0x00".to_owned();
        for away in [
            sqlx::Error::Protocol(garbled),
            sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
            sqlx::Error::PoolTimedOut,
        ] {
            let told = away.to_string();
            assert_eq!(status(away), StatusCode::SERVICE_UNAVAILABLE, "{told}");
        }
        for ours in [sqlx::Error::RowNotFound, sqlx::Error::ColumnNotFound("seq".to_owned())] {
            let told = ours.to_string();
            assert_eq!(status(ours), StatusCode::INTERNAL_SERVER_ERROR, "{told}");
        }
    }
}
