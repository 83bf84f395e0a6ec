//! Looking: availability by destination or service, and the details of one activity, which are also
//! its price check.
//!
//! Published (availability; detail simple): a list of ages is required; the answer has modalities,
//! their rates, and for each rate key the days it holds for with their cancellation policies. A
//! rate key lives some thirty minutes. Assumed: each day has a rate key of its own, and at most 31
//! days are asked for at once.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Hotelbeds;
use super::catalogue::Chosen;
use super::errors::{Answer, invalid, missing, unreadable};
use super::exchange::{Subject, exchange, name};
use super::shown::{amount, policies};
use super::world::{Quoted, World};
use crate::faults::Fault;

/// Assumed.
const DAYS_MAX: i64 = 31;

#[derive(Deserialize)]
struct Ages {
    age: u8,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(rename = "searchFilterItems")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[derive(Deserialize)]
struct Pages {
    #[serde(rename = "itemsPerPage", default = "page_size")]
    per_page: usize,
    #[serde(default = "first_page")]
    page: usize,
}

fn page_size() -> usize {
    10
}

fn first_page() -> usize {
    1
}

impl Default for Pages {
    fn default() -> Self {
        Self { per_page: page_size(), page: first_page() }
    }
}

#[derive(Deserialize)]
struct Availability {
    filters: Vec<Filter>,
    from: NaiveDate,
    to: NaiveDate,
    paxes: Vec<Ages>,
    #[serde(default)]
    pagination: Pages,
}

#[derive(Deserialize)]
struct Details {
    code: String,
    from: NaiveDate,
    to: NaiveDate,
    paxes: Vec<Ages>,
}

/// Who takes part, and on which days.
struct Wanted {
    from: NaiveDate,
    to: NaiveDate,
    ages: Vec<u8>,
}

impl Wanted {
    fn checked(
        from: NaiveDate,
        to: NaiveDate,
        paxes: &[Ages],
        now: DateTime<Utc>,
    ) -> Result<Self, Answer> {
        let ages: Vec<u8> = paxes.iter().map(|pax| pax.age).collect();
        if ages.is_empty() || ages.iter().any(|age| *age > 120) {
            return Err(invalid("paxes: at least one age from 0 to 120 is needed"));
        }
        if from > to || to.signed_duration_since(from).num_days() >= DAYS_MAX {
            return Err(invalid("from, to: between one and 31 days"));
        }
        // The destination may already be a day ahead or behind.
        if to < now.date_naive() - Days::new(1) {
            return Err(invalid("from, to: the days are over"));
        }
        Ok(Self { from, to, ages })
    }
}

/// `POST /activities/availability`
pub(super) async fn availability(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let subject = Subject { has_body: true, ..Subject::default() };
    exchange(hotelbeds, "search", &headers, subject, move |hotelbeds, fault, now| {
        let asked: Availability = match serde_json::from_slice(&bytes) {
            Ok(asked) => asked,
            Err(error) => return unreadable(&error.to_string()),
        };
        let items = || asked.filters.iter().flat_map(|filter| &filter.items);
        if items().next().is_none() || items().any(|item| !known(&item.kind)) {
            return invalid("filters: a destination or a service is needed");
        }
        let wanted = match Wanted::checked(asked.from, asked.to, &asked.paxes, now) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        let fits = |at: &usize| {
            let activity = &hotelbeds.catalogue.activities[*at];
            items().any(|item| match item.kind.as_str() {
                "destination" => item.value == activity.destination,
                _ => item.value == activity.code,
            })
        };
        let none = name(fault) == "sold_out";
        let all = 0..if none { 0 } else { hotelbeds.catalogue.activities.len() };
        let found: Vec<usize> = all.filter(fits).collect();
        let Pages { per_page, page } = asked.pagination;
        let skipped = page.saturating_sub(1).saturating_mul(per_page);
        let shown = found.iter().skip(skipped).take(per_page.min(100));
        let activities: Vec<Value> = hotelbeds.with_world(|world| {
            shown.map(|at| activity(hotelbeds, world, *at, &wanted, fault, now)).collect()
        });
        let pagination =
            json!({ "itemsPerPage": per_page, "page": page, "totalItems": found.len() });
        Answer::of(StatusCode::OK, json!({ "pagination": pagination, "activities": activities }))
    })
    .await
}

fn known(filter: &str) -> bool {
    matches!(filter, "destination" | "service")
}

/// `POST /activities/details`
pub(super) async fn details(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let subject = Subject { has_body: true, ..Subject::default() };
    exchange(hotelbeds, "price_check", &headers, subject, move |hotelbeds, fault, now| {
        let asked: Details = match serde_json::from_slice(&bytes) {
            Ok(asked) => asked,
            Err(error) => return unreadable(&error.to_string()),
        };
        let wanted = match Wanted::checked(asked.from, asked.to, &asked.paxes, now) {
            Ok(wanted) => wanted,
            Err(answer) => return answer,
        };
        let Some(at) = hotelbeds.catalogue.find(&asked.code) else {
            return missing("code: there is no such activity");
        };
        let shown =
            hotelbeds.with_world(|world| activity(hotelbeds, world, at, &wanted, fault, now));
        Answer::of(StatusCode::OK, json!({ "activity": shown }))
    })
    .await
}

/// One activity with what can be booked of it; rates without places are left out.
fn activity(
    hotelbeds: &Hotelbeds,
    world: &mut World,
    at: usize,
    wanted: &Wanted,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Value {
    let activity = &hotelbeds.catalogue.activities[at];
    let mut modalities = Vec::new();
    for (modality_at, modality) in activity.modalities.iter().enumerate() {
        let mut rates = Vec::new();
        for (rate_at, rate) in modality.rates.iter().enumerate() {
            let days = wanted.from.iter_days().take_while(|day| *day <= wanted.to);
            let chosen = |day| Chosen {
                activity: at,
                modality: modality_at,
                rate: rate_at,
                from: day,
                to: day,
            };
            let details: Vec<Value> = days
                .filter_map(|day| rate_detail(hotelbeds, world, chosen(day), wanted, fault, now))
                .collect();
            if !details.is_empty() {
                rates.push(json!({
                    "rateCode": rate.code(),
                    "rateClass": rate.class(),
                    "name": rate.code(),
                    "freeCancellation": rate.class() == "NOR",
                    "rateDetails": details,
                }));
            }
        }
        if !rates.is_empty() {
            modalities.push(json!({
                "code": modality.code,
                "name": modality.name,
                "duration": { "value": 2.0, "metric": "HOURS" },
                "amountUnitType": "PAX",
                "questions": [],
                "rates": rates,
            }));
        }
    }
    let currency = if name(fault) == "wrong_currency" { "GBP" } else { activity.currency };
    let country = json!({
        "code": activity.country,
        "destinations": [{ "code": activity.destination, "name": activity.destination_name }],
    });
    json!({
        "code": activity.code,
        "activityCode": activity.code,
        "name": activity.name,
        "type": "TICKET",
        "currency": currency,
        "country": country,
        "modalities": modalities,
    })
}

fn rate_detail(
    hotelbeds: &Hotelbeds,
    world: &mut World,
    chosen: Chosen,
    wanted: &Wanted,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Option<Value> {
    let needed = i64::try_from(wanted.ages.len()).unwrap_or(i64::MAX);
    if name(fault) == "sold_out" || world.left(&chosen).is_some_and(|left| left < needed) {
        return None;
    }
    if name(fault) == "price_changed" {
        world.move_price(&chosen);
    }
    let total = hotelbeds.catalogue.total(&chosen, &wanted.ages, world.moved(&chosen));
    let rate_key = world.quote(Quoted {
        chosen,
        ages: wanted.ages.clone(),
        total,
        expires_at: now + hotelbeds.config.rate_key_for,
    });
    let told = if name(fault) == "wrong_price" { total + 1_234 } else { total };
    let each = |age: &u8| {
        let kind = if *age < 12 { "CHILD" } else { "ADULT" };
        json!({ "paxType": kind, "ageFrom": age, "ageTo": age,
                "amount": amount(hotelbeds.catalogue.of_age(&chosen, *age)) })
    };
    let policies = policies(&hotelbeds.catalogue, &chosen, told, now);
    Some(json!({
        "rateKey": rate_key,
        "operationDates": [{
            "from": chosen.from.to_string(),
            "to": chosen.to.to_string(),
            "cancellationPolicies": policies,
        }],
        "languages": [],
        "sessions": [],
        "totalAmount": { "amount": amount(told), "boxOfficeAmount": amount(told),
                         "mandatoryApplyAmount": false },
        "paxAmounts": wanted.ages.iter().map(each).collect::<Vec<_>>(),
    }))
}
