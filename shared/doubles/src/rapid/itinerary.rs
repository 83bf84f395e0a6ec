//! Itineraries that exist: retrieve, resume a hold, cancel.
//!
//! Published (spec: getReservation, getReservationByItineraryId, putResumeBooking,
//! deleteHeldBooking, deleteRoom): a new itinerary may be missing, or show only its id and creation
//! time, for a while; 204 when done, 202 when accepted with the state unknown;
//! `room_already_cancelled`; links for resuming and cancelling are in the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::book::{plausible_email, rename_guest, shift_dates};
use super::errors::{self, Wrong, invalid, link_expired, link_invalid, not_found};
use super::exchange::{Answer, Subject, exchange};
use super::query::{Pairs, value};
use super::shop::distorted;
use super::world::{BookedRoom, Reservation, State as Standing, instant};
use super::{Rapid, VISIBILITY_LAG_PUBLISHED, pricing};
use crate::faults::Fault;

/// Published: required on book, retrieve, resume and cancel. The name of the error is assumed.
pub(super) fn require_customer_ip(headers: &HeaderMap, wrong: &mut Vec<Wrong>) {
    let given = headers.get("customer-ip").and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();
    if given.parse::<std::net::IpAddr>().is_err() {
        let kind = if given.is_empty() { "customer_ip.required" } else { "customer_ip.invalid" };
        let message = "Customer-Ip header must be the customer's IP address.";
        wrong.push(Wrong::new(kind, message).field("Customer-Ip", "header", given));
    }
}

/// `GET /v3/itineraries?affiliate_reference_id=&email=`: an array, empty when nothing is found.
pub(super) async fn retrieve_by_client_reference(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let client_reference = value(&query, "affiliate_reference_id").unwrap_or_default().to_owned();
    let email = value(&query, "email").unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    require_customer_ip(&headers, &mut wrong);
    if client_reference.is_empty() || client_reference.chars().count() > 28 {
        let message = "Affiliate reference id is required and has at most 28 characters.";
        wrong.push(Wrong::new("affiliate_reference_id.invalid", message).field(
            "affiliate_reference_id",
            "querystring",
            client_reference.clone(),
        ));
    }
    if !plausible_email(&email) {
        wrong.push(Wrong::new("email.invalid", "Customer email address is invalid.").field(
            "email",
            "querystring",
            email.clone(),
        ));
    }
    let subject = Subject {
        client_reference: Some(Arc::from(client_reference.as_str())),
        ..Subject::default()
    };
    exchange(rapid, "lookup", &headers, subject, move |rapid, fault, now| {
        if !wrong.is_empty() {
            return invalid(wrong);
        }
        let found = rapid.with_world(|world| world.by_client_reference(&client_reference));
        let reference = found.first().map(|it| it.reference);
        let shown: Vec<Value> = found
            .iter()
            .filter(|it| it.email.eq_ignore_ascii_case(&email))
            .filter_map(|it| show(rapid, it, fault, now))
            .collect();
        let mut answer = Answer::of(StatusCode::OK, Value::Array(shown));
        answer.reference = reference;
        answer
    })
    .await
}

/// `GET /v3/itineraries/{itinerary_id}?token=` or `?email=`
pub(super) async fn retrieve(
    State(rapid): State<Arc<Rapid>>,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let mut wrong = Vec::new();
    require_customer_ip(&headers, &mut wrong);
    let token = value(&query, "token").map(str::to_owned);
    let email = value(&query, "email").map(str::to_owned);
    if token.is_none() && email.is_none() {
        let message = "Email is required if the token is not provided.";
        wrong.push(Wrong::new("email.required", message).field(
            "email",
            "querystring",
            Value::Null,
        ));
    }
    let reference: Option<u64> = reference.parse().ok();
    let subject = Subject { reference, ..Subject::default() };
    exchange(rapid, "lookup", &headers, subject, move |rapid, fault, now| {
        if !wrong.is_empty() {
            return invalid(wrong);
        }
        if let Some(token) = &token
            && rapid.tokens.read_itinerary(token) != reference
        {
            return link_invalid();
        }
        let found = reference.and_then(|it| rapid.with_world(|world| world.get(it).cloned()));
        let found = found.filter(|it| {
            token.is_some()
                || email.as_deref().is_some_and(|email| it.email.eq_ignore_ascii_case(email))
        });
        match found.and_then(|it| show(rapid, &it, fault, now)) {
            Some(body) => Answer::of(StatusCode::OK, body),
            None => not_found(),
        }
    })
    .await
}

