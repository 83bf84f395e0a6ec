//! `GET /v1/flights`: flights there, and back where that is asked for.

use axum::{extract::State, response::Response};
use chassis::{ApiError, auth::Bearer};
use chrono::NaiveDate;
use contracts::offer::{FlightSearch, Search};

use super::{
    account,
    form::{self, Faults},
    found::{self, Answer, PageAsked},
    openapi::problems,
    search::{self, Party},
};
use crate::App;

const RETURN_DAYS_MAX: i64 = 330;
/// How many fly where it is not said.
const ADULTS: u8 = 1;

/// The parameters of a search, as the document names them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the query is read by hand, so that every fault is said at once")]
pub(super) struct Asked {
    /// IATA code of an airport or a city.
    #[param(example = "LHR", pattern = "^[A-Z]{3}$")]
    origin: String,
    /// Another one.
    #[param(example = "JFK", pattern = "^[A-Z]{3}$")]
    destination: String,
    /// In the calendar of the origin; not in the past.
    departs_on: NaiveDate,
    /// The day of the flight back; one way when it is not given.
    returns_on: Option<NaiveDate>,
    /// 1 when it is not given.
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

/// Offers of flights; what is older than its soft life says so and is asked anew meanwhile.
#[utoipa::path(
    get, path = "/v1/flights", tag = "flights", params(Asked),
    responses(
        (status = 200, description = "Offers, and how fresh each supplier's part is", body = Answer),
        problems::Invalid, problems::Unavailable,
    ),
)]
pub(super) async fn flights(
    State(app): State<App>,
    bearer: Bearer,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, ApiError> {
    account(&bearer)?;
    let faults = Faults::default();
    let first_day = search::first_day(&app);
    let mut page = PageAsked::default();
    let flight = read(query.as_deref().unwrap_or_default(), first_day, &mut page, &faults);
    page.check(&app, &faults);
    faults.answer()?;
    let flight = flight.ok_or_else(ApiError::internal_logged)?;
    found::find(&app, Search::Flight(flight), page).await
}

fn read(
    query: &str,
    first_day: NaiveDate,
    page: &mut PageAsked,
    faults: &Faults,
) -> Option<FlightSearch> {
    let mut party = Party::default();
    let (mut origin, mut destination) = (None, None);
    let (mut departs_on, mut returns_on) = (None, None);
    for (name, value) in form::parameters(query, faults) {
        match &*name {
            "origin" => origin = airport(&name, &value, faults),
            "destination" => destination = airport(&name, &value, faults),
            "departs_on" => departs_on = search::date(&name, &value, faults),
            "returns_on" => returns_on = search::date(&name, &value, faults),
            name if party.took(name, &value, faults) || page.took(name, &value, faults) => {}
            name => {
                faults.add(&format!("?{name}"), "unknown", "is not a parameter of this search");
            }
        }
    }
    let origin = search::given("origin", origin, faults);
    let destination = search::given("destination", destination, faults);
    let departs_on = search::given("departs_on", departs_on, faults);
    if origin.is_some() && origin == destination {
        faults.add("?destination", "invalid", "must be another than origin");
    }
    if let Some(day) = departs_on {
        let back = returns_on.map(|back| ("returns_on", back));
        search::days(("departs_on", day), back, RETURN_DAYS_MAX, first_day, faults);
    }
    let (passengers, currency) = party.finish(ADULTS);
    let (origin, destination) = (origin?, destination?);
    let departs_on = departs_on?;
    Some(FlightSearch { origin, destination, departs_on, returns_on, passengers, currency })
}

fn airport(name: &str, value: &str, faults: &Faults) -> Option<String> {
    let fits = value.len() == 3 && value.bytes().all(|b| b.is_ascii_uppercase());
    if !fits {
        faults.add(&format!("?{name}"), "invalid", "must be an IATA code like LHR");
    }
    // What is wrong is not missing as well.
    Some(value.to_owned())
}
