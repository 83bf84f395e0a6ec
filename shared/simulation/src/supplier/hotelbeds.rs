//! Hotelbeds: places are held for thirty minutes; a client reference may be used again, and there
//! is no look-up by it but a list; a cancellation is simulated, then done. Nothing is pushed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use contracts::{money::Money, supplier::Supplier};
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest, Method};

use super::{Did, Manner, Market, Offer, Reservation, Standing, body_of, param, reply, text};

/// A preconfirmation stands this long (published).
pub(super) const HELD_FOR: TimeDelta = TimeDelta::minutes(30);

pub(super) fn book_key(offer: &Offer, token: &str) -> String {
    let key = json!({ "rate_key": token, "from": offer.check_in, "to": offer.check_out });
    format!("hotelbeds1.{}", URL_SAFE_NO_PAD.encode(key.to_string()))
}

pub(super) fn serve(
    market: &mut Market,
    request: &HttpRequest,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let path = request.path_and_query.strip_prefix("/activity-api/3.0/bookings").unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let value = |name| param(query, name).unwrap();
    // A language, then a reference.
    let reference = path.split('/').nth(2);
    match (request.method, path, reference) {
        (Method::Put, "/reconfirm", _) => {
            reconfirm(market, text(&body_of(request), "/reference"), now)
        }
        (Method::Put, path, _) => {
            book(market, &body_of(request), path == "/preconfirm", manner, now)
        }
        (Method::Delete, _, Some(reference)) => {
            cancel(market, reference, value("cancellationFlag") == "SIMULATION", now)
        }
        (Method::Get, _, Some(reference)) => detail(market, reference, manner, now),
        (Method::Get, _, None) => {
            let days = (value("start").parse().unwrap(), value("end").parse().unwrap());
            let page = (value("itemsPerPage").parse().unwrap(), value("page").parse().unwrap());
            list(market, days, page, manner, now)
        }
        (method, path, _) => panic!("{method:?} {path}"),
    }
}

fn book(
    market: &mut Market,
    body: &Value,
    preconfirm: bool,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let token = text(body, "/activities/0/rateKey");
    let offer = &market.offers[token];
    // What is gone and what is dearer is told by the same word.
    if offer.sold_out || offer.price_changed {
        return (error(500, "PRODUCT_ERROR"), Did::Refused(token.to_owned()));
    }
    let reference = market.make(token, text(body, "/clientReference"), preconfirm, manner, now);
    (told(market, &reference, Manner::default(), now), Did::Made(reference))
}

fn reconfirm(market: &mut Market, reference: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    match market.get(reference).map(|one| one.standing(now)) {
        None => (error(404, "INVALID_DATA"), Did::Nothing),
        Some(Standing::Booked) => (error(400, "INVALID_DATA"), Did::SpentLink),
        Some(Standing::Cancelled | Standing::Lapsed) => (error(500, "PRODUCT_ERROR"), Did::Nothing),
        Some(Standing::Held) => {
            market.moves_to(reference, Standing::Booked, now);
            let reply = told(market, reference, Manner::default(), now);
            (reply, Did::Booked(reference.to_owned()))
        }
    }
}

fn cancel(
    market: &mut Market,
    reference: &str,
    simulated: bool,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let Some(one) = market.get(reference) else {
        return (error(404, "INVALID_DATA"), Did::Nothing);
    };
    if !one.is_live(now) {
        return (error(400, "INVALID_DATA"), Did::Nothing);
    }
    if one.kept {
        return (error(400, "INVALID_DATA"), Did::Kept);
    }
    let mut gone = booking(reference, one, Manner::default(), now);
    gone["status"] = json!("CANCELLED");
    gone["total"] = json!(0);
    let did = if simulated { Did::Nothing } else { Did::Cancelled(reference.to_owned()) };
    if !simulated {
        market.moves_to(reference, Standing::Cancelled, now);
    }
    (enveloped(&json!({ "booking": gone }), now), did)
}

fn detail(
    market: &Market,
    reference: &str,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    match market.get(reference) {
        Some(one) if one.shows_at <= now => (told(market, reference, manner, now), Did::Showed),
        Some(_) | None => (error(404, "INVALID_DATA"), Did::ShowedNothing),
    }
}

/// Everybody's bookings of some days, a page of them.
fn list(
    market: &Market,
    (start, end): (NaiveDate, NaiveDate),
    (per_page, page): (usize, usize),
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let made_on = |one: &Reservation| one.made_at().date_naive();
    let all = market.shown(Supplier::Hotelbeds, now).into_iter();
    let found: Vec<_> =
        all.filter(|(_, one)| start <= made_on(one) && made_on(one) <= end).collect();
    let shown = found.iter().skip((page - 1) * per_page).take(per_page);
    let shown: Vec<Value> =
        shown.map(|(reference, one)| booking(reference, one, manner, now)).collect();
    let pages = json!({ "itemsPerPage": per_page, "page": page, "totalItems": found.len() });
    let did = if shown.is_empty() { Did::ShowedNothing } else { Did::Showed };
    (enveloped(&json!({ "bookings": shown, "pagination": pages }), now), did)
}

fn told(market: &Market, reference: &str, manner: Manner, now: DateTime<Utc>) -> HttpReply {
    let shown = booking(reference, &market.reservations[reference], manner, now);
    enveloped(&json!({ "booking": shown }), now)
}

fn booking(reference: &str, one: &Reservation, manner: Manner, now: DateTime<Utc>) -> Value {
    let head = json!({ "reference": reference, "clientReference": one.client_reference });
    if manner.bare {
        return head;
    }
    let status = match one.seen(manner, now) {
        Standing::Held => "PRECONFIRMED",
        Standing::Booked => "CONFIRMED",
        Standing::Cancelled | Standing::Lapsed => "CANCELLED",
    };
    let mut whole = head;
    whole["status"] = json!(status);
    whole["currency"] = json!(one.price.currency.code());
    whole["total"] = number(one.price);
    whole["activities"] = json!([{
        "code": "E-E10-SIM",
        "dateFrom": one.check_in.to_string(),
        "dateTo": one.check_out.to_string(),
        "modality": { "code": "ANY" },
    }]);
    whole
}

/// An amount is a JSON number here.
fn number(money: Money) -> Value {
    serde_json::from_str(&money.decimal()).unwrap()
}

fn enveloped(body: &Value, now: DateTime<Utc>) -> HttpReply {
    let mut whole = json!({ "auditData": { "time": now.to_rfc3339() } });
    for (name, part) in body.as_object().unwrap() {
        whole[name] = part.clone();
    }
    reply(200, &whole)
}

pub(super) fn error(status: u16, code: &str) -> HttpReply {
    let error = json!({ "code": code, "text": "words", "internalDescription": "words" });
    reply(status, &json!({ "errors": [error] }))
}

/// The gateway before the API says it as if the key were wrong.
pub(super) fn over_rate() -> HttpReply {
    let said = ("X-Mashery-Error-Code".to_owned(), "ERR_403_DEVELOPER_OVER_QPS".to_owned());
    HttpReply { headers: vec![said], ..reply(403, &json!({ "error": "Developer Over Qps" })) }
}
