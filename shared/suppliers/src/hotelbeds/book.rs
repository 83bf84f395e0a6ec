//! Preconfirm, reconfirm, cancel, details: what is sent, and what the answers mean.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    internal::Traveller,
    messages::RefusedWhy,
    money::{Currency, Money},
};
use serde_json::{Value, json};

use super::{
    OUTCOMES,
    key::BookKey,
    language, lookup,
    shop::{ADULT_AGE, each_age},
    wire::{self, Booked, BookedPax, Booking, BookingHead, BookingReply},
};
use crate::{
    Access, Answer, Asked, Broken, Guest, HttpReply, Known, Operation, Reserve, SeenReservation,
    SeenState, Sent, Unclear, outcomes::Verdict,
};

/// Page preconfirm-and-reconfirm: a preconfirmation stands for 30 minutes. A minute less, since the
/// answer says when it was written, and not when the thirty minutes began.
const HELD_FOR: TimeDelta = TimeDelta::minutes(29);
/// Before the reference in a handle of what can still be reconfirmed.
const HELD: &str = "held:";

/// Page booking-confirm. The holder is us, so that no later call names the customer.
///
/// Everybody who takes part is named; where we know fewer names than people, the rest go under the
/// first one's.
pub(super) fn body(access: &Access, reserve: &Reserve<'_>, key: &BookKey) -> Vec<u8> {
    let nobody = Traveller {
        given_name: String::new(),
        family_name: String::new(),
        born_on: None,
        gender: None,
    };
    let people = &reserve.travellers.travellers;
    let lead = people.first().unwrap_or(&nobody);
    let pax = |(n, age): (usize, u8)| {
        let person = people.get(n).unwrap_or(lead);
        json!({
            "name": person.given_name,
            "surname": person.family_name,
            "age": age,
            "type": if age >= ADULT_AGE { "ADULT" } else { "CHILDREN" },
        })
    };
    let paxes: Vec<Value> = each_age(&reserve.order.occupancy).enumerate().map(pax).collect();
    let phone: String = reserve.travellers.phone.chars().filter(char::is_ascii_digit).collect();
    let body = json!({
        "language": language(access),
        "clientReference": reserve.client_reference,
        "holder": {
            "name": "Holdfast",
            "surname": "Bookings",
            "email": access.email,
            "mailing": false,
            "country": access.country_code,
            "telephones": [phone],
        },
        "activities": [{
            "rateKey": key.rate_key,
            "from": key.from,
            "to": key.to,
            "paxes": paxes,
        }],
    });
    body.to_string().into_bytes()
}

/// The page shows the answer of a reconfirm and not its body; the reference is all there is to
/// name (assumed).
pub(super) fn reconfirm_body(access: &Access, reference: &str) -> Vec<u8> {
    json!({ "language": language(access), "reference": reference }).to_string().into_bytes()
}

/// Page booking-details.
pub(super) fn detail_path(access: &Access, reference: &str) -> String {
    format!("/bookings/{}/{reference}", language(access))
}

/// Page cancel.
pub(super) fn cancel_path(access: &Access, reference: &str, simulated: bool) -> String {
    let flag = if simulated { "SIMULATION" } else { "CANCELLATION" };
    format!("/bookings/{}/{reference}?cancellationFlag={flag}", language(access))
}

/// The reference we know, from the handle or beside it.
pub(super) fn reference<'a>(known: &Known<'a>) -> Option<&'a str> {
    let handle = known.handle.map(|handle| handle.strip_prefix(HELD).unwrap_or(handle));
    handle.or(known.reference).filter(|reference| is_reference(reference))
}

/// The reference of what can be reconfirmed.
pub(super) fn held<'a>(known: &Known<'a>) -> Option<&'a str> {
    known.handle?.strip_prefix(HELD).filter(|reference| is_reference(reference))
}

/// `102-6112608`: it becomes part of a path, so nothing else may be in it.
fn is_reference(text: &str) -> bool {
    let digits =
        |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(office, number)| digits(office) && digits(number))
}

/// Whether a simulation says that this booking could be cancelled.
pub(super) fn would_cancel(simulated: &HttpReply, reference: &str) -> bool {
    let told = || -> Option<bool> {
        let reply: BookingReply = wire::read("booking", &simulated.body).ok()?;
        let head: BookingHead = wire::read("booking", reply.booking.get().as_bytes()).ok()?;
        Some(head.reference == reference)
    };
    simulated.status == 200 && told() == Some(true)
}

/// What a cancellation, simulated or done, says that it costs: once a booking is cancelled its
/// total is that.
pub(super) fn cancel_fee(reply: &HttpReply) -> Option<Money> {
    let whole: BookingReply = wire::read("booking", &reply.body).ok()?;
    let booking: Booking = wire::read("booking", whole.booking.get().as_bytes()).ok()?;
    let currency = booking.currency.parse().ok()?;
    let is_gone = booking.status == "CANCELLED";
    wire::money(&booking.total, currency).ok().filter(|fee| is_gone && fee.minor >= 0)
}

/// What came of it.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    if asked.operation == Operation::Lookup {
        return lookup::read(asked, sent);
    }
    let reply = match sent {
        Sent::NotSent => return Answer::NotSent,
        Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => reply,
    };
    judged(asked.operation, reply).unwrap_or_else(|| believed(asked, reply))
}

