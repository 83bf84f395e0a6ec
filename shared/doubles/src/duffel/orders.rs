//! Orders, their payments and their cancellations.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, TimeDelta, Utc};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use super::errors::{Answer, airline, invalid, not_found, state, unreadable};
use super::exchange::{Subject, exchange, name};
use super::world::{Cancellation, Offered, Order, World, decimal};
use super::{Duffel, passengers, shown};
use crate::faults::Fault;

/// Published limits of `metadata`.
const METADATA_MAX: (usize, usize, usize) = (50, 40, 500);
/// Assumed: how long a cancellation can be confirmed.
const CANCELLATION_FOR: TimeDelta = TimeDelta::minutes(30);
/// Assumed: how long a new order is hidden by `lookup_lag` when nothing else is asked for.
const LAG: std::time::Duration = std::time::Duration::from_secs(60);

/// `POST /air/orders`.
pub(super) async fn create(
    State(duffel): State<Arc<Duffel>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let data = body["data"].clone();
    let ours = data["metadata"]["client_reference"].as_str().map(str::to_owned);
    let subject = Subject { client_reference: ours, has_body: true, ..Subject::default() };
    exchange(duffel, "reserve", &headers, subject, move |duffel, fault, now| {
        let made = duffel.with_world(|world| make(world, &data, fault, now));
        match made {
            Err(answer) => *answer,
            Ok(order) => {
                duffel.tell("order.created", &order.id, &shown::order(&order));
                Answer::of(StatusCode::CREATED, shown::order(&order)).about(&order.id)
            }
        }
    })
    .await
}

fn make(
    world: &mut World,
    data: &Value,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Result<Order, Box<Answer>> {
    if !data.is_object() {
        return Err(Box::new(unreadable("bad_request")));
    }
    let mut offer = selected(world, data, now)?;
    // An offer request is ordered from once, whichever of its offers it was.
    if world.booked.contains(&offer.request) {
        return Err(Box::new(state("offer_request_already_booked")));
    }
    match name(fault) {
        "sold_out" => return Err(Box::new(airline("offer_no_longer_available"))),
        "price_changed" => {
            if let Some(offer) = world.offers.get_mut(&offer.id) {
                offer.total = offer.total * 11 / 10;
            }
            return Err(Box::new(airline("price_changed")));
        }
        "hold_lapses" => offer.held_until = now,
        "wrong_price" => offer.total += 100,
        "wrong_dates" => {
            for flight in &mut offer.slices {
                flight.departs_at = flight.departs_at + Days::new(1);
                flight.arrives_at = flight.arrives_at + Days::new(1);
            }
        }
        _ => {}
    }
    let kind = paid_how(data, &offer)?;
    let departs_on = world.offers.get(&offer.id).and_then(|offer| offer.slices.first());
    let departs_on = departs_on.map(|flight| flight.departs_at.date()).unwrap_or_default();
    let mut passengers = passengers::check(&data["passengers"], &offer.seats, departs_on)?;
    if name(fault) == "wrong_guest" {
        passengers[0]["given_name"] = json!("Somebody");
    }
    let metadata = metadata(&data["metadata"])?;
    let order = |world: &mut World| Order {
        id: world.mint("ord"),
        booking_reference: format!("RZ{:04}", world.orders.len() % 10_000),
        offer: offer.clone(),
        kind,
        passengers: passengers.clone(),
        metadata: metadata.clone(),
        created_at: now,
        paid_at: (kind == "instant").then_some(now),
        cancelled_at: None,
    };
    let made = order(world);
    world.booked.insert(offer.request.clone());
    world.orders.push(made.clone());
    if name(fault) == "created_twice" {
        let again = order(world);
        world.orders.push(again);
    }
    Ok(made)
}

fn selected(world: &World, data: &Value, now: DateTime<Utc>) -> Result<Offered, Box<Answer>> {
    let selected = data["selected_offers"].as_array().map(Vec::as_slice);
    let Some([id]) = selected else { return Err(Box::new(invalid("validation_length"))) };
    let offer = world.offers.get(id.as_str().unwrap_or_default());
    let offer = offer.ok_or_else(|| Box::new(invalid("validation_inclusion")))?;
    if offer.expires_at <= now {
        return Err(Box::new(state("offer_expired")));
    }
    Ok(offer.clone())
}

/// Published: a hold has no payment and an offer that allows it; an instant order pays the whole.
fn paid_how(data: &Value, offer: &Offered) -> Result<&'static str, Box<Answer>> {
    let wrong = |code: &str| Err(Box::new(invalid(code)));
    match data["type"].as_str() {
        Some("hold") if !data["payments"].is_null() => wrong("validation_exclusion"),
        Some("hold") if !offer.fare().holdable => wrong("order_type_not_available"),
        Some("hold") => Ok("hold"),
        Some("instant") => {
            let payments = data["payments"].as_array().map(Vec::as_slice);
            let Some([payment]) = payments else { return wrong("validation_required") };
            let whole = payment["amount"] == decimal(offer.total).as_str()
                && payment["currency"] == offer.currency.as_str();
            if payment["type"] != "balance" {
                wrong("validation_inclusion")
            } else if whole {
                Ok("instant")
            } else {
                wrong("payment_amount_does_not_match_order_amount")
            }
        }
        _ => wrong("validation_inclusion"),
    }
}

