//! The control interface of the Duffel double: the truth, faults, and what happens outside the API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Order, Received};
use super::{Duffel, shown};
use crate::control::{problem, read};

#[derive(Deserialize)]
pub(super) struct Asked {
    client_reference: Option<String>,
}

/// `GET /duffel/truth`, narrowed by `?client_reference=`.
pub(super) async fn truth(
    State(duffel): State<Arc<Duffel>>,
    Query(asked): Query<Asked>,
) -> Response {
    let asked = asked.client_reference;
    Json(duffel.with_world(|world| world.truth(asked.as_deref()))).into_response()
}

pub(super) async fn arm(State(duffel): State<Arc<Duffel>>, body: Bytes) -> Response {
    duffel.faults.arm(&body)
}

pub(super) async fn disarm(State(duffel): State<Arc<Duffel>>) -> Response {
    duffel.faults.clear()
}

pub(super) async fn armed(State(duffel): State<Arc<Duffel>>) -> Response {
    duffel.faults.list()
}

/// Where a redirect leads; whoever comes here followed it, and `/truth` shows it.
pub(super) async fn redirected(State(duffel): State<Arc<Duffel>>) -> Response {
    duffel.with_world(|world| {
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
struct Act {
    reference: Option<String>,
    client_reference: Option<String>,
    act: String,
    /// By how much the flights are moved; a day where it is not said.
    hours: Option<i16>,
}

/// `POST /duffel/act`: something happens outside the API. `cancel`: the airline cancels; `lapse`:
/// the space of a hold is released early; `schedule_change`: the flights leave so many `hours`
/// later, a day where none are said.
pub(super) async fn act(State(duffel): State<Arc<Duffel>>, body: Bytes) -> Response {
    let asked: Act = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    if !["cancel", "lapse", "schedule_change"].contains(&asked.act.as_str()) {
        let more = json!({ "acts": ["cancel", "lapse", "schedule_change"] });
        return problem(StatusCode::BAD_REQUEST, "unknown-act", &asked.act, more);
    }
    let now = Utc::now();
    let acted = duffel.with_world(|world| {
        let named = |order: &&mut Order| match (&asked.reference, &asked.client_reference) {
            (Some(reference), _) => order.id == *reference,
            (None, named) => order.client_reference() == named.as_deref(),
        };
        let order = world.orders.iter_mut().find(named)?;
        if asked.act == "schedule_change" {
            let later = TimeDelta::hours(asked.hours.unwrap_or(24).into());
            for flight in &mut order.offer.slices {
                flight.departs_at += later;
                flight.arrives_at += later;
            }
        } else {
            order.cancelled_at = order.cancelled_at.or(Some(now));
        }
        Some(order.clone())
    });
    let Some(order) = acted else {
        return problem(StatusCode::NOT_FOUND, "no-such-order", "none is so named", Value::Null);
    };
    if asked.act != "lapse" {
        let key = format!("aic_{}", now.timestamp_micros());
        let shown = shown::order(&order);
        duffel.tell("order.airline_initiated_change_detected", &key, &shown);
    }
    StatusCode::NO_CONTENT.into_response()
}
