//! Reading a query: every wrong parameter is said at once, by the published pattern of names.

use chrono::{DateTime, Days, NaiveDate, Utc};
use http::HeaderMap;
use serde_json::Value;

use super::Rapid;
use super::errors::Wrong;
use super::pricing::{Currency, Occupancy};

const INCLUDES: [&str; 5] = [
    "unavailable_reason",
    "sale_scenario.mobile_promotion",
    "rooms.rates.marketing_fee_incentives",
    "rooms.rates.current_refundability",
    "rooms.rates.holdable",
];

/// The parameters of a request, in order and repeated as they came.
pub(super) type Pairs = Vec<(String, String)>;

/// A search that was understood.
pub(super) struct Search {
    pub(super) check_in: NaiveDate,
    pub(super) check_out: NaiveDate,
    pub(super) currency: Currency,
    pub(super) occupancies: Vec<Occupancy>,
    pub(super) properties: Vec<usize>,
    pub(super) rate_plans_max: usize,
    pub(super) refundable_only: bool,
    pub(super) property_collect_only: bool,
    pub(super) includes: Vec<String>,
}

pub(super) fn value<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(super) fn values<'a>(query: &'a Pairs, name: &str) -> Vec<&'a str> {
    query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Reads a search, or says everything that is wrong with it.
pub(super) fn read_search(
    rapid: &Rapid,
    query: &Pairs,
    now: DateTime<Utc>,
) -> Result<Search, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for name in ["country_code", "language", "sales_channel", "sales_environment"] {
        if value(query, name).is_none_or(str::is_empty) {
            wrong.push(missing(name));
        }
    }
    let check_in = read_date(query, "checkin", &mut wrong);
    let check_out = read_date(query, "checkout", &mut wrong);
    if let (Some(check_in), Some(check_out)) = (check_in, check_out) {
        check_dates(check_in, check_out, now, &mut wrong);
    }
    let currency = match value(query, "currency") {
        None => {
            wrong.push(missing("currency"));
            None
        }
        Some(code) => {
            let known = Currency::parse(code);
            if known.is_none() {
                let message = "Currency code is not supported.";
                wrong.push(Wrong::new("currency.not_supported", message).field(
                    "currency",
                    "querystring",
                    code,
                ));
            }
            known
        }
    };
    let occupancies = read_occupancies(query, &mut wrong);
    let properties = read_properties(rapid, query, &mut wrong);
    let rate_plans_max = read_rate_plan_count(query, &mut wrong);
    let includes: Vec<String> = values(query, "include").into_iter().map(str::to_owned).collect();
    for include in includes.iter().filter(|include| !INCLUDES.contains(&include.as_str())) {
        let message =
            format!("Include value not supported. Supported include values are: {INCLUDES:?}");
        wrong.push(Wrong::new("include.not_supported", message).field(
            "include",
            "querystring",
            include.clone(),
        ));
    }
    let filters = values(query, "filter");
    match (check_in, check_out, currency) {
        (Some(check_in), Some(check_out), Some(currency)) if wrong.is_empty() => Ok(Search {
            check_in,
            check_out,
            currency,
            occupancies,
            properties,
            rate_plans_max,
            refundable_only: filters.contains(&"refundable"),
            property_collect_only: filters.contains(&"property_collect"),
            includes,
        }),
        _ => Err(wrong),
    }
}

pub(super) fn missing(name: &str) -> Wrong {
    Wrong::new(format!("{name}.required"), format!("{name} is required.")).field(
        name,
        "querystring",
        Value::Null,
    )
}

fn read_date(query: &Pairs, name: &str, wrong: &mut Vec<Wrong>) -> Option<NaiveDate> {
    let Some(given) = value(query, name) else {
        wrong.push(missing(name));
        return None;
    };
    // The format asks for two digits each; the parser alone would take one.
    let date = NaiveDate::parse_from_str(given, "%Y-%m-%d").ok().filter(|_| given.len() == 10);
    if date.is_none() {
        let message =
            format!("Invalid {name} format. It must be formatted in ISO 8601 (YYYY-mm-dd).");
        let kind = format!("{name}.invalid_date_format");
        wrong.push(Wrong::new(kind, message).field(name, "querystring", given));
    }
    date
}

fn check_dates(
    check_in: NaiveDate,
    check_out: NaiveDate,
    now: DateTime<Utc>,
    wrong: &mut Vec<Wrong>,
) {
    let mut say =
        |kind: &str, message: &str| {
            wrong.push(
                Wrong::new(kind, message)
                    .field("checkin", "querystring", check_in.to_string())
                    .field("checkout", "querystring", check_out.to_string()),
            );
        };
    // West of Greenwich it is still yesterday.
    let yesterday = now.date_naive() - Days::new(1);
    if check_in < yesterday {
        say("checkin.invalid_date_in_the_past", "Checkin cannot be in the past.");
    }
    if (check_in - now.date_naive()).num_days() > 500 {
        say("checkin.invalid_date_too_far_out", "Checkin too far in the future.");
    }
    if check_out <= check_in {
        say("checkout.invalid_checkout_before_checkin", "Checkout must be after checkin.");
    }
    if (check_out - check_in).num_days() > 28 {
        let message = "Checkin and checkout dates cannot differ by more than 28 days.";
        say("checkout.invalid_length_of_stay_too_long", message);
    }
}

fn read_occupancies(query: &Pairs, wrong: &mut Vec<Wrong>) -> Vec<Occupancy> {
    let given = values(query, "occupancy");
    if given.is_empty() {
        wrong.push(missing("occupancy"));
    }
    if given.len() > 8 {
        let message = "Number of occupancies must be less than 9.";
        wrong.push(Wrong::new("number_of_occupancies.invalid_above_maximum", message).field(
            "occupancy",
            "querystring",
            given.len().to_string(),
        ));
    }
    let mut read = Vec::new();
    for occupancy in given {
        match Occupancy::parse(occupancy) {
            Some(occupancy) => read.push(occupancy),
            None => wrong.push(
                Wrong::new(
                    "occupancy.invalid",
                    "Occupancy is numberOfAdults[-firstChildAge[,nextChildAge]].",
                )
                .field("occupancy", "querystring", occupancy),
            ),
        }
    }
    read
}

/// Properties that do not exist are left out of the answer, as sold out ones are.
fn read_properties(rapid: &Rapid, query: &Pairs, wrong: &mut Vec<Wrong>) -> Vec<usize> {
    let given = values(query, "property_id");
    if given.is_empty() {
        wrong.push(missing("property_id"));
    }
    if given.len() > 250 {
        let message = "Number of property_ids must be less than 251.";
        wrong.push(Wrong::new("property_id.invalid_above_maximum", message).field(
            "property_id",
            "querystring",
            given.len().to_string(),
        ));
    }
    given.into_iter().filter_map(|id| rapid.catalogue.find(id)).collect()
}

fn read_rate_plan_count(query: &Pairs, wrong: &mut Vec<Wrong>) -> usize {
    let Some(given) = value(query, "rate_plan_count") else {
        wrong.push(missing("rate_plan_count"));
        return 1;
    };
    match given.parse() {
        Ok(count @ 1..=250) => count,
        Ok(_) | Err(_) => {
            let message = "rate_plan_count must be between 1 and 250.";
            wrong.push(Wrong::new("rate_plan_count.invalid", message).field(
                "rate_plan_count",
                "querystring",
                given,
            ));
            1
        }
    }
}
