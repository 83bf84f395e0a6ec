//! Emerging Travel Group: a booking process is created, started and asked about until it has ended;
//! what is bought shows some time later. Nothing is held.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{money::Money, supplier::Supplier};
use serde_json::{Value, json};
use suppliers::{HttpReply, HttpRequest};

use super::{Did, Manner, Market, Reservation, Standing, body_of, reply, text};
use crate::{fnv, mixed};

/// A booking process takes up to this; most of those who ask about it wait for less.
const TAKES_MAX_S: u64 = 45;

/// A process that was created lives this long unless it is started (published).
const FORM_LIVES: TimeDelta = TimeDelta::minutes(60);

/// The booking processes, by our reference.
#[derive(Debug, Default)]
pub(super) struct Desk {
    processes: BTreeMap<String, Process>,
    orders: u64,
}

#[derive(Debug)]
struct Process {
    order: u64,
    token: String,
    amount: Money,
    created_at: DateTime<Utc>,
    /// When it ends, and whether nothing is left by then.
    started: Option<(DateTime<Utc>, bool)>,
}

impl Desk {
    /// The order's number, which the process has from its beginning.
    pub(super) fn order_of(&mut self, ours: &str) -> String {
        match self.processes.get(ours) {
            Some(process) => process.order.to_string(),
            None => self.mint().to_string(),
        }
    }

    const fn mint(&mut self) -> u64 {
        self.orders += 1;
        260_453_000 + self.orders
    }
}

pub(super) fn serve(
    market: &mut Market,
    request: &HttpRequest,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let path = request.path_and_query.strip_prefix("/api/b2b/v3/").unwrap();
    let body = body_of(request);
    let own = text(&body, "/partner_order_id");
    match path.trim_end_matches('/') {
        "hotel/order/booking/form" => create(market, own, text(&body, "/book_hash"), now),
        "hotel/order/booking/finish" => {
            let own = text(&body, "/partner/partner_order_id");
            start(market, own, &body["payment_type"], manner, now)
        }
        "hotel/order/booking/finish/status" => check(market, own, now),
        "hotel/order/info" => {
            retrieve(market, text(&body, "/search/partner_order_ids/0"), manner, now)
        }
        "hotel/order/cancel" => cancel(market, own, now),
        path => panic!("{path}"),
    }
}

fn create(market: &mut Market, own: &str, hash: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    if let Some(process) = market.etg.processes.get(own) {
        let ended = process.started.is_some_and(|(ends_at, _)| ends_at <= now);
        let word = if ended { "duplicate_reservation" } else { "double_booking_form" };
        return (error(200, word), Did::Duplicate);
    }
    let offer = market.offers[hash].clone();
    // What is gone by now is told at once or at the end.
    if offer.sold_out && fnv(hash.as_bytes()).is_multiple_of(2) {
        return (error(200, "rate_not_found"), Did::Refused(hash.to_owned()));
    }
    let dearer = if offer.price_changed { 100 } else { 0 };
    let amount = Money::new(offer.price.minor + dearer, offer.price.currency);
    let order = market.etg.mint();
    let process = Process { order, token: hash.to_owned(), amount, created_at: now, started: None };
    market.etg.processes.insert(own.to_owned(), process);
    let form = json!({
        "order_id": order,
        "partner_order_id": own,
        "item_id": order + 1_000_000,
        "payment_types": [{
            "amount": amount.decimal(),
            "currency_code": amount.currency.code(),
            "is_need_credit_card_data": false,
            "is_need_cvc": false,
            "type": "deposit",
        }],
    });
    (answer("ok", &form), Did::Nothing)
}

