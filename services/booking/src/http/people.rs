//! Travellers: read and checked at the edge, kept sealed, given to supplier-sync when it books.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::Booking;
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path, Query},
};
use chrono::{Datelike as _, NaiveDate, TimeDelta};
use contracts::{
    ids::{BookingId, LegId},
    internal::{Gender, Traveller, TravellersReply},
};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    form::{self, Faults, Form, error},
    reader, store_failed,
};
use crate::{App, store};

/// Nobody was ever older.
const AGE_MAX: u32 = 125;
/// And nobody who lives was born before.
const BORN_IN_MIN: i32 = 1900;
const EAST_OF_UTC_MAX: TimeDelta = TimeDelta::hours(14);
const NAME_CHARS_MAX: usize = 50;
const REQUESTS_CHARS_MAX: usize = 500;

/// Who travels and how to reach them, as it is kept sealed. Personal data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    /// Everybody, the lead traveller first.
    pub(crate) travellers: Vec<Traveller>,
    /// Those of a leg that not everybody is on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) legs: Vec<LegParty>,
    email: String,
    phone: String,
    special_requests: Option<String>,
}

/// Who is on one leg, or is named for one: then in place of its id stands that under which they
/// are asked for. Personal data.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegParty {
    pub(crate) leg_id: LegId,
    pub(crate) travellers: Vec<Traveller>,
}

impl Party {
    /// Where they are written to.
    pub(crate) fn email(&self) -> &str {
        &self.email
    }

    /// Those of the first of these legs that has its own, or everybody: whoever was on a leg is on
    /// the one that takes its place, unless others were named for that.
    fn on(self, mut line: impl Iterator<Item = Uuid>) -> TravellersReply {
        let Self { travellers, mut legs, email, phone, special_requests } = self;
        let own = line.find_map(|party| legs.iter().position(|leg| leg.leg_id.0 == party));
        let travellers = own.map_or(travellers, |at| legs.swap_remove(at).travellers);
        TravellersReply { travellers, email, phone, special_requests }
    }
}

/// What travellers may be.
pub(crate) struct May {
    /// So many.
    be: usize,
    /// Born on that day at the latest.
    be_born_by: NaiveDate,
}

impl May {
    /// As things are now.
    pub(crate) fn of(app: &App) -> Self {
        let be = usize::try_from(app.policy.booking.travellers_max).unwrap_or(usize::MAX);
        Self { be, be_born_by: (app.clock.now() + EAST_OF_UTC_MAX).date_naive() }
    }
}

/// Reads travellers, contact and special requests of a booking request.
pub(crate) fn read(form: &Form<'_>, faults: &Faults, legs_max: usize, may: &May) -> Option<Party> {
    let travellers = travellers(form, faults, may);
    let legs = match form.optional("legs") {
        Some(_) => legs(form, faults, legs_max, may),
        None => Some(Vec::new()),
    };
    let contact = form.required("contact").map(|value| {
        let contact = Form::new(value, &form.at("contact"), faults);
        let email = contact.text("email", email);
        let phone = contact.text("phone", phone);
        contact.end();
        (email, phone)
    });
    let special_requests = form.optional_text("special_requests", special_requests);
    let (email, phone) = contact?;
    Some(Party {
        travellers: travellers?,
        legs: legs?,
        email: email?,
        phone: phone?,
        special_requests,
    })
}

