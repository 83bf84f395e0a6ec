//! The control interface of the Rapid double: the truth, faults, units, and what happens outside
//! the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Rapid;
use super::notifications::{EVENT_TYPES, Manner, Notice};
use super::pricing::{self, Currency, Occupancy, Selection};
use super::world::{BookedRoom, Guest, Reservation, State as Standing};
use crate::control::{problem, read};

#[derive(Deserialize)]
pub(super) struct Asked {
    client_reference: Option<String>,
}

/// `GET /rapid/truth`, narrowed by `?client_reference=`.
pub(super) async fn truth(State(rapid): State<Arc<Rapid>>, Query(asked): Query<Asked>) -> Response {
    let snapshot = rapid.with_world(|world| world.snapshot());
    // Tens of thousands of reservations take a while to write; other requests must not wait for it.
    let written = tokio::task::spawn_blocking(move || {
        snapshot.truth(asked.client_reference.as_deref()).to_string()
    });
    let headers = [(http::header::CONTENT_TYPE, "application/json")];
    (headers, written.await.unwrap()).into_response()
}

pub(super) async fn arm(State(rapid): State<Arc<Rapid>>, body: Bytes) -> Response {
    rapid.faults.arm(&body)
}

pub(super) async fn disarm(State(rapid): State<Arc<Rapid>>) -> Response {
    rapid.faults.clear()
}

pub(super) async fn armed(State(rapid): State<Arc<Rapid>>) -> Response {
    rapid.faults.list()
}

/// Where a redirect leads; whoever comes here followed it, and `/truth` shows it.
pub(super) async fn redirected(State(rapid): State<Arc<Rapid>>) -> Response {
    rapid.with_world(|world| {
        world.remember(super::world::Received {
            at: Utc::now(),
            operation: "redirected",
            client_reference: None,
            reference: None,
            answered: super::world::Answered::Status(200),
        });
    });
    axum::response::Html("<html><body>You followed a redirect</body></html>").into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    property_id: String,
    room_id: Option<String>,
    rate_id: Option<String>,
    units: Option<u32>,
}

