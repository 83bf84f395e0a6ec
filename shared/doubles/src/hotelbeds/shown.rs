//! How a booking is shown: the structure of booking-details, which confirm, preconfirm, reconfirm
//! and cancel answer as well.
//!
//! From recorded answers: amounts are JSON numbers, and `creationDate` is the server's local time
//! (Central European) with a `Z` behind it. Published (cancellation-policies): `dateFrom` is local
//! time at the destination, whatever its `Z` says.

use chrono::{DateTime, Days, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Hotelbeds;
use super::catalogue::{Catalogue, Chosen};
use super::exchange::name;
use super::world::{Booking, Pax, State, decimal, instant};
use crate::faults::Fault;

/// The server's clock, as `creationDate` tells it.
const SERVER_AHEAD_HOURS: i64 = 1;

/// Minor units as a JSON number.
pub(super) fn amount(minor: i64) -> Value {
    serde_json::from_str(&decimal(minor)).unwrap()
}

/// The cancellation policies of a choice.
pub(super) fn policies(
    catalogue: &Catalogue,
    chosen: &Chosen,
    total: i64,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let rate = catalogue.rate(chosen);
    rate.policies(chosen.from, now.date_naive(), total)
        .into_iter()
        .map(|(from, fee)| {
            json!({ "dateFrom": format!("{from}T00:00:00.000Z"), "amount": amount(fee) })
        })
        .collect()
}

/// What cancelling costs now; a preconfirmation costs nothing (assumed).
pub(super) fn charge(catalogue: &Catalogue, booking: &Booking, now: DateTime<Utc>) -> i64 {
    if matches!(booking.state, State::Preconfirmed { .. }) {
        return 0;
    }
    let rate = catalogue.rate(&booking.chosen);
    rate.policies(booking.chosen.from, booking.created_at.date_naive(), booking.total)
        .into_iter()
        .filter(|(from, _)| *from <= now.date_naive())
        .map(|(_, fee)| fee)
        .max()
        .unwrap_or(0)
}

/// The status of the API.
pub(super) fn status(state: State) -> &'static str {
    match state {
        State::Preconfirmed { .. } => "PRECONFIRMED",
        State::Confirmed => "CONFIRMED",
        State::Cancelled { .. } => "CANCELLED",
    }
}

/// A booking, whole.
///
/// Assumed: once it is cancelled, `total` is what that cost, as the transfers of the same suite
/// have it.
pub(super) fn booking(
    hotelbeds: &Hotelbeds,
    booking: &Booking,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Value {
    let mut told = booking.clone();
    distort(&mut told, fault);
    let activity = &hotelbeds.catalogue.activities[told.chosen.activity];
    let modality = &activity.modalities[told.chosen.modality];
    let state = match (name(fault), told.before) {
        ("lookup_stale", Some(before)) => before,
        _ => told.state,
    };
    let total = match state {
        State::Cancelled { .. } => told.charged,
        State::Preconfirmed { .. } | State::Confirmed => told.total,
    };
    let pax = |(at, pax): (usize, &Pax)| {
        json!({
            "name": pax.name, "surname": pax.surname, "age": pax.age, "mailing": false,
            "customerId": (at + 1).to_string(), "paxType": if pax.age < 12 { "CH" } else { "AD" },
        })
    };
    let shown = json!({
        "id": "102#O#1",
        "status": status(state),
        "type": "TICKET",
        "activityReference": told.reference,
        "code": activity.code,
        "name": activity.name,
        "modality": { "code": modality.code, "name": modality.name, "amountUnitType": "PAX" },
        "dateFrom": told.chosen.from.to_string(),
        "dateTo": told.chosen.to.to_string(),
        "cancellationPolicies": policies(&hotelbeds.catalogue, &told.chosen, told.total, now),
        "paxes": told.paxes.iter().enumerate().map(pax).collect::<Vec<_>>(),
        "questions": [],
        "vouchers": [],
        "comments": [],
        "supplier": { "name": "DOUBLE S.L.U.", "vatNumber": "ESB00000000" },
        "amountDetail": { "paxAmounts": [], "totalAmount": { "amount": amount(total) } },
    });
    let mut whole = summary(&told, state, total);
    whole["agency"] = json!({ "code": 99_994, "branch": 1 });
    whole["paymentData"] = json!({ "paymentType": { "code": "C" } });
    whole["pendingAmount"] = amount(total);
    whole["holder"]["telephones"] = json!([]);
    whole["activities"] = json!([shown]);
    if name(fault) == "wrong_room" {
        whole["activities"][0]["modality"]["code"] = json!("ANOTHER");
    }
    whole
}

/// A booking as the list shows it. Which fields the list leaves out is not published: assumed to be
/// everything about its activities but code, name and days.
pub(super) fn listed(hotelbeds: &Hotelbeds, booking: &Booking, fault: Option<&Fault>) -> Value {
    let mut told = booking.clone();
    distort(&mut told, fault);
    let activity = &hotelbeds.catalogue.activities[told.chosen.activity];
    let mut short = summary(&told, told.state, told.total);
    short["activities"] = json!([{
        "code": activity.code,
        "name": activity.name,
        "dateFrom": told.chosen.from.to_string(),
        "dateTo": told.chosen.to.to_string(),
    }]);
    short
}

fn summary(told: &Booking, state: State, total: i64) -> Value {
    let created = told.created_at + TimeDelta::hours(SERVER_AHEAD_HOURS);
    json!({
        "reference": told.reference,
        "status": status(state),
        "currency": told.currency,
        "creationDate": instant(created),
        "clientReference": told.client_reference.as_deref(),
        "holder": { "name": told.holder.0, "surname": told.holder.1 },
        "total": amount(total),
        "totalNet": amount(total),
    })
}

/// Tells something else than is true, as the fault says.
fn distort(told: &mut Booking, fault: Option<&Fault>) {
    match name(fault) {
        "wrong_dates" => shift_dates(told),
        "wrong_guest" => rename_guest(told),
        "wrong_price" => told.total += 1_234,
        "wrong_currency" => told.currency = "GBP".to_owned(),
        "wrong_reference" => told.client_reference = Some("SOMEBODY-ELSES".into()),
        _ => {}
    }
}

/// One day later than asked for.
pub(super) fn shift_dates(booking: &mut Booking) {
    booking.chosen.from = booking.chosen.from + Days::new(1);
    booking.chosen.to = booking.chosen.to + Days::new(1);
}

/// In somebody else's name.
pub(super) fn rename_guest(booking: &mut Booking) {
    if let Some(pax) = booking.paxes.first_mut() {
        "Somebody".clone_into(&mut pax.name);
        "Else".clone_into(&mut pax.surname);
    }
}