/// Reads those who travel.
pub(super) fn travellers(form: &Form<'_>, faults: &Faults, may: &May) -> Option<Vec<Traveller>> {
    let read = form.list("travellers", may.be)?.iter().enumerate().map(|(n, value)| {
        traveller(&Form::new(value, &form.at(&format!("travellers/{n}")), faults), may)
    });
    // All of them are read before any is missed, so that every fault is noted.
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn legs(form: &Form<'_>, faults: &Faults, legs_max: usize, may: &May) -> Option<Vec<LegParty>> {
    let mut known = BTreeSet::new();
    let read = form.list("legs", legs_max)?.iter().enumerate().map(|(n, value)| {
        let leg = Form::new(value, &form.at(&format!("legs/{n}")), faults);
        let leg_id = leg.text("leg_id", |text| {
            let leg_id = text.parse::<LegId>().map_err(|_| "must be the id of a leg".to_owned())?;
            match known.insert(leg_id) {
                true => Ok(leg_id),
                false => Err("is named twice".to_owned()),
            }
        });
        let travellers = travellers(&leg, faults, may);
        leg.end();
        Some(LegParty { leg_id: leg_id?, travellers: travellers? })
    });
    let read: Vec<_> = read.collect();
    read.into_iter().collect()
}

fn traveller(form: &Form<'_>, may: &May) -> Option<Traveller> {
    let given_name = form.text("given_name", name);
    let family_name = form.text("family_name", name);
    let born_on = form.optional_text("born_on", |text| birthday(text, may.be_born_by));
    let gender = form.optional_text("gender", |text| match text {
        "female" => Ok(Gender::Female),
        "male" => Ok(Gender::Male),
        _ => Err("must be female or male, as in the passport".to_owned()),
    });
    form.end();
    Some(Traveller { given_name: given_name?, family_name: family_name?, born_on, gender })
}

/// What an airline wants to know of those on a flight and was not told: everybody, with a birthday
/// that somebody who flies on that day can have, and gender.
pub(super) fn unfit_for_seats(
    travellers: &[Traveller],
    (seats, departs_on): (usize, NaiveDate),
    pointer: &str,
) -> Vec<chassis::FieldError> {
    let flies =
        |born_on: NaiveDate| departs_on.years_since(born_on).is_some_and(|years| years <= AGE_MAX);
    let mut faults = Vec::new();
    if travellers.len() != seats {
        let detail = format!("must name everybody on the flight: {seats}");
        faults.push(error(pointer, "invalid", detail));
    }
    for (n, traveller) in travellers.iter().enumerate() {
        let absent =
            [("born_on", traveller.born_on.is_none()), ("gender", traveller.gender.is_none())];
        for (field, _) in absent.into_iter().filter(|(_, absent)| *absent) {
            let at = format!("{pointer}/{n}/{field}");
            faults.push(error(at, "missing", "must be given for a flight"));
        }
        if traveller.born_on.is_some_and(|born_on| !flies(born_on)) {
            let detail = "must be the birthday of somebody who is on the flight";
            faults.push(error(format!("{pointer}/{n}/born_on"), "invalid", detail));
        }
    }
    faults
}

/// A birthday: not before anybody's who lives, and not in the future wherever one is.
fn birthday(text: &str, latest: NaiveDate) -> Result<NaiveDate, String> {
    let day = form::date(text).ok_or_else(|| "must be a date like 1990-03-14".to_owned())?;
    if day.year() < BORN_IN_MIN {
        return Err(format!("must not be before {BORN_IN_MIN}"));
    }
    if day > latest {
        return Err("must not be in the future".to_owned());
    }
    Ok(day)
}

/// Whether a character is not seen itself and makes others look otherwise than they are: controls,
/// marks and overrides of direction, a byte order mark. Some scripts need joiners, which stay.
fn is_unseen(c: char) -> bool {
    let direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    direction || c == '\u{feff}' || c.is_control()
}

/// A name in any script: 1 to 50 characters, none of them unseen, not only white space.
fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX {
        return Err(format!("must have 1 to {NAME_CHARS_MAX} characters"));
    }
    if text.chars().any(is_unseen) {
        return Err("must have no control characters, also none of direction".to_owned());
    }
    if !text.chars().any(char::is_alphabetic) {
        return Err("must have a letter".to_owned());
    }
    Ok(text.to_owned())
}

