//! The booking process: created, started, and asked about until it has ended.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Etg;
use super::catalogue::{CHARGED, Rate, decimal};
use super::exchange::{Answer, exchange, name};
use super::world::{Form, Process};
use crate::faults::Fault;

/// Published: a process that was created lives 60 minutes.
const FORM_LIVES: Duration = Duration::from_secs(60 * 60);
/// How long `stays_processing` lasts when nothing else is asked for.
const PROCESSING: Duration = Duration::from_secs(60);
/// How long an order is hidden by `lookup_lag` when nothing else is asked for. Published: "a time
/// gap"; its length is assumed.
const HIDDEN: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Create {
    partner_order_id: String,
    book_hash: String,
    language: String,
    user_ip: String,
}

/// `POST hotel/order/booking/form/`
pub(super) async fn form(State(etg): State<Arc<Etg>>, headers: HeaderMap, body: Bytes) -> Response {
    exchange(etg, "form", &headers, &body, create).await
}

fn create(etg: &Etg, asked: Create, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    let id_fits = (3..=256).contains(&asked.partner_order_id.len());
    if !id_fits || asked.language.len() != 2 || asked.user_ip.parse::<std::net::IpAddr>().is_err() {
        return Answer::invalid("partner_order_id, language, user_ip");
    }
    let own: Arc<str> = Arc::from(asked.partner_order_id.as_str());
    etg.with_world(|world| {
        match world.forms.get(&own).map(|form| &form.process) {
            Some(Process::Created | Process::Under { .. }) => {
                return Answer::error("double_booking_form");
            }
            Some(Process::Failed(_) | Process::Booked) => {
                return Answer::error("duplicate_reservation");
            }
            None => {}
        }
        let quoted = world.hashes.get(&asked.book_hash);
        let Some(quoted) = quoted.filter(|it| it.expires_at > now && it.prebooked).cloned() else {
            return Answer::error("rate_not_found");
        };
        if name(fault) == "price_changed" {
            world.move_price(&quoted.choice);
        }
        let price = match name(fault) {
            "price_changed" => world.price(&quoted.choice),
            _ => quoted.price,
        };
        let order_id = world.mint();
        let choice = quoted.choice;
        let kind = if choice.rate == Rate::AtTheHotel { "hotel" } else { "deposit" };
        let form = Form {
            order_id,
            choice,
            price,
            created_at: now,
            process: Process::Created,
            guests: Vec::new(),
        };
        world.forms.insert(own.clone(), form);
        if name(fault) == "double_booking_form" {
            return Answer::error("double_booking_form");
        }
        let named = if name(fault) == "wrong_reference" { "somebody-elses" } else { &*own };
        Answer::ok(json!({
            "order_id": order_id,
            "partner_order_id": named,
            "item_id": order_id + 1_000_000,
            "payment_types": [{
                "amount": decimal(price),
                "currency_code": CHARGED,
                "is_need_credit_card_data": kind == "hotel",
                "is_need_cvc": kind == "hotel",
                "type": kind,
                "recommended_price": null,
            }],
            "is_gender_specification_required": false,
            "upsell_data": [],
        }))
    })
}

#[derive(Deserialize)]
struct Start {
    user: User,
    partner: Partner,
    language: String,
    rooms: Vec<Room>,
    payment_type: Payment,
}

#[derive(Deserialize)]
struct User {
    email: String,
    phone: String,
}

#[derive(Deserialize)]
struct Partner {
    partner_order_id: String,
}

#[derive(Deserialize)]
struct Room {
    guests: Vec<Guest>,
}

#[derive(Deserialize)]
struct Guest {
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    is_child: bool,
    age: Option<u8>,
}

#[derive(Deserialize)]
struct Payment {
    r#type: String,
    amount: String,
    currency_code: String,
}

/// `POST hotel/order/booking/finish/`
pub(super) async fn finish(
    State(etg): State<Arc<Etg>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(etg, "reserve", &headers, &body, start).await
}

