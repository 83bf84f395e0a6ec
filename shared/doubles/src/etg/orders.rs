//! What was bought: retrieved and cancelled.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, Utc};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Etg;
use super::catalogue::{CHARGED, decimal};
use super::exchange::{Answer, exchange, name};
use super::world::{Order, today};
use crate::faults::Fault;

#[derive(Deserialize)]
struct Retrieve {
    ordering: Ordering,
    pagination: Pagination,
    #[serde(default)]
    search: Search,
}

#[derive(Deserialize)]
struct Ordering {
    ordering_type: String,
    ordering_by: String,
}

#[derive(Deserialize)]
struct Pagination {
    page_size: usize,
    page_number: usize,
}

#[derive(Default, Deserialize)]
struct Search {
    partner_order_ids: Option<Vec<String>>,
    order_ids: Option<Vec<u64>>,
    created_at: Option<Between>,
}

#[derive(Deserialize)]
struct Between {
    from_date: Option<String>,
    to_date: Option<String>,
}

impl Between {
    /// Published: both ends belong to it, to the minute.
    fn holds(&self, at: DateTime<Utc>) -> bool {
        let at = at.format("%Y-%m-%dT%H:%M").to_string();
        self.from_date.as_ref().is_none_or(|from| *from <= at)
            && self.to_date.as_ref().is_none_or(|to| at <= *to)
    }
}

/// `POST hotel/order/info/`
pub(super) async fn info(State(etg): State<Arc<Etg>>, headers: HeaderMap, body: Bytes) -> Response {
    exchange(etg, "lookup", &headers, &body, retrieve).await
}

/// Published: only bookings that have succeeded, and those only some time after.
fn retrieve(etg: &Etg, asked: Retrieve, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    let Pagination { page_size, page_number } = asked.pagination;
    let ordered = ["asc", "desc"].contains(&asked.ordering.ordering_type.as_str())
        && !asked.ordering.ordering_by.is_empty();
    if !ordered || !(1..=50).contains(&page_size) || page_number == 0 {
        return Answer::invalid("ordering, pagination");
    }
    let Search { partner_order_ids, order_ids, created_at } = asked.search;
    let is_asked = |order: &&Order| {
        let own = &*order.partner_order_id;
        let by_own = partner_order_ids.as_ref().is_none_or(|ids| ids.iter().any(|id| id == own));
        let by_theirs = order_ids.as_ref().is_none_or(|ids| ids.contains(&order.order_id));
        let in_time = created_at.as_ref().is_none_or(|between| between.holds(order.created_at));
        by_own && by_theirs && in_time && order.created_at + order.hidden <= now
    };
    let found: Vec<Order> = etg.with_world(|world| {
        let mut found: Vec<Order> = world.orders.iter().filter(is_asked).cloned().collect();
        found.sort_by_key(|order| order.created_at);
        if asked.ordering.ordering_type == "desc" {
            found.reverse();
        }
        found
    });
    let total = found.len();
    let page = found.iter().skip((page_number - 1) * page_size).take(page_size);
    let mut orders: Vec<Value> = page.map(Order::shown).collect();
    if name(fault) == "lookup_empty" {
        orders.clear();
    }
    for (shown, order) in orders.iter_mut().zip(&found) {
        match name(fault) {
            "wrong_dates" => {
                let later = |day: chrono::NaiveDate| json!(day + Days::new(1));
                shown["checkin_at"] = later(order.choice.checkin);
                shown["checkout_at"] = later(order.choice.checkout);
            }
            "wrong_guest" => {
                let guest = &mut shown["rooms_data"][0]["guest_data"]["guests"][0];
                for (field, said) in [("first_name", "Somebody"), ("last_name", "Else")] {
                    guest[field] = json!(said);
                    guest[format!("{field}_original")] = json!(said);
                }
            }
            "wrong_price" => shown["amount_sell"]["amount"] = json!(decimal(order.price * 2)),
            "wrong_currency" => shown["amount_sell"]["currency_code"] = json!("USD"),
            "wrong_reference" => shown["partner_data"]["order_id"] = json!("somebody-elses"),
            _ => {}
        }
    }
    Answer::ok(json!({
        "current_page_number": page_number,
        "total_orders": total,
        "total_pages": total.div_ceil(page_size),
        "found_orders": orders.len(),
        "found_pages": total.div_ceil(page_size),
        "orders": orders,
    }))
}

#[derive(Deserialize)]
struct Cancel {
    partner_order_id: String,
}

/// `POST hotel/order/cancel/`
pub(super) async fn cancel(
    State(etg): State<Arc<Etg>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(etg, "cancel", &headers, &body, undo).await
}

/// Published: an order that stands is cancelled for its penalty; any other is not found, and one
/// whose stay has begun is not cancellable. Assumed: of two under one reference the newest that
/// stands.
fn undo(etg: &Etg, asked: Cancel, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    etg.with_world(|world| {
        let stands = |order: &&Order| {
            *order.partner_order_id == *asked.partner_order_id && order.cancelled.is_none()
        };
        let Some(order) = world.orders.iter().rev().find(stands).cloned() else {
            return Answer::error("order_not_found");
        };
        if name(fault) == "cancel_refused" || order.choice.checkin < today(now) {
            return Answer::error("order_not_cancellable");
        }
        let fee = order.choice.fee_at(order.price, now.naive_utc());
        world.cancel(order.order_id, now, fee);
        let money = |minor: i64| json!({ "amount": decimal(minor), "currency_code": CHARGED });
        Answer::ok(json!({
            "amount_payable": money(fee),
            "amount_refunded": money(order.price - fee),
            "amount_sell": money(order.price),
        }))
    })
}
