//! Search and price check.

use contracts::{
    money::{Currency, Money},
    offer::{DueAtProperty, Occupancy, Offer, PriceCheck, StaySearch, Terms},
    supplier::Supplier,
};
use serde_json::value::RawValue;

use super::{
    key::RateKey,
    link::{BOOK, PRICE_CHECK, encode},
    terms::{Policy, Priced},
    wire::{self, Amount, Pricing, Property, Rate, Room},
};
use crate::{Access, Broken, Found, HttpReply};

/// Rates asked for per property; the specification allows 250.
const RATES_MAX: u32 = 50;

/// `GET /v3/properties/availability` with its required parameters (spec 4990 ff.), only rates that
/// the supplier collects itself, and the flags that are told on request alone.
pub(super) fn path(access: &Access, search: &StaySearch) -> String {
    let rates = RATES_MAX.to_string();
    let query = [
        ("property_id", search.property_id.as_str()),
        ("checkin", &search.check_in.to_string()),
        ("checkout", &search.check_out.to_string()),
        ("occupancy", &occupancy(&search.occupancy)),
        ("currency", search.currency.code()),
        ("country_code", &access.country_code),
        ("language", &access.language),
        ("rate_plan_count", &rates),
        ("sales_channel", "website"),
        ("sales_environment", "hotel_only"),
        ("filter", "expedia_collect"),
        ("include", "rooms.rates.current_refundability"),
        ("include", "rooms.rates.holdable"),
    ];
    let query: Vec<String> = query.map(|(name, value)| format!("{name}={}", encode(value))).into();
    format!("/v3/properties/availability?{}", query.join("&"))
}

/// `2`, or `2-9,4` with the children's ages (spec, parameter `occupancy`).
fn occupancy(who: &Occupancy) -> String {
    let ages: Vec<String> = who.children.iter().map(u8::to_string).collect();
    if ages.is_empty() {
        who.adults.to_string()
    } else {
        format!("{}-{}", who.adults, ages.join(","))
    }
}

/// Offers, one for each bed group of each rate; an empty list where nothing is to be had.
pub(super) fn read_search(search: &StaySearch, reply: &HttpReply) -> Result<Found, Broken> {
    answered(reply)?;
    let properties: Vec<Property> = wire::read("availability", &reply.body)?;
    let mut rates = Vec::new();
    for property in &properties {
        if property.property_id != search.property_id {
            return Err(Broken::contract("availability of another property"));
        }
        match (property.status.as_str(), &property.rooms) {
            ("available", Some(rooms)) => {
                let each = rooms.iter().flat_map(|room| room.rates.iter().map(move |r| (room, r)));
                rates.extend(each);
            }
            ("partially_unavailable", _) => {}
            (_, _) => return Err(Broken::contract("availability at `status`")),
        }
    }
    Found::of(rates.into_iter().map(|(room, raw)| of_rate(search, room, raw)))
}

/// The offers of one rate.
///
/// A rate is left out when we could not keep what we would say of it: nothing is left of it, the
/// property would collect the money, or it is billed in another currency than the one it is shown
/// in.
fn of_rate(search: &StaySearch, room: &Room, raw: &RawValue) -> Result<Vec<Offer>, Broken> {
    let rate: Rate = wire::read("rate", raw.get().as_bytes())?;
    let nothing = || Ok(Vec::new());
    match rate.status.as_str() {
        "available" | "price_changed" => {}
        "sold_out" => return nothing(),
        _ => return Err(Broken::contract("rate at `status`")),
    }
    if !rate.is_published() {
        return Err(Broken::contract("rate with a field of another name"));
    }
    match rate.merchant_of_record.as_str() {
        "expedia" => {}
        "property" => return nothing(),
        _ => return Err(Broken::contract("rate at `merchant_of_record`")),
    }
    let who = occupancy(&search.occupancy);
    let pricing = pricing(&rate.occupancy_pricing, &who)?;
    let stay = (search.check_in, search.check_out);
    let Some(price) = price(pricing, search.currency)? else { return nothing() };
    let Some(policy) = Policy::of(&rate, search.currency, stay)? else { return nothing() };
    let nights = || nights(pricing, search.currency);
    let terms = policy.terms(&Priced { total: price, nights: &nights })?;
    let terms = Terms { due_at_property: due_at_property(pricing)?, ..terms };
    let mut offers = Vec::new();
    for beds in rate.bed_groups.values() {
        let href = PRICE_CHECK
            .of(&beds.links.price_check)
            .ok_or_else(|| Broken::contract("bed group at `links.price_check`"))?;
        let key = RateKey {
            href,
            occupancy: who.clone(),
            check_in: search.check_in,
            check_out: search.check_out,
            price,
            policy: policy.clone(),
        };
        offers.push(Offer {
            supplier: Supplier::Rapid,
            rate_key: key.text(),
            property_id: search.property_id.clone(),
            // Names are content, which this call does not give; whoever keeps a catalogue puts it
            // in.
            property_name: search.property_id.clone(),
            room_name: format!("{}, {}", room.room_name, beds.description),
            check_in: search.check_in,
            check_out: search.check_out,
            occupancy: search.occupancy.clone(),
            price,
            terms: terms.clone(),
            product: contracts::offer::Product::Stay,
        });
    }
    Ok(offers)
}

