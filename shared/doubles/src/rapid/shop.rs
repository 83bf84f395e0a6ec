//! Shopping: availability and price check.
//!
//! Published (spec: getAvailability, priceCheck): the required query, at most 250 properties, 28
//! nights, 500 days ahead and 8 rooms; nothing available is an empty array; the price check answers
//! `available`, `price_changed` or `sold_out`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::errors::{Wrong, invalid, link_expired, link_invalid};
use super::exchange::{Answer, Subject, exchange};
use super::pricing::{self, Priced, Selection};
use super::query::{Pairs, Search, header, read_search, value};
use super::token::{Choice, Purpose};
use super::world::instant;
use super::{Rapid, errors};
use crate::faults::Fault;

/// Published sentinel: the number of rooms left could not be determined.
const UNDETERMINED: i64 = 2_147_483_647;

/// `GET /v3/properties/availability`
pub(super) async fn availability(
    State(rapid): State<Arc<Rapid>>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let test = header(&headers, "test");
    let search = read_search(&rapid, &query, Utc::now());
    let weight = search.as_ref().map_or(1, |search| {
        let nights = (search.check_out - search.check_in).num_days().unsigned_abs();
        u64::try_from(search.properties.len() * search.occupancies.len()).unwrap_or(1) * nights
    });
    let subject = Subject { weight, ..Subject::default() };
    exchange(rapid, "search", &headers, subject, move |rapid, fault, now| {
        match (forced(test.as_deref()), search) {
            (Some(answer), _) => answer,
            (None, Err(wrong)) => invalid(wrong),
            (None, Ok(search)) => Answer::of(StatusCode::OK, results(rapid, &search, fault, now)),
        }
    })
    .await
}

/// `GET /v3/properties/{property_id}/availability`: the rates of one property again, by a link.
pub(super) async fn additional_rates(
    State(rapid): State<Arc<Rapid>>,
    Path(property): Path<String>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let token = value(&query, "token").unwrap_or_default().to_owned();
    exchange(rapid, "search", &headers, Subject::default(), move |rapid, fault, now| {
        let Some(choice) = rapid.tokens.read_choice(Purpose::Shop, &token) else {
            return link_invalid();
        };
        let wanted = choice.selection;
        if rapid.catalogue.find(&property) != Some(wanted.property) {
            return link_invalid();
        }
        let search = Search {
            check_in: wanted.check_in,
            check_out: wanted.check_out,
            currency: wanted.currency,
            occupancies: wanted.occupancies,
            properties: vec![wanted.property],
            rate_plans_max: 250,
            refundable_only: false,
            property_collect_only: false,
            includes: Vec::new(),
        };
        Answer::of(StatusCode::OK, results(rapid, &search, fault, now))
    })
    .await
}

/// `GET /v3/properties/{property_id}/rooms/{room_id}/rates/{rate_id}`
pub(super) async fn price_check(
    State(rapid): State<Arc<Rapid>>,
    Path((property, room, rate)): Path<(String, String, String)>,
    headers: HeaderMap,
    Query(query): Query<Pairs>,
) -> Response {
    let test = header(&headers, "test");
    let token = value(&query, "token").map(str::to_owned);
    exchange(rapid, "price_check", &headers, Subject::default(), move |rapid, fault, now| {
        if let Some(answer) = forced(test.as_deref()) {
            return answer;
        }
        let Some(token) = token else {
            let message = "Token is required.";
            return invalid(vec![Wrong::new("token.required", message).field(
                "token",
                "querystring",
                Value::Null,
            )]);
        };
        let Some(choice) = rapid.tokens.read_choice(Purpose::PriceCheck, &token) else {
            return link_invalid();
        };
        let wanted = &choice.selection;
        let same = wanted.property(&rapid.catalogue).id == property
            && wanted.room(&rapid.catalogue).id == room
            && wanted.rate(&rapid.catalogue).id == rate;
        if !same {
            return link_invalid();
        }
        if choice.expires_at <= now {
            return link_expired();
        }
        checked(rapid, choice, fault.map_or(test.as_deref().unwrap_or(""), |fault| fault.name), now)
    })
    .await
}