/// An e-mail address as far as a form can know: one `@`, a local part, a domain with a dot.
fn email(text: &str) -> Result<String, String> {
    let wrong = || "must be an e-mail address".to_owned();
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let plain = text.len() <= 254 && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let labels: Vec<&str> = domain.split('.').collect();
    let good_label = |label: &&str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let good_local = !local.is_empty() && local.len() <= 64 && !local.contains('@');
    let domain_fits = labels.len() >= 2 && labels.iter().all(good_label);
    if plain && good_local && domain_fits { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// A phone number in international form, returned as E.164.
fn phone(text: &str) -> Result<String, String> {
    let wrong = || "must be a phone number with its country code, like +49 30 901820".to_owned();
    if !text.starts_with('+') {
        return Err(wrong());
    }
    let number = phonenumber::parse(None, text).map_err(|_| wrong())?;
    if !phonenumber::is_valid(&number) {
        return Err(wrong());
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// Reads the tables of phone numbers, which takes a moment that the first customer shall not wait
/// for.
pub(super) fn warm_up() {
    drop(phone("+4930901820"));
}

fn special_requests(text: &str) -> Result<String, String> {
    let odd = |c: char| c.is_control() && c != '\n';
    if text.chars().count() > REQUESTS_CHARS_MAX || text.chars().any(odd) {
        return Err(format!("must have at most {REQUESTS_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

/// Of which leg.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    leg: Option<LegId>,
    /// Those who were named for it under this, whoever is on it.
    party: Option<Uuid>,
}

/// `GET /internal/bookings/{id}/travellers?leg=`: for supplier-sync, just before it books a leg, or
/// with `&party=` puts others on it.
pub(crate) async fn tell(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(booking_id): Path<BookingId>,
    Query(Asked { leg, party: named }): Query<Asked>,
) -> Result<Response, ApiError> {
    let mut conn = reader(&app).await?;
    let sealed = store::travellers(&mut conn, booking_id).await.map_err(store_failed)?;
    let sealed = sealed.ok_or_else(ApiError::not_found)?;
    let party = open(&app, booking_id, &sealed)?;
    tracing::info!(booking.id = %booking_id, by = %claims.sub, "travellers were read");
    let line: Vec<Uuid> = match (named, leg.filter(|_| !party.legs.is_empty())) {
        (Some(named), _) if party.legs.iter().any(|leg| leg.leg_id.0 == named) => vec![named],
        (Some(_), _) => return Err(ApiError::not_found()),
        (None, Some(leg_id)) => {
            let booking = store::load(&mut conn, booking_id).await.map_err(store_failed)?;
            booking.map_or_else(|| vec![leg_id.0], |booking| booking.parties_of(leg_id).collect())
        }
        (None, None) => Vec::new(),
    };
    let mut response = Json(party.on(line.into_iter())).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Who is on a leg.
pub(super) async fn on_leg(
    app: &App,
    booking: &Booking,
    leg_id: LegId,
) -> Result<Vec<Traveller>, ApiError> {
    let mut conn = reader(app).await?;
    let sealed = store::travellers(&mut conn, booking.booking_id).await.map_err(store_failed)?;
    let sealed = sealed.ok_or_else(ApiError::internal_logged)?;
    let party = open(app, booking.booking_id, &sealed)?;
    Ok(party.on(booking.parties_of(leg_id)).travellers)
}

/// Keeps who is on a leg that is to take the place of another; the same again changes nothing. The
/// booking's row is locked by whoever asks.
pub(super) async fn keep(
    app: &App,
    conn: &mut PgConnection,
    booking_id: BookingId,
    named: &LegParty,
) -> Result<(), ApiError> {
    let sealed = store::travellers(conn, booking_id).await.map_err(store_failed)?;
    let sealed = sealed.ok_or_else(ApiError::internal_logged)?;
    let mut party = open(app, booking_id, &sealed)?;
    if party.legs.iter().any(|leg| leg.leg_id == named.leg_id) {
        return Ok(());
    }
    party.legs.push(named.clone());
    let text = serde_json::to_vec(&party).map_err(|error| ApiError::internal(&error))?;
    let sealed = app.sealer.seal(&text, booking_id.0.as_bytes());
    let sealed = sealed.map_err(|error| ApiError::internal(&error))?;
    store::reseal_travellers(conn, booking_id, &sealed).await.map_err(store_failed)
}

fn open(app: &App, booking_id: BookingId, sealed: &[u8]) -> Result<Party, ApiError> {
    let open = app.sealer.open(sealed, booking_id.0.as_bytes());
    let open = open.map_err(|error| ApiError::internal(&error))?;
    serde_json::from_slice(&open).map_err(|error| ApiError::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_taken_and_empty_or_long_ones_are_not() {
        for good in ["Ana", "李", "Ó Súilleabháin", "محمد", &"x".repeat(50)] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", "  ", "a\u{7}", "123", &"x".repeat(51)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_look_as_they_are() {
        // Persian and Sinhala are written with joiners.
        for good in ["علی\u{200c}رضا", "ක්\u{200d}ෂ"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        let unseen = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{feff}', '\u{7f}', '\u{85}', '\0'];
        let overrides = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        for unseen in unseen.into_iter().chain(overrides) {
            assert!(name(&format!("An{unseen}a")).is_err(), "{unseen:?}");
        }
        assert!(name("\u{feff}Ana").is_err() && name("Ana\u{202e}").is_err(), "at either end");
    }

    #[test]
    fn a_birthday_is_one_that_somebody_who_lives_can_have() {
        let today = NaiveDate::from_ymd_opt(2027, 3, 14).unwrap();
        for good in ["1900-01-01", "1990-03-14", "2027-03-14"] {
            assert_eq!(birthday(good, today).map(|day| day.to_string()).as_deref(), Ok(good));
        }
        for bad in ["1899-12-31", "0001-01-01", "2027-03-15", "1990-3-14", " 1990-03-14"] {
            assert!(birthday(bad, today).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn contacts_are_checked() {
        assert_eq!(phone("+49 30 901820"), Ok("+4930901820".to_owned()));
        for bad in ["030 901820", "+1", "phone", "+49abc"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
        for good in ["a@b.example", "first.last+tag@sub.example.org", "ü@bücher.example"] {
            assert!(email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.c", "a b@c.d", "a@@b.c", "a@-b.c", "a@b..c"] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }
}
