//! Booking: confirm at once, or preconfirm and reconfirm within thirty minutes.
//!
//! Published (booking-confirm; preconfirm-and-reconfirm): the same body for both; a preconfirmation
//! gets a reference and the status `PRECONFIRMED`, holds its places for thirty minutes and is over
//! then. `API_Errors`: a product that is gone or dearer is 500, and nothing is booked. A client
//! reference may be used again: nothing says that it is unique.
//!
//! Assumed: it has at most 20 characters, as in the hotel API of the same suite; holder, paxes and
//! their ages must be as they were asked about; reconfirming names the reference alone.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::errors::{Answer, invalid, missing, product, unreadable};
use super::exchange::{Subject, exchange, name};
use super::shown::{self, rename_guest, shift_dates};
use super::world::{Booking, Pax, Quoted, State as Standing, World};
use super::{Hotelbeds, VISIBILITY_LAG};
use crate::faults::Fault;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    client_reference: Option<String>,
    holder: Holder,
    activities: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Holder {
    name: String,
    surname: String,
    email: Option<String>,
    #[serde(default)]
    telephones: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    rate_key: String,
    from: NaiveDate,
    to: NaiveDate,
    #[serde(default)]
    paxes: Vec<Person>,
}

#[derive(Deserialize)]
struct Person {
    name: Option<String>,
    surname: Option<String>,
    age: u8,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Reconfirm {
    reference: String,
}

/// `PUT /bookings/preconfirm`
pub(super) async fn preconfirm(
    hotelbeds: State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    book(hotelbeds, headers, bytes, true).await
}

/// `PUT /bookings`
pub(super) async fn confirm(
    hotelbeds: State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    book(hotelbeds, headers, bytes, false).await
}

async fn book(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
    preconfirm: bool,
) -> Response {
    let read: Result<Body, _> = serde_json::from_slice(&bytes);
    let named = read.as_ref().ok().and_then(|body| body.client_reference.as_deref());
    let subject =
        Subject { client_reference: named.map(Arc::from), has_body: true, ..Subject::default() };
    exchange(hotelbeds, "reserve", &headers, subject, move |hotelbeds, fault, now| {
        let body = match read {
            Ok(body) => body,
            Err(error) => return unreadable(&error.to_string()),
        };
        if let Some(wrong) = check(&body) {
            return invalid(wrong);
        }
        reserve(hotelbeds, &body, preconfirm, fault, now)
    })
    .await
}

/// What is wrong with the body by itself.
fn check(body: &Body) -> Option<&'static str> {
    let reference = body.client_reference.as_deref().unwrap_or("-");
    let holder = &body.holder;
    let people = || body.activities.iter().flat_map(|wanted| &wanted.paxes);
    let nameless = |person: &Person| {
        person.name.as_deref().is_none_or(str::is_empty)
            || person.surname.as_deref().is_none_or(str::is_empty)
    };
    let kinds = [Some("ADULT"), Some("CHILDREN")];
    if reference.is_empty() || reference.chars().count() > 20 {
        Some("clientReference: between 1 and 20 characters")
    } else if holder.name.is_empty() || holder.surname.is_empty() {
        Some("holder: name and surname are needed")
    } else if holder.email.as_deref().is_some_and(|email| !email.contains('@')) {
        Some("holder: the e-mail address is none")
    } else if holder.telephones.iter().any(|number| number.len() > 20) {
        Some("holder: a telephone number is too long")
    } else if body.activities.len() != 1 {
        Some("activities: one is needed")
    } else if people().any(nameless) {
        Some("paxes: name and surname are needed")
    } else if people().any(|person| !kinds.contains(&person.kind.as_deref())) {
        Some("paxes: type is ADULT or CHILDREN")
    } else {
        None
    }
}

/// Makes the booking, or says why not; checks and the taking of places happen under one lock.
fn reserve(
    hotelbeds: &Hotelbeds,
    body: &Body,
    preconfirm: bool,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    let Some(wanted) = body.activities.first() else { return invalid("activities") };
    hotelbeds.with_world(|world| {
        let quoted = match world.quoted(&wanted.rate_key) {
            Some(quoted) if quoted.expires_at > now => quoted.clone(),
            Some(_) | None => return invalid("rateKey: unknown, or too old"),
        };
        if (wanted.from, wanted.to) != (quoted.chosen.from, quoted.chosen.to) {
            return invalid("from, to: not days of this rateKey");
        }
        let ages: Vec<u8> = wanted.paxes.iter().map(|pax| pax.age).collect();
        if ages != quoted.ages {
            return invalid("paxes: not those of this rateKey");
        }
        if name(fault) == "price_changed" {
            world.move_price(&quoted.chosen);
        }
        let total = hotelbeds.catalogue.total(&quoted.chosen, &ages, world.moved(&quoted.chosen));
        if total != quoted.total {
            return product("The price has changed while the booking was made");
        }
        let needed = i64::try_from(ages.len()).unwrap_or(i64::MAX);
        let gone = world.left(&quoted.chosen).is_some_and(|left| left < needed);
        if gone || name(fault) == "sold_out" {
            return product("The product is not available any more");
        }
        make(hotelbeds, world, body, &quoted, preconfirm, fault, now)
    })
}