fn metadata(given: &Value) -> Result<Map<String, Value>, Box<Answer>> {
    let Some(given) = given.as_object() else {
        return if given.is_null() {
            Ok(Map::new())
        } else {
            Err(Box::new(invalid("validation_format")))
        };
    };
    let (pairs, key_max, value_max) = METADATA_MAX;
    let plain = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let fits = |(key, value): (&String, &Value)| {
        let text = value.as_str().is_some_and(|text| text.len() <= value_max);
        key.len() <= key_max && plain(key) && text
    };
    if given.len() > pairs || !given.iter().all(fits) {
        return Err(Box::new(invalid("validation_format")));
    }
    Ok(given.clone())
}

/// `GET /air/orders/{id}`.
pub(super) async fn show(
    State(duffel): State<Arc<Duffel>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let subject = Subject { reference: Some(id.clone()), ..Subject::default() };
    exchange(duffel, "lookup", &headers, subject, move |duffel, fault, now| {
        duffel.with_world(|world| match world.order(&id) {
            Some(order) if visible(duffel, order, fault, now) => {
                Answer::of(StatusCode::OK, told(order, fault))
            }
            _ => not_found(),
        })
    })
    .await
}

/// `GET /air/orders`: newest first or oldest first, page by page.
pub(super) async fn list(
    State(duffel): State<Arc<Duffel>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    exchange(duffel, "lookup", &headers, Subject::default(), move |duffel, fault, now| {
        let page = match Page::read(query.as_deref().unwrap_or_default()) {
            Ok(page) => page,
            Err(answer) => return *answer,
        };
        duffel.with_world(|world| {
            let mut found: Vec<&Order> = world
                .orders
                .iter()
                .filter(|order| visible(duffel, order, fault, now))
                .filter(|order| page.since.is_none_or(|since| order.created_at > since))
                .collect();
            if page.newest_first {
                found.reverse();
            }
            let end = (page.from + page.limit).min(found.len());
            let shown: Vec<Value> =
                found.iter().take(end).skip(page.from).map(|order| told(order, fault)).collect();
            let after = (end < found.len()).then(|| format!("g2wA{end}"));
            let mut answer = Answer::of(StatusCode::OK, json!(shown));
            answer.body["meta"] = json!({ "limit": page.limit, "before": null, "after": after });
            answer
        })
    })
    .await
}

struct Page {
    limit: usize,
    from: usize,
    newest_first: bool,
    since: Option<DateTime<Utc>>,
}

