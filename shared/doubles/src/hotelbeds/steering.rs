//! The control interface of the Hotelbeds double: the truth, faults, places, and what happens
//! outside the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{NaiveDate, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Hotelbeds;
use super::catalogue::Chosen;
use super::world::{Booking, Pax, Received, State as Standing};
use crate::control::{problem, read};

#[derive(Deserialize)]
pub(super) struct Asked {
    client_reference: Option<String>,
}

/// `GET /hotelbeds/truth`, narrowed by `?client_reference=`.
pub(super) async fn truth(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    Query(asked): Query<Asked>,
) -> Response {
    let asked = asked.client_reference;
    Json(hotelbeds.with_world(|world| world.truth(asked.as_deref()))).into_response()
}

pub(super) async fn arm(State(hotelbeds): State<Arc<Hotelbeds>>, body: Bytes) -> Response {
    hotelbeds.faults.arm(&body)
}

pub(super) async fn disarm(State(hotelbeds): State<Arc<Hotelbeds>>) -> Response {
    hotelbeds.faults.clear()
}

pub(super) async fn armed(State(hotelbeds): State<Arc<Hotelbeds>>) -> Response {
    hotelbeds.faults.list()
}

/// Where a redirect leads; whoever comes here followed it, and `/truth` shows it.
pub(super) async fn redirected(State(hotelbeds): State<Arc<Hotelbeds>>) -> Response {
    hotelbeds.with_world(|world| {
        world.remember(Received {
            at: Utc::now(),
            operation: "redirected",
            client_reference: None,
            reference: None,
            status: Some(200),
        });
    });
    axum::response::Html("<html><body>You followed a redirect</body></html>").into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    code: String,
    units: Option<u32>,
}

/// `POST /hotelbeds/inventory`: sets the places of every modality of an activity on any day; `null`
/// stops the count.
pub(super) async fn inventory(State(hotelbeds): State<Arc<Hotelbeds>>, body: Bytes) -> Response {
    let asked: Places = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let Some(at) = hotelbeds.catalogue.find(&asked.code) else {
        return problem(StatusCode::NOT_FOUND, "no-such-activity", &asked.code, Value::Null);
    };
    hotelbeds.with_world(|world| {
        for modality in 0..hotelbeds.catalogue.activities[at].modalities.len() {
            world.set_places((at, modality), asked.units);
        }
    });
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    reference: Option<String>,
    client_reference: Option<String>,
    act: String,
}

/// `POST /hotelbeds/act`: something happens outside the API. `cancel`: the operator cancels;
/// `lapse`: a preconfirmation ends early.
pub(super) async fn act(State(hotelbeds): State<Arc<Hotelbeds>>, body: Bytes) -> Response {
    let asked: Act = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let lapses = match asked.act.as_str() {
        "cancel" => false,
        "lapse" => true,
        other => {
            let more = json!({ "acts": ["cancel", "lapse"] });
            return problem(StatusCode::BAD_REQUEST, "unknown-act", other, more);
        }
    };
    hotelbeds.with_world(|world| {
        let named = |booking: &&Booking| match (&asked.reference, &asked.client_reference) {
            (Some(reference), _) => booking.reference == *reference,
            (None, named) => booking.client_reference.as_deref() == named.as_deref(),
        };
        let found = world.all().find(named).map(|it| (it.reference.clone(), it.state));
        let Some((reference, state)) = found else {
            let detail = "none is so named";
            return problem(StatusCode::NOT_FOUND, "no-such-booking", detail, Value::Null);
        };
        let applies = match state {
            Standing::Preconfirmed { .. } => true,
            Standing::Confirmed => !lapses,
            Standing::Cancelled { .. } => false,
        };
        if applies {
            world.cancel(&reference, Utc::now(), 0);
        }
        StatusCode::NO_CONTENT.into_response()
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    client_reference: String,
    from: NaiveDate,
    holder: (String, String),
}

/// `POST /hotelbeds/plant`: a booking made behind everybody's back.
pub(super) async fn plant(State(hotelbeds): State<Arc<Hotelbeds>>, body: Bytes) -> Response {
    let asked: Plant = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let chosen = Chosen { activity: 0, modality: 0, rate: 0, from: asked.from, to: asked.from };
    let reference = hotelbeds.with_world(|world| {
        let reference = world.mint_reference();
        let pax = Pax { name: "Planted".to_owned(), surname: "Guest".to_owned(), age: 30 };
        world.add(Booking {
            reference: reference.clone(),
            client_reference: Some(Arc::from(asked.client_reference.as_str())),
            holder: asked.holder,
            chosen,
            currency: hotelbeds.catalogue.activities[0].currency.to_owned(),
            total: hotelbeds.catalogue.total(&chosen, &[30], 1000),
            paxes: vec![pax],
            state: Standing::Confirmed,
            before: None,
            charged: 0,
            created_at: Utc::now(),
            invisible_for: std::time::Duration::ZERO,
        });
        reference
    });
    (StatusCode::CREATED, Json(json!({ "reference": reference }))).into_response()
}
