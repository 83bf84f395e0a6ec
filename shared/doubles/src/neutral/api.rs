//! The five paths of the partner API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{OriginalUri, Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Neutral;
use super::exchange::{Answer, Asked, exchange, name};
use super::world::{Chosen, RATES, Reservation, State as Standing, World, decimal, price, terms};
use crate::faults::Fault;

/// How long a new reservation is hidden by `lookup_lag` when nothing else is asked for.
const VISIBILITY_LAG: Duration = Duration::from_secs(60);
const PER_PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    property_id: String,
    check_in: NaiveDate,
    check_out: NaiveDate,
    adults: u32,
    children: Vec<u32>,
    currency: String,
}

fn asked(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Asked {
    let uri = below(&uri);
    Asked { method, uri, headers, body, client_reference: None, reference: None }
}

/// The path below the partner's address, which is where it is nested here.
fn below(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    path.strip_prefix("/neutral").unwrap_or(path).parse().unwrap_or_else(|_| Uri::from_static("/"))
}

/// `POST /v1/offers`.
pub(super) async fn offers(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked(Method::POST, uri, headers, body.clone());
    exchange(neutral, "search", asked, move |neutral, fault, now| {
        let Ok(wanted) = serde_json::from_slice::<Wanted>(&body) else {
            return Answer::failed(StatusCode::BAD_REQUEST, "malformed");
        };
        let today = now.date_naive();
        let Some(property) = World::property(&wanted.property_id) else {
            return Answer::failed(StatusCode::NOT_FOUND, "no_such_property");
        };
        if wanted.adults == 0 || wanted.check_in < today || wanted.check_in >= wanted.check_out {
            return Answer::failed(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        }
        let sold = name(fault) == "sold_out" || wanted.currency != "EUR";
        let offers = neutral.with_world(|world| {
            let rates = if sold { 0..0 } else { 0..RATES.len() };
            rates.map(|rate| offered(neutral, world, &wanted, property, rate, now)).collect()
        });
        let offers: Vec<Value> = offers;
        Answer::of(
            StatusCode::OK,
            json!({
                "property": World::shown_property(property),
                "check_in": wanted.check_in,
                "check_out": wanted.check_out,
                "offers": offers,
            }),
        )
    })
    .await
}

fn offered(
    neutral: &Neutral,
    world: &mut World,
    wanted: &Wanted,
    property: usize,
    rate: usize,
    now: DateTime<Utc>,
) -> Value {
    let guests = wanted.adults + u32::try_from(wanted.children.len()).unwrap_or(0);
    let mut chosen = Chosen {
        property,
        rate,
        check_in: wanted.check_in,
        check_out: wanted.check_out,
        guests,
        currency: wanted.currency.clone(),
        price: 0,
        expires_at: now + neutral.config.offer_for,
    };
    chosen.price = world.price(&chosen);
    let offer_id = world.give_out("of", chosen.clone());
    json!({
        "offer_id": offer_id,
        "room": RATES[rate].room,
        "room_id": chosen.room_id(),
        "price": price(chosen.price, &chosen.currency),
        "terms": terms(&chosen, neutral.config.hold_for),
    })
}

/// `POST /v1/offers/{offer_id}/check`.
pub(super) async fn check(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    Path(offer_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = asked(Method::POST, uri, headers, body);
    exchange(neutral, "price_check", asked, move |neutral, fault, now| {
        neutral.with_world(|world| {
            let known = world.given_out(&offer_id).filter(|offer| offer.expires_at > now).cloned();
            let Some(mut chosen) = known else {
                return Answer::failed(StatusCode::GONE, "offer_expired");
            };
            if name(fault) == "sold_out" {
                return Answer::of(
                    StatusCode::OK,
                    json!({
                        "offer_id": offer_id,
                        "status": "sold_out",
                        "book_token": null,
                        "price": null,
                        "terms": null,
                    }),
                );
            }
            creep(world, &chosen, fault);
            chosen.price = world.price(&chosen);
            chosen.expires_at = now + neutral.config.offer_for;
            let book_token = world.give_out("bt", chosen.clone());
            Answer::of(
                StatusCode::OK,
                json!({
                    "offer_id": offer_id,
                    "status": "available",
                    "book_token": book_token,
                    "price": price(chosen.price, &chosen.currency),
                    "terms": terms(&chosen, neutral.config.hold_for),
                }),
            )
        })
    })
    .await
}

fn creep(world: &mut World, chosen: &Chosen, fault: Option<&Fault>) {
    match name(fault) {
        "price_changed" => world.move_price(chosen, 100),
        "price_crept" => world.move_price(chosen, 20),
        _ => {}
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    client_reference: String,
    book_token: String,
    hold: bool,
    price: Price,
    guests: Vec<Guest>,
    contact: Contact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    amount: String,
    currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Guest {
    given_name: String,
    family_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contact {
    email: String,
    phone: String,
}

impl Order {
    fn is_valid(&self) -> bool {
        let reference = &self.client_reference;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let named = |guest: &Guest| !guest.given_name.is_empty() && !guest.family_name.is_empty();
        (1..=64).contains(&reference.len())
            && reference.bytes().all(plain)
            && !self.guests.is_empty()
            && self.guests.iter().all(named)
            && self.contact.email.contains('@')
            && !self.contact.phone.is_empty()
    }
}

/// `POST /v1/reservations`.
pub(super) async fn reserve(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut asked = asked(Method::POST, uri, headers, body.clone());
    let read: Option<Value> = serde_json::from_slice(&body).ok();
    let named = read.as_ref().and_then(|body| body["client_reference"].as_str());
    asked.client_reference = named.map(str::to_owned);
    exchange(neutral, "reserve", asked, move |neutral, fault, now| {
        let order = serde_json::from_slice::<Order>(&body).ok().zip(read);
        let Some((order, asked)) = order else {
            return Answer::failed(StatusCode::BAD_REQUEST, "malformed");
        };
        if !order.is_valid() {
            return Answer::failed(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        }
        let answer = neutral.with_world(|world| made(neutral, world, &order, asked, fault, now));
        if answer.status == StatusCode::CREATED {
            neutral.tell(&answer.body);
        }
        answer
    })
    .await
}

fn made(
    neutral: &Neutral,
    world: &mut World,
    order: &Order,
    asked: Value,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    // The same again is answered as it stands; another one under the same reference is refused.
    let before = world.all().find(|it| it.client_reference == order.client_reference);
    if let Some(before) = before {
        return if before.asked == asked {
            Answer::of(StatusCode::OK, before.shown())
        } else {
            Answer::failed(StatusCode::CONFLICT, "reference_taken")
        };
    }
    let known = world.given_out(&order.book_token).filter(|offer| offer.expires_at > now).cloned();
    let Some(mut chosen) = known else {
        return Answer::failed(StatusCode::GONE, "offer_expired");
    };
    if order.hold && !RATES[chosen.rate].holdable {
        return Answer::failed(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    creep(world, &chosen, fault);
    chosen.price = world.price(&chosen);
    let named = (order.price.amount.as_str(), order.price.currency.as_str());
    if named != (decimal(chosen.price).as_str(), chosen.currency.as_str()) {
        return Answer::failed(StatusCode::CONFLICT, "price_changed");
    }
    if name(fault) == "sold_out" {
        return Answer::failed(StatusCode::CONFLICT, "sold_out");
    }
    let until = now + neutral.config.hold_for;
    let lag = fault.filter(|fault| fault.name == "lookup_lag");
    let invisible_for = lag.map_or(Duration::ZERO, |fault| fault.after(VISIBILITY_LAG));
    let state = if order.hold { Standing::Held { until } } else { Standing::Confirmed };
    let client_reference = order.client_reference.clone();
    let (reference, created_at) = (world.mint_reference(), now);
    let reservation = Reservation {
        reference,
        client_reference,
        asked,
        chosen,
        state,
        created_at,
        over_at: None,
        invisible_for,
    };
    if name(fault) == "created_twice" {
        let reference = world.mint_reference();
        world.add(Reservation { reference, ..reservation.clone() });
    }
    world.add(reservation.clone());
    Answer::of(StatusCode::CREATED, distorted(reservation.shown(), fault))
}

/// The answer as a fault spoils it.
fn distorted(mut shown: Value, fault: Option<&Fault>) -> Value {
    match name(fault) {
        "wrong_dates" => {
            for field in ["check_in", "check_out"] {
                let day: Option<NaiveDate> = shown[field].as_str().and_then(|it| it.parse().ok());
                shown[field] = json!(day.map(|day| day + Days::new(1)));
            }
        }
        "wrong_guest" => {
            shown["guests"][0] = json!({ "given_name": "Somebody", "family_name": "Else" });
        }
        "wrong_room" => shown["room_id"] = json!("another-room"),
        "wrong_price" => shown["price"]["amount"] = json!("1234.56"),
        "wrong_reference" => shown["client_reference"] = json!("somebody-elses"),
        _ => {}
    }
    shown
}

/// `POST /v1/reservations/{reference}/confirm`.
pub(super) async fn confirm(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    Path(reference): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut asked = asked(Method::POST, uri, headers, body);
    asked.reference = Some(reference.clone());
    moved(neutral, "confirm", asked, move |world, fault| {
        let Some(state) = world.get(&reference).map(|it| it.state) else {
            return Err(Answer::failed(StatusCode::NOT_FOUND, "no_such_reservation"));
        };
        match state {
            Standing::Held { .. } if name(fault) != "confirm_refused" => {
                world.become_state(&reference, Standing::Confirmed);
                Ok((reference, true))
            }
            Standing::Confirmed | Standing::NoShow => Ok((reference, false)),
            Standing::Held { .. } | Standing::Cancelled | Standing::Expired => {
                Err(Answer::failed(StatusCode::CONFLICT, "hold_over"))
            }
        }
    })
    .await
}

/// `DELETE /v1/reservations/{reference}`.
pub(super) async fn cancel(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    Path(reference): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut asked = asked(Method::DELETE, uri, headers, body);
    asked.reference = Some(reference.clone());
    moved(neutral, "cancel", asked, move |world, fault| {
        let Some(state) = world.get(&reference).map(|it| it.state) else {
            return Err(Answer::failed(StatusCode::NOT_FOUND, "no_such_reservation"));
        };
        match state {
            Standing::Held { .. } | Standing::Confirmed if name(fault) == "cancel_refused" => {
                Err(Answer::failed(StatusCode::CONFLICT, "not_cancellable"))
            }
            Standing::NoShow => Err(Answer::failed(StatusCode::CONFLICT, "not_cancellable")),
            Standing::Held { .. } | Standing::Confirmed => {
                world.become_state(&reference, Standing::Cancelled);
                Ok((reference, true))
            }
            Standing::Cancelled | Standing::Expired => Ok((reference, false)),
        }
    })
    .await
}

/// A deed at one reservation: which one, and whether it changed.
async fn moved<D>(neutral: Arc<Neutral>, word: &'static str, asked: Asked, deed: D) -> Response
where
    D: FnOnce(&mut World, Option<&Fault>) -> Result<(String, bool), Answer> + Send + 'static,
{
    exchange(neutral, word, asked, move |neutral, fault, _now| {
        let done = neutral.with_world(|world| {
            let (reference, changed) = deed(world, fault)?;
            let shown = world.get(&reference).map(Reservation::shown);
            Ok((shown.unwrap_or_default(), changed))
        });
        match done {
            Err(answer) => answer,
            Ok((shown, changed)) => {
                if changed {
                    neutral.tell(&shown);
                }
                Answer::of(StatusCode::OK, shown)
            }
        }
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    client_reference: Option<String>,
    reference: Option<String>,
    created_from: Option<DateTime<Utc>>,
    created_to: Option<DateTime<Utc>>,
    page: Option<usize>,
}

/// `GET /v1/reservations`.
pub(super) async fn list(
    State(neutral): State<Arc<Neutral>>,
    OriginalUri(uri): OriginalUri,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut asked = asked(Method::GET, uri, headers, body);
    asked.client_reference.clone_from(&filter.client_reference);
    exchange(neutral, "lookup", asked, move |neutral, fault, now| {
        let hidden = match fault {
            Some(fault) if fault.name == "lookup_lag" => fault.after(VISIBILITY_LAG),
            _ => Duration::ZERO,
        };
        let fits = |it: &&Reservation| {
            let lag = TimeDelta::from_std(it.invisible_for.max(hidden)).unwrap_or_default();
            name(fault) != "lookup_empty"
                && it.created_at + lag <= now
                && filter.client_reference.as_ref().is_none_or(|own| *own == it.client_reference)
                && filter.reference.as_ref().is_none_or(|own| *own == it.reference)
                && filter.created_from.is_none_or(|from| it.created_at >= from)
                && filter.created_to.is_none_or(|to| it.created_at < to)
        };
        let page = filter.page.unwrap_or(1).max(1) - 1;
        let reservations: Vec<Value> = neutral.with_world(|world| {
            let all = world.all().filter(fits).skip(page * PER_PAGE).take(PER_PAGE);
            all.map(|it| distorted(it.shown(), fault)).collect()
        });
        Answer::of(StatusCode::OK, json!({ "reservations": reservations }))
    })
    .await
}