fn start(
    market: &mut Market,
    own: &str,
    payment: &Value,
    manner: Manner,
    now: DateTime<Utc>,
) -> (HttpReply, Did) {
    let Some(process) = market.etg.processes.get_mut(own) else {
        return (error(200, "order_not_found"), Did::Nothing);
    };
    if process.started.is_some() {
        return (error(200, "double_booking_finish"), Did::Duplicate);
    }
    if process.created_at + FORM_LIVES <= now {
        return (error(200, "booking_form_expired"), Did::Nothing);
    }
    if text(payment, "/amount") != process.amount.decimal() {
        return (error(200, "incorrect_chosen_payment_type"), Did::Nothing);
    }
    let drawn = i64::try_from(mixed(fnv(own.as_bytes())) % TAKES_MAX_S).unwrap();
    let takes = TimeDelta::seconds(drawn);
    let token = process.token.clone();
    let fails = market.offers[&token].sold_out;
    process.started = Some((now + takes, fails));
    if fails {
        return (answer("ok", &Value::Null), Did::Refused(token));
    }
    let visible_after = manner.visible_after.max(takes);
    let reference = market.make(&token, own, true, Manner { visible_after, ..manner }, now);
    (answer("ok", &Value::Null), Did::Made(reference))
}

fn check(market: &Market, own: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    let told = json!({ "data_3ds": null, "partner_order_id": own, "percent": 50 });
    match market.etg.processes.get(own).map(|process| process.started) {
        None => (error(200, "order_not_found"), Did::ShowedNothing),
        Some(None) => (error(200, "booking_finish_did_not_succeed"), Did::ShowedNothing),
        Some(Some((ends_at, _))) if now < ends_at => (answer("processing", &told), Did::Waits),
        Some(Some((_, true))) => (error(200, "soldout"), Did::ShowedNothing),
        Some(Some((_, false))) => (answer("ok", &told), Did::Nothing),
    }
}

fn retrieve(market: &Market, own: &str, manner: Manner, now: DateTime<Utc>) -> (HttpReply, Did) {
    let all = market.shown(Supplier::Etg, now).into_iter().rev();
    let found = all.filter(|(_, one)| one.client_reference == own);
    let orders: Vec<Value> =
        found.map(|(reference, one)| order(reference, one, manner, now)).collect();
    let did = if orders.is_empty() { Did::ShowedNothing } else { Did::Showed };
    (answer("ok", &json!({ "orders": orders })), did)
}

fn order(reference: &str, one: &Reservation, manner: Manner, now: DateTime<Utc>) -> Value {
    let number: u64 = reference.parse().unwrap();
    let partner = json!({ "order_id": one.client_reference });
    if manner.bare {
        return json!({ "order_id": number, "partner_data": partner });
    }
    let status = match one.seen(manner, now) {
        Standing::Held | Standing::Booked => "completed",
        Standing::Cancelled | Standing::Lapsed => "cancelled",
    };
    json!({
        "order_id": number,
        "partner_data": partner,
        "status": status,
        "checkin_at": one.check_in.to_string(),
        "checkout_at": one.check_out.to_string(),
        "amount_sell": amount(one.price),
        "rooms_data": [],
    })
}

/// Of two under one reference the newest that stands (assumed).
fn cancel(market: &mut Market, own: &str, now: DateTime<Utc>) -> (HttpReply, Did) {
    let stands = |(_, one): &(&String, &Reservation)| {
        one.supplier == Supplier::Etg && one.client_reference == own && one.is_live(now)
    };
    let newest = market.reservations.iter().filter(stands).max_by_key(|(_, one)| one.made_at());
    let Some((reference, one)) = newest else {
        return (error(200, "order_not_found"), Did::Nothing);
    };
    if one.kept {
        return (error(200, "order_not_cancellable"), Did::Kept);
    }
    let (reference, price) = (reference.clone(), one.price);
    market.moves_to(&reference, Standing::Cancelled, now);
    let nothing = amount(Money::new(0, price.currency));
    let done = json!({
        "amount_payable": nothing, "amount_refunded": amount(price), "amount_sell": amount(price),
    });
    (answer("ok", &done), Did::Cancelled(reference))
}

fn amount(money: Money) -> Value {
    json!({ "amount": money.decimal(), "currency_code": money.currency.code() })
}

fn answer(status: &str, data: &Value) -> HttpReply {
    reply(200, &json!({ "data": data, "debug": null, "error": null, "status": status }))
}

pub(super) fn error(status: u16, word: &str) -> HttpReply {
    reply(status, &json!({ "data": null, "debug": null, "error": word, "status": "error" }))
}