#[expect(clippy::too_many_arguments, reason = "what a booking is made of")]
fn make(
    hotelbeds: &Hotelbeds,
    world: &mut World,
    body: &Body,
    quoted: &Quoted,
    preconfirm: bool,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    let activity = &hotelbeds.catalogue.activities[quoted.chosen.activity];
    let person = |person: &Person| Pax {
        name: person.name.clone().unwrap_or_default(),
        surname: person.surname.clone().unwrap_or_default(),
        age: person.age,
    };
    let state = if preconfirm {
        Standing::Preconfirmed { until: now + hotelbeds.config.hold_for }
    } else {
        Standing::Confirmed
    };
    let mut made = Booking {
        reference: world.mint_reference(),
        client_reference: body.client_reference.as_deref().map(Arc::from),
        holder: (body.holder.name.clone(), body.holder.surname.clone()),
        chosen: quoted.chosen,
        currency: activity.currency.to_owned(),
        total: quoted.total,
        paxes: body.activities.iter().flat_map(|it| &it.paxes).map(person).collect(),
        state,
        before: None,
        charged: 0,
        created_at: now,
        invisible_for: hotelbeds.config.visibility_lag,
    };
    spoil(&mut made, fault, now);
    let reference = made.reference.clone();
    if name(fault) == "created_twice" {
        let twin = Booking { reference: world.mint_reference(), ..made.clone() };
        world.add(twin);
    }
    let mut told = made.clone();
    world.add(made);
    if name(fault) == "wrong_reference" {
        // The answer names a booking that nobody has.
        told.reference = world.mint_reference();
    }
    let told_wrong = fault.filter(|it| ["wrong_price", "wrong_currency"].contains(&it.name));
    let shown = shown::booking(hotelbeds, &told, told_wrong, now);
    Answer::of(StatusCode::OK, json!({ "booking": shown })).about(&reference)
}

/// Makes something else than was asked for, as the fault says.
fn spoil(made: &mut Booking, fault: Option<&Fault>, now: DateTime<Utc>) {
    match fault {
        Some(fault) if fault.name == "wrong_dates" => {
            tracing::debug!(at = %now, "a booking is made for another day");
            shift_dates(made);
        }
        Some(fault) if fault.name == "wrong_guest" => {
            tracing::debug!(at = %now, "a booking is made for somebody else");
            rename_guest(made);
        }
        Some(fault) if fault.name == "hold_lapses" => {
            if let Standing::Preconfirmed { until } = &mut made.state {
                *until = now + fault.after(std::time::Duration::ZERO);
            }
        }
        Some(fault) if fault.name == "lookup_lag" => {
            made.invisible_for = fault.after(VISIBILITY_LAG);
        }
        Some(_) | None => {}
    }
}

/// `PUT /bookings/reconfirm`
///
/// A preconfirmation that is over is a product that is gone (published: it cannot be confirmed any
/// more). One that is confirmed already is refused (assumed).
pub(super) async fn reconfirm(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    let read: Result<Reconfirm, _> = serde_json::from_slice(&bytes);
    let reference = read.as_ref().ok().map(|body| body.reference.clone());
    let subject = Subject { reference, has_body: true, ..Subject::default() };
    exchange(hotelbeds, "confirm", &headers, subject, move |hotelbeds, fault, now| {
        let reference = match read {
            Ok(body) => body.reference,
            Err(error) => return unreadable(&error.to_string()),
        };
        hotelbeds.with_world(|world| {
            let Some(state) = world.get(&reference).map(|booking| booking.state) else {
                return missing("reference: there is no such booking");
            };
            if ["hold_lapses", "confirm_refused"].contains(&name(fault)) {
                world.cancel(&reference, now, 0);
                return product("The product is not available any more");
            }
            match state {
                Standing::Preconfirmed { .. } => world.reconfirm(&reference),
                Standing::Confirmed => return invalid("reference: is confirmed already"),
                Standing::Cancelled { .. } => return product("The preconfirmation is over"),
            }
            match world.get(&reference) {
                Some(booking) => {
                    let shown = shown::booking(hotelbeds, booking, None, now);
                    Answer::of(StatusCode::OK, json!({ "booking": shown }))
                }
                None => missing("reference: there is no such booking"),
            }
        })
    })
    .await
}
