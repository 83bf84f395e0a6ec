//! Changing the details of a booked room: a soft change, for nothing.
//!
//! Published (spec: changeRoomDetails): the link is in the answer of a retrieve; only what changes
//! is in the body, of given and family name (60 characters at most), smoking, special request and
//! loyalty; 204 when done, 202 when accepted with the state unknown; `link.invalid`;
//! `resource_not_found`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::Rapid;
use super::errors::{Wrong, invalid, link_invalid, not_found};
use super::exchange::{Answer, exchange};
use super::itinerary::read_link;
use super::query::Pairs;
use super::world::{Guest, State as Standing};

/// Published: at most so many characters of a name.
const NAME_MAX: usize = 60;

/// The body. That other fields are refused is assumed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    given_name: Option<String>,
    family_name: Option<String>,
    #[serde(rename = "smoking")]
    _smoking: Option<bool>,
    #[serde(rename = "special_request")]
    _special_request: Option<String>,
    #[serde(rename = "loyalty_id")]
    _loyalty_id: Option<String>,
    #[serde(rename = "loyalty")]
    _loyalty: Option<Value>,
}

/// `PUT /v3/itineraries/{itinerary_id}/rooms/{room_id}?token=`
pub(super) async fn change_room(
    State(rapid): State<Arc<Rapid>>,
    Path((reference, room)): Path<(String, String)>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
    bytes: Bytes,
) -> Response {
    let (subject, checked) = read_link(&rapid, &reference, &headers, &query);
    exchange(rapid, "amend", &headers, subject, move |rapid, fault, _now| {
        let reference = match checked {
            Ok(reference) => reference,
            Err(answer) => return *answer,
        };
        let body = match read(&bytes) {
            Ok(body) => body,
            Err(wrong) => return invalid(wrong),
        };
        rapid.with_world(|world| {
            let Some(reservation) = world.get(reference).cloned() else { return not_found() };
            let booked = reservation.rooms.iter().find(|it| it.id == room);
            let booked = booked.filter(|it| it.cancelled_at.is_none());
            // Assumed: what is held or cancelled has no link, so no token holds for it.
            let Some(booked) = booked.filter(|_| reservation.state == Standing::Booked) else {
                return link_invalid();
            };
            if fault.is_some_and(|fault| fault.name == "amend_refused") {
                return link_invalid();
            }
            let known = booked.guest.clone();
            let guest = Guest {
                given_name: body.given_name.unwrap_or(known.given_name),
                family_name: body.family_name.unwrap_or(known.family_name),
            };
            world.rename(reference, &room, guest);
            Answer::empty(StatusCode::NO_CONTENT)
        })
    })
    .await
}

/// The names of the errors are assumed.
fn read(bytes: &Bytes) -> Result<Body, Vec<Wrong>> {
    let body: Body = serde_json::from_slice(bytes).map_err(|error| {
        vec![Wrong::new("body.invalid", format!("The body could not be read: {error}"))]
    })?;
    let names = [("given_name", &body.given_name), ("family_name", &body.family_name)];
    let odd = |name: &str| name.trim().is_empty() || name.chars().count() > NAME_MAX;
    let wrong = names.iter().filter_map(|(field, name)| {
        let name = name.as_deref().filter(|name| odd(name))?;
        let message = "A name has 1 to 60 characters.";
        Some(Wrong::new(format!("{field}.invalid"), message).field(field, "body", name))
    });
    let wrong: Vec<Wrong> = wrong.collect();
    if wrong.is_empty() { Ok(body) } else { Err(wrong) }
}
