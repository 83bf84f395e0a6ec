//! Duffel: an offer is ordered once; a hold is paid for with exactly what is due; a cancellation is
//! made, then confirmed, and only the newest counts; our reference stands in what the supplier
//! keeps and does not search.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::supplier::Supplier;
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest, Method};

use super::{Did, Manner, Market, Reservation, Standing, body_of, param, product, reply, text};

/// How long a cancellation can be confirmed (assumed).
const CANCELLATION_FOR: TimeDelta = TimeDelta::minutes(30);

/// What was asked for under each reference of ours, and the cancellations that were made.
#[derive(Debug, Default)]
pub(super) struct Desk {
    asked: BTreeMap<String, Value>,
    cancellations: Vec<(String, DateTime<Utc>)>,
}

pub(super) fn book_key(token: &str) -> String {
    let key = json!({ "offer": format!("off_{token}"), "seats": [{ "id": "pas_1" }] });
    format!("duffel1b.{}", URL_SAFE_NO_PAD.encode(key.to_string()))
}

pub(super) fn serve(
    market: &mut Market,
    request: &HttpRequest,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let path = request.path_and_query.strip_prefix("/air/").unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let data = body_of(request)["data"].take();
    let parts: Vec<&str> = path.split('/').collect();
    match (request.method, parts.as_slice()) {
        (Method::Post, ["orders"]) => create(market, data, manner, now),
        (Method::Post, ["payments"]) => pay(market, &data, now),
        (Method::Post, ["order_cancellations"]) => {
            make_cancellation(market, text(&data, "/order_id"), now)
        }
        (Method::Post, ["order_cancellations", id, "actions", "confirm"]) => {
            confirm_cancellation(market, id, now)
        }
        (Method::Get, ["orders"]) => list(market, query, manner, now),
        (method, _) => panic!("{method:?} {path}"),
    }
}

fn create(
    market: &mut Market,
    data: Value,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let offer = text(&data, "/selected_offers/0");
    let token = offer.strip_prefix("off_").unwrap().to_owned();
    if market.reservations.values().any(|one| one.token == token) {
        return (error(422, "offer_request_already_booked"), Did::Duplicate);
    }
    let ours = text(&data, "/metadata/client_reference").to_owned();
    let hold = text(&data, "/type") == "hold";
    market.duffel.asked.insert(ours.clone(), data);
    let offer = &market.offers[&token];
    if offer.sold_out {
        return (error(422, "offer_no_longer_available"), Did::Refused(token));
    }
    if offer.price_changed {
        return (error(422, "price_changed"), Did::Refused(token));
    }
    let reference = market.make(&token, &ours, hold, manner, now);
    let shown = order(market, &reference, Manner::default(), now);
    (reply(201, &json!({ "data": shown })), Did::Made(reference))
}

fn pay(market: &mut Market, data: &Value, now: DateTime<Utc>) -> (HttpReply, Did) {
    let reference = text(data, "/order_id");
    let Some(one) = market.get(reference) else { return (error(404, "not_found"), Did::Nothing) };
    match one.standing(now) {
        Standing::Booked => (error(422, "already_paid"), Did::SpentLink),
        Standing::Cancelled => (error(422, "already_cancelled"), Did::Nothing),
        Standing::Lapsed => (error(422, "past_payment_required_by_date"), Did::Nothing),
        Standing::Held if text(data, "/payment/amount") != one.price.decimal() => {
            (error(422, "price_changed"), Did::Nothing)
        }
        Standing::Held => {
            market.moves_to(reference, Standing::Booked, now);
            let paid = json!({ "id": format!("pay_{}", &reference[4..]), "order_id": reference });
            (reply(201, &json!({ "data": paid })), Did::Booked(reference.to_owned()))
        }
    }
}

fn make_cancellation(market: &mut Market, reference: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    let Some(one) = market.get(reference) else { return (error(404, "not_found"), Did::Nothing) };
    if !one.is_live(now) {
        return (error(422, "already_cancelled"), Did::Nothing);
    }
    if one.kept {
        return (error(422, "order_not_cancellable"), Did::Kept);
    }
    let made = &mut market.duffel.cancellations;
    made.push((reference.to_owned(), now));
    let number = made.len() - 1;
    (reply(201, &json!({ "data": cancellation(market, number, None, now) })), Did::Nothing)
}