fn start(etg: &Etg, asked: Start, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    if asked.language.len() != 2 || !(5..=35).contains(&asked.user.phone.len()) {
        return Answer::invalid("language, user.phone");
    }
    if !asked.user.email.contains('@') {
        return Answer::error("email");
    }
    let own: Arc<str> = Arc::from(asked.partner.partner_order_id.as_str());
    let takes = etg.config.booking_takes;
    etg.with_world(|world| {
        let Some(form) = world.forms.get_mut(&own) else { return Answer::error("order_not_found") };
        match form.process {
            Process::Created => {}
            Process::Failed(_) => return Answer::error("booking_form_expired"),
            Process::Under { .. } | Process::Booked => {
                return Answer::error("double_booking_finish");
            }
        }
        if form.created_at + FORM_LIVES <= now {
            return Answer::error("booking_form_expired");
        }
        if let Some(code) = wrong(&asked, form) {
            return Answer::error(code);
        }
        let guests = asked.rooms.iter().flat_map(|room| &room.guests);
        form.guests = guests.map(|it| (it.first_name.clone(), it.last_name.clone())).collect();
        let fails = match name(fault) {
            "sold_out" => Some("soldout"),
            "provider" => Some("provider"),
            "book_limit" => Some("book_limit"),
            _ => None,
        };
        let longer = match (name(fault), fault) {
            ("stays_processing", Some(fault)) => fault.after(PROCESSING),
            _ => takes,
        };
        let hidden = match (name(fault), fault) {
            ("lookup_lag", Some(fault)) => fault.after(HIDDEN),
            _ => etg.config.visibility_lag,
        };
        let twice = name(fault) == "created_twice";
        form.process = Process::Under { ends_at: now + longer, fails, twice, hidden };
        Answer::ok(Value::Null)
    })
}

/// Published: one room as it was searched for, the same number of adults, the children's ages, at
/// least one guest with both names, and a way to pay that the process offers.
fn wrong(asked: &Start, form: &Form) -> Option<&'static str> {
    let [room] = asked.rooms.as_slice() else { return Some("incorrect_rooms_number") };
    let adults = room.guests.iter().filter(|guest| !guest.is_child).count();
    if adults != usize::from(form.choice.adults) {
        return Some("incorrect_guests_number");
    }
    let children = room.guests.iter().filter(|guest| guest.is_child);
    let mut ages: Vec<Option<u8>> = children.map(|guest| guest.age).collect();
    let mut searched: Vec<Option<u8>> = form.choice.children.iter().copied().map(Some).collect();
    ages.sort_unstable();
    searched.sort_unstable();
    if ages != searched {
        return Some("incorrect_children_data");
    }
    let sound = |name: &str| {
        (1..=50).contains(&name.chars().count())
            && name.chars().all(|c| c.is_alphabetic() || " '-,.’".contains(c))
    };
    let named = |guest: &Guest| sound(&guest.first_name) && sound(&guest.last_name);
    if !room.guests.iter().any(named) {
        return Some("incorrect_guests_number");
    }
    let way = &asked.payment_type;
    let offered = if form.choice.rate == Rate::AtTheHotel { "hotel" } else { "deposit" };
    if way.r#type != offered {
        return Some("chosen_payment_type_was_not_available_on_booking_form");
    }
    let same = way.amount == decimal(form.price) && way.currency_code == CHARGED;
    (!same).then_some("incorrect_chosen_payment_type")
}

#[derive(Deserialize)]
struct Check {
    partner_order_id: String,
}

/// `POST hotel/order/booking/finish/status/`
pub(super) async fn status(
    State(etg): State<Arc<Etg>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(etg, "status", &headers, &body, check).await
}

fn check(etg: &Etg, asked: Check, _fault: Option<&Fault>, _now: DateTime<Utc>) -> Answer {
    let own = asked.partner_order_id.as_str();
    let process = etg.with_world(|world| world.forms.get(own).map(|form| form.process.clone()));
    let data =
        |percent: u8| json!({ "data_3ds": null, "partner_order_id": own, "percent": percent });
    match process {
        None => Answer::error("order_not_found"),
        Some(Process::Created) => Answer::error("booking_finish_did_not_succeed"),
        Some(Process::Under { .. }) => Answer { word: "processing", ..Answer::ok(data(50)) },
        Some(Process::Failed(code)) => Answer::error(code),
        Some(Process::Booked) => Answer::ok(data(100)),
    }
}
