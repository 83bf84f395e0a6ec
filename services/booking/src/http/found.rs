//! What a search of any kind found: from the cache or from supplier-sync, page by page.
//!
//! It is read, sealed and written once for everybody who asks the same at a time, and its text is
//! kept for as long as the answer in Redis is the same one.

mod page;
mod texts;

use std::sync::Arc;

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use chassis::{
    ApiError, Flights,
    metrics::{self, Counter},
};
use chrono::NaiveDate;
use contracts::{
    money::Money,
    offer::{Occupancy, Offer, Product, Search, Terms},
    shown::{Freshness, ShownOffers, SupplierPart, offers_key, search_digest},
    supplier::Supplier,
};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use page::PageAsked;
use page::{Page, PageOf};
use texts::Texts;

use super::{openapi::shapes, search::seal};
use crate::App;

/// What can be booked.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Stays)]
pub(super) struct Answer {
    /// When the suppliers were asked; the oldest answer counts.
    as_of: chrono::DateTime<chrono::Utc>,
    #[schema(value_type = Vec<shapes::SupplierPart>)]
    suppliers: Vec<SupplierPart>,
    /// Suppliers of which nothing is here, because they did not answer; empty when the answer is
    /// whole.
    #[schema(value_type = Vec<shapes::Supplier>)]
    partial: Vec<Supplier>,
    offers: Vec<ShownOffer>,
    /// `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An offer as a customer sees it; its id is the sealed offer, so nothing about it can be changed.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Offer)]
struct ShownOffer {
    offer_id: String,
    #[schema(value_type = shapes::Supplier)]
    supplier: Supplier,
    property_id: String,
    property_name: String,
    room_name: String,
    check_in: NaiveDate,
    check_out: NaiveDate,
    #[schema(value_type = shapes::Occupancy)]
    occupancy: Occupancy,
    #[schema(value_type = shapes::Money)]
    price: Money,
    #[schema(value_type = shapes::Terms)]
    terms: Terms,
    /// What only this kind of product has; absent for a stay.
    #[serde(skip_serializing_if = "Product::is_stay")]
    #[schema(value_type = shapes::Product, required = false)]
    product: Product,
}

/// The searches under way in this process, and the texts of their newest answers.
#[derive(Clone, Default)]
pub(crate) struct Searches {
    flights: Flights<Result<Text, Failed>>,
    refreshes: Flights<()>,
    texts: Arc<Texts>,
}

/// An answer as it is sent.
#[derive(Clone)]
struct Text {
    body: Bytes,
    suppliers: Arc<[SupplierPart]>,
    /// Whether it lay in the cache, or was asked for.
    known: bool,
}

/// Why there is no answer; a flight's answer goes to many, and an error cannot.
#[derive(Debug, Clone, Copy)]
enum Failed {
    Unavailable,
    Internal,
}

/// Offers of a search of any kind.
pub(super) async fn find(
    app: &App,
    search: Search,
    asked: PageAsked,
) -> Result<Response, ApiError> {
    let digest = search_digest(&search);
    let page = asked.open(app, &digest)?;
    let flight = format!("{digest} {}", page.key());
    // Who asks what is being asked waits for that, without a look into Redis of its own.
    if !app.searches.flights.is_under_way(&flight)
        && let Some(stamp) = app.cache.stamp(&offers_key(&digest)).await
        && stamp.soft_until > app.clock.now()
        && let Some(text) = app.searches.texts.of(&stamp, &page)
    {
        return Ok(answer(text));
    }
    let flies = app.clone();
    let found = app.searches.flights.join(&app.process.tasks, "search", &flight, || async move {
        fly(&flies, search, &digest, &page).await
    });
    match found.await {
        Some(Ok(text)) => Ok(answer(text)),
        Some(Err(Failed::Unavailable)) => {
            Err(ApiError::unavailable("search_unavailable", "no supplier can be asked now")
                .retry_in(std::time::Duration::from_secs(2)))
        }
        Some(Err(Failed::Internal)) | None => Err(ApiError::internal_logged()),
    }
}

fn answer(text: Text) -> Response {
    for part in &*text.suppliers {
        let result = match part.state {
            Freshness::Unavailable => "silent",
            Freshness::Fresh | Freshness::Stale if !text.known => "miss",
            Freshness::Fresh => "hit",
            Freshness::Stale => "stale",
        };
        let labels = [("supplier", part.supplier.word()), ("result", result)];
        metrics::add(Counter::CacheReads, &labels, 1);
    }
    ([(header::CONTENT_TYPE, "application/json")], Body::from(text.body)).into_response()
}

async fn fly(app: &App, search: Search, digest: &str, page: &Page) -> Result<Text, Failed> {
    let (stamp, found, known) = match app.cache.offers(&offers_key(digest)).await {
        // Past its soft life it is served as it is, and supplier-sync refreshes it meanwhile.
        Some((stamp, found)) if found.soft_until > app.clock.now() => (Some(stamp), found, true),
        Some((_, old)) => {
            refresh(app, search, digest);
            (None, stale_of(old), true)
        }
        None => (None, ask(app, &search).await?, false),
    };
    let text = write(app, found, digest, page).map(|text| Text { known, ..text });
    let text = text.map_err(|error| {
        tracing::error!(error = %chassis::chain(&error), "an answer cannot be written");
        Failed::Internal
    })?;
    if let Some(stamp) = stamp {
        app.searches.texts.keep(&stamp, page, text.clone());
    }
    Ok(text)
}

async fn ask(app: &App, search: &Search) -> Result<ShownOffers, Failed> {
    app.owners.search(search).await.map_err(|error| {
        tracing::warn!(error = %chassis::chain(&error), "supplier-sync did not answer a search");
        Failed::Unavailable
    })
}

/// Has a stale answer asked anew behind the customer's back, once at a time however many are shown
/// it; supplier-sync makes one call of many.
fn refresh(app: &App, search: Search, digest: &str) {
    let (app, digest) = (app.clone(), digest.to_owned());
    app.process.tasks.clone().spawn_short("refresh a stale answer", async move {
        let owners = app.owners.clone();
        let asks = || async move {
            if let Err(error) = owners.search(&search).await {
                let error = chassis::chain(&error);
                tracing::warn!(%error, "a stale answer could not be refreshed");
            }
        };
        app.searches.refreshes.join(&app.process.tasks, "refresh", &digest, asks).await;
    });
}

fn stale_of(mut found: ShownOffers) -> ShownOffers {
    for part in &mut found.suppliers {
        if part.state == Freshness::Fresh {
            part.state = Freshness::Stale;
        }
    }
    found
}

fn write(app: &App, found: ShownOffers, digest: &str, page: &Page) -> Result<Text, ApiError> {
    let PageOf { offers, next } = page.of(app, found.offers, digest)?;
    let offers: Result<Vec<_>, _> = offers.into_iter().map(|offer| shown(app, offer)).collect();
    let silent = |part: &&SupplierPart| part.state == Freshness::Unavailable;
    let partial = found.suppliers.iter().filter(silent).map(|part| part.supplier).collect();
    let suppliers = found.suppliers.as_slice().into();
    let answer =
        Answer { as_of: found.as_of, suppliers: found.suppliers, partial, offers: offers?, next };
    let body = serde_json::to_vec(&answer).map_err(|error| ApiError::internal(&error))?;
    Ok(Text { body: body.into(), suppliers, known: true })
}

fn shown(app: &App, offer: Offer) -> Result<ShownOffer, ApiError> {
    let offer_id = seal(app, &offer)?;
    Ok(ShownOffer {
        offer_id,
        supplier: offer.supplier,
        property_id: offer.property_id,
        property_name: offer.property_name,
        room_name: offer.room_name,
        check_in: offer.check_in,
        check_out: offer.check_out,
        occupancy: offer.occupancy,
        price: offer.price,
        terms: offer.terms,
        product: offer.product,
    })
}
