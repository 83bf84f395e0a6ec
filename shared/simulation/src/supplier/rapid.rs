//! Rapid: one call each; a client reference is taken once.

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest, Method};

use super::{Did, Manner, Market, Reservation, Standing, body_of, empty, param, reply};

pub(super) fn serve(
    market: &mut Market,
    request: &HttpRequest,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let (path, query) = request.path_and_query.split_once('?').unwrap();
    let value = |name| param(query, name).unwrap();
    let reference = path.strip_prefix("/v3/itineraries/").map(|rest| {
        let end = rest.find('/').unwrap_or(rest.len());
        rest[..end].to_owned()
    });
    match (request.method, reference) {
        (Method::Post, None) => {
            let body = body_of(request);
            let ours = body["affiliate_reference_id"].as_str().unwrap();
            book(market, value("token"), ours, body["hold"] == json!(true), manner, now)
        }
        (Method::Put, Some(reference)) => resume(market, &reference, now),
        (Method::Delete, Some(reference)) => cancel(market, &reference, value("token"), now),
        (Method::Get, None) => show(market, value("affiliate_reference_id"), manner, now),
        (method, reference) => panic!("{method:?} {reference:?}"),
    }
}

fn book(
    market: &mut Market,
    token: &str,
    ours: &str,
    hold: bool,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    if market.is_taken(ours) {
        return (bad_input("duplicate_itinerary"), Did::Duplicate);
    }
    let offer = &market.offers[token];
    if offer.sold_out {
        return (error(410, "rooms_unavailable"), Did::Refused(token.to_owned()));
    }
    if offer.price_changed {
        return (error(409, "price_mismatch"), Did::Refused(token.to_owned()));
    }
    let reference = market.make(token, ours, hold, manner, now);
    let links = links(&reference, &market.reservations[&reference], now);
    let body = json!({ "itinerary_id": reference, "links": links });
    (reply(201, &body), Did::Made(reference))
}

fn resume(market: &mut Market, reference: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    let Some(one) = market.get(reference) else {
        return (error(404, "resource_not_found"), Did::Nothing);
    };
    match one.standing(now) {
        Standing::Held => {
            market.moves_to(reference, Standing::Booked, now);
            (empty(204), Did::Booked(reference.to_owned()))
        }
        Standing::Lapsed => (bad_input("link.expired"), Did::Nothing),
        Standing::Booked | Standing::Cancelled => (bad_input("link.invalid"), Did::SpentLink),
    }
}

fn cancel(
    market: &mut Market,
    reference: &str,
    token: &str,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let Some(one) = market.get(reference) else {
        return (error(404, "resource_not_found"), Did::Nothing);
    };
    match one.standing(now) {
        // The links of a hold are spent once it is bought.
        Standing::Booked if token == "h" => (bad_input("link.invalid"), Did::SpentLink),
        Standing::Held | Standing::Booked if one.kept => {
            (bad_input("cancel.post_checkout"), Did::Kept)
        }
        Standing::Held | Standing::Booked => {
            market.moves_to(reference, Standing::Cancelled, now);
            (empty(204), Did::Cancelled(reference.to_owned()))
        }
        Standing::Cancelled | Standing::Lapsed => {
            (error(400, "room_already_cancelled"), Did::Nothing)
        }
    }
}

fn show(market: &Market, ours: &str, manner: Manner, now: DateTime<Utc>) -> (HttpReply, Did) {
    let all = market.shown(Supplier::Rapid, now).into_iter();
    let found = all.filter(|(_, one)| one.client_reference == ours);
    let shown: Vec<Value> =
        found.map(|(reference, one)| itinerary(reference, one, manner, now)).collect();
    let did = if shown.is_empty() { Did::ShowedNothing } else { Did::Showed };
    (reply(200, &Value::Array(shown)), did)
}

fn itinerary(reference: &str, one: &Reservation, manner: Manner, now: DateTime<Utc>) -> Value {
    let made_at = one.made_at();
    if manner.bare {
        return json!({ "itinerary_id": reference, "creation_date_time": made_at.to_rfc3339() });
    }
    let at = (now - manner.stale).max(made_at);
    let (status, room_links) = match one.standing(at) {
        Standing::Held => ("pending", json!({})),
        Standing::Booked => {
            let href = format!("/v3/itineraries/{reference}/rooms/1?token=b");
            ("booked", json!({ "cancel": { "method": "DELETE", "href": href } }))
        }
        Standing::Cancelled | Standing::Lapsed => ("canceled", json!({})),
    };
    json!({
        "itinerary_id": reference,
        "affiliate_reference_id": one.client_reference,
        "creation_date_time": made_at.to_rfc3339(),
        "links": links(reference, one, at),
        "rooms": [{
            "id": "1",
            "status": status,
            "checkin": one.check_in.to_string(),
            "checkout": one.check_out.to_string(),
            "rate": { "pricing": { "totals": { "inclusive": { "billable_currency": {
                "value": one.price.decimal(),
                "currency": one.price.currency.code(),
            } } } } },
            "links": room_links,
        }],
    })
}

fn links(reference: &str, one: &Reservation, at: DateTime<Utc>) -> Value {
    if one.standing(at) != Standing::Held {
        return json!({});
    }
    let href = format!("/v3/itineraries/{reference}?token=h");
    json!({
        "resume": { "method": "PUT", "href": href, "expires": one.until.to_rfc3339() },
        "cancel": { "method": "DELETE", "href": href },
    })
}

pub(super) fn error(status: u16, kind: &str) -> HttpReply {
    reply(status, &json!({ "type": kind, "message": "words" }))
}

fn bad_input(kind: &str) -> HttpReply {
    let errors = json!([{ "type": kind, "message": "words" }]);
    reply(400, &json!({ "type": "invalid_input", "message": "words", "errors": errors }))
}
