//! Search and price check: a hotel's rates, and the prebook that says whether one still stands.

use contracts::{
    money::{Currency, Money},
    offer::{Offer, PriceCheck, Product, StaySearch, Terms},
    supplier::Supplier,
};
use serde_json::{Value, json};

use super::{
    key::{RateKey, checked_hash},
    language,
    terms::{money, terms},
    wire::{self, Hotel, Hotels, PaymentType, Rate},
};
use crate::{Access, Broken, Found, HttpReply};

/// How much dearer a prebook may find the same room and board. What it finds is told as a price
/// that changed: the customer decides, and a smaller number would only find less.
const PRICE_INCREASE_PERCENT: u8 = 10;

/// A room takes no more (page "Search by region", `guests`).
const ADULTS_MAX: u8 = 6;
const CHILDREN_MAX: usize = 4;

/// `POST search/hp` (page "Retrieve hotelpage"): one hotel, one room. A hotel's number is asked for
/// as `hid`, its old name as `id`. Nothing when no room takes so many.
pub(super) fn search(access: &Access, search: &StaySearch) -> Option<Value> {
    let who = &search.occupancy;
    if who.adults > ADULTS_MAX || who.children.len() > CHILDREN_MAX {
        return None;
    }
    let mut body = json!({
        "checkin": search.check_in,
        "checkout": search.check_out,
        "residency": access.country_code.to_ascii_lowercase(),
        "language": language(access),
        "guests": [{ "adults": who.adults, "children": who.children }],
        "currency": search.currency.code(),
    });
    if let Some(body) = body.as_object_mut() {
        match search.property_id.parse::<u64>() {
            Ok(hid) => body.insert("hid".into(), json!(hid)),
            Err(_) => body.insert("id".into(), json!(search.property_id)),
        };
    }
    Some(body)
}

/// `POST hotel/prebook`.
pub(super) fn prebook(key: &RateKey) -> Value {
    json!({ "hash": key.hash, "price_increase_percent": PRICE_INCREASE_PERCENT })
}

/// Offers, one for each rate that we can sell as it is; an empty list where nothing is to be had.
pub(super) fn read_search(search: &StaySearch, reply: &HttpReply) -> Result<Found, Broken> {
    answered(reply)?;
    let found: Hotels = wire::data("hotelpage", &reply.body)?;
    if found.hotels.iter().any(|hotel| !is_named(hotel, &search.property_id)) {
        return Err(Broken::contract("hotelpage of another hotel"));
    }
    let rates = found.hotels.iter().flat_map(|hotel| &hotel.rates);
    Found::of(rates.map(|rate| offered(search, rate)))
}

fn offered(search: &StaySearch, rate: &Value) -> Result<Vec<Offer>, Broken> {
    let rate: Rate = wire::part("rate", rate)?;
    let Some(sold) = Sold::of(&rate, search.currency)? else { return Ok(Vec::new()) };
    let key = RateKey { hash: sold.hash, price: sold.price };
    let offer = Offer {
        supplier: Supplier::Etg,
        rate_key: key.text(),
        property_id: search.property_id.clone(),
        // Names are content, which this call does not give.
        property_name: search.property_id.clone(),
        room_name: rate.room_name,
        check_in: search.check_in,
        check_out: search.check_out,
        occupancy: search.occupancy.clone(),
        price: sold.price,
        terms: sold.terms,
        product: Product::Stay,
    };
    Ok(vec![offer])
}

/// What became of an offer. The rate may be another one of the same room and board; then its price
/// or its terms say so.
pub(super) fn read_price_check(
    key: &RateKey,
    currency: Currency,
    reply: &HttpReply,
) -> Result<PriceCheck, Broken> {
    match answered(reply) {
        Ok(()) => {}
        Err(Broken::Status { code: Some(code), .. }) if code == "no_available_rates" => {
            return Ok(PriceCheck::SoldOut);
        }
        Err(Broken::Status { code: Some(code), .. }) if code == "rate_not_found" => {
            return Err(Broken::Expired);
        }
        Err(other) => return Err(other),
    }
    let found: Hotels = wire::data("prebook", &reply.body)?;
    let changes = found.changes.ok_or_else(|| Broken::contract("prebook without `changes`"))?;
    let [Hotel { rates, .. }] = found.hotels.as_slice() else {
        return Err(Broken::contract("prebook at `hotels`"));
    };
    let [rate] = rates.as_slice() else {
        return Err(Broken::contract("prebook at `hotels[0].rates`"));
    };
    let rate: Rate = wire::part("prebook at `hotels[0].rates[0]`", rate)?;
    let sold = Sold::of(&rate, currency)?
        .ok_or_else(|| Broken::contract("prebook of a rate that we cannot pay for"))?;
    let Sold { hash: book_key, price, terms } = sold;
    Ok(if changes.price_changed || price != key.price {
        PriceCheck::PriceChanged { book_key, price, terms }
    } else {
        PriceCheck::Available { book_key, price, terms }
    })
}

/// A rate as we sell it.
struct Sold {
    hash: String,
    price: Money,
    terms: Terms,
}

impl Sold {
    /// Nothing where we could not keep what we would say of it: it is part of a package, is not
    /// paid from our deposit, needs a card, or is charged in another currency than it is asked
    /// for in.
    fn of(rate: &Rate, currency: Currency) -> Result<Option<Self>, Broken> {
        let ours = |way: &&PaymentType| {
            way.r#type == "deposit"
                && !way.is_need_credit_card_data
                && way.currency_code == currency.code()
        };
        let Some(way) = rate.payment_options.payment_types.iter().find(ours) else {
            return Ok(None);
        };
        if rate.is_package {
            return Ok(None);
        }
        let hash = checked_hash(&rate.book_hash)
            .ok_or_else(|| Broken::contract("rate at `book_hash`"))?
            .to_owned();
        let price = money(&way.amount, currency)?;
        if price.minor == 0 {
            return Err(Broken::contract("rate at `amount`"));
        }
        let terms = terms(&way.cancellation_penalties, &way.tax_data.taxes, price)?;
        Ok(Some(Self { hash, price, terms }))
    }
}

fn is_named(hotel: &Hotel, property_id: &str) -> bool {
    hotel.id == property_id || hotel.hid.is_some_and(|hid| hid.to_string() == property_id)
}

/// Whether the reply answers the question at all.
fn answered(reply: &HttpReply) -> Result<(), Broken> {
    let code = wire::code(&reply.body);
    if reply.status == 200 {
        match code.as_deref() {
            Some("ok") => return Ok(()),
            Some(_) => {}
            None => return Err(Broken::contract("an answer that is not wrapped as all are")),
        }
    }
    Err(Broken::Status { status: reply.status, code })
}
