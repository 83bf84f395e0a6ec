//! Travellers, as an airline wants them: each on a seat of the offer, with birthday and gender.

use chrono::{Datelike as _, NaiveDate};
use contracts::internal::{Gender, Traveller};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{key::Seat, wire::OrderPassenger};
use crate::{Access, BadKey, Reserve};

/// Below this age a child has no seat of its own and is on an adult's lap (`infant_passenger_id`).
const INFANT_BELOW: u8 = 2;

/// Every passenger of the order.
///
/// # Errors
/// When somebody has no seat, a seat nobody, or birthday or gender are missing.
pub(super) fn passengers(
    access: &Access,
    reserve: &Reserve<'_>,
    seats: &[Seat],
) -> Result<Vec<Value>, BadKey> {
    let departs_on = reserve.order.check_in;
    let phone: String =
        reserve.travellers.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let mut waiting: Vec<&Traveller> = reserve.travellers.travellers.iter().collect();
    let mut infants = seats.iter().filter(|s| s.age.is_some_and(|age| age < INFANT_BELOW));
    let mut made = Vec::new();
    for seat in seats {
        let traveller = take(&mut waiting, seat, departs_on).ok_or(BadKey)?;
        let (Some(born_on), Some(gender)) = (traveller.born_on, traveller.gender) else {
            return Err(BadKey);
        };
        let (title, gender) = match gender {
            Gender::Female => ("ms", "f"),
            Gender::Male => ("mr", "m"),
        };
        let mut passenger = json!({
            "id": seat.id,
            "title": title,
            "gender": gender,
            "given_name": traveller.given_name,
            "family_name": traveller.family_name,
            "born_on": born_on,
            "email": access.email,
            "phone_number": phone,
        });
        if seat.age.is_none()
            && let (Some(infant), Some(fields)) = (infants.next(), passenger.as_object_mut())
        {
            fields.insert("infant_passenger_id".into(), json!(infant.id));
        }
        made.push(passenger);
    }
    if waiting.is_empty() && infants.next().is_none() { Ok(made) } else { Err(BadKey) }
}

/// Takes who belongs on a seat: an adult, or a child of its age; else whoever of that sort is left.
fn take<'t>(
    waiting: &mut Vec<&'t Traveller>,
    seat: &Seat,
    departs_on: NaiveDate,
) -> Option<&'t Traveller> {
    let age = |traveller: &Traveller| traveller.born_on.and_then(|born| age(born, departs_on));
    let exact = waiting.iter().position(|t| match seat.age {
        None => age(t).is_none_or(|years| years >= 18),
        Some(wanted) => age(t) == Some(u32::from(wanted)),
    });
    let sort = || {
        waiting.iter().position(|t| age(t).is_some_and(|years| years < 18) == seat.age.is_some())
    };
    let found = exact.or_else(sort)?;
    Some(waiting.remove(found))
}

/// How old somebody is on that day.
fn age(born_on: NaiveDate, on: NaiveDate) -> Option<u32> {
    let years = on.year() - born_on.year();
    let before = (on.month(), on.day()) < (born_on.month(), born_on.day());
    u32::try_from(years - i32::from(before)).ok()
}

/// A digest of who travels, bound to the reference: it goes into the order's metadata, and whoever
/// reads the order later can tell whether the names are still those, without keeping any.
pub(super) fn digest_of_travellers(reference: &str, travellers: &[Traveller]) -> String {
    let people =
        travellers.iter().map(|t| (t.given_name.as_str(), t.family_name.as_str(), t.born_on));
    digest(reference, people)
}

/// The same of an order's passengers.
pub(super) fn digest_of_passengers(reference: &str, passengers: &[OrderPassenger]) -> String {
    let people =
        passengers.iter().map(|p| (p.given_name.as_str(), p.family_name.as_str(), p.born_on));
    digest(reference, people)
}

/// Order does not count, nor do case and white space: airlines write names as they like.
fn digest<'a>(
    reference: &str,
    people: impl Iterator<Item = (&'a str, &'a str, Option<NaiveDate>)>,
) -> String {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
    };
    let mut people: Vec<String> = people
        .map(|(given, family, born_on)| {
            let born_on = born_on.map(|day| day.to_string()).unwrap_or_default();
            format!("{}\u{1f}{}\u{1f}{born_on}", plain(given), plain(family))
        })
        .collect();
    people.sort();
    let digest = Sha256::digest(format!("{reference}\u{1e}{}", people.join("\u{1e}")));
    hex::encode(digest)
}