/// What the price check says of a choice; `forced` is a fault or the word of the `Test` header.
fn checked(rapid: &Rapid, choice: Choice, forced: &str, now: DateTime<Utc>) -> Answer {
    let wanted = choice.selection;
    let rooms = i64::try_from(wanted.occupancies.len()).unwrap_or(1);
    let (left, permille) = rapid.with_world(|world| {
        if forced == "price_changed" {
            world.move_price(&wanted);
        }
        (world.left(&wanted), world.moved(&wanted))
    });
    let shop = Choice { selection: wanted.clone(), total_minor: 0, expires_at: now };
    let shop = json!({
        "method": "GET",
        "href": format!(
            "/v3/properties/{}/availability?token={}",
            wanted.property(&rapid.catalogue).id,
            rapid.tokens.choice(Purpose::Shop, &shop),
        ),
    });
    if forced == "sold_out" || left.is_some_and(|left| left < rooms) {
        let body = json!({ "status": "sold_out", "links": { "shop": shop } });
        return Answer::of(StatusCode::OK, body);
    }
    let priced = pricing::price(&rapid.catalogue, &wanted, permille);
    let changed = priced.total() != choice.total_minor;
    let expires_at = now + rapid.config.book_link_for;
    let book = Choice { selection: wanted.clone(), total_minor: priced.total(), expires_at };
    let shown = distorted(priced, forced);
    let mut body = json!({
        "status": if changed { "price_changed" } else { "available" },
        "occupancy_pricing": pricing::occupancy_pricing(&wanted, &shown),
        "links": {
            "book": {
                "method": "POST",
                "href": format!("/v3/itineraries?token={}", rapid.tokens.choice(Purpose::Book, &book)),
                "expires": instant(expires_at),
            },
        },
    });
    if changed {
        body["links"]["additional_rates"] = shop;
    }
    Answer::of(StatusCode::OK, body)
}

/// A price as a lying answer shows it.
pub(super) fn distorted(priced: Priced, fault: &str) -> Priced {
    match fault {
        "wrong_price" => priced.scaled(1250),
        "wrong_currency" => priced.mislabelled(),
        _ => priced,
    }
}

/// The answer that the `Test` header asks for, where it is the same for shop and price check.
fn forced(test: Option<&str>) -> Option<Answer> {
    match test {
        Some("service_unavailable") => Some(errors::unavailable()),
        Some("unknown_internal_error") => Some(errors::internal()),
        _ => None,
    }
}

fn results(rapid: &Rapid, search: &Search, fault: Option<&Fault>, now: DateTime<Utc>) -> Value {
    let fault = fault.map_or("", |fault| fault.name);
    let found = search.properties.iter().filter_map(|property| {
        let rooms = match fault == "sold_out" || search.property_collect_only {
            true => Vec::new(),
            false => rooms(rapid, search, *property, fault, now),
        };
        let id = &rapid.catalogue.properties[*property].id;
        if !rooms.is_empty() {
            let score = rapid.catalogue.properties.len() - property;
            return Some(json!({
                "property_id": id, "status": "available", "score": score, "rooms": rooms,
            }));
        }
        search.includes.iter().any(|include| include == "unavailable_reason").then(|| {
            json!({
                "property_id": id,
                "status": "partially_unavailable",
                "unavailable_reason": { "code": "no_inventory_available" },
            })
        })
    });
    let mut found: Value = found.collect();
    if fault == "new_field" {
        // One rate has what no other has, and what is not published.
        if let Some(rate) = found.pointer_mut("/0/rooms/0/rates/0") {
            rate["loyalty_clawback"] = json!({ "percent": "10%" });
        }
    }
    found
}