impl Page {
    /// Reads the query; what is not documented is refused.
    fn read(query: &str) -> Result<Self, Box<Answer>> {
        let wrong = || Box::new(unreadable("invalid_query_parameter"));
        let mut page = Self { limit: 50, from: 0, newest_first: true, since: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
            let value = value.replace("%3A", ":");
            match key {
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| wrong())?;
                    page.limit = Some(limit).filter(|n| (1..=200).contains(n)).ok_or_else(wrong)?;
                }
                "after" => {
                    let from = value.strip_prefix("g2wA").and_then(|n| n.parse().ok());
                    page.from = from.ok_or_else(wrong)?;
                }
                "sort" if value == "-created_at" => page.newest_first = true,
                "sort" if value == "created_at" => page.newest_first = false,
                "created_at%5Bafter%5D" | "created_at[after]" => {
                    let since = DateTime::parse_from_rfc3339(&value).map_err(|_| wrong())?;
                    page.since = Some(since.with_timezone(&Utc));
                }
                _ => return Err(wrong()),
            }
        }
        Ok(page)
    }
}

fn visible(duffel: &Duffel, order: &Order, fault: Option<&Fault>, now: DateTime<Utc>) -> bool {
    let lag = match name(fault) {
        "lookup_empty" => return false,
        "lookup_lag" => fault.map_or(LAG, |fault| fault.after(LAG)),
        _ => duffel.config.visibility_lag,
    };
    order.created_at + lag <= now
}

/// The order as it is, or as the fault says it is.
fn told(order: &Order, fault: Option<&Fault>) -> Value {
    let mut shown = shown::order(order);
    match name(fault) {
        "wrong_price" => shown["total_amount"] = json!(decimal(order.offer.total + 100)),
        "wrong_guest" => shown["passengers"][0]["given_name"] = json!("Somebody"),
        "wrong_dates" => {
            let flight = &mut shown["slices"][0]["segments"][0];
            flight["departing_at"] = json!("2031-01-01T08:00:00");
        }
        _ => {}
    }
    shown
}

/// `POST /air/payments`: pays a hold order.
pub(super) async fn pay(
    State(duffel): State<Arc<Duffel>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let data = body["data"].clone();
    let id = data["order_id"].as_str().unwrap_or_default().to_owned();
    let reference = Some(id.clone()).filter(|id| !id.is_empty());
    let subject = Subject { reference, has_body: true, ..Subject::default() };
    exchange(duffel, "confirm", &headers, subject, move |duffel, fault, now| {
        let paid = duffel.with_world(|world| {
            let payment_id = world.mint("pay");
            let order = world.order_mut(&id).ok_or_else(not_found)?;
            payable(order, &data["payment"], fault, now)?;
            order.paid_at = Some(now);
            Ok::<_, Answer>((order.clone(), shown::payment(&payment_id, order, now)))
        });
        match paid {
            Err(answer) => answer,
            Ok((order, payment)) => {
                let key = payment["id"].as_str().unwrap_or_default();
                duffel.tell("payment.created", key, &payment);
                Answer::of(StatusCode::CREATED, payment).about(&order.id)
            }
        }
    })
    .await
}