/// `PUT /v3/itineraries/{itinerary_id}?token=`: resumes a hold.
///
/// A hold that is over answers `link.expired`; one that is no hold (resumed before, cancelled)
/// `link.invalid`.
pub(super) async fn resume(
    State(rapid): State<Arc<Rapid>>,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let (subject, checked) = read_link(&rapid, &reference, &headers, &query);
    exchange(rapid, "confirm", &headers, subject, move |rapid, fault, now| {
        let reference = match checked {
            Ok(reference) => reference,
            Err(answer) => return *answer,
        };
        rapid.with_world(|world| {
            let name = fault.map_or("", |fault| fault.name);
            if matches!(name, "confirm_refused" | "hold_lapses")
                && matches!(world.get(reference).map(|it| it.state), Some(Standing::Held { .. }))
            {
                world.cancel(reference, now, true, "itinerary.supplier.cancel");
            }
            match world.get(reference).map(|it| it.state) {
                None => not_found(),
                // The supplier took the room back and knows nothing of it any more.
                Some(_) if name == "confirm_refused" => not_found(),
                Some(Standing::Cancelled { lapsed: true, .. }) => link_expired(),
                Some(Standing::Cancelled { .. } | Standing::Booked) => link_invalid(),
                Some(Standing::Held { .. }) => {
                    world.confirm(reference);
                    Answer::empty(StatusCode::NO_CONTENT)
                }
            }
        })
    })
    .await
}

/// `DELETE /v3/itineraries/{itinerary_id}?token=`: cancels a hold, or every room of a booking.
pub(super) async fn cancel(
    State(rapid): State<Arc<Rapid>>,
    Path(reference): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let (subject, checked) = read_link(&rapid, &reference, &headers, &query);
    exchange(rapid, "cancel", &headers, subject, move |rapid, fault, now| match checked {
        Err(answer) => *answer,
        Ok(reference) => undo(rapid, reference, None, fault, now),
    })
    .await
}

/// `DELETE /v3/itineraries/{itinerary_id}/rooms/{room_id}?token=`: cancels one booked room.
pub(super) async fn cancel_room(
    State(rapid): State<Arc<Rapid>>,
    Path((reference, room)): Path<(String, String)>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let (subject, checked) = read_link(&rapid, &reference, &headers, &query);
    exchange(rapid, "cancel", &headers, subject, move |rapid, fault, now| match checked {
        Err(answer) => *answer,
        Ok(reference) => undo(rapid, reference, Some(&room), fault, now),
    })
    .await
}

fn undo(
    rapid: &Rapid,
    reference: u64,
    room: Option<&str>,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    rapid.with_world(|world| {
        let Some(reservation) = world.get(reference).cloned() else { return not_found() };
        let already = match room {
            None => matches!(reservation.state, Standing::Cancelled { .. }),
            Some(room) => match reservation.rooms.iter().find(|it| it.id == room) {
                None => return link_invalid(),
                Some(_) if matches!(reservation.state, Standing::Held { .. }) => {
                    return link_invalid();
                }
                Some(room) => room.cancelled_at.is_some(),
            },
        };
        if already {
            return errors::plain(
                StatusCode::BAD_REQUEST,
                "room_already_cancelled",
                "Room is already cancelled.",
            );
        }
        if fault.is_some_and(|fault| fault.name == "cancel_refused") {
            let message = "This room can not be cancelled any more.";
            return invalid(vec![Wrong::new("cancel.post_checkout", message)]);
        }
        match room {
            None => world.cancel(reference, now, false, "itinerary.agent.cancel"),
            Some(room) => world.cancel_room(reference, room, now),
        }
        Answer::empty(StatusCode::NO_CONTENT)
    })
}

/// Reads the link of a resume or a cancellation: the token must be the itinerary's.
pub(super) fn read_link(
    rapid: &Rapid,
    reference: &str,
    headers: &HeaderMap,
    query: &Pairs,
) -> (Subject, Result<u64, Box<Answer>>) {
    let reference: Option<u64> = reference.parse().ok();
    let subject = Subject { reference, ..Subject::default() };
    let mut wrong = Vec::new();
    require_customer_ip(headers, &mut wrong);
    if !wrong.is_empty() {
        return (subject, Err(Box::new(invalid(wrong))));
    }
    let sealed = value(query, "token").and_then(|token| rapid.tokens.read_itinerary(token));
    let checked = match (sealed, reference) {
        (Some(sealed), Some(reference)) if sealed == reference => Ok(reference),
        _ => Err(Box::new(link_invalid())),
    };
    (subject, checked)
}

