//! The control interface of the ETG double: the truth, faults, rooms, and what happens outside the
//! API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Etg;
use super::catalogue::{self, Choice, Rate};
use super::world::{Notice, Order, Received};
use crate::control::{problem, read};

#[derive(Deserialize)]
pub(super) struct Asked {
    client_reference: Option<String>,
}

/// `GET /etg/truth`, narrowed by `?client_reference=`.
pub(super) async fn truth(State(etg): State<Arc<Etg>>, Query(asked): Query<Asked>) -> Response {
    Json(etg.with_world(|world| world.truth(asked.client_reference.as_deref()))).into_response()
}

pub(super) async fn arm(State(etg): State<Arc<Etg>>, body: Bytes) -> Response {
    etg.faults.arm(&body)
}

pub(super) async fn disarm(State(etg): State<Arc<Etg>>) -> Response {
    etg.faults.clear()
}

pub(super) async fn armed(State(etg): State<Arc<Etg>>) -> Response {
    etg.faults.list()
}

/// Where a redirect leads; whoever comes here followed it, and `/truth` shows it.
pub(super) async fn redirected(State(etg): State<Arc<Etg>>) -> Response {
    etg.with_world(|world| {
        world.remember(Received {
            at: Utc::now(),
            operation: "redirected",
            partner_order_id: None,
            status: Some(200),
        });
    });
    axum::response::Html("<html><body>You followed a redirect</body></html>").into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Units {
    property_id: String,
    units: Option<u32>,
}

/// `POST /etg/inventory`: sets the rooms left of every kind; `null` stops the count.
pub(super) async fn inventory(State(etg): State<Arc<Etg>>, body: Bytes) -> Response {
    let asked: Units = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(hid) = asked.property_id.parse().ok().and_then(catalogue::find) else {
        return problem(StatusCode::NOT_FOUND, "no-such-property", &asked.property_id, Value::Null);
    };
    etg.with_world(|world| (0..3).for_each(|room| world.set_rooms(hid, room, asked.units)));
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
}

/// `POST /etg/notify`: pushes a webhook now, about an order that exists or about none.
pub(super) async fn notify(State(etg): State<Arc<Etg>>, body: Bytes) -> Response {
    let asked: Notify = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let known = ["completed", "failed"].into_iter().find(|known| *known == asked.event_type);
    let Some(status) = known else {
        let more = json!({ "event_types": ["completed", "failed"] });
        return problem(StatusCode::BAD_REQUEST, "unknown-event-type", &asked.event_type, more);
    };
    let found = find(&etg, asked.reference.as_deref(), asked.client_reference.as_deref());
    let named = found.map(|order| order.partner_order_id);
    let own = named.unwrap_or_else(|| Arc::from(asked.client_reference.unwrap_or_default()));
    if let Some(pusher) = &etg.pusher {
        pusher.tell_plain(&Notice { partner_order_id: own, status }, asked.forged);
    }
    StatusCode::ACCEPTED.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    reference: Option<String>,
    client_reference: Option<String>,
    act: String,
}

const ACTS: [&str; 3] = ["cancel", "reject", "no_show"];

/// `POST /etg/act`: something happens outside the API. `cancel`: the hotel cancels; `reject`: it
/// does not take what was bought; `no_show`: nobody came.
pub(super) async fn act(State(etg): State<Arc<Etg>>, body: Bytes) -> Response {
    let asked: Act = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    if !ACTS.contains(&asked.act.as_str()) {
        let more = json!({ "acts": ACTS });
        return problem(StatusCode::BAD_REQUEST, "unknown-act", &asked.act, more);
    }
    let found = find(&etg, asked.reference.as_deref(), asked.client_reference.as_deref());
    let Some(order) = found else {
        let detail = "none is so named";
        return problem(StatusCode::NOT_FOUND, "no-such-reservation", detail, Value::Null);
    };
    etg.with_world(|world| match asked.act.as_str() {
        "cancel" => world.cancel(order.order_id, Utc::now(), 0),
        "no_show" => world.miss(order.order_id),
        _ => world.turn_down(order.order_id),
    });
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    client_reference: String,
    check_in: NaiveDate,
    check_out: NaiveDate,
}

/// `POST /etg/plant`: an order made behind everybody's back.
pub(super) async fn plant(State(etg): State<Arc<Etg>>, body: Bytes) -> Response {
    let asked: Plant = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    if asked.check_in >= asked.check_out {
        return problem(StatusCode::BAD_REQUEST, "bad-plant", "no night", Value::Null);
    }
    let choice = Choice {
        hid: 8_473_001,
        room: 0,
        rate: Rate::Flexible,
        checkin: asked.check_in,
        checkout: asked.check_out,
        adults: 2,
        children: Vec::new(),
    };
    let reference = etg.with_world(|world| {
        let order_id = world.mint();
        world.orders.push(Order {
            order_id,
            partner_order_id: Arc::from(asked.client_reference.as_str()),
            price: choice.price(1000),
            choice,
            guests: vec![("Planted".to_owned(), "Guest".to_owned())],
            created_at: Utc::now(),
            cancelled: None,
            rejected: false,
            no_show: false,
            hidden: std::time::Duration::ZERO,
        });
        order_id
    });
    (StatusCode::CREATED, Json(json!({ "reference": reference.to_string() }))).into_response()
}

/// The order so named; of several under one reference the oldest.
fn find(etg: &Etg, reference: Option<&str>, own: Option<&str>) -> Option<Order> {
    let is_named = |order: &&Order| match (reference, own) {
        (Some(reference), _) => order.order_id.to_string() == reference,
        (None, Some(own)) => *order.partner_order_id == *own,
        (None, None) => false,
    };
    etg.with_world(|world| world.orders.iter().find(is_named).cloned())
}
