//! `GET /v1/stays`: offers from the availability cache, or from supplier-sync when it has none.

use axum::extract::State;
use chassis::{ApiError, auth::Bearer, http::Json};
use chrono::{Days, NaiveDate};
use contracts::{
    money::{Currency, Money},
    offer::{Occupancy, Offer, StaySearch, Terms},
    shown::{ShownOffers, SupplierPart, offers_key, search_digest},
    supplier::Supplier,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    account,
    form::Faults,
    openapi::{problems, shapes},
};
use crate::App;

const NIGHTS_MAX: i64 = 28;
const AHEAD_DAYS_MAX: u64 = 500;
const ADULTS_MAX: u8 = 8;
const CHILDREN_MAX: usize = 6;
const CHILD_AGE_MAX: u8 = 17;

/// What offers are sealed for, so that no other sealed text passes for one.
const OFFER_AAD: &[u8] = b"offer";

/// What can be booked.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Stays)]
pub(super) struct Answer {
    /// When the suppliers were asked.
    as_of: chrono::DateTime<chrono::Utc>,
    #[schema(value_type = Vec<shapes::SupplierPart>)]
    suppliers: Vec<SupplierPart>,
    offers: Vec<ShownOffer>,
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
}

/// The parameters of a search, as the document names them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the query is read by hand, so that every fault is said at once")]
pub(super) struct Asked {
    #[param(min_length = 1, max_length = 64)]
    property_id: String,
    /// In the calendar of the property; not in the past.
    check_in: NaiveDate,
    /// 1 to 28 nights later.
    check_out: NaiveDate,
    /// 2 when it is not given.
    #[param(minimum = 1, maximum = 8)]
    adults: Option<u8>,
    /// Up to 6 ages from 0 to 17, like `4,9`.
    children: Option<String>,
    /// EUR when it is not given.
    #[param(example = "EUR")]
    currency: Option<String>,
}

/// Offers of a stay; what is older than its soft life says so and is asked anew meanwhile.
#[utoipa::path(
    get, path = "/v1/stays", tag = "stays", params(Asked),
    responses(
        (status = 200, description = "Offers, and how fresh each supplier's part is", body = Answer),
        problems::Invalid, problems::Unavailable,
    ),
)]
pub(super) async fn stays(
    State(app): State<App>,
    bearer: Bearer,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Json<Answer>, ApiError> {
    account(&bearer)?;
    let today = app.clock.now().date_naive();
    let search = read(query.as_deref().unwrap_or_default(), today)?;
    let key = offers_key(&search_digest(&search));
    let found = match app.cache.shown::<ShownOffers>(&key).await {
        // Past its soft life it is served as it is, and supplier-sync refreshes it meanwhile.
        Some(found) if found.soft_until > app.clock.now() => found,
        Some(stale) => {
            refresh(&app, search);
            stale_of(stale)
        }
        None => app.owners.search(&search).await.map_err(|error| {
            tracing::warn!(error = %chassis::chain(&error), "supplier-sync did not answer a search");
            ApiError::unavailable("search_unavailable", "no supplier can be asked now")
                .retry_in(std::time::Duration::from_secs(2))
        })?,
    };
    let offers: Result<Vec<_>, _> = found.offers.into_iter().map(|o| shown(&app, o)).collect();
    Ok(Json(Answer { as_of: found.as_of, suppliers: found.suppliers, offers: offers? }))
}

/// Has a stale answer asked anew behind the customer's back; supplier-sync makes one call of many.
fn refresh(app: &App, search: StaySearch) {
    let owners = app.owners.clone();
    app.process.tasks.spawn_short("refresh a stale answer", async move {
        if let Err(error) = owners.search(&search).await {
            tracing::warn!(error = %chassis::chain(&error), "a stale answer could not be refreshed");
        }
    });
}

fn stale_of(mut found: ShownOffers) -> ShownOffers {
    for part in &mut found.suppliers {
        if part.state == contracts::shown::Freshness::Fresh {
            part.state = contracts::shown::Freshness::Stale;
        }
    }
    found
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
    })
}

/// The id of an offer.
pub(super) fn seal(app: &App, offer: &Offer) -> Result<String, ApiError> {
    let text = serde_json::to_string(offer).map_err(|error| ApiError::internal(&error))?;
    app.sealer.seal_text(&text, OFFER_AAD).map_err(|error| ApiError::internal(&error))
}

