//! `GET /v1/stays`: offers from the availability cache, or from supplier-sync when it has none.

use axum::{extract::State, response::Response};
use chassis::{ApiError, auth::Bearer};
use chrono::{Days, NaiveDate, TimeDelta};
use contracts::{
    money::Currency,
    offer::{Occupancy, Offer, Search, StaySearch},
};

use super::{
    account,
    form::{self, Faults},
    found::{self, Answer, PageAsked},
    openapi::problems,
};
use crate::App;

const NIGHTS_MAX: i64 = 28;
pub(super) const AHEAD_DAYS_MAX: u64 = 500;
const ADULTS_MAX: u8 = 8;
const WEST_OF_UTC_MAX: TimeDelta = TimeDelta::hours(12);
/// How many sleep in a room where it is not said.
const ADULTS: u8 = 2;
const CHILDREN_MAX: usize = 6;
const CHILD_AGE_MAX: u8 = 17;

/// What offers are sealed for, so that no other sealed text passes for one.
const OFFER_AAD: &[u8] = b"offer";

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
    /// How many offers at once; 100 when it is not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the answer before.
    cursor: Option<String>,
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
) -> Result<Response, ApiError> {
    account(&bearer)?;
    let (search, page) = read(&app, query.as_deref().unwrap_or_default())?;
    found::find(&app, Search::Stay(search), page).await
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

fn read(app: &App, query: &str) -> Result<(StaySearch, PageAsked), ApiError> {
    let faults = Faults::default();
    let (mut fields, mut page) = (Fields::default(), PageAsked::default());
    for (name, value) in form::parameters(query, &faults) {
        if !page.took(&name, &value, &faults) {
            fields.take(&name, &value, &faults);
        }
    }
    let search = fields.finish(first_day(app), &faults);
    page.check(app, &faults);
    faults.answer()?;
    let search =
        search.ok_or_else(|| ApiError::bad_request("malformed", "the query cannot be read"))?;
    Ok((search, page))
}

#[derive(Default)]
struct Fields {
    property_id: Option<String>,
    check_in: Option<NaiveDate>,
    check_out: Option<NaiveDate>,
    party: Party,
}

impl Fields {
    fn take(&mut self, name: &str, value: &str, faults: &Faults) {
        let pointer = format!("?{name}");
        let wrong = |detail: &str| faults.add(&pointer, "invalid", detail);
        match name {
            "property_id" if (1..=64).contains(&value.len()) => {
                self.property_id = Some(value.to_owned());
            }
            "property_id" => wrong("must have 1 to 64 characters"),
            "check_in" => self.check_in = date(name, value, faults),
            "check_out" => self.check_out = date(name, value, faults),
            _ if self.party.took(name, value, faults) => {}
            _ => faults.add(&pointer, "unknown", "is not a parameter of this search"),
        }
    }

    fn finish(self, first_day: NaiveDate, faults: &Faults) -> Option<StaySearch> {
        let missing = |name: &str, absent: bool| {
            if absent {
                faults.missing(&format!("?{name}"));
            }
        };
        missing("property_id", self.property_id.is_none());
        missing("check_in", self.check_in.is_none());
        missing("check_out", self.check_out.is_none());
        if let (Some(check_in), Some(check_out)) = (self.check_in, self.check_out) {
            dates(check_in, check_out, first_day, faults);
        }
        let (occupancy, currency) = self.party.finish(ADULTS);
        Some(StaySearch {
            property_id: self.property_id?,
            check_in: self.check_in?,
            check_out: self.check_out?,
            occupancy,
            currency,
        })
    }
}

fn dates(check_in: NaiveDate, check_out: NaiveDate, first_day: NaiveDate, faults: &Faults) {
    days(("check_in", check_in), None, 0, first_day, faults);
    let nights = (check_out - check_in).num_days();
    if nights < 1 {
        faults.add("?check_out", "invalid", "must be after check_in");
    } else if nights > NIGHTS_MAX {
        let detail = format!("must be at most {NIGHTS_MAX} nights after check_in");
        faults.add("?check_out", "invalid", detail);
    }
}

/// A party as searches take it: adults (2 when not given), ages of children, currency.
#[derive(Default)]
pub(super) struct Party {
    adults: Option<u8>,
    children: Vec<u8>,
    currency: Option<Currency>,
}

impl Party {
    /// Takes a parameter if it is one of these.
    pub(super) fn took(&mut self, name: &str, value: &str, faults: &Faults) -> bool {
        let wrong = |detail: &str| faults.add(&format!("?{name}"), "invalid", detail);
        match name {
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
            _ => return false,
        }
        true
    }

    pub(super) fn finish(self, adults: u8) -> (Occupancy, Currency) {
        let occupancy =
            Occupancy { adults: self.adults.unwrap_or(adults), children: self.children };
        (occupancy, self.currency.unwrap_or(Currency::Eur))
    }
}

/// A date of the query; anything else is noted.
pub(super) fn date(name: &str, value: &str, faults: &Faults) -> Option<NaiveDate> {
    let read = form::date(value);
    if read.is_none() {
        faults.add(&format!("?{name}"), "invalid", "must be a date like 2027-03-14");
    }
    read
}

/// The first day that is not over everywhere: it ends last twelve hours west of UTC.
pub(super) fn first_day(app: &App) -> NaiveDate {
    (app.clock.now() - WEST_OF_UTC_MAX).date_naive()
}

/// Notes a first day that has passed, is too far, or whose last day is before it or too long after.
pub(super) fn days(
    (first_name, first): (&str, NaiveDate),
    last: Option<(&str, NaiveDate)>,
    days_max: i64,
    first_day: NaiveDate,
    faults: &Faults,
) {
    // East of UTC it may be a day later.
    let latest = first_day.checked_add_days(Days::new(AHEAD_DAYS_MAX + 1)).unwrap_or(first_day);
    let pointer = format!("?{first_name}");
    if first < first_day {
        faults.add(&pointer, "invalid", "must not be in the past");
    }
    if first > latest {
        faults.add(&pointer, "invalid", format!("must be within {AHEAD_DAYS_MAX} days"));
    }
    let Some((name, last)) = last else { return };
    let between = (last - first).num_days();
    if between < 0 {
        faults.add(&format!("?{name}"), "invalid", format!("must not be before {first_name}"));
    } else if between > days_max {
        let detail = format!("must be at most {days_max} days after {first_name}");
        faults.add(&format!("?{name}"), "invalid", detail);
    }
}

/// Notes a parameter that was not given.
pub(super) fn given<T>(name: &str, value: Option<T>, faults: &Faults) -> Option<T> {
    if value.is_none() {
        faults.missing(&format!("?{name}"));
    }
    value
}

fn ages(value: &str) -> Option<Vec<u8>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let ages: Option<Vec<u8>> = value.split(',').map(|age| age.trim().parse().ok()).collect();
    ages.filter(|a| a.len() <= CHILDREN_MAX && a.iter().all(|age| *age <= CHILD_AGE_MAX))
}
