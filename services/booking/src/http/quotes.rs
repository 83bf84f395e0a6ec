//! `POST /v1/quotes`, `GET /v1/quotes/{id}`: the price now, promised for some minutes.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
    http_client::CallError,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate},
    ids::{AccountId, LegId, QuoteId},
    internal::PriceCheckRequest,
    money::{Currency, Money},
    offer::{LegOrder, Occupancy, Offer, PriceCheck, Product, Reprice},
    shown::{ASSETS_KEY, NotPayable, ShownAssets},
    supplier::Supplier,
};
use futures::future::join_all;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{
    account,
    form::{Faults, Form},
    openapi::{problems, shapes},
    reader, search, store_failed,
};
use crate::{
    App,
    cache::Lock,
    payable::{self, Payable, RatesHold, WhyNot},
    quote::{Quote, QuotedLeg},
    store::{self, ClaimState},
};

const NOT_PAYABLE: &str = "is not an asset one can pay with";

/// Legs of one trip.
pub(super) const LEGS_MAX: usize = 8;

/// A quote as a customer sees it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Quote)]
pub(super) struct ShownQuote<'a> {
    #[schema(value_type = Uuid)]
    quote_id: QuoteId,
    /// `open`, `expired` or `booked`.
    state: &'static str,
    legs: Vec<ShownLeg<'a>>,
    #[schema(value_type = shapes::Money)]
    total: Money,
    /// An asset of `/v1/assets`.
    #[schema(value_type = String)]
    pay_with: &'a AssetId,
    #[schema(value_type = shapes::AssetAmount)]
    amount: &'a AssetAmount,
    /// The amount in whole coins, for people.
    amount_decimal: String,
    /// Digest of all that is promised; a booking may name it and is refused if it is another.
    terms: String,
    expires_at: DateTime<Utc>,
    seconds_left: i64,
    /// Every asset, with what it would cost now or why it is not offered; only in the answer that
    /// makes the quote.
    #[serde(skip_serializing_if = "Option::is_none")]
    assets: Option<Vec<Payable>>,
}

/// One leg of a quote.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuotedLeg)]
struct ShownLeg<'a> {
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    #[schema(value_type = shapes::Supplier)]
    supplier: Supplier,
    property_id: &'a str,
    property_name: &'a str,
    room_name: &'a str,
    check_in: chrono::NaiveDate,
    check_out: chrono::NaiveDate,
    #[schema(value_type = shapes::Occupancy)]
    occupancy: &'a Occupancy,
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// Until when this price is promised to whoever books.
    price_until: DateTime<Utc>,
    /// For how long the space is held at least, once it is booked; null where it cannot be held.
    held_for_s: Option<u64>,
    #[schema(value_type = shapes::Terms)]
    terms: &'a contracts::offer::Terms,
    /// What only this kind of product has; absent for a stay.
    #[serde(skip_serializing_if = "Product::is_stay")]
    #[schema(value_type = shapes::Product, required = false)]
    product: &'a Product,
}

