//! Search and price check.

use chrono::{NaiveTime, TimeDelta};
use contracts::{
    money::{Currency, Money},
    offer::{CancelStep, Offer, PriceCheck, Product, StaySearch, Terms},
    supplier::Supplier,
};
use serde_json::{json, value::RawValue};

use super::{
    key::{BookKey, RateKey, is_id, is_token},
    wire::{self, Check, Offers, ShownOffer, ShownTerms},
};
use crate::{Broken, Found, HttpReply};

/// What is held for less is gone before it can be paid: the policy's `holds_for_min`.
const HELD_FOR_MIN_S: u32 = 30 * 60;

/// `POST /v1/offers`: what is asked.
pub(super) fn search(search: &StaySearch) -> Vec<u8> {
    let body = json!({
        "property_id": search.property_id,
        "check_in": search.check_in,
        "check_out": search.check_out,
        "adults": search.occupancy.adults,
        "children": search.occupancy.children,
        "currency": search.currency.code(),
    });
    body.to_string().into_bytes()
}

/// `POST /v1/offers`: the offers; an empty list where nothing is to be had.
pub(super) fn read_search(search: &StaySearch, reply: &HttpReply) -> Result<Found, Broken> {
    answered(reply)?;
    let found: Offers = wire::read("offers", &reply.body)?;
    if found.property.id != search.property_id {
        return Err(Broken::contract("offers of another property"));
    }
    if (found.check_in, found.check_out) != (search.check_in, search.check_out) {
        return Err(Broken::contract("offers of other days"));
    }
    let name = &found.property.name;
    Found::of(found.offers.iter().map(|raw| offered(search, name, raw)))
}

fn offered(search: &StaySearch, property: &str, raw: &RawValue) -> Result<Vec<Offer>, Broken> {
    let shown: ShownOffer = wire::read("offer", raw.get().as_bytes())?;
    let price = priced(&shown.price, search.currency)?;
    if !is_id(&shown.offer_id) {
        return Err(Broken::contract("offer at `offer_id`"));
    }
    let terms = terms(&shown.terms, price, search)?;
    let ShownOffer { offer_id, room, room_id, .. } = shown;
    let offer = Offer {
        supplier: Supplier::Neutral,
        rate_key: RateKey { offer_id, price, room_id }.text(),
        property_id: search.property_id.clone(),
        property_name: property.to_owned(),
        room_name: room,
        check_in: search.check_in,
        check_out: search.check_out,
        occupancy: search.occupancy.clone(),
        price,
        terms,
        product: Product::Stay,
    };
    Ok(vec![offer])
}

/// What became of an offer.
pub(super) fn read_price_check(
    key: &RateKey,
    currency: Currency,
    reply: &HttpReply,
) -> Result<PriceCheck, Broken> {
    if reply.status == 410 && wire::code(reply).as_deref() == Some("offer_expired") {
        return Err(Broken::Expired);
    }
    answered(reply)?;
    let Check { offer_id, status, book_token, price, terms } = wire::read("check", &reply.body)?;
    if offer_id != key.offer_id {
        return Err(Broken::contract("check of another offer"));
    }
    let (book_token, price, shown) = match (status.as_str(), book_token, price, terms) {
        ("sold_out", None, None, None) => return Ok(PriceCheck::SoldOut),
        ("available", Some(token), Some(price), Some(terms)) => (token, price, terms),
        _ => return Err(Broken::contract("check at `status`")),
    };
    if !is_token(&book_token) {
        return Err(Broken::contract("check at `book_token`"));
    }
    let price = priced(&price, currency)?;
    let book_key = BookKey { book_token }.text();
    let terms = steps(&shown, price)?;
    Ok(if price == key.price {
        PriceCheck::Available { book_key, price, terms }
    } else {
        PriceCheck::PriceChanged { book_key, price, terms }
    })
}

fn priced(price: &wire::Price, currency: Currency) -> Result<Money, Broken> {
    let price = wire::money(price)?;
    if price.currency != currency {
        return Err(Broken::contract("a price in another currency"));
    }
    if price.minor > 0 { Ok(price) } else { Err(Broken::contract("a price of nothing")) }
}

/// What an offer goes with. Steps from the day of arrival on say nothing to anybody who has not
/// come yet; they are refused, so that a partner notices.
fn terms(shown: &ShownTerms, price: Money, search: &StaySearch) -> Result<Terms, Broken> {
    let terms = steps(shown, price)?;
    let arrival = search.check_in.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1);
    if terms.cancel_steps.iter().any(|step| step.from > arrival) {
        return Err(Broken::contract("terms at `cancel_fees`"));
    }
    Ok(terms)
}

/// The steps: one after the other, none cheaper than the one before, none dearer than the price;
/// none where nothing is given back anyway.
fn steps(shown: &ShownTerms, price: Money) -> Result<Terms, Broken> {
    let odd = || Broken::contract("terms at `cancel_fees`");
    let step = |fee: &wire::CancelFee| {
        let from = fee.from;
        let fee = Money::parse_decimal(&fee.fee, price.currency).map_err(|_| odd())?;
        let fits = (0..=price.minor).contains(&fee.minor);
        if fits { Ok(CancelStep::new(from, fee)) } else { Err(odd()) }
    };
    let cancel_steps = shown.cancel_fees.iter().map(step).collect::<Result<Vec<_>, _>>()?;
    let pairs = || cancel_steps.iter().zip(cancel_steps.iter().skip(1));
    let in_order = pairs().all(|(a, b)| a.from < b.from && a.fee.minor <= b.fee.minor);
    if !in_order || shown.refundable == cancel_steps.is_empty() {
        return Err(odd());
    }
    Ok(Terms {
        refundable: shown.refundable,
        cancel_steps,
        holdable: shown.hold_for_s.is_some_and(|seconds| seconds >= HELD_FOR_MIN_S),
        due_at_property: Vec::new(),
    })
}

/// Whether the reply answers the question at all.
fn answered(reply: &HttpReply) -> Result<(), Broken> {
    if reply.status == 200 {
        return Ok(());
    }
    Err(Broken::Status { status: reply.status, code: wire::code(reply) })
}
