//! The passengers of an order: everybody on a seat of the offer, with all that is required.

use chrono::{Datelike, NaiveDate};
use serde_json::Value;

use super::errors::{Answer, invalid};
use super::world::Seat;

const TITLES: [&str; 5] = ["mr", "ms", "mrs", "miss", "dr"];

/// Takes the passengers, or says what is wrong with the first that is.
pub(crate) fn check(
    passengers: &Value,
    seats: &[Seat],
    departs_on: NaiveDate,
) -> Result<Vec<Value>, Box<Answer>> {
    let wrong = |code: &str| Err(Box::new(invalid(code)));
    let Some(passengers) = passengers.as_array() else { return wrong("validation_required") };
    if passengers.len() != seats.len() {
        return wrong("validation_length");
    }
    for seat in seats {
        let Some(passenger) = passengers.iter().find(|p| p["id"] == seat.id.as_str()) else {
            return wrong("validation_inclusion");
        };
        let text = |field: &str| passenger[field].as_str().map(str::trim).unwrap_or_default();
        for field in
            ["title", "gender", "given_name", "family_name", "born_on", "email", "phone_number"]
        {
            if text(field).is_empty() {
                return wrong("validation_required");
            }
        }
        let phone = text("phone_number");
        let e164 = phone.strip_prefix('+').is_some_and(|rest| {
            (7..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
        });
        let known = TITLES.contains(&text("title")) && ["m", "f"].contains(&text("gender"));
        let Ok(born_on) = text("born_on").parse::<NaiveDate>() else {
            return wrong("validation_format");
        };
        if !e164 || !known || !text("email").contains('@') {
            return wrong("validation_format");
        }
        let age = age(born_on, departs_on);
        let fits = seat.age.map_or(age >= 18, |wanted| age == i32::from(wanted));
        if !fits {
            return wrong("validation_age");
        }
        // Published: an infant without a seat belongs to one adult.
        if seat.age.is_some_and(|age| age < 2) {
            let with = passengers.iter().filter(|p| p["infant_passenger_id"] == seat.id.as_str());
            if with.count() != 1 {
                return wrong("validation_infant_passenger");
            }
        }
    }
    Ok(passengers.clone())
}

fn age(born_on: NaiveDate, on: NaiveDate) -> i32 {
    let before = (on.month(), on.day()) < (born_on.month(), born_on.day());
    on.year() - born_on.year() - i32::from(before)
}
