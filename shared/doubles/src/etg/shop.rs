//! The hotelpage and the prebook.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, Utc};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Etg;
use super::catalogue::{self, Choice, find, find_by_name};
use super::exchange::{Answer, exchange, name};
use super::world::{Quoted, World, today};
use crate::faults::Fault;

#[derive(Deserialize)]
struct Hotelpage {
    checkin: NaiveDate,
    checkout: NaiveDate,
    residency: Option<String>,
    language: Option<String>,
    guests: Vec<Guests>,
    id: Option<String>,
    hid: Option<u64>,
    currency: Option<String>,
}

#[derive(Deserialize)]
struct Guests {
    adults: u8,
    #[serde(default)]
    children: Vec<u8>,
}

/// `POST search/hp/`
pub(super) async fn hotelpage(
    State(etg): State<Arc<Etg>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(etg, "search", &headers, &body, search).await
}

fn search(etg: &Etg, asked: Hotelpage, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    if let Some(wrong) = wrong(&asked, now) {
        return Answer::invalid(wrong);
    }
    let hotel = asked.hid.and_then(find).or_else(|| find_by_name(asked.id.as_deref()?));
    let Some(hid) = hotel else { return Answer::error("hotel_not_found") };
    let Some(guests) = asked.guests.first() else { return Answer::invalid("guests") };
    let stay = (asked.checkin, asked.checkout);
    let choices = catalogue::rates(hid, stay, guests.adults, &guests.children);
    etg.with_world(|world| {
        let open = |choice: &&Choice| name(fault) != "sold_out" && !world.is_sold_out(choice);
        let open: Vec<Choice> = choices.iter().filter(open).cloned().collect();
        let rates: Vec<Value> = open
            .into_iter()
            .map(|choice| {
                let price = world.price(&choice);
                let hash = quote(world, etg.config.rate_for, &choice, price, "h", now);
                choice.shown(&hash, price)
            })
            .collect();
        // A hotel without rates is not shown.
        let hotels = match rates.is_empty() {
            true => json!([]),
            false => json!([{ "id": catalogue::name(hid), "hid": hid, "rates": rates }]),
        };
        Answer::ok(json!({ "hotels": hotels }))
    })
}

/// Published: check-in within 730 days, check-out within 30 days of it, one to six adults and up to
/// four children in a room, either `id` or `hid`. Assumed: a stay in the past is refused.
fn wrong(asked: &Hotelpage, now: DateTime<Utc>) -> Option<&'static str> {
    let day = today(now);
    let room = |room: &Guests| {
        (1..=6).contains(&room.adults)
            && room.children.len() <= 4
            && room.children.iter().all(|age| *age <= 17)
    };
    let two = |text: &Option<String>| text.as_ref().is_none_or(|text| text.len() == 2);
    let nights = (asked.checkout - asked.checkin).num_days();
    match () {
        () if asked.checkin < day - Days::new(1) => Some("checkin is in the past"),
        () if (asked.checkin - day).num_days() > 730 => Some("checkin is too far ahead"),
        () if !(1..=30).contains(&nights) => Some("checkout"),
        () if asked.guests.len() != 1 || !asked.guests.iter().all(room) => Some("guests"),
        () if asked.id.is_some() == asked.hid.is_some() => Some("either id or hid"),
        () if !two(&asked.residency) => Some("residency"),
        () if !two(&asked.language) => Some("language"),
        () if asked.currency.as_ref().is_some_and(|code| code.len() != 3) => Some("currency"),
        () => None,
    }
}

/// Gives out a hash for a rate at a price.
fn quote(
    world: &mut World,
    lives: std::time::Duration,
    choice: &Choice,
    price: i64,
    kind: &str,
    now: DateTime<Utc>,
) -> String {
    let hash = format!("{kind}-{}", uuid::Uuid::new_v4());
    let quoted =
        Quoted { choice: choice.clone(), price, expires_at: now + lives, prebooked: kind == "p" };
    world.hashes.insert(hash.clone(), quoted);
    hash
}

#[derive(Deserialize)]
struct Prebook {
    hash: String,
    #[serde(default)]
    price_increase_percent: i64,
}

/// `POST hotel/prebook/`
pub(super) async fn prebook(
    State(etg): State<Arc<Etg>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    exchange(etg, "price_check", &headers, &body, check).await
}

/// The same rate, at another price only within the accepted rise.
fn check(etg: &Etg, asked: Prebook, fault: Option<&Fault>, now: DateTime<Utc>) -> Answer {
    if asked.price_increase_percent < 0 || !asked.hash.starts_with("h-") {
        return Answer::invalid("hash, price_increase_percent");
    }
    etg.with_world(|world| {
        let Some(quoted) = world.hashes.get(&asked.hash).filter(|it| it.expires_at > now).cloned()
        else {
            return Answer::error("rate_not_found");
        };
        let choice = quoted.choice;
        if name(fault) == "price_changed" {
            world.move_price(&choice);
        }
        let price = world.price(&choice);
        let most = quoted.price + quoted.price * asked.price_increase_percent / 100;
        if name(fault) == "sold_out" || world.is_sold_out(&choice) || price > most {
            return Answer::error("no_available_rates");
        }
        let hash = quote(world, etg.config.rate_for, &choice, price, "p", now);
        let mut rate = choice.shown(&hash, price);
        let way = &mut rate["payment_options"]["payment_types"][0];
        match name(fault) {
            "wrong_price" => way["amount"] = json!("1.00"),
            "wrong_currency" => way["currency_code"] = json!("USD"),
            _ => {}
        }
        let hotel = json!({
            "id": catalogue::name(choice.hid), "hid": choice.hid, "rates": [rate],
        });
        let changed = price != quoted.price;
        Answer::ok(json!({ "hotels": [hotel], "changes": { "price_changed": changed } }))
    })
}