/// An itinerary as a look-up shows it at `now`, or nothing while it cannot be seen.
///
/// In the first half of its lag it is not there at all; in the second only its id and creation time
/// are.
fn show(
    rapid: &Rapid,
    reservation: &Reservation,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Option<Value> {
    let name = fault.map_or("", |fault| fault.name);
    let lag = match fault {
        Some(fault) if name == "lookup_lag" => fault.after(VISIBILITY_LAG_PUBLISHED),
        _ => Duration::ZERO,
    };
    let lag = lag.max(reservation.invisible_for);
    let age = (now - reservation.created_at).to_std().unwrap_or(Duration::ZERO);
    if age < lag / 2 || name == "lookup_empty" {
        return None;
    }
    if age < lag {
        return Some(json!({
            "itinerary_id": reservation.reference.to_string(),
            "creation_date_time": instant(reservation.created_at),
        }));
    }
    let mut shown = reservation.clone();
    match name {
        "lookup_stale" => shown.state = stale(&mut shown)?,
        "wrong_dates" => shift_dates(&mut shown),
        "wrong_guest" => rename_guest(&mut shown),
        "wrong_price" | "wrong_currency" => shown.price = distorted(shown.price, name),
        "wrong_reference" => {
            shown.reference += 500_000_000;
            shown.client_reference = Some(Arc::from("somebody-elses"));
        }
        _ => {}
    }
    let mut shown = itinerary_json(rapid, &shown, now);
    if name == "wrong_room" {
        shown["rooms"][0]["rate"]["id"] = json!("999999999");
    }
    Some(shown)
}

/// The state before the last change; a reservation that never changed is not there yet.
fn stale(shown: &mut Reservation) -> Option<Standing> {
    let before = shown.before?;
    for room in &mut shown.rooms {
        room.cancelled_at = None;
    }
    Some(before)
}

/// Writes an itinerary. A held one has `pending` rooms and links to resume and cancel; a booked one
/// has rooms that can be cancelled.
fn itinerary_json(rapid: &Rapid, it: &Reservation, now: DateTime<Utc>) -> Value {
    let property = it.selection.property(&rapid.catalogue);
    let token = rapid.tokens.itinerary(it.reference);
    let href = format!("/v3/itineraries/{}?token={token}", it.reference);
    let links = match it.state {
        Standing::Held { until } => json!({
            "resume": { "method": "PUT", "href": href, "expires": instant(until) },
            "cancel": { "method": "DELETE", "href": href, "expires": instant(until) },
        }),
        Standing::Booked => json!({ "cancel": { "method": "DELETE", "href": href } }),
        Standing::Cancelled { .. } => json!({}),
    };
    let rooms: Vec<Value> = it
        .rooms
        .iter()
        .enumerate()
        .map(|(at, room)| room_json(rapid, it, (at, room), &token, now))
        .collect();
    let mut body = json!({
        "itinerary_id": it.reference.to_string(),
        "property_id": property.id,
        "links": links,
        "email": it.email,
        "phone": it.phone,
        "rooms": rooms,
        "billing_contact": it.billing_contact,
        "creation_date_time": instant(it.created_at),
        "travel_purpose": "unspecified",
    });
    if let Some(client_reference) = &it.client_reference {
        body["affiliate_reference_id"] = json!(&**client_reference);
    }
    body
}

fn room_json(
    rapid: &Rapid,
    it: &Reservation,
    (at, room): (usize, &BookedRoom),
    token: &str,
    now: DateTime<Utc>,
) -> Value {
    let catalogue = &rapid.catalogue;
    let rate = it.selection.rate(catalogue);
    let guests = &it.selection.occupancies[at];
    let price = &it.price.rooms[at];
    let currency = it.price.currency;
    let windows = pricing::windows(catalogue, &it.selection, it.created_at);
    let status = match (it.state, room.cancelled_at) {
        (Standing::Cancelled { .. }, _) | (_, Some(_)) => "canceled",
        (Standing::Held { .. }, None) => "pending",
        (Standing::Booked, None) => "booked",
    };
    let mut body = json!({
        "id": room.id,
        "bed_group_id": it.selection.room(catalogue).bed_group,
        "checkin": it.selection.check_in.to_string(),
        "checkout": it.selection.check_out.to_string(),
        "number_of_adults": guests.adults,
        "child_ages": guests.children,
        "given_name": room.guest.given_name,
        "family_name": room.guest.family_name,
        "status": status,
        "smoking": false,
        "rate": {
            "id": rate.id,
            "merchant_of_record": "expedia",
            "refundable": rate.terms.refundable(),
            "amenities": [],
            "cancel_penalties": pricing::penalties_json(&windows, currency),
            "nonrefundable_date_ranges": pricing::nonrefundable_ranges(catalogue, &it.selection),
            "pricing": pricing::pricing_json(price, currency, false),
        },
        "links": {},
    });
    if status == "booked" {
        let href = format!("/v3/itineraries/{}/rooms/{}?token={token}", it.reference, room.id);
        body["links"] = json!({
            "cancel": { "method": "DELETE", "href": href },
            "change": { "method": "PUT", "href": href },
        });
        body["confirmation_id"] = json!({
            "expedia": format!("{}", it.reference % 10_000_000_000),
            "property": format!("P{}", it.reference % 1_000_000),
        });
    }
    let was_booked = it.before == Some(Standing::Booked) || it.state == Standing::Booked;
    if status == "canceled" && was_booked {
        let kept = pricing::fee(&windows, price, room.cancelled_at.unwrap_or(now));
        let refund = currency.write(price.inclusive() - kept);
        body["rate"]["cancel_refund"] = json!({ "amount": refund, "currency": currency.code() });
    }
    body
}