/// The offer of an id; nothing when we did not make it.
pub(super) fn open(app: &App, offer_id: &str) -> Option<Offer> {
    let text = app.sealer.open_text(offer_id, OFFER_AAD).ok()?;
    serde_json::from_str(&text).ok()
}

fn read(query: &str, today: NaiveDate) -> Result<StaySearch, ApiError> {
    let faults = Faults::default();
    let mut fields = Fields::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        fields.take(&name, &value, &faults);
    }
    let search = fields.finish(today, &faults);
    faults.answer()?;
    search.ok_or_else(|| ApiError::bad_request("malformed", "the query cannot be read"))
}

#[derive(Default)]
struct Fields {
    property_id: Option<String>,
    check_in: Option<NaiveDate>,
    check_out: Option<NaiveDate>,
    adults: Option<u8>,
    children: Vec<u8>,
    currency: Option<Currency>,
}

impl Fields {
    fn take(&mut self, name: &str, value: &str, faults: &Faults) {
        let pointer = format!("?{name}");
        let wrong = |detail: &str| faults.add(&pointer, "invalid", detail);
        let date = || {
            let read = value.parse::<NaiveDate>().ok();
            if read.is_none() {
                wrong("must be a date like 2027-03-14");
            }
            read
        };
        match name {
            "property_id" if (1..=64).contains(&value.len()) => {
                self.property_id = Some(value.to_owned());
            }
            "property_id" => wrong("must have 1 to 64 characters"),
            "check_in" => self.check_in = date(),
            "check_out" => self.check_out = date(),
            "adults" => match value.parse() {
                Ok(adults) if (1..=ADULTS_MAX).contains(&adults) => self.adults = Some(adults),
                _ => wrong("must be 1 to 8"),
            },
            "children" => match ages(value) {
                Some(ages) => self.children = ages,
                None => wrong("must be up to 6 ages from 0 to 17, like 4,9"),
            },
            "currency" => match value.parse() {
                Ok(currency) => self.currency = Some(currency),
                Err(_) => wrong("must be one of EUR, USD, GBP, CHF, JPY, KWD"),
            },
            _ => faults.add(&pointer, "unknown", "is not a parameter of this search"),
        }
    }

    fn finish(self, today: NaiveDate, faults: &Faults) -> Option<StaySearch> {
        let missing = |name: &str, absent: bool| {
            if absent {
                faults.add(&format!("?{name}"), "missing", "must be given");
            }
        };
        missing("property_id", self.property_id.is_none());
        missing("check_in", self.check_in.is_none());
        missing("check_out", self.check_out.is_none());
        if let (Some(check_in), Some(check_out)) = (self.check_in, self.check_out) {
            dates(check_in, check_out, today, faults);
        }
        Some(StaySearch {
            property_id: self.property_id?,
            check_in: self.check_in?,
            check_out: self.check_out?,
            occupancy: Occupancy { adults: self.adults.unwrap_or(2), children: self.children },
            currency: self.currency.unwrap_or(Currency::Eur),
        })
    }
}

fn dates(check_in: NaiveDate, check_out: NaiveDate, today: NaiveDate, faults: &Faults) {
    // West of UTC it may still be yesterday.
    let earliest = today.checked_sub_days(Days::new(1)).unwrap_or(today);
    let latest = today.checked_add_days(Days::new(AHEAD_DAYS_MAX)).unwrap_or(today);
    if check_in < earliest {
        faults.add("?check_in", "invalid", "must not be in the past");
    }
    if check_in > latest {
        faults.add("?check_in", "invalid", format!("must be within {AHEAD_DAYS_MAX} days"));
    }
    let nights = (check_out - check_in).num_days();
    if nights < 1 {
        faults.add("?check_out", "invalid", "must be after check_in");
    } else if nights > NIGHTS_MAX {
        let detail = format!("must be at most {NIGHTS_MAX} nights after check_in");
        faults.add("?check_out", "invalid", detail);
    }
}

fn ages(value: &str) -> Option<Vec<u8>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let ages: Option<Vec<u8>> = value.split(',').map(|age| age.trim().parse().ok()).collect();
    ages.filter(|a| a.len() <= CHILDREN_MAX && a.iter().all(|age| *age <= CHILD_AGE_MAX))
}
