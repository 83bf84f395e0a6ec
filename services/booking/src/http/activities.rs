//! `GET /v1/activities`: what there is to do at a place.

use axum::{extract::State, response::Response};
use chassis::{ApiError, auth::Bearer};
use chrono::NaiveDate;
use contracts::offer::{ActivitySearch, Search};

use super::{
    account,
    form::{self, Faults},
    found::{self, Answer, PageAsked},
    openapi::problems,
    search::{self, Party},
};
use crate::App;

const DAYS_MAX: i64 = 30;
const DESTINATION_CHARS_MAX: usize = 64;
/// How many take part where it is not said.
const ADULTS: u8 = 2;

/// The parameters of a search, as the document names them.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the query is read by hand, so that every fault is said at once")]
pub(super) struct Asked {
    #[param(min_length = 1, max_length = 64)]
    destination: String,
    /// The first day that suits, in the calendar of the place; not in the past.
    from: NaiveDate,
    /// The last one; at most 30 days later.
    to: NaiveDate,
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

/// Offers of activities; what is older than its soft life says so and is asked anew meanwhile.
#[utoipa::path(
    get, path = "/v1/activities", tag = "activities", params(Asked),
    responses(
        (status = 200, description = "Offers, and how fresh each supplier's part is", body = Answer),
        problems::Invalid, problems::Unavailable,
    ),
)]
pub(super) async fn activities(
    State(app): State<App>,
    bearer: Bearer,
    axum::extract::RawQuery(query): axum::extract::RawQuery,
) -> Result<Response, ApiError> {
    account(&bearer)?;
    let faults = Faults::default();
    let first_day = search::first_day(&app);
    let mut page = PageAsked::default();
    let activity = read(query.as_deref().unwrap_or_default(), first_day, &mut page, &faults);
    page.check(&app, &faults);
    faults.answer()?;
    let activity = activity.ok_or_else(ApiError::internal_logged)?;
    found::find(&app, Search::Activity(activity), page).await
}

fn read(
    query: &str,
    first_day: NaiveDate,
    page: &mut PageAsked,
    faults: &Faults,
) -> Option<ActivitySearch> {
    let mut party = Party::default();
    let (mut destination, mut from, mut to) = (None, None, None);
    for (name, value) in form::parameters(query, faults) {
        match &*name {
            "destination" => {
                if value.is_empty() || value.chars().count() > DESTINATION_CHARS_MAX {
                    faults.add("?destination", "invalid", "must have 1 to 64 characters");
                }
                destination = Some(value.into_owned());
            }
            "from" => from = search::date(&name, &value, faults),
            "to" => to = search::date(&name, &value, faults),
            name if party.took(name, &value, faults) || page.took(name, &value, faults) => {}
            name => {
                faults.add(&format!("?{name}"), "unknown", "is not a parameter of this search");
            }
        }
    }
    let destination = search::given("destination", destination, faults);
    let from = search::given("from", from, faults);
    let to = search::given("to", to, faults);
    if let (Some(from), Some(to)) = (from, to) {
        search::days(("from", from), Some(("to", to)), DAYS_MAX, first_day, faults);
    }
    let (participants, currency) = party.finish(ADULTS);
    let (destination, from, to) = (destination?, from?, to?);
    Some(ActivitySearch { destination, from, to, participants, currency })
}