/// What became of an offer. A price that is not the offer's has changed, whatever the status says.
pub(super) fn read_price_check(
    key: &RateKey,
    currency: Currency,
    reply: &HttpReply,
) -> Result<PriceCheck, Broken> {
    answered(reply)?;
    let check: wire::PriceCheck = wire::read("price check", &reply.body)?;
    let says_changed = match check.status.as_str() {
        "available" => false,
        "price_changed" => true,
        "sold_out" => return Ok(PriceCheck::SoldOut),
        _ => return Err(Broken::contract("price check at `status`")),
    };
    let pricing = pricing(&check.occupancy_pricing, &key.occupancy)?;
    let price = price(pricing, currency)?
        .ok_or_else(|| Broken::contract("price check in another currency"))?;
    let nights = || nights(pricing, currency);
    let terms = key.policy.terms(&Priced { total: price, nights: &nights })?;
    let terms = Terms { due_at_property: due_at_property(pricing)?, ..terms };
    let book_key = check
        .links
        .get("book")
        .and_then(|l| BOOK.of(l))
        .ok_or_else(|| Broken::contract("price check at `links.book`"))?;
    Ok(if says_changed || price != key.price {
        PriceCheck::PriceChanged { book_key, price, terms }
    } else {
        PriceCheck::Available { book_key, price, terms }
    })
}

/// Whether the reply answers the question at all.
fn answered(reply: &HttpReply) -> Result<(), Broken> {
    if reply.status == 200 {
        return Ok(());
    }
    let codes = wire::codes(&reply.body);
    let too_old = ["link.expired", "link.invalid"];
    if reply.status == 400 && codes.iter().any(|c| too_old.contains(&c.as_str())) {
        return Err(Broken::Expired);
    }
    Err(Broken::Status { status: reply.status, code: codes.into_iter().next() })
}

fn pricing<'a>(
    by_occupancy: &'a std::collections::BTreeMap<String, Pricing>,
    who: &str,
) -> Result<&'a Pricing, Broken> {
    by_occupancy.get(who).ok_or_else(|| Broken::contract("no `occupancy_pricing` of who asked"))
}

/// The price in `currency`; `None` where it is billed in another.
fn price(pricing: &Pricing, currency: Currency) -> Result<Option<Money>, Broken> {
    let total = &pricing.totals.inclusive;
    if total.billable_currency.currency != currency.code() {
        return Ok(None);
    }
    let price = money(&total.billable_currency, currency)?;
    let shown = total.request_currency.as_ref().map(|a| money(a, currency)).transpose()?;
    if price.minor <= 0 || shown.is_some_and(|s| s != price) {
        return Err(Broken::contract("pricing at `totals.inclusive`"));
    }
    Ok(Some(price))
}

/// What the property collects itself, in the currency that it does so in.
fn due_at_property(pricing: &Pricing) -> Result<Vec<DueAtProperty>, Broken> {
    let due = pricing.fees.iter().map(|(what, charge)| {
        let Amount { value, currency } = &charge.billable_currency;
        DueAtProperty::of(what, value, currency)
            .ok_or_else(|| Broken::contract("pricing at `fees`"))
    });
    due.filter(|due| !due.as_ref().is_ok_and(DueAtProperty::is_nothing)).collect()
}

/// Each night's sum.
fn nights(pricing: &Pricing, currency: Currency) -> Result<Vec<Money>, Broken> {
    let nightly = pricing.nightly.as_ref().ok_or_else(|| Broken::contract("no `nightly`"))?;
    let nightly: Vec<Vec<Amount>> = wire::part("pricing.nightly", nightly)?;
    let sum = |charges: Vec<Amount>| {
        charges.iter().try_fold(Money::zero(currency), |sum, charge| {
            sum.plus(money(charge, currency)?).map_err(|_| Broken::contract("nightly out of range"))
        })
    };
    nightly.into_iter().map(sum).collect()
}

fn money(amount: &Amount, currency: Currency) -> Result<Money, Broken> {
    if amount.currency != currency.code() {
        return Err(Broken::contract("an amount in another currency"));
    }
    Money::parse_decimal(&amount.value, currency)
        .map_err(|_| Broken::contract("an amount that is no plain decimal"))
}
