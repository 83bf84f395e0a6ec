//! Content: what a shop window shows of a property.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::Rapid;
use super::catalogue::Room;
use super::errors::invalid;
use super::exchange::{Answer, Subject, exchange};
use super::query::{Pairs, missing, value, values};

/// `GET /v3/properties/content`: names, addresses and rooms of the properties asked for, or of all.
///
/// Only what a shop window needs of Rapid's large content answer.
pub(super) async fn show(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    exchange(rapid, "content", &headers, Subject::default(), move |rapid, _, _| {
        if value(&query, "language").is_none_or(str::is_empty) {
            return invalid(vec![missing("language")]);
        }
        let asked = values(&query, "property_id");
        let countries = values(&query, "country_code");
        let mut answer = Map::new();
        for property in &rapid.catalogue.properties {
            let named = asked.is_empty() || asked.contains(&property.id.as_str());
            if !named || !(countries.is_empty() || countries.contains(&property.country)) {
                continue;
            }
            let room = |room: &Room| {
                let entry = json!({
                    "id": room.id,
                    "name": room.name,
                    "occupancy": { "max_allowed": { "total": room.guests_max } },
                });
                (room.id.clone(), entry)
            };
            answer.insert(
                property.id.clone(),
                json!({
                    "property_id": property.id,
                    "name": property.name,
                    "address": {
                        "line_1": "1 Example Street",
                        "city": property.city,
                        "country_code": property.country,
                    },
                    "location": {
                        "coordinates": {
                            "latitude": property.latitude.parse::<f64>().unwrap(),
                            "longitude": property.longitude.parse::<f64>().unwrap(),
                        },
                    },
                    "ratings": { "property": { "rating": format!("{}.0", property.stars), "type": "Star" } },
                    "category": { "id": "1", "name": "Hotel" },
                    "business_model": { "expedia_collect": true, "property_collect": false },
                    "checkin": { "begin_time": "3:00 PM" },
                    "checkout": { "time": "12:00 PM" },
                    "rooms": property.rooms.iter().map(room).collect::<Map<_, _>>(),
                }),
            );
        }
        Answer::of(StatusCode::OK, Value::Object(answer))
    })
    .await
}