/// Asks the suppliers for the price now and promises it.
///
/// 409 `price_changed` has the new price and a new offer to quote, `sold_out` says which offer is
/// gone.
#[utoipa::path(
    post, path = "/v1/quotes", tag = "quotes", request_body = shapes::QuoteRequest,
    responses(
        (status = 201, description = "The quote; `Location` leads to it", body = ShownQuote<'_>),
        problems::Malformed, problems::Refused, problems::Invalid, problems::TooMany,
        problems::Unavailable,
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    bearer: Bearer,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let shown = assets(&app).await;
    let (offers, asset) = read(&app, &body, shown.as_ref().ok())?;
    let shown = shown?;
    let currency = offers.first().map(|offer| offer.price.currency);
    let rate = rate(&app, &shown, &asset, currency.ok_or_else(ApiError::internal_logged)?)?;
    let legs = price_all(&app, offers).await?;
    let quote = promise(&app, account, legs, rate)?;
    let assets = offered(&app, &shown, &quote)?;
    let terms = quote.terms().map_err(|error| ApiError::internal(&error))?;
    let body = serde_json::to_string(&quote).map_err(|error| ApiError::internal(&error))?;
    lock(&app, &quote, &terms, &body).await?;
    let left = quote.expires_at - app.clock.now();
    let mut shown = show_quote(&app, &quote, "open", terms, left);
    shown.assets = Some(assets);
    let shown = Json(shown);
    let location = HeaderValue::from_str(&format!("/v1/quotes/{}", quote.quote_id));
    let mut response = (StatusCode::CREATED, shown).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A quote and what is left of it.
#[utoipa::path(
    get, path = "/v1/quotes/{id}", tag = "quotes",
    params(("id" = Uuid, Path, description = "The quote")),
    responses((status = 200, description = "The quote", body = ShownQuote<'_>), problems::NotFound),
)]
pub(super) async fn show(
    State(app): State<App>,
    bearer: Bearer,
    Path(quote_id): Path<QuoteId>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let mut conn = reader(&app).await?;
    let found = store::load_quote(&mut conn, &account, quote_id).await.map_err(store_failed)?;
    let (quote, state, now) = found.ok_or_else(ApiError::not_found)?;
    let terms = quote.terms().map_err(|error| ApiError::internal(&error))?;
    let (state, left) = match state {
        ClaimState::Open => ("open", quote.expires_at - now),
        ClaimState::Expired => ("expired", TimeDelta::zero()),
        ClaimState::Claimed(_) => ("booked", TimeDelta::zero()),
    };
    Ok(Json(show_quote(&app, &quote, state, terms, left)).into_response())
}

fn show_quote<'a>(
    app: &App,
    quote: &'a Quote,
    state: &'static str,
    terms: String,
    left: TimeDelta,
) -> ShownQuote<'a> {
    let leg = |leg: &'a QuotedLeg| ShownLeg {
        leg_id: leg.leg_id,
        supplier: leg.order.supplier,
        property_id: &leg.order.property_id,
        property_name: &leg.property_name,
        room_name: &leg.room_name,
        check_in: leg.order.check_in,
        check_out: leg.order.check_out,
        occupancy: &leg.order.occupancy,
        price: leg.order.price,
        price_until: quote.expires_at,
        held_for_s: leg
            .order
            .terms
            .holdable
            .then(|| app.policy.of(leg.order.supplier).holds_for_min.as_secs()),
        terms: &leg.order.terms,
        product: &leg.order.product,
    };
    ShownQuote {
        quote_id: quote.quote_id,
        state,
        legs: quote.legs.iter().map(leg).collect(),
        total: quote.price,
        pay_with: &quote.amount.asset,
        amount: &quote.amount,
        amount_decimal: quote.amount.decimal(),
        terms,
        expires_at: quote.expires_at,
        seconds_left: left.num_seconds().max(0),
        assets: None,
    }
}

const ONE_OF_A_SEARCH: &str = "is of a route and a day of which its airline sells one flight to a \
                               trip: search for all passengers together, or book it by itself";

/// An asset is held against what can be paid with where that is known.
fn read(
    app: &App,
    body: &Value,
    shown: Option<&ShownAssets>,
) -> Result<(Vec<Offer>, AssetId), ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let mut offers = Vec::new();
    for (n, value) in form.list("offers", LEGS_MAX).into_iter().flatten().enumerate() {
        match value.as_str().and_then(|id| search::open(app, id)) {
            Some(offer) => offers.push(offer),
            None => faults.add(&format!("/offers/{n}"), "invalid", "is not an offer of ours"),
        }
    }
    let asset = form.text("pay_with", |text| {
        AssetId::parse(text).map_err(|_| "must be the name of an asset, like eth".to_owned())
    });
    let payable = |asset: &AssetId| {
        shown.is_none_or(|shown| shown.assets.iter().any(|one| one.asset == *asset))
    };
    if asset.as_ref().is_some_and(|asset| !payable(asset)) {
        faults.add("/pay_with", "unknown", NOT_PAYABLE);
    }
    form.end();
    let first_day = search::first_day(app);
    for (n, offer) in offers.iter().enumerate() {
        if offer.check_in < first_day {
            faults.add(&format!("/offers/{n}"), "invalid", "is in the past");
        }
    }
    if offers
        .windows(2)
        .any(|pair| pair.first().map(|o| o.price.currency) != pair.last().map(|o| o.price.currency))
    {
        faults.add("/offers", "invalid", "must all be in one currency");
    }
    for (n, offer) in offers.iter().enumerate() {
        let same = |other: &Offer| {
            (other.supplier, &other.property_id, other.check_in)
                == (offer.supplier, &offer.property_id, offer.check_in)
        };
        if offer.supplier.sells_a_search_once() && offers.iter().take(n).any(same) {
            faults.add(&format!("/offers/{n}"), "invalid", ONE_OF_A_SEARCH);
        }
    }
    faults.answer()?;
    asset.map(|asset| (offers, asset)).ok_or_else(ApiError::internal_logged)
}

/// The rate of the asset now, refused when it is older than the policy allows, or when the asset
/// has rates and none in the currency of the price.
pub(super) fn rate(
    app: &App,
    shown: &ShownAssets,
    asset: &AssetId,
    currency: Currency,
) -> Result<(Rate, DateTime<Utc>), ApiError> {
    let Some(known) = shown.assets.iter().find(|a| a.asset == *asset) else {
        let fault = super::form::error("/pay_with", "unknown", NOT_PAYABLE);
        return Err(ApiError::invalid(vec![fault]));
    };
    let rate = known.rates.iter().find(|rate| rate.currency == currency);
    match (rate, rates_hold(app, shown)) {
        (Some(rate), RatesHold::Yes) => Ok((rate.clone(), shown.as_of)),
        // A card of another currency, or what nobody watches: waiting helps nobody.
        (None, _) if known.not_payable == Some(NotPayable::NoNode) => {
            Err(not_offered(Some(WhyNot::NoNode)))
        }
        (None, _) if !known.rates.is_empty() => Err(not_offered(Some(WhyNot::NoRate))),
        (Some(_), RatesHold::No) | (None, _) => Err(no_rate()),
    }
}