/// `POST /rapid/inventory`: sets the units left of a room (all rooms when none is named); `null`
/// stops the count.
///
/// Rates of one room share its units, so naming a rate names its room.
pub(super) async fn inventory(State(rapid): State<Arc<Rapid>>, body: Bytes) -> Response {
    let asked: Units = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(property) = rapid.catalogue.find(&asked.property_id) else {
        return problem(StatusCode::NOT_FOUND, "no-such-property", &asked.property_id, Value::Null);
    };
    let named = |room: &super::catalogue::Room| {
        asked.room_id.as_ref().is_none_or(|id| *id == room.id)
            && asked.rate_id.as_ref().is_none_or(|id| room.rates.iter().any(|rate| rate.id == *id))
    };
    let rooms = &rapid.catalogue.properties[property].rooms;
    let chosen: Vec<usize> = (0..rooms.len()).filter(|at| named(&rooms[*at])).collect();
    if chosen.is_empty() {
        let detail = "the property has no such room or rate";
        return problem(StatusCode::NOT_FOUND, "no-such-room", detail, Value::Null);
    }
    rapid.with_world(|world| {
        for room in chosen {
            world.set_units(property, room, asked.units);
        }
    });
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notify {
    reference: Option<String>,
    client_reference: Option<String>,
    event_type: String,
    #[serde(default)]
    forged: bool,
    email: Option<String>,
    message: Option<String>,
}

/// `POST /rapid/notify`: pushes a notification now, about an itinerary that exists or about none.
pub(super) async fn notify(State(rapid): State<Arc<Rapid>>, body: Bytes) -> Response {
    let asked: Notify = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let known = EVENT_TYPES.into_iter().find(|known| asked.event_type == *known);
    let Some(event_type) = known else {
        let more = json!({ "event_types": EVENT_TYPES });
        return problem(StatusCode::BAD_REQUEST, "unknown-event-type", &asked.event_type, more);
    };
    let found = find(&rapid, asked.reference.as_deref(), asked.client_reference.as_deref());
    let mut notice = match found {
        Some(found) => Notice::about(&found, event_type),
        None => Notice {
            reference: asked.reference.unwrap_or_else(|| "8000000000000".to_owned()),
            client_reference: asked.client_reference.as_deref().map(Arc::from),
            email: "nobody@example.com".to_owned(),
            event_type,
            message: None,
        },
    };
    notice.message = asked.message;
    if let Some(email) = asked.email {
        notice.email = email;
    }
    rapid.notifier.tell(notice, if asked.forged { Manner::Forged } else { Manner::Plain });
    StatusCode::ACCEPTED.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    reference: Option<String>,
    client_reference: Option<String>,
    act: String,
}

/// `POST /rapid/act`: something happens outside the API. `cancel`: the property cancels; `lapse`: a
/// hold is rolled back.
pub(super) async fn act(State(rapid): State<Arc<Rapid>>, body: Bytes) -> Response {
    let asked: Act = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let found = find(&rapid, asked.reference.as_deref(), asked.client_reference.as_deref());
    let Some(found) = found else {
        return problem(
            StatusCode::NOT_FOUND,
            "no-such-reservation",
            "none is so named",
            Value::Null,
        );
    };
    let lapsed = match asked.act.as_str() {
        "cancel" => false,
        "lapse" => true,
        other => {
            let more = json!({ "acts": ["cancel", "lapse"] });
            return problem(StatusCode::BAD_REQUEST, "unknown-act", other, more);
        }
    };
    rapid.with_world(|world| {
        let standing = world.get(found.reference).map(|it| it.state);
        let applies = match standing {
            Some(Standing::Held { .. }) => true,
            Some(Standing::Booked) => !lapsed,
            Some(Standing::Cancelled { .. }) | None => false,
        };
        if applies {
            world.cancel(found.reference, Utc::now(), lapsed, "itinerary.supplier.cancel");
        }
    });
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    client_reference: String,
    property_id: Option<String>,
    check_in: NaiveDate,
    check_out: NaiveDate,
    #[serde(default = "confirmed")]
    state: String,
    #[serde(default = "plant_email")]
    email: String,
}

fn confirmed() -> String {
    "confirmed".to_owned()
}

fn plant_email() -> String {
    "planted@example.com".to_owned()
}

/// `POST /rapid/plant`: a reservation made behind everybody's back; the reference is not checked
/// for being unique.
pub(super) async fn plant(State(rapid): State<Arc<Rapid>>, body: Bytes) -> Response {
    let asked: Plant = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let property = match &asked.property_id {
        None => Some(0),
        Some(id) => rapid.catalogue.find(id),
    };
    let Some(property) = property.filter(|_| asked.check_in < asked.check_out) else {
        let detail = "the property must exist and the stay have a night";
        return problem(StatusCode::BAD_REQUEST, "bad-plant", detail, Value::Null);
    };
    let now = Utc::now();
    let selection = Selection {
        property,
        room: 0,
        rate: 0,
        check_in: asked.check_in,
        check_out: asked.check_out,
        occupancies: vec![Occupancy { adults: 2, children: Vec::new() }],
        currency: Currency::Eur,
    };
    let reference = rapid.with_world(|world| {
        let reference = world.mint_reference();
        let guest = Guest { given_name: "Planted".to_owned(), family_name: "Guest".to_owned() };
        world.add(Reservation {
            reference,
            client_reference: Some(Arc::from(asked.client_reference.as_str())),
            email: asked.email,
            phone: Value::Null,
            billing_contact: Value::Null,
            price: pricing::price(&rapid.catalogue, &selection, 1000),
            selection,
            rooms: vec![BookedRoom {
                id: format!("{}0", reference % 1_000_000_000),
                guest,
                cancelled_at: None,
            }],
            state: match asked.state.as_str() {
                "held" => Standing::Held { until: now + rapid.config.hold_for },
                _ => Standing::Booked,
            },
            before: None,
            created_at: now,
            invisible_for: std::time::Duration::ZERO,
        });
        reference
    });
    (StatusCode::CREATED, Json(json!({ "reference": reference.to_string() }))).into_response()
}

/// The reservation so named; of several under one client reference the oldest.
fn find(
    rapid: &Rapid,
    reference: Option<&str>,
    client_reference: Option<&str>,
) -> Option<Arc<Reservation>> {
    rapid.with_world(|world| match (reference, client_reference) {
        (Some(reference), _) => world.get(reference.parse().ok()?).cloned(),
        (None, Some(client_reference)) => {
            world.by_client_reference(client_reference).first().cloned()
        }
        (None, None) => None,
    })
}
