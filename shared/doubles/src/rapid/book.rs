//! Booking: an itinerary made from a book link, held or booked at once.
//!
//! Published (spec: createItinerary; hold and resume): required body fields;
//! `affiliate_reference_id` 3 to 28 characters without `< > ( ) &` and unique; 409
//! `price_mismatch`; 410 `rooms_unavailable`; not every rate can be held, and a hold that is not
//! resumed is rolled back.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rapid;
use super::errors::{self, Wrong, invalid, link_expired, link_invalid};
use super::exchange::{Answer, Subject, exchange};
use super::itinerary::require_customer_ip;
use super::pricing;
use super::query::{Pairs, header, value};
use super::shop::distorted;
use super::token::{Choice, Purpose};
use super::world::{BookedRoom, Guest, Reservation, State as Standing, World, instant};
use crate::faults::Fault;

/// The body as it comes; every field may be missing so that all errors are said at once.
#[derive(Debug, Default, Deserialize)]
struct Body {
    affiliate_reference_id: Option<String>,
    hold: Option<bool>,
    email: Option<String>,
    phone: Option<Phone>,
    rooms: Option<Vec<Room>>,
    payments: Option<Vec<Payment>>,
}

#[derive(Debug, Deserialize)]
struct Phone {
    country_code: Option<String>,
    area_code: Option<String>,
    number: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Room {
    given_name: Option<String>,
    family_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Payment {
    #[serde(rename = "type")]
    kind: Option<String>,
    billing_contact: Option<Value>,
}

/// `POST /v3/itineraries?token=`
pub(super) async fn create(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
    bytes: Bytes,
) -> Response {
    let token = value(&query, "token").map(str::to_owned);
    let test = header(&headers, "test");
    let mut wrong = Vec::new();
    require_customer_ip(&headers, &mut wrong);
    let body: Body = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        wrong.push(Wrong::new("body.invalid", format!("The body could not be read: {error}")));
        Body::default()
    });
    let subject = Subject {
        client_reference: body.affiliate_reference_id.as_deref().map(Arc::from),
        ..Subject::default()
    };
    exchange(rapid, "reserve", &headers, subject, move |rapid, fault, now| {
        if let Some(answer) = forced(test.as_deref()) {
            return answer;
        }
        let Some(token) = token else {
            wrong.push(Wrong::new("token.required", "Token is required.").field(
                "token",
                "querystring",
                Value::Null,
            ));
            return invalid(wrong);
        };
        if wrong.is_empty() {
            check(&body, &mut wrong);
        }
        if !wrong.is_empty() {
            return invalid(wrong);
        }
        let Some(choice) = rapid.tokens.read_choice(Purpose::Book, &token) else {
            return link_invalid();
        };
        reserve(rapid, &body, choice, fault, now)
    })
    .await
}

/// Makes the itinerary, or says why not; all checks and the taking of units happen under one lock.
fn reserve(
    rapid: &Rapid,
    body: &Body,
    choice: Choice,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    let name = fault.map_or("", |fault| fault.name);
    let wanted = &choice.selection;
    let rooms = body.rooms.as_deref().unwrap_or_default();
    if rooms.len() != wanted.occupancies.len() {
        let message = "The number of rooms does not match the occupancies of the rate.";
        return invalid(vec![Wrong::new("rooms.invalid_count", message).field(
            "rooms",
            "body",
            rooms.len().to_string(),
        )]);
    }
    let hold = body.hold.unwrap_or(false);
    if hold && (!wanted.rate(&rapid.catalogue).terms.holdable() || rooms.len() > 1) {
        let message = "This rate cannot be held, or more than one room was asked for.";
        return invalid(vec![
            Wrong::new("hold.not_supported", message).field("hold", "body", true),
        ]);
    }
    rapid.with_world(|world| {
        if let Some(client_reference) = &body.affiliate_reference_id
            && !world.by_client_reference(client_reference).is_empty()
        {
            return errors::duplicate(client_reference);
        }
        if choice.expires_at <= now {
            return link_expired();
        }
        if name == "quoting_400" {
            return errors::quoting(rooms.iter().filter_map(|room| room.family_name.as_deref()));
        }
        if name == "price_changed" {
            world.move_price(wanted);
        }
        let priced = pricing::price(&rapid.catalogue, wanted, world.moved(wanted));
        if priced.total() != choice.total_minor {
            let write = |minor| priced.currency.write(minor);
            return errors::price_mismatch(&write(choice.total_minor), &write(priced.total()));
        }
        let needed = i64::try_from(rooms.len()).unwrap_or(1);
        if name == "sold_out" || world.left(wanted).is_some_and(|left| left < needed) {
            return errors::rooms_unavailable();
        }
        let mut made = reservation(rapid, world, body, &choice, now);
        made.price = distorted(priced, name);
        spoil(&mut made, fault, now);
        if name == "created_twice" {
            let mut twin = made.clone();
            twin.reference = world.mint_reference();
            world.add(twin);
        }
        let reference = made.reference;
        world.add(made);
        match (name, &body.affiliate_reference_id) {
            ("duplicate_reference_400", Some(client_reference)) => {
                let mut answer = errors::duplicate(client_reference);
                answer.reference = Some(reference);
                answer
            }
            ("wrong_reference", _) => {
                // The answer names an itinerary that nobody has; the one that was made has another
                // id.
                let nobody = world.mint_reference();
                let mut answer = created(rapid, world, nobody, hold.then_some(now));
                answer.reference = Some(reference);
                answer
            }
            _ => created(rapid, world, reference, hold.then_some(now)),
        }
    })
}

