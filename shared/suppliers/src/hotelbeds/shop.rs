//! Search and price check.

use contracts::{
    money::{Currency, Money},
    offer::{ActivitySearch, Occupancy, Offer, PriceCheck, Product, Terms},
    supplier::Supplier,
};
use serde_json::{Value, json, value::RawValue};

use super::{
    key::{BookKey, RateKey},
    language,
    terms::terms,
    wire::{self, Activity, Availability, Details, Modality, OperationDate, Rate, RateDetail},
};
use crate::{Access, Broken, Found, HttpReply};

/// Adults are asked for with this age, as the supplier's own examples do.
pub(super) const ADULT_AGE: u8 = 30;
/// What the supplier's own examples ask for.
const PER_PAGE: u32 = 100;

/// Page availability: one destination, the days of the search; pages are counted from 1.
pub(super) fn availability(access: &Access, search: &ActivitySearch, page: usize) -> Vec<u8> {
    let body = json!({
        "filters": [{ "searchFilterItems": [
            { "type": "destination", "value": search.destination },
        ]}],
        "from": search.from,
        "to": search.to,
        "language": language(access),
        "paxes": ages(&search.participants),
        "pagination": { "itemsPerPage": PER_PAGE, "page": page },
        "order": "DEFAULT",
    });
    body.to_string().into_bytes()
}

/// Page detail simple: the one activity, the days of the offer.
pub(super) fn details(access: &Access, key: &RateKey) -> Vec<u8> {
    let body = json!({
        "code": key.activity,
        "from": key.from,
        "to": key.to,
        "language": language(access),
        "paxes": ages(&key.who),
    });
    body.to_string().into_bytes()
}

fn ages(who: &Occupancy) -> Vec<Value> {
    each_age(who).map(|age| json!({ "age": age })).collect()
}

/// The age of everybody, adults first.
pub(super) fn each_age(who: &Occupancy) -> impl Iterator<Item = u8> {
    let adults = std::iter::repeat_n(ADULT_AGE, usize::from(who.adults));
    adults.chain(who.children.iter().copied())
}

/// Whether there are further pages than these. What does not say how many there are, or has none,
/// is the last one.
pub(super) fn is_more(replies: &[HttpReply]) -> bool {
    let read = |reply: &HttpReply| wire::read::<Availability>("availability", &reply.body).ok();
    let pages: Vec<Availability> = replies.iter().map_while(read).collect();
    let Some(last) = pages.last().filter(|_| pages.len() == replies.len()) else { return false };
    let shown: usize = pages.iter().map(|page| page.activities.len()).sum();
    let total = last.pagination.as_ref().map_or(0, |pagination| pagination.total_items);
    !last.activities.is_empty() && u64::try_from(shown).is_ok_and(|shown| shown < total)
}

/// Offers, one for each day of each rate; an empty list where nothing is to be had.
pub(super) fn read_search(search: &ActivitySearch, reply: &HttpReply) -> Result<Found, Broken> {
    answered(reply)?;
    let found: Availability = wire::read("availability", &reply.body)?;
    Found::of(found.activities.iter().map(|raw| offered(search, raw)))
}

fn offered(search: &ActivitySearch, raw: &RawValue) -> Result<Vec<Offer>, Broken> {
    let activity: Activity = wire::read("activity", raw.get().as_bytes())?;
    let mut offers = Vec::new();
    // Prices come in the currency of the contract, and in no other.
    if activity.currency != search.currency.code() {
        return Ok(offers);
    }
    for modality in activity.modalities.iter().filter(|modality| bookable(modality)) {
        for rate in &modality.rates {
            of_rate(search, &activity, modality, rate, &mut offers)?;
        }
    }
    Ok(offers)
}

/// Whether it can be booked without asking the customer more than we do.
fn bookable(modality: &Modality) -> bool {
    !modality.questions.iter().any(|question| question.required)
}

fn of_rate(
    search: &ActivitySearch,
    activity: &Activity,
    modality: &Modality,
    rate: &Rate,
    offers: &mut Vec<Offer>,
) -> Result<(), Broken> {
    for detail in rate.rate_details.iter().filter(|detail| nothing_to_choose(detail)) {
        for day in &detail.operation_dates {
            if day.from > day.to {
                return Err(Broken::contract("rate at `operationDates`"));
            }
            if day.from < search.from || search.to < day.to {
                continue;
            }
            let (price, terms) = priced(rate, detail, day, search.currency)?;
            let key = RateKey {
                activity: activity.code.clone(),
                modality: modality.code.clone(),
                rate: rate.rate_code.clone(),
                from: day.from,
                to: day.to,
                who: search.participants.clone(),
                price,
            };
            offers.push(Offer {
                supplier: Supplier::Hotelbeds,
                rate_key: key.text(),
                property_id: activity.code.clone(),
                property_name: activity.name.clone(),
                room_name: modality.name.clone(),
                check_in: day.from,
                check_out: day.to,
                occupancy: search.participants.clone(),
                price,
                terms,
                product: Product::Activity { session: None },
            });
        }
    }
    Ok(())
}

/// Whether it can be booked as it is: without a session or a language that the customer picks.
fn nothing_to_choose(detail: &RateDetail) -> bool {
    detail.sessions.is_empty() && detail.languages.len() < 2
}

fn priced(
    rate: &Rate,
    detail: &RateDetail,
    day: &OperationDate,
    currency: Currency,
) -> Result<(Money, Terms), Broken> {
    let price = wire::money(&detail.total_amount.amount, currency)?;
    if price.minor <= 0 {
        return Err(Broken::contract("rate at `totalAmount`"));
    }
    let terms = terms(&rate.rate_class, &day.cancellation_policies, day.from, price)?;
    Ok((price, terms))
}

/// What became of an offer: the same day of the same rate, with a rate key to book it by.
///
/// What is not shown any more is sold out; the supplier has no other word for it.
pub(super) fn read_price_check(
    key: &RateKey,
    currency: Currency,
    reply: &HttpReply,
) -> Result<PriceCheck, Broken> {
    answered(reply)?;
    let Details { activity } = wire::read("details", &reply.body)?;
    if activity.code != key.activity {
        return Err(Broken::contract("details of another activity"));
    }
    if activity.currency != currency.code() {
        return Err(Broken::contract("details in another currency"));
    }
    let modality = activity.modalities.iter().find(|modality| modality.code == key.modality);
    let rates = modality.filter(|modality| bookable(modality)).map_or(&[][..], |m| &m.rates);
    for rate in rates.iter().filter(|rate| rate.rate_code == key.rate) {
        for detail in rate.rate_details.iter().filter(|detail| nothing_to_choose(detail)) {
            let same = |day: &&OperationDate| (day.from, day.to) == (key.from, key.to);
            let Some(day) = detail.operation_dates.iter().find(same) else { continue };
            let (price, terms) = priced(rate, detail, day, currency)?;
            let rate_key = detail.rate_key.clone();
            let book_key = BookKey { rate_key, from: key.from, to: key.to }.text();
            return Ok(if price == key.price {
                PriceCheck::Available { book_key, price, terms }
            } else {
                PriceCheck::PriceChanged { book_key, price, terms }
            });
        }
    }
    Ok(PriceCheck::SoldOut)
}

/// Whether the reply answers the question at all.
fn answered(reply: &HttpReply) -> Result<(), Broken> {
    if reply.status == 200 {
        return Ok(());
    }
    let code = wire::codes(reply).into_iter().next();
    Err(Broken::Status { status: reply.status, code })
}