fn rates_hold(app: &App, shown: &ShownAssets) -> RatesHold {
    RatesHold::of(shown.as_of, app.clock.now(), app.policy.lock.rate_age_max)
}

/// How every asset stands for the price of a quote.
fn offered(app: &App, shown: &ShownAssets, quote: &Quote) -> Result<Vec<Payable>, ApiError> {
    let orders: Vec<&LegOrder> = quote.legs.iter().map(|leg| &leg.order).collect();
    payable_with(app, shown, &quote.amount.asset, quote.price, &orders)
}

/// How every asset stands for a price; refused when the one that is to be paid with would be final
/// too late.
pub(super) fn payable_with(
    app: &App,
    shown: &ShownAssets,
    asset: &AssetId,
    price: Money,
    orders: &[&LegOrder],
) -> Result<Vec<Payable>, ApiError> {
    let time = payable::time_to_settle(&app.policy, orders.iter().copied());
    let hold = rates_hold(app, shown);
    let how = |asset| payable::payable(asset, price, time, hold);
    let assets: Vec<Payable> = shown.assets.iter().map(how).collect();
    let chosen = assets.iter().find(|one| one.asset == *asset);
    if chosen.is_some_and(|one| one.offered) {
        return Ok(assets);
    }
    let refused = not_offered(chosen.and_then(|one| one.why_not));
    let assets = serde_json::to_value(assets).map_err(|error| ApiError::internal(&error))?;
    Err(refused.with("assets", assets))
}

/// Refuses what cannot be paid in the asset that it would have to be paid in.
pub(super) fn not_offered(why: Option<WhyNot>) -> ApiError {
    let detail = match why {
        Some(WhyNot::TooSmall) => "the price is less than what is asked for in this asset",
        Some(WhyNot::NoNode) => "nobody watches this asset's chain",
        Some(WhyNot::NoRate) => "this asset has no rate in the currency of the price",
        Some(WhyNot::SettlesTooLate) | None => {
            "a payment in this asset is usually final only after the space is let go"
        }
    };
    ApiError::conflict("asset_not_offered", detail)
}

fn no_rate() -> ApiError {
    ApiError::unavailable("rate_unavailable", "there is no rate young enough to promise a price")
        .retry_in(std::time::Duration::from_secs(5))
}

/// Assets and rates from Redis, or from their owner on a miss.
pub(super) async fn assets(app: &App) -> Result<ShownAssets, ApiError> {
    if let Some(shown) = app.cache.shown::<ShownAssets>(ASSETS_KEY).await {
        return Ok(shown);
    }
    app.owners.assets().await.map_err(|error| {
        tracing::warn!(error = %chassis::chain(&error), "payment-verification did not answer");
        no_rate()
    })
}

/// What becomes of a rise of the price by the time the space is held.
fn reprice(app: &App, offer: &Offer) -> Option<Reprice> {
    let percent = i64::from(app.policy.booking.price_rise_borne_percent);
    let bears = offer.price.minor.checked_mul(percent)? / 100;
    let bears = Money::new(bears, offer.price.currency);
    Some(Reprice { rate_key: offer.rate_key.clone(), bears, cost: None })
}