/// What the table says of a reply; nothing where its body is to be believed.
pub(super) fn judged(operation: Operation, reply: &HttpReply) -> Option<Answer> {
    let codes = wire::codes(reply);
    Some(match OUTCOMES.verdict(operation, reply.status, &codes) {
        Verdict::SureYes => return None,
        Verdict::Taken => Answer::Unknown { why: Unclear::Duplicate },
        Verdict::SureNo(why) => Answer::Refused(why),
        Verdict::PriceChanged => Answer::Refused(RefusedWhy::PriceChanged),
        Verdict::NotSent => Answer::NotSent,
        Verdict::NotFound => Answer::NotFound,
        Verdict::Unknown if reply.status == 202 => Answer::Unknown { why: Unclear::AcceptedOnly },
        Verdict::Unknown => {
            let code = codes.into_iter().next();
            Answer::Unknown { why: Unclear::Status { status: reply.status, code } }
        }
    })
}

/// Reads the booking in an answer that the table believes.
fn believed(asked: &Asked<'_>, reply: &HttpReply) -> Answer {
    // The reply to a simulation is no cancellation, whatever it shows.
    if asked.operation == Operation::Cancel && asked.earlier.is_empty() {
        return malformed(Broken::contract("a simulation that goes no further"));
    }
    match one(reply, Some(asked.client_reference)) {
        Ok(seen) => {
            let done = match asked.operation {
                Operation::Cancel => seen.state == SeenState::Gone,
                Operation::Confirm => seen.state == SeenState::Confirmed,
                Operation::Reserve
                | Operation::Search
                | Operation::PriceCheck
                | Operation::Amend
                | Operation::Lookup => true,
            };
            // What does not show the deed done leaves it open.
            if done {
                Answer::Seen(vec![seen])
            } else {
                malformed(Broken::contract("booking at `status`"))
            }
        }
        Err(Broken::Foreign) if asked.operation == Operation::Reserve => {
            Answer::Unknown { why: Unclear::Foreign }
        }
        Err(broken) => malformed(broken),
    }
}

pub(super) fn malformed(broken: Broken) -> Answer {
    let what = match broken {
        Broken::Contract { what } => what,
        other @ (Broken::Status { .. } | Broken::Expired | Broken::Foreign | Broken::Key) => {
            other.to_string()
        }
    };
    Answer::Unknown { why: Unclear::Malformed { what } }
}

/// The one booking of a reply.
pub(super) fn one(
    reply: &HttpReply,
    client_reference: Option<&str>,
) -> Result<SeenReservation, Broken> {
    let whole: BookingReply = wire::read("booking", &reply.body)?;
    let said_at = whole.audit_data.and_then(|audit| audit.time);
    let text = whole.booking.get();
    let reference = head(text, client_reference)?;
    Ok(shown(&reference, text, said_at))
}

/// The proof that something exists, and that it is what we asked about.
pub(super) fn head(booking: &str, client_reference: Option<&str>) -> Result<String, Broken> {
    let head: BookingHead = wire::read("booking", booking.as_bytes())?;
    if !is_reference(&head.reference) {
        return Err(Broken::contract("booking at `reference`"));
    }
    let wanted = client_reference.filter(|wanted| !wanted.is_empty());
    if wanted.is_some_and(|wanted| head.client_reference.as_deref() != Some(wanted)) {
        return Err(Broken::Foreign);
    }
    Ok(head.reference)
}

/// What a booking is; one that exists and cannot be read is unclear.
pub(super) fn shown(
    reference: &str,
    booking: &str,
    said_at: Option<DateTime<Utc>>,
) -> SeenReservation {
    detailed(reference, booking, said_at).unwrap_or_else(|broken| SeenReservation {
        odd: Some(broken.into()),
        ..SeenReservation::bare(reference, SeenState::Unclear)
    })
}

fn detailed(
    reference: &str,
    booking: &str,
    said_at: Option<DateTime<Utc>>,
) -> Result<SeenReservation, Broken> {
    let booking: Booking = wire::read("booking", booking.as_bytes())?;
    let (state, handle) = match booking.status.as_str() {
        "PRECONFIRMED" => {
            let until = said_at.and_then(|at| at.checked_add_signed(HELD_FOR));
            (SeenState::Held { until }, Some(format!("{HELD}{reference}")))
        }
        "CONFIRMED" => (SeenState::Confirmed, Some(reference.to_owned())),
        "CANCELLED" => (SeenState::Gone, None),
        _ => return Err(Broken::contract("booking at `status`")),
    };
    let currency: Currency =
        booking.currency.parse().map_err(|_| Broken::contract("booking at `currency`"))?;
    let [activity] = booking.activities.as_slice() else {
        return Err(Broken::contract("booking of several activities"));
    };
    if activity.date_from > activity.date_to {
        return Err(Broken::contract("booking at `dateTo`"));
    }
    let total = wire::money(&booking.total, currency)?;
    // Once it is cancelled the total is what that cost.
    let price = (state != SeenState::Gone).then_some(total);
    Ok(SeenReservation {
        reference: reference.to_owned(),
        handle,
        state,
        check_in: Some(activity.date_from),
        check_out: Some(activity.date_to),
        price,
        segments: Vec::new(),
        guests: activity.paxes.iter().filter_map(named).collect(),
        room: sort_of(activity),
        odd: None,
    })
}

fn named(pax: &BookedPax) -> Option<Guest> {
    Guest::named(pax.name.as_deref(), pax.surname.as_deref())
}

/// The activity and its modality, which a list leaves out.
fn sort_of(activity: &Booked) -> Option<String> {
    let modality = activity.modality.as_ref()?.code.as_deref()?;
    Some(format!("{}/{modality}", activity.code.as_deref()?))
}