fn payable(
    order: &mut Order,
    payment: &Value,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Result<(), Answer> {
    match name(fault) {
        "hold_lapses" => {
            order.cancelled_at = Some(now);
            return Err(state("past_payment_required_by_date"));
        }
        "confirm_refused" => {
            order.cancelled_at = Some(now);
            return Err(state("schedule_changed"));
        }
        "price_changed" => order.offer.total = order.offer.total * 11 / 10,
        _ => {}
    }
    if order.kind != "hold" {
        return Err(invalid("order_type_not_eligible_for_payment"));
    }
    if order.paid_at.is_some() {
        return Err(state("already_paid"));
    }
    if order.cancelled_at.is_some() {
        let lapsed = order.offer.held_until <= now;
        return Err(state(if lapsed {
            "past_payment_required_by_date"
        } else {
            "already_cancelled"
        }));
    }
    if payment["type"] != "balance" {
        return Err(invalid("validation_inclusion"));
    }
    if payment["amount"] != decimal(order.offer.total).as_str() {
        return Err(invalid("price_changed"));
    }
    if payment["currency"] != order.offer.currency.as_str() {
        return Err(invalid("payment_currency_does_not_match_order_currency"));
    }
    Ok(())
}

/// `POST /air/order_cancellations`: what would come back; nothing is cancelled yet.
pub(super) async fn quote_cancellation(
    State(duffel): State<Arc<Duffel>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let id = body["data"]["order_id"].as_str().unwrap_or_default().to_owned();
    let reference = Some(id.clone()).filter(|id| !id.is_empty());
    let subject = Subject { reference, has_body: true, ..Subject::default() };
    exchange(duffel, "quote_cancel", &headers, subject, move |duffel, fault, now| {
        duffel.with_world(|world| {
            let cancellation_id = world.mint("ore");
            let Some(order) = world.order(&id) else { return not_found() };
            if name(fault) == "cancel_refused" {
                return airline("order_not_cancellable");
            }
            if order.cancelled_at.is_some() {
                return state("already_cancelled");
            }
            let cancellation = Cancellation {
                id: cancellation_id,
                order: id.clone(),
                refund: if name(fault) == "dearer_cancellation" { 0 } else { refund(order) },
                in_credits: name(fault) == "refund_in_credits",
                created_at: now,
                expires_at: now + CANCELLATION_FOR,
                confirmed_at: None,
            };
            let (currency, paid) = (&order.offer.currency, order.paid_at.is_some());
            let shown = shown::cancellation(&cancellation, currency, paid);
            world.cancellations.push(cancellation);
            Answer::of(StatusCode::CREATED, shown).about(&id)
        })
    })
    .await
}

/// What comes back: nothing of what was not paid, less the fare's penalty of what was.
fn refund(order: &Order) -> i64 {
    match (order.paid_at, order.offer.fare().penalty) {
        (Some(_), Some(penalty)) => (order.offer.total - penalty).max(0),
        (Some(_), None) | (None, _) => 0,
    }
}

/// `POST /air/order_cancellations/{id}/actions/confirm`.
pub(super) async fn confirm_cancellation(
    State(duffel): State<Arc<Duffel>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let order = duffel.with_world(|world| {
        world.cancellations.iter().find(|it| it.id == id).map(|it| it.order.clone())
    });
    let subject = Subject { reference: order, ..Subject::default() };
    exchange(duffel, "cancel", &headers, subject, move |duffel, fault, now| {
        let done = duffel.with_world(|world| {
            if name(fault) == "cancel_refused" {
                return Err(airline("order_not_cancellable"));
            }
            let Some(wanted) = world.cancellations.iter().find(|it| it.id == id).cloned() else {
                return Err(not_found());
            };
            // Published: only the newest cancellation of an order can be confirmed.
            let newest = world.cancellations.iter().rfind(|it| it.order == wanted.order);
            if newest.is_some_and(|it| it.id != id) || wanted.expires_at <= now {
                return Err(state("order_cancellation_stale"));
            }
            let Some(order) = world.order_mut(&wanted.order) else { return Err(not_found()) };
            if order.cancelled_at.is_some() {
                return Err(state("already_cancelled"));
            }
            order.cancelled_at = Some(now);
            let (currency, paid) = (order.offer.currency.clone(), order.paid_at.is_some());
            for it in world.cancellations.iter_mut().filter(|it| it.id == id) {
                it.confirmed_at = Some(now);
            }
            let confirmed = Cancellation { confirmed_at: Some(now), ..wanted };
            Ok((confirmed.order.clone(), shown::cancellation(&confirmed, &currency, paid)))
        });
        match done {
            Err(answer) => answer,
            Ok((order, shown)) => {
                duffel.tell("order_cancellation.confirmed", &id, &shown);
                Answer::of(StatusCode::OK, shown).about(&order)
            }
        }
    })
    .await
}
