//! Offer requests, offers and their conditions.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    money::{Currency, Money},
    offer::{
        CancelStep, FlightSearch, FlightSegment, Occupancy, Offer, PriceCheck, Product, StepBasis,
        Terms,
    },
    supplier::Supplier,
};
use serde_json::{Value, json, value::RawValue};

use super::{
    key::{BookKey, RateKey, Seat, is_id},
    wire::{self, Conditions, PaymentRequirements, Slice},
};
use crate::{Broken, Found, HttpReply};

/// `POST /air/offer_requests`: the airlines get 5 s of the search's deadline.
pub(super) const SEARCH: &str = "/air/offer_requests?return_offers=true&supplier_timeout=5000";

/// Airlines give an hour to some days. An offer whose deadlines are nearer than this to when it was
/// made is not told as one that can be held: half an hour for the offer itself, two hours for the
/// customer.
const HELD_FOR_MIN: TimeDelta = TimeDelta::minutes(150);

/// No clock on earth is further ahead of UTC; the times of an offer are local and name no offset.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(14);

const SEGMENTS_MAX: usize = 16;

/// The body of an offer request: a slice there, one back, and everybody who flies.
pub(super) fn body(search: &FlightSearch) -> Vec<u8> {
    let slice = |origin: &str, destination: &str, day| json!({ "origin": origin, "destination": destination, "departure_date": day });
    let FlightSearch { origin, destination, departs_on, returns_on, .. } = search;
    let mut slices = vec![slice(origin, destination, departs_on)];
    slices.extend(returns_on.as_ref().map(|day| slice(destination, origin, day)));
    let adults = (0..search.passengers.adults).map(|_| json!({ "type": "adult" }));
    let children = search.passengers.children.iter().map(|age| json!({ "age": age }));
    let passengers: Vec<Value> = adults.chain(children).collect();
    json!({ "data": { "slices": slices, "passengers": passengers } }).to_string().into_bytes()
}

/// Offers in the currency that was asked for. The supplier bills in one currency of the account and
/// knows no parameter for another, so offers in any other are none that could be told.
pub(super) fn read_search(search: &FlightSearch, reply: &HttpReply) -> Result<Found, Broken> {
    if reply.status != 200 && reply.status != 201 {
        return Err(refused(reply));
    }
    let found: wire::Envelope<wire::OfferRequest> = wire::read("offer request", &reply.body)?;
    Found::of(found.data.offers.iter().map(|raw| offered(search, raw)))
}

fn offered(search: &FlightSearch, raw: &RawValue) -> Result<Vec<Offer>, Broken> {
    let offer: wire::Offer = wire::read("offer", raw.get().as_bytes())?;
    let price = wire::money(&offer.total_amount, &offer.total_currency)?;
    if price.currency != search.currency {
        return Ok(Vec::new());
    }
    asked_for(search, &offer)?;
    Ok(vec![told(search, &offer, price)?])
}

/// The offer now; its price is exact at this moment ("Getting an accurate price before booking").
pub(super) fn read_price_check(
    key: &RateKey,
    currency: Currency,
    reply: &HttpReply,
) -> Result<PriceCheck, Broken> {
    let code = wire::codes(&reply.body).into_iter().next().unwrap_or_default();
    match (reply.status, code.as_str()) {
        (200, _) => {}
        (404 | 422, "not_found" | "offer_no_longer_available") => return Ok(PriceCheck::SoldOut),
        (422, "offer_expired") => return Err(Broken::Expired),
        _ => return Err(refused(reply)),
    }
    let offer: wire::Envelope<wire::Offer> = wire::read("offer", &reply.body)?;
    let offer = offer.data;
    if offer.id != key.offer {
        return Err(Broken::contract("another offer than was asked for"));
    }
    let price = wire::money(&offer.total_amount, &offer.total_currency)?;
    if price.currency != currency || price.currency != key.price.currency {
        return Err(Broken::contract("an amount in another currency"));
    }
    let terms = terms(&offer, price)?;
    let book_key = BookKey { offer: offer.id.clone(), seats: seats(&offer)? }.text();
    Ok(if price == key.price {
        PriceCheck::Available { book_key, price, terms }
    } else {
        PriceCheck::PriceChanged { book_key, price, terms }
    })
}

/// Every flight of the slices, in the order they are flown.
pub(super) fn segments(slices: &[Slice]) -> Result<Vec<FlightSegment>, Broken> {
    let broken = || Broken::contract("a flight that cannot be flown");
    let mut flights: Vec<FlightSegment> = Vec::new();
    for segment in slices.iter().flat_map(|slice| &slice.segments) {
        let carrier = segment.marketing_carrier.iata_code.as_deref().unwrap_or_default();
        let flight = FlightSegment {
            origin: segment.origin.iata_code.clone(),
            destination: segment.destination.iata_code.clone(),
            departs_at: segment.departing_at,
            arrives_at: segment.arriving_at,
            flight: format!("{carrier}{}", segment.marketing_carrier_flight_number),
        };
        let code = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        let known = code(&flight.origin) && code(&flight.destination) && flight.flight.len() <= 8;
        // Both times are local: across the date line one lands a day before one left.
        let late =
            flights.last().is_some_and(|last| last.departs_at > flight.departs_at + AHEAD_MAX * 2);
        if !known || late || flights.len() == SEGMENTS_MAX {
            return Err(broken());
        }
        flights.push(flight);
    }
    if flights.is_empty() { Err(broken()) } else { Ok(flights) }
}