/// Only the newest of an order's, and not for long.
fn confirm_cancellation(market: &mut Market, id: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    let number: usize = id.strip_prefix("ore_").unwrap().parse().unwrap();
    let made = &market.duffel.cancellations;
    let (reference, made_at) = made[number].clone();
    let newest = made.iter().rposition(|(of, _)| *of == reference) == Some(number);
    if !newest || made_at + CANCELLATION_FOR <= now {
        return (error(422, "order_cancellation_stale"), Did::Nothing);
    }
    if !market.reservations[&reference].is_live(now) {
        return (error(422, "already_cancelled"), Did::Nothing);
    }
    let done = cancellation(market, number, Some(now), now);
    market.moves_to(&reference, Standing::Cancelled, now);
    (reply(200, &json!({ "data": done })), Did::Cancelled(reference))
}

fn cancellation(
    market: &Market,
    number: usize,
    confirmed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Value {
    let (reference, made_at) = &market.duffel.cancellations[number];
    let one = &market.reservations[reference];
    let paid = one.standing(now) == Standing::Booked;
    json!({
        "id": format!("ore_{number:08}"),
        "order_id": reference,
        "refund_amount": if paid { one.price.decimal() } else { "0.00".to_owned() },
        "refund_currency": one.price.currency.code(),
        "refund_to": if paid { "balance" } else { "awaiting_payment" },
        "created_at": made_at.to_rfc3339(),
        "confirmed_at": confirmed_at.map(|at| at.to_rfc3339()),
    })
}

/// Every order since some instant, whosever it is, oldest first.
fn list(market: &Market, query: &str, manner: Manner, now: DateTime<Utc>) -> (HttpReply, Did) {
    let limit: usize = param(query, "limit").unwrap().parse().unwrap();
    let from: usize = param(query, "after").map_or(0, |after| after[4..].parse().unwrap());
    let since = param(query, "created_at%5Bafter%5D").map(|text| text.replace("%3A", ":"));
    let since = since.map(|text| DateTime::parse_from_rfc3339(&text).unwrap().to_utc());
    let all = market.shown(Supplier::Duffel, now).into_iter();
    let found: Vec<_> =
        all.filter(|(_, one)| since.is_none_or(|since| one.made_at() > since)).collect();
    let page: Vec<Value> = found
        .iter()
        .skip(from)
        .take(limit)
        .map(|(reference, _)| order(market, reference, manner, now))
        .collect();
    let more = from + page.len() < found.len();
    let after = more.then(|| format!("g2wA{}", from + page.len()));
    let did = if page.is_empty() { Did::ShowedNothing } else { Did::Showed };
    (reply(200, &json!({ "data": page, "meta": { "limit": limit, "after": after } })), did)
}

fn order(market: &Market, reference: &str, manner: Manner, now: DateTime<Utc>) -> Value {
    let one: &Reservation = &market.reservations[reference];
    let nothing = json!({});
    let asked = market.duffel.asked.get(&one.client_reference).unwrap_or(&nothing);
    let head = json!({ "id": reference, "metadata": asked["metadata"] });
    if manner.bare {
        return head;
    }
    let standing = one.seen(manner, now);
    let flights = product(Supplier::Duffel, one.check_in, one.check_out);
    let airport = |code: &str| json!({ "iata_code": code, "iata_city_code": null });
    let segments: Vec<Value> = flights
        .segments()
        .iter()
        .map(|flight| {
            json!({
                "origin": airport(&flight.origin),
                "destination": airport(&flight.destination),
                "departing_at": flight.departs_at.format("%Y-%m-%dT%H:%M:%S").to_string(),
                "arriving_at": flight.arrives_at.format("%Y-%m-%dT%H:%M:%S").to_string(),
                "marketing_carrier": { "name": "Duffel Airways", "iata_code": "ZZ" },
                "marketing_carrier_flight_number": "117",
            })
        })
        .collect();
    let gone = matches!(standing, Standing::Cancelled | Standing::Lapsed);
    let (held, paid) = (standing == Standing::Held, standing == Standing::Booked);
    let mut whole = head;
    let made_at = one.made_at().to_rfc3339();
    whole["cancelled_at"] = if gone { json!(now.to_rfc3339()) } else { Value::Null };
    whole["total_amount"] = json!(one.price.decimal());
    whole["total_currency"] = json!(one.price.currency.code());
    whole["slices"] = json!([{ "fare_brand_name": null, "segments": segments }]);
    whole["passengers"] = asked["passengers"].clone();
    whole["documents"] = json!([]);
    whole["payment_status"] = json!({
        "awaiting_payment": held,
        "payment_required_by": held.then(|| one.until.to_rfc3339()),
        "price_guarantee_expires_at": null,
        "paid_at": paid.then_some(made_at),
    });
    whole
}

pub(super) fn error(status: u16, code: &str) -> HttpReply {
    let error = json!({ "type": "error", "code": code, "title": "words", "message": "words" });
    reply(status, &json!({ "errors": [error], "meta": { "status": status } }))
}