fn reservation(
    rapid: &Rapid,
    world: &mut World,
    body: &Body,
    choice: &Choice,
    now: DateTime<Utc>,
) -> Reservation {
    let reference = world.mint_reference();
    let room = |(at, room): (usize, &Room)| BookedRoom {
        id: format!("{}{at}", reference % 1_000_000_000),
        guest: Guest {
            given_name: room.given_name.clone().unwrap_or_default(),
            family_name: room.family_name.clone().unwrap_or_default(),
        },
        cancelled_at: None,
    };
    let phone = body.phone.as_ref().map(|phone| {
        json!({
            "country_code": phone.country_code,
            "area_code": phone.area_code,
            "number": phone.number,
        })
    });
    let payer = body.payments.as_deref().unwrap_or_default().first();
    Reservation {
        reference,
        client_reference: body.affiliate_reference_id.as_deref().map(Arc::from),
        email: body.email.clone().unwrap_or_default(),
        phone: phone.unwrap_or_default(),
        billing_contact: payer.and_then(|payer| payer.billing_contact.clone()).unwrap_or_default(),
        selection: choice.selection.clone(),
        price: pricing::price(&rapid.catalogue, &choice.selection, 1000),
        rooms: body.rooms.iter().flatten().enumerate().map(room).collect(),
        state: match body.hold {
            Some(true) => Standing::Held { until: now + rapid.config.hold_for },
            Some(false) | None => Standing::Booked,
        },
        before: None,
        created_at: now,
        invisible_for: rapid.config.visibility_lag,
    }
}

/// Makes something else than was asked for, as the fault says.
fn spoil(made: &mut Reservation, fault: Option<&Fault>, now: DateTime<Utc>) {
    let Some(fault) = fault else { return };
    match fault.name {
        "wrong_dates" => shift_dates(made),
        "wrong_guest" => rename_guest(made),
        "hold_lapses" => {
            if let Standing::Held { until } = &mut made.state {
                *until = now + fault.after(std::time::Duration::ZERO);
            }
        }
        "lookup_lag" => made.invisible_for = fault.after(super::VISIBILITY_LAG_PUBLISHED),
        _ => {}
    }
}

/// One day later than asked for.
pub(super) fn shift_dates(made: &mut Reservation) {
    made.selection.check_in = made.selection.check_in + Days::new(1);
    made.selection.check_out = made.selection.check_out + Days::new(1);
}

/// In somebody else's name.
pub(super) fn rename_guest(made: &mut Reservation) {
    if let Some(room) = made.rooms.first_mut() {
        room.guest = Guest { given_name: "Somebody".to_owned(), family_name: "Else".to_owned() };
    }
}

/// 201 with the links that apply. A held itinerary's links expire with the hold.
///
/// Published: links may expire and say when. That those of a hold do is assumed; nothing else tells
/// how long it stands.
fn created(rapid: &Rapid, world: &World, reference: u64, held_at: Option<DateTime<Utc>>) -> Answer {
    let href = format!("/v3/itineraries/{reference}?token={}", rapid.tokens.itinerary(reference));
    let mut links = json!({ "retrieve": { "method": "GET", "href": href } });
    if let Some(held_at) = held_at {
        let until = match world.get(reference).map(|made| made.state) {
            Some(Standing::Held { until }) => until,
            Some(Standing::Booked | Standing::Cancelled { .. }) | None => {
                held_at + rapid.config.hold_for
            }
        };
        let link =
            |method: &str| json!({ "method": method, "href": href, "expires": instant(until) });
        links["resume"] = link("PUT");
        links["cancel"] = link("DELETE");
    }
    let body = json!({ "itinerary_id": reference.to_string(), "links": links });
    let mut answer = Answer::of(StatusCode::CREATED, body);
    answer.reference = Some(reference);
    answer
}