/// An offer that is another journey than was asked for is no answer.
fn asked_for(search: &FlightSearch, offer: &wire::Offer) -> Result<(), Broken> {
    let slices = usize::from(search.returns_on.is_some()) + 1;
    let first = offer.slices.first().and_then(|slice| slice.segments.first());
    let last = offer.slices.first().and_then(|slice| slice.segments.last());
    let at = |place: &wire::Place, code: &str| {
        place.iata_code == code || place.iata_city_code.as_deref() == Some(code)
    };
    let route = first.is_some_and(|s| at(&s.origin, &search.origin))
        && last.is_some_and(|s| at(&s.destination, &search.destination));
    let day = first.is_some_and(|s| s.departing_at.date() == search.departs_on);
    let back = search.returns_on.is_none_or(|day| {
        let first = offer.slices.last().and_then(|slice| slice.segments.first());
        first.is_some_and(|s| s.departing_at.date() == day)
    });
    let everybody = usize::from(search.passengers.adults) + search.passengers.children.len();
    if route && day && back && offer.slices.len() == slices && offer.passengers.len() == everybody {
        Ok(())
    } else {
        Err(Broken::contract("an offer of another journey"))
    }
}

fn told(search: &FlightSearch, offer: &wire::Offer, price: Money) -> Result<Offer, Broken> {
    let segments = segments(&offer.slices)?;
    seats(offer)?;
    if !is_id("off_", &offer.id) {
        return Err(Broken::contract("offer at `id`"));
    }
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Err(Broken::contract("an offer without a flight"));
    };
    let (check_in, check_out) = (first.departs_at.date(), last.arrives_at.date());
    let fare = offer.slices.iter().find_map(|slice| slice.fare_brand_name.clone());
    Ok(Offer {
        supplier: Supplier::Duffel,
        rate_key: RateKey { offer: offer.id.clone(), price }.text(),
        property_id: format!("{}-{}", search.origin, search.destination),
        property_name: offer.owner.name.clone(),
        room_name: fare.unwrap_or_else(|| "Standard".to_owned()),
        check_in,
        // Whoever flies east over the date line lands on an earlier day.
        check_out: check_out.max(check_in),
        occupancy: Occupancy::clone(&search.passengers),
        price,
        terms: terms(offer, price)?,
        product: Product::Flight { segments },
    })
}

fn terms(offer: &wire::Offer, price: Money) -> Result<Terms, Broken> {
    let departs_at = segments(&offer.slices)?.first().map(|first| first.departs_at);
    let departs_at = departs_at.ok_or_else(|| Broken::contract("an offer without a flight"))?;
    let (refundable, fee) = penalty(&offer.conditions, price)?;
    let cancel_steps = if refundable {
        // Before departure the penalty, from departure on everything.
        let begins = (fee.minor > 0).then_some(CancelStep::new(offer.created_at, fee));
        let from = departs_at.and_utc() - AHEAD_MAX;
        let gone = CancelStep { from, fee: price, basis: StepBasis::LocalEarliest };
        begins.into_iter().chain([gone]).collect()
    } else {
        Vec::new()
    };
    let holdable = holdable(&offer.payment_requirements, offer.created_at, offer.expires_at);
    Ok(Terms { refundable, cancel_steps, holdable, due_at_property: Vec::new() })
}

/// What cancelling before departure costs, where anything comes back at all. A penalty that is not
/// told, or is in another currency, could be everything.
fn penalty(conditions: &Conditions, price: Money) -> Result<(bool, Money), Broken> {
    let nothing = (false, price);
    let Some(refund) = conditions.refund_before_departure.as_ref().filter(|c| c.allowed) else {
        return Ok(nothing);
    };
    let (Some(amount), Some(currency)) = (&refund.penalty_amount, &refund.penalty_currency) else {
        return Ok(nothing);
    };
    if currency != price.currency.code() {
        return Ok(nothing);
    }
    let fee = wire::money(amount, currency)?;
    Ok((fee.minor < price.minor, fee))
}

/// Two deadlines: the space is held until one, the price until the other, where there is another.
fn holdable(
    requirements: &PaymentRequirements,
    made_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> bool {
    let long = |until: DateTime<Utc>| until - made_at >= HELD_FOR_MIN && until > expires_at;
    let space = requirements.payment_required_by.is_some_and(long);
    let price = requirements.price_guarantee_expires_at.is_none_or(long);
    !requirements.requires_instant_payment && space && price
}

fn seats(offer: &wire::Offer) -> Result<Vec<Seat>, Broken> {
    let seat = |passenger: &wire::OfferPassenger| {
        let adult = passenger.r#type.as_deref() == Some("adult");
        let known = is_id("pas_", &passenger.id) && (adult || passenger.age.is_some());
        let age = if adult { None } else { passenger.age };
        let seat = Seat { id: passenger.id.clone(), age };
        known.then_some(seat).ok_or_else(|| Broken::contract("offer at `passengers`"))
    };
    offer.passengers.iter().map(seat).collect()
}

fn refused(reply: &HttpReply) -> Broken {
    let code = wire::codes(&reply.body).into_iter().next();
    Broken::Status { status: reply.status, code }
}
