//! The control interface of the partner's double: the truth, faults, and what happens outside the
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

use super::Neutral;
use super::world::{Chosen, Received, Reservation, State as Standing};
use crate::control::{problem, read};

#[derive(Deserialize)]
pub(super) struct Asked {
    client_reference: Option<String>,
}

/// `GET /neutral/truth`, narrowed by `?client_reference=`.
pub(super) async fn truth(
    State(neutral): State<Arc<Neutral>>,
    Query(asked): Query<Asked>,
) -> Response {
    let asked = asked.client_reference;
    Json(neutral.with_world(|world| world.truth(asked.as_deref()))).into_response()
}

pub(super) async fn arm(State(neutral): State<Arc<Neutral>>, body: Bytes) -> Response {
    neutral.faults.arm(&body)
}

pub(super) async fn disarm(State(neutral): State<Arc<Neutral>>) -> Response {
    neutral.faults.clear()
}

pub(super) async fn armed(State(neutral): State<Arc<Neutral>>) -> Response {
    neutral.faults.list()
}

/// Where a redirect leads; whoever comes here followed it, and `/truth` shows it.
pub(super) async fn redirected(State(neutral): State<Arc<Neutral>>) -> Response {
    neutral.with_world(|world| {
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
    client_reference: String,
    act: String,
}

/// `POST /neutral/act`: something happens outside the API. `cancel`: the house cancels; `lapse`: a
/// hold ends early; `no_show`: nobody came.
pub(super) async fn act(State(neutral): State<Arc<Neutral>>, body: Bytes) -> Response {
    let asked: Act = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let state = match asked.act.as_str() {
        "cancel" => Standing::Cancelled,
        "lapse" => Standing::Expired,
        "no_show" => Standing::NoShow,
        other => {
            let more = json!({ "acts": ["cancel", "lapse", "no_show"] });
            return problem(StatusCode::BAD_REQUEST, "unknown-act", other, more);
        }
    };
    let shown = neutral.with_world(|world| {
        let mut all = world.all();
        let reference = all.find(|it| it.client_reference == asked.client_reference);
        let reference = reference.map(|it| it.reference.clone())?;
        drop(all);
        world.become_state(&reference, state);
        world.get(&reference).map(Reservation::shown)
    });
    let Some(shown) = shown else {
        let detail = "none is so named";
        return problem(StatusCode::NOT_FOUND, "no-such-reservation", detail, Value::Null);
    };
    neutral.tell(&shown);
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    client_reference: String,
    check_in: NaiveDate,
    check_out: NaiveDate,
    /// How many of them; one where nothing is said.
    copies: Option<u32>,
}

/// `POST /neutral/plant`: a reservation made behind everybody's back, or several of a kind.
pub(super) async fn plant(State(neutral): State<Arc<Neutral>>, body: Bytes) -> Response {
    let asked: Plant = match read(&body) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let planted: Vec<String> = neutral.with_world(|world| {
        let mut chosen = Chosen {
            property: 0,
            rate: 0,
            check_in: asked.check_in,
            check_out: asked.check_out,
            guests: 1,
            currency: "EUR".to_owned(),
            price: 0,
            expires_at: Utc::now(),
        };
        chosen.price = world.price(&chosen);
        let plant = |_| {
            let reference = world.mint_reference();
            world.add(Reservation {
                reference: reference.clone(),
                client_reference: asked.client_reference.clone(),
                asked: Value::Null,
                chosen: chosen.clone(),
                state: Standing::Confirmed,
                created_at: Utc::now(),
                over_at: None,
                invisible_for: std::time::Duration::ZERO,
            });
            reference
        };
        (0..asked.copies.unwrap_or(1)).map(plant).collect()
    });
    (StatusCode::CREATED, Json(json!({ "reference": planted.first() }))).into_response()
}