/// The rooms of one property with their best rates, as many rates over all as were asked for.
fn rooms(
    rapid: &Rapid,
    search: &Search,
    property: usize,
    fault: &str,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let wanted_rooms = i64::try_from(search.occupancies.len()).unwrap_or(1);
    let mut offers: Vec<(Selection, Priced, Option<i64>)> = Vec::new();
    for (at, room) in rapid.catalogue.properties[property].rooms.iter().enumerate() {
        if search.occupancies.iter().any(|guests| guests.guests() > room.guests_max) {
            continue;
        }
        for (rate_at, rate) in room.rates.iter().enumerate() {
            if search.refundable_only && !rate.terms.refundable() {
                continue;
            }
            let selection = Selection {
                property,
                room: at,
                rate: rate_at,
                check_in: search.check_in,
                check_out: search.check_out,
                occupancies: search.occupancies.clone(),
                currency: search.currency,
            };
            let (left, permille) =
                rapid.with_world(|world| (world.left(&selection), world.moved(&selection)));
            if left.is_none_or(|left| left >= wanted_rooms) {
                let priced = pricing::price(&rapid.catalogue, &selection, permille);
                offers.push((selection, priced, left));
            }
        }
    }
    offers.sort_by_key(|(_, priced, _)| priced.total());
    offers.truncate(search.rate_plans_max);
    let mut by_room: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for (selection, priced, left) in offers {
        let room = selection.room;
        let entry = rate_json(rapid, search, selection, priced, (left, fault), now);
        by_room.entry(room).or_default().push(entry);
    }
    let room = |(at, rates): (usize, Vec<Value>)| {
        let room = &rapid.catalogue.properties[property].rooms[at];
        json!({ "id": room.id, "room_name": room.name, "rates": rates })
    };
    by_room.into_iter().map(room).collect()
}

fn rate_json(
    rapid: &Rapid,
    search: &Search,
    selection: Selection,
    priced: Priced,
    (left, fault): (Option<i64>, &str),
    now: DateTime<Utc>,
) -> Value {
    let catalogue = &rapid.catalogue;
    let (property, room, rate) =
        (selection.property(catalogue), selection.room(catalogue), selection.rate(catalogue));
    let expires_at = now + rapid.config.price_check_link_for;
    let total_minor = priced.total();
    let shown = distorted(priced, fault);
    let windows = pricing::windows(catalogue, &selection, now);
    let pricing = pricing::occupancy_pricing(&selection, &shown);
    let penalties = pricing::penalties_json(&windows, shown.currency);
    let nonrefundable = pricing::nonrefundable_ranges(catalogue, &selection);
    let token =
        rapid.tokens.choice(Purpose::PriceCheck, &Choice { selection, total_minor, expires_at });
    let href =
        format!("/v3/properties/{}/rooms/{}/rates/{}?token={token}", property.id, room.id, rate.id);
    let (bed, size, quantity) = room.beds;
    let group = json!({
        "id": room.bed_group,
        "description": format!("{quantity} {size} Bed"),
        "configuration": [{ "type": bed, "size": size, "quantity": quantity }],
        "links": {
            "price_check": { "method": "GET", "href": href, "expires": instant(expires_at) },
        },
    });
    let mut body = json!({
        "id": rate.id,
        "status": "available",
        "available_rooms": left.unwrap_or(UNDETERMINED),
        "refundable": rate.terms.refundable(),
        "member_deal_available": false,
        "sale_scenario": {
            "package": false, "member": false, "corporate": false, "distribution": false,
        },
        "merchant_of_record": "expedia",
        "amenities": {},
        "bed_groups": { room.bed_group.clone(): group },
        "cancel_penalties": penalties,
        "occupancy_pricing": pricing,
    });
    if nonrefundable.as_array().is_some_and(|ranges| !ranges.is_empty()) {
        body["nonrefundable_date_ranges"] = nonrefundable;
    }
    for include in &search.includes {
        match include.as_str() {
            "rooms.rates.holdable" => body["holdable"] = json!(rate.terms.holdable()),
            "rooms.rates.current_refundability" => {
                body["current_refundability"] = json!(refundability(&windows, &rate.terms, now));
            }
            "sale_scenario.mobile_promotion" => {
                body["sale_scenario"]["mobile_promotion"] = json!(false);
            }
            _ => {}
        }
    }
    body
}

fn refundability(
    windows: &[pricing::Window],
    terms: &super::catalogue::Terms,
    now: DateTime<Utc>,
) -> &'static str {
    use super::catalogue::Terms;
    match terms {
        Terms::NonRefundable | Terms::NonRefundableHeld => "non_refundable",
        Terms::Partial => "partially_refundable",
        Terms::Flexible | Terms::FlexibleNow if pricing::costs_now(windows, now) => {
            "partially_refundable"
        }
        Terms::Flexible | Terms::FlexibleNow => "refundable",
    }
}