/// Asks every supplier for the price now, side by side, all within the time that one of them has.
pub(super) async fn price_all(app: &App, offers: Vec<Offer>) -> Result<Vec<QuotedLeg>, ApiError> {
    let checks = offers.into_iter().map(|offer| async move {
        let request = PriceCheckRequest {
            supplier: offer.supplier,
            rate_key: offer.rate_key.clone(),
            occupancy: offer.occupancy.clone(),
            currency: offer.price.currency,
        };
        let answer = app.owners.price_check(&request).await;
        (offer, answer)
    });
    let mut legs = Vec::new();
    let (mut moved, mut gone, mut expired) = (Vec::new(), Vec::new(), Vec::new());
    for (n, (offer, answer)) in join_all(checks).await.into_iter().enumerate() {
        if matches!(&answer, Err(CallError::Refused { status: StatusCode::GONE, .. })) {
            expired.push(format!("/offers/{n}"));
            continue;
        }
        match answer.map_err(|error| no_answer(&error))? {
            PriceCheck::Available { book_key, price, terms } if price == offer.price => {
                legs.push(leg(
                    &offer,
                    LegOrder {
                        supplier: offer.supplier,
                        book_key,
                        property_id: offer.property_id.clone(),
                        check_in: offer.check_in,
                        check_out: offer.check_out,
                        occupancy: offer.occupancy.clone(),
                        price,
                        terms,
                        product: offer.product.clone(),
                        reprice: reprice(app, &offer),
                    },
                ));
            }
            PriceCheck::Available { price, terms, .. }
            | PriceCheck::PriceChanged { price, terms, .. } => {
                let now = Offer { price, terms, ..offer };
                let offer_id = search::seal(app, &now)?;
                moved.push(json!({"pointer": format!("/offers/{n}"), "price": price, "offer_id": offer_id}));
            }
            PriceCheck::SoldOut => gone.push(format!("/offers/{n}")),
        }
    }
    let over = [
        ("sold_out", "nothing is left of this offer", gone),
        ("offer_expired", "the supplier keeps this offer no longer; search again", expired),
    ];
    for (code, detail, pointers) in over {
        if let Some(first) = pointers.first().cloned() {
            return Err(ApiError::conflict(code, detail)
                .with("pointer", first)
                .with("pointers", json!(pointers)));
        }
    }
    if moved.is_empty() {
        return Ok(legs);
    }
    Err(ApiError::conflict("price_changed", "the price moved; quote the new offer if it suits")
        .with("offers", Value::Array(moved)))
}

fn no_answer(error: &CallError) -> ApiError {
    tracing::warn!(error = %chassis::chain(error), "a price check got no answer");
    ApiError::unavailable("price_check_unavailable", "the supplier does not answer now")
        .retry_in(std::time::Duration::from_secs(2))
}

fn leg(offer: &Offer, order: LegOrder) -> QuotedLeg {
    QuotedLeg {
        leg_id: LegId(chassis::mint::uuid7()),
        property_name: offer.property_name.clone(),
        room_name: offer.room_name.clone(),
        order,
    }
}

/// Fixes price, rate and amount for the life of the lock.
fn promise(
    app: &App,
    account_id: AccountId,
    legs: Vec<QuotedLeg>,
    (rate, rate_as_of): (Rate, DateTime<Utc>),
) -> Result<Quote, ApiError> {
    if legs.iter().any(|leg| !leg.order.terms.holdable) {
        return Err(super::refused(&booking_core::Refusal::NotHoldable));
    }
    let first = legs.first().map(|leg| leg.order.price.currency);
    let zero = Money::zero(first.ok_or_else(ApiError::internal_logged)?);
    let price = legs.iter().try_fold(zero, |sum, leg| sum.plus(leg.order.price));
    let price = price.map_err(|error| ApiError::internal(&error))?;
    let units = rate.units_for(price).map_err(|error| ApiError::internal(&error))?;
    let amount = AssetAmount { units, decimals: rate.decimals, asset: rate.asset.clone() };
    let lasts_for = TimeDelta::from_std(app.policy.lock.lasts_for).unwrap_or(TimeDelta::MAX);
    // To the microsecond, as the database keeps it: the digest must come out the same.
    let ends = app.clock.now() + lasts_for;
    let expires_at = DateTime::from_timestamp_micros(ends.timestamp_micros()).unwrap_or(ends);
    let quote_id = QuoteId(chassis::mint::uuid7());
    Ok(Quote { quote_id, account_id, legs, price, rate, amount, rate_as_of, expires_at })
}

/// Takes the lock in Redis and records it in Postgres, which decides.
async fn lock(app: &App, quote: &Quote, terms: &str, body: &str) -> Result<(), ApiError> {
    let open_max = app.policy.lock.open_per_account_max;
    let now_ms = app.clock.now().timestamp_millis();
    let taken = app.cache.take(quote, body, now_ms, open_max).await;
    let mut conn = reader(app).await?;
    not_too_many(app, &mut conn, &quote.account_id, taken).await?;
    let written = store::insert_quote(&mut conn, quote, terms, body).await;
    if written.is_err() {
        app.cache.drop_lock(&quote.account_id, quote.quote_id).await;
    }
    written.map_err(store_failed)
}

/// Refuses an account that has as many promises open as it may; without Redis those that are
/// remembered count.
pub(super) async fn not_too_many(
    app: &App,
    conn: &mut PgConnection,
    account: &AccountId,
    taken: Lock,
) -> Result<(), ApiError> {
    let too_many = match taken {
        Lock::Taken => false,
        Lock::TooMany => true,
        Lock::Away => {
            let open = store::open_locks(conn, account).await.map_err(store_failed)?;
            open >= i64::from(app.policy.lock.open_per_account_max)
        }
    };
    if too_many {
        return Err(ApiError::too_many_requests(std::time::Duration::from_secs(60)));
    }
    Ok(())
}
