//! Offer requests and offers.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::catalogue::{FARES, Flight, flight, price};
use super::errors::{Answer, airline, invalid, not_found, state, unreadable};
use super::exchange::{Subject, exchange, name};
use super::world::{Offered, Seat};
use super::{Duffel, shown};

const PASSENGERS_MAX: usize = 9;

/// `POST /air/offer_requests`: the offers come along (`return_offers` is true when it is left out).
pub(super) async fn offer_request(
    State(duffel): State<Arc<Duffel>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let subject = Subject { has_body: true, ..Subject::default() };
    exchange(duffel, "search", &headers, subject, move |duffel, fault, now| {
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            return unreadable("bad_request");
        };
        let query = query.unwrap_or_default();
        let names = query.split('&').filter_map(|pair| pair.split('=').next());
        let known = ["", "return_offers", "supplier_timeout"];
        if !names.into_iter().all(|name| known.contains(&name)) {
            return unreadable("invalid_query_parameter");
        }
        match asked(&body["data"], now) {
            Err(answer) => *answer,
            Ok((slices, ages)) => {
                let sold_out = name(fault) == "sold_out";
                let currency = match name(fault) {
                    "wrong_currency" => "USD",
                    _ => &duffel.config.currency,
                };
                let id = duffel.with_world(|world| world.mint("orq"));
                let offers = if sold_out || slices.is_empty() {
                    Vec::new()
                } else {
                    offers(duffel, &id, &slices, &ages, currency, now)
                };
                let data = json!({ "id": id, "live_mode": false, "offers": offers });
                Answer::of(StatusCode::CREATED, data)
            }
        }
    })
    .await
}

type Wanted = (Vec<Flight>, Vec<Option<u8>>);

/// What is asked for: the flights, none where nobody flies there, and the ages.
fn asked(data: &Value, now: DateTime<Utc>) -> Result<Wanted, Box<Answer>> {
    let wrong = |code: &str| Box::new(invalid(code));
    let required = || wrong("validation_required");
    let slices = data["slices"].as_array().filter(|s| !s.is_empty()).ok_or_else(required)?;
    let passengers =
        data["passengers"].as_array().filter(|p| !p.is_empty()).ok_or_else(required)?;
    if passengers.len() > PASSENGERS_MAX {
        return Err(wrong("validation_length"));
    }
    let mut ages = Vec::new();
    for passenger in passengers {
        match (passenger["type"].as_str(), passenger["age"].as_u64()) {
            (Some("adult"), None) => ages.push(None),
            (None, Some(age)) => {
                let age = u8::try_from(age).map_err(|_| wrong("validation_format"))?;
                ages.push(Some(age).filter(|age| *age < 18));
            }
            _ => return Err(wrong("validation_inclusion")),
        }
    }
    let mut flights = Vec::new();
    for slice in slices {
        let text = |field: &str| slice[field].as_str().unwrap_or_default();
        let day: NaiveDate =
            text("departure_date").parse().map_err(|_| wrong("validation_format"))?;
        if day < now.date_naive() {
            return Err(wrong("validation_date_in_past"));
        }
        let Some(flight) = flight(text("origin"), text("destination"), day) else {
            return Ok((Vec::new(), ages));
        };
        flights.push(flight);
    }
    Ok((flights, ages))
}

fn offers(
    duffel: &Duffel,
    request: &str,
    slices: &[Flight],
    ages: &[Option<u8>],
    currency: &str,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let config = &duffel.config;
    let seats_worth = i64::try_from(ages.len()).unwrap_or(1);
    duffel.with_world(|world| {
        let seats: Vec<Seat> =
            ages.iter().map(|age| Seat { id: world.mint("pas"), age: *age }).collect();
        let made = FARES.iter().enumerate().map(|(fare, terms)| Offered {
            id: world.mint("off"),
            request: request.to_owned(),
            slices: slices.to_vec(),
            seats: seats.clone(),
            fare,
            total: price(slices) * terms.permille / 1000 * seats_worth,
            currency: currency.to_owned(),
            created_at: now,
            expires_at: now + config.offer_for,
            held_until: now + config.hold_for,
        });
        let made: Vec<Offered> = made.collect();
        let shown = made.iter().map(shown::offer).collect();
        world.offers.extend(made.into_iter().map(|offer| (offer.id.clone(), offer)));
        shown
    })
}

/// `GET /air/offers/{id}`: the offer as it is now.
pub(super) async fn offer(
    State(duffel): State<Arc<Duffel>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    exchange(duffel, "price_check", &headers, Subject::default(), move |duffel, fault, now| {
        duffel.with_world(|world| {
            let Some(offer) = world.offers.get_mut(&id) else { return not_found() };
            if offer.expires_at <= now {
                return state("offer_expired");
            }
            match name(fault) {
                "sold_out" => return airline("offer_no_longer_available"),
                "price_changed" => offer.total = offer.total * 11 / 10,
                _ => {}
            }
            let mut told = offer.clone();
            match name(fault) {
                "wrong_price" => told.total += 100,
                "wrong_currency" => told.currency = "USD".to_owned(),
                _ => {}
            }
            Answer::of(StatusCode::OK, shown::offer(&told))
        })
    })
    .await
}