/// The answer that the `Test` header of the book call asks for.
fn forced(test: Option<&str>) -> Option<Answer> {
    match test? {
        "service_unavailable" => Some(errors::unavailable()),
        "internal_server_error" => Some(errors::internal()),
        "price_mismatch" => Some(errors::price_mismatch("100.00", "120.00")),
        "rooms_unavailable" => Some(errors::rooms_unavailable()),
        "cc_declined" => Some(invalid(vec![Wrong::new("cc_declined", "The card was declined.")])),
        _ => None,
    }
}

/// Says everything that is wrong with the body.
fn check(body: &Body, wrong: &mut Vec<Wrong>) {
    if let Some(reference) = &body.affiliate_reference_id {
        check_client_reference(reference, wrong);
    }
    match body.email.as_deref() {
        None | Some("") => wrong.push(required("email")),
        Some(email) if !plausible_email(email) => {
            wrong.push(
                Wrong::new("email.invalid", "Customer email address is invalid.")
                    .field("email", "body", email),
            );
        }
        Some(_) => {}
    }
    match &body.phone {
        None => wrong.push(required("phone")),
        Some(phone) => {
            let parts = [&phone.country_code, &phone.area_code, &phone.number];
            if phone.country_code.as_deref().is_none_or(str::is_empty) {
                wrong.push(required("phone.country_code"));
            }
            if phone.number.as_deref().is_none_or(str::is_empty) {
                wrong.push(required("phone.number"));
            }
            if parts.into_iter().flatten().map(String::len).sum::<usize>() > 25 {
                wrong.push(Wrong::new(
                    "phone.invalid_length",
                    "A phone number has at most 25 characters.",
                ));
            }
        }
    }
    match body.rooms.as_deref() {
        None | Some([]) => wrong.push(required("rooms")),
        Some(rooms) => {
            for (at, room) in rooms.iter().enumerate() {
                check_name(&format!("rooms[{at}].given_name"), room.given_name.as_deref(), wrong);
                check_name(&format!("rooms[{at}].family_name"), room.family_name.as_deref(), wrong);
            }
        }
    }
    match body.payments.as_deref() {
        None | Some([]) => wrong.push(required("payments")),
        Some(payments) => check_payments(payments, wrong),
    }
}

fn required(name: &str) -> Wrong {
    let kind = format!("{name}.required");
    Wrong::new(kind, format!("{name} is required.")).field(name, "body", Value::Null)
}

fn check_client_reference(reference: &str, wrong: &mut Vec<Wrong>) {
    let mut say = |kind: &str, message: &str| {
        wrong.push(Wrong::new(kind, message).field("affiliate_reference_id", "body", reference));
    };
    if !(3..=28).contains(&reference.chars().count()) {
        let message = "Affiliate reference id must be between 3 and 28 characters.";
        say("affiliate_reference_id.invalid_length", message);
    }
    if reference.contains(['<', '>', '(', ')', '&']) {
        let message = "Affiliate reference id must not contain < > ( ) &.";
        say("affiliate_reference_id.invalid_characters", message);
    }
}

fn check_name(field: &str, name: Option<&str>, wrong: &mut Vec<Wrong>) {
    match name {
        None | Some("") => wrong.push(required(field)),
        Some(name) if name.chars().count() > 60 => {
            let kind = format!("{field}.invalid_length");
            wrong.push(
                Wrong::new(kind, "A name has at most 60 characters.").field(field, "body", name),
            );
        }
        Some(_) => {}
    }
}

fn check_payments(payments: &[Payment], wrong: &mut Vec<Wrong>) {
    let kinds = ["corporate_card", "customer_card", "virtual_card", "affiliate_collect"];
    for (at, payment) in payments.iter().enumerate() {
        let kind = payment.kind.as_deref().unwrap_or_default();
        if !kinds.contains(&kind) {
            let message = format!("The payment type is one of {kinds:?}.");
            wrong.push(Wrong::new("payments.type.invalid", message).field(
                "payments.type",
                "body",
                kind,
            ));
        }
        let Some(contact) = &payment.billing_contact else {
            wrong.push(required(&format!("payments[{at}].billing_contact")));
            continue;
        };
        for field in ["given_name", "family_name"] {
            let name = contact[field].as_str();
            check_name(&format!("payments[{at}].billing_contact.{field}"), name, wrong);
        }
        let country = contact["address"]["country_code"].as_str().unwrap_or_default();
        if country.len() != 2 || !country.bytes().all(|each| each.is_ascii_uppercase()) {
            let message = "Address country code is invalid.";
            let field = Wrong::new("address.country_code.invalid", message);
            wrong.push(field.field("country_code", "body", country));
        }
    }
}

/// Enough of RFC 822 to tell an address from a slip.
pub(super) fn plausible_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else { return false };
    !local.is_empty() && domain.contains('.') && !email.contains(char::is_whitespace)
}
