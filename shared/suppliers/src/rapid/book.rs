//! Book, resume, cancel, retrieve: what is sent, and what the answers mean.

use chrono::NaiveDate;
use contracts::{
    internal::Traveller,
    messages::RefusedWhy,
    money::{Currency, Money},
    mutants::mutant,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    OUTCOMES,
    link::{CANCEL, CHANGE, RESUME, encode},
    terms::instant,
    wire::{self, Charge, ItineraryDetail, ItineraryHead, Links, RoomDetail},
};
use crate::{
    Access, Amend, Answer, Asked, Broken, Guest, HttpReply, Known, Operation, Reserve,
    SeenReservation, SeenState, Sent, Unclear, outcomes::Verdict,
};

/// The links of one reservation.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handle {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cancel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<String>,
}

impl Handle {
    /// The links we know, each checked again; none where the handle is not one of ours.
    pub(super) fn of(known: &Known<'_>) -> Self {
        let read = known.handle.and_then(|text| serde_json::from_str::<Self>(text).ok());
        let handle = read.unwrap_or_default();
        Self {
            resume: handle.resume.and_then(|href| RESUME.checked(&href)),
            cancel: handle.cancel.and_then(|href| CANCEL.checked(&href)),
            change: handle.change.and_then(|href| CHANGE.checked(&href)),
        }
    }

    fn text(&self) -> Option<String> {
        let known = self.resume.is_some() || self.cancel.is_some() || self.change.is_some();
        known.then(|| serde_json::to_string(self).ok()).flatten()
    }
}

/// The body of a booking: spec 22975, `CreateItineraryRequest`.
///
/// The e-mail address is ours, so that the itinerary can be retrieved without the customer's. One
/// room: a leg is one reservation. The platform collects the money (`affiliate_collect`), so no
/// card goes along.
pub(super) fn body(access: &Access, reserve: &Reserve<'_>) -> Vec<u8> {
    let nobody = Traveller {
        given_name: String::new(),
        family_name: String::new(),
        born_on: None,
        gender: None,
    };
    let lead = reserve.travellers.travellers.first().unwrap_or(&nobody);
    let (country_code, number) = phone(&reserve.travellers.phone);
    let mut room = json!({
        "given_name": lead.given_name,
        "family_name": lead.family_name,
        "smoking": false,
    });
    if let (Some(room), Some(wish)) = (room.as_object_mut(), &reserve.travellers.special_requests) {
        room.insert("special_request".into(), json!(wish));
    }
    let body = json!({
        "affiliate_reference_id": reserve.client_reference,
        "hold": reserve.hold,
        "email": access.email,
        "phone": { "country_code": country_code, "number": number },
        "rooms": [room],
        "payments": [{
            "type": "affiliate_collect",
            "billing_contact": {
                "given_name": lead.given_name,
                "family_name": lead.family_name,
                "address": { "country_code": access.country_code },
            },
        }],
    });
    body.to_string().into_bytes()
}

/// The body of a change of a room's details: spec 23207, `ChangeRoomDetailsRequest`. Only what
/// changes goes along: who leads, as in the booking, and nobody else is named there either.
pub(super) fn change(amend: &Amend<'_>) -> Vec<u8> {
    let lead = amend.travellers.travellers.first();
    let name = |of: fn(&Traveller) -> &String| lead.map(of).cloned().unwrap_or_default();
    let body = json!({
        "given_name": name(|lead| &lead.given_name),
        "family_name": name(|lead| &lead.family_name),
    });
    body.to_string().into_bytes()
}

/// `GET /v3/itineraries` by our reference (spec 8644), or the one itinerary by theirs (spec 11139).
pub(super) fn lookup_path(access: &Access, known: &Known<'_>) -> String {
    let email = encode(&access.email);
    match known.reference {
        Some(reference) if known.client_reference.is_empty() => {
            format!("/v3/itineraries/{}?email={email}", encode(reference))
        }
        Some(_) | None => {
            let reference = encode(known.client_reference);
            format!("/v3/itineraries?affiliate_reference_id={reference}&email={email}")
        }
    }
}

/// What came of it.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let reply = match sent {
        Sent::NotSent => return Answer::NotSent,
        Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => reply,
    };
    let mut codes = wire::codes(&reply.body);
    match OUTCOMES.verdict(asked.operation, reply.status, &codes) {
        Verdict::SureYes => believed(asked, reply),
        Verdict::Taken => Answer::Unknown { why: Unclear::Duplicate },
        Verdict::SureNo(why) => Answer::Refused(why),
        Verdict::PriceChanged => Answer::Refused(RefusedWhy::PriceChanged),
        Verdict::NotSent => Answer::NotSent,
        // Said of one itinerary by its id; a list is empty where there is none.
        Verdict::NotFound if asked.client_reference.is_empty() => Answer::NotFound,
        Verdict::Unknown if reply.status == 202 && mutant("taken_in_is_done") => Answer::Accepted,
        Verdict::Unknown if reply.status == 202 => Answer::Unknown { why: Unclear::AcceptedOnly },
        Verdict::NotFound | Verdict::Unknown => {
            let code = (!codes.is_empty()).then(|| codes.swap_remove(0));
            Answer::Unknown { why: Unclear::Status { status: reply.status, code } }
        }
    }
}

/// Reads the body of an answer that the table believes.
fn believed(asked: &Asked<'_>, reply: &HttpReply) -> Answer {
    let seen = match asked.operation {
        Operation::Confirm | Operation::Cancel | Operation::Amend => return Answer::Accepted,
        Operation::Reserve => created(asked, &reply.body).map(|one| vec![one]),
        Operation::Lookup => retrieved(asked, reply),
        Operation::Search | Operation::PriceCheck => Err(Broken::contract("not asked for")),
    };
    match seen {
        Ok(seen) if !seen.is_empty() => Answer::Seen(seen),
        // A degraded answer that shows nothing has not said that there is nothing.
        Ok(_) if reply.status == 206 => {
            Answer::Unknown { why: Unclear::Status { status: 206, code: None } }
        }
        Ok(_) => Answer::NotFound,
        Err(Broken::Foreign) if asked.operation == Operation::Reserve => {
            Answer::Unknown { why: Unclear::Foreign }
        }
        Err(Broken::Contract { what }) => Answer::Unknown { why: Unclear::Malformed { what } },
        Err(other) => Answer::Unknown { why: Unclear::Malformed { what: other.to_string() } },
    }
}

/// Spec 10761: the itinerary's id and links. A resume link is only there for a hold.
fn created(asked: &Asked<'_>, body: &[u8]) -> Result<SeenReservation, Broken> {
    let value: Value = wire::read("itinerary", body)?;
    let reference = head(asked, &value)?;
    let detail: Result<ItineraryDetail, _> = wire::part("itinerary", &value);
    let found = detail.and_then(|detail| {
        let handle = handle(&detail.links, &Links::new())?;
        // Each itinerary has its own link at least; without, nothing is said of challenges either.
        if detail.links.is_empty() {
            return Err(Broken::contract("itinerary at `links`"));
        }
        let challenged = detail.links.contains_key("complete_payment_session");
        let state = match held(&detail.links)? {
            Some(held) => held,
            // A hold that came without its resume link is there, and not as asked.
            None if asked.hold || challenged => SeenState::Unclear,
            None => SeenState::Confirmed,
        };
        Ok(SeenReservation { handle, ..SeenReservation::bare(&reference, state) })
    });
    Ok(found.unwrap_or_else(|broken| unreadable(&reference, broken)))
}

/// Every itinerary of a retrieve; by the supplier's reference there is one, and it is not in a
/// list.
fn retrieved(asked: &Asked<'_>, reply: &HttpReply) -> Result<Vec<SeenReservation>, Broken> {
    let values: Vec<Value> = if asked.client_reference.is_empty() {
        vec![wire::read("itinerary", &reply.body)?]
    } else {
        wire::read("itineraries", &reply.body)?
    };
    let whole = reply.status == 200;
    values
        .iter()
        .map(|value| {
            let reference = head(asked, value)?;
            let detail = wire::part::<ItineraryDetail>("itinerary", value);
            let seen = detail.and_then(|detail| shown(&reference, &detail, whole));
            Ok(seen.unwrap_or_else(|broken| unreadable(&reference, broken)))
        })
        .collect()
}

/// The proof that something exists, and that it is what we asked about.
fn head(asked: &Asked<'_>, value: &Value) -> Result<String, Broken> {
    let head: ItineraryHead = wire::part("itinerary", value)?;
    let id = &head.itinerary_id;
    if !(1..=64).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Err(Broken::contract("itinerary at `itinerary_id`"));
    }
    let about = head.affiliate_reference_id.as_deref();
    let other = about.is_some_and(|about| about != asked.client_reference);
    if other && !asked.client_reference.is_empty() {
        return Err(Broken::Foreign);
    }
    Ok(head.itinerary_id)
}

/// What an itinerary is.
///
/// New ones may show with nothing but their id and time for a while (handling booking requests):
/// they exist, and that is all. A status that is not published is no status.
fn shown(
    reference: &str,
    detail: &ItineraryDetail,
    whole: bool,
) -> Result<SeenReservation, Broken> {
    let held = held(&detail.links)?;
    let [room] = detail.rooms.as_slice() else {
        let gone = !detail.rooms.is_empty() && detail.rooms.iter().all(|r| r.status == "canceled");
        let empty = held.filter(|_| detail.rooms.is_empty());
        let state = if gone { SeenState::Gone } else { empty.unwrap_or(SeenState::Unclear) };
        let handle = handle(&detail.links, &Links::new())?;
        return Ok(SeenReservation { handle, ..SeenReservation::bare(reference, state) });
    };
    let state = match (room.status.as_str(), held) {
        ("canceled", _) if mutant("cancelled_reads_as_booked") => SeenState::Confirmed,
        ("canceled", _) => SeenState::Gone,
        ("booked" | "pending", Some(held)) => held,
        ("booked", None) => SeenState::Confirmed,
        ("pending", None) => SeenState::Unclear,
        (_, _) => return Err(Broken::contract("room at `status`")),
    };
    let (check_in, check_out) = dates(room, whole && state != SeenState::Gone)?;
    Ok(SeenReservation {
        reference: reference.to_owned(),
        handle: handle(&detail.links, &room.links)?,
        state,
        check_in,
        check_out,
        price: price(room)?,
        segments: Vec::new(),
        guests: Guest::named(room.given_name.as_deref(), room.family_name.as_deref())
            .into_iter()
            .collect(),
        room: rate(detail, room),
        odd: None,
    })
}

/// The property and the rate. A room of an itinerary has an id of its own, which is no type of
/// room.
fn rate(detail: &ItineraryDetail, room: &RoomDetail) -> Option<String> {
    let rate = room.rate.as_ref()?.id.as_deref()?;
    Some(format!("{}/{rate}", detail.property_id.as_deref()?))
}

/// A hold, where there is a link to resume it.
fn held(links: &Links) -> Result<Option<SeenState>, Broken> {
    let Some(resume) = links.get("resume") else { return Ok(None) };
    let until = resume.expires.as_deref().map(instant).transpose()?;
    Ok(Some(SeenState::Held { until }))
}

/// The links we follow: of the itinerary while it is held, of its room once it is booked.
fn handle(links: &Links, room: &Links) -> Result<Option<String>, Broken> {
    let link = |links: &Links, name: &str, way: &super::link::Way| match links.get(name) {
        None => Ok(None),
        Some(link) => match way.of(link) {
            Some(href) => Ok(Some(href)),
            None => Err(Broken::contract(format!("itinerary at `links.{name}`"))),
        },
    };
    let resume = link(links, "resume", &RESUME)?;
    let of_room = link(room, "cancel", &CANCEL)?;
    let of_all = link(links, "cancel", &CANCEL)?;
    let cancel = if resume.is_some() { of_all.or(of_room) } else { of_room.or(of_all) };
    // Not every room can be changed, and one whose link leads elsewhere cannot.
    let change = room.get("change").and_then(|link| CHANGE.of(link));
    Ok(Handle { resume, cancel, change }.text())
}

type Dates = (Option<NaiveDate>, Option<NaiveDate>);

fn dates(room: &RoomDetail, required: bool) -> Result<Dates, Broken> {
    let dates = (room.checkin, room.checkout);
    match dates {
        (Some(check_in), Some(check_out)) if check_in >= check_out => {
            Err(Broken::contract("room at `checkout`"))
        }
        (Some(_), Some(_)) => Ok(dates),
        (_, _) if required => Err(Broken::contract("room at `checkin`")),
        (_, _) => Ok(dates),
    }
}

/// What it costs, as it is billed; nothing where the reply does not say.
fn price(room: &RoomDetail) -> Result<Option<Money>, Broken> {
    let Some(pricing) = room.rate.as_ref().and_then(|r| r.pricing.as_ref()) else {
        return Ok(None);
    };
    let Charge { billable_currency: billed, .. } = &pricing.totals.inclusive;
    let broken = || Broken::contract("room at `rate.pricing.totals.inclusive`");
    let currency: Currency = billed.currency.parse().map_err(|_| broken())?;
    Money::parse_decimal(&billed.value, currency).map(Some).map_err(|_| broken())
}

/// It is there, and what it is cannot be read.
fn unreadable(reference: &str, broken: Broken) -> SeenReservation {
    SeenReservation {
        odd: Some(broken.into()),
        ..SeenReservation::bare(reference, SeenState::Unclear)
    }
}

/// Splits an E.164 number into calling code and the rest, as `PhoneRequest` wants it.
///
/// Calling codes are prefix-free: one digit for zones 1 and 7, two for those listed, else three.
fn phone(e164: &str) -> (String, String) {
    const TWO_DIGITS: [&str; 44] = [
        "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
        "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
        "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
    ];
    let digits: String = e164.chars().filter(char::is_ascii_digit).collect();
    let starts = |codes: &[&str]| codes.iter().any(|c| digits.starts_with(c));
    let length = match () {
        () if starts(&["1", "7"]) => 1,
        () if starts(&TWO_DIGITS) => 2,
        () => 3,
    };
    let (code, number) = digits.split_at_checked(length).unwrap_or(("", &digits));
    (code.to_owned(), number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_numbers_are_split_after_their_calling_code() {
        let split = |e164: &str| {
            let (code, number) = phone(e164);
            format!("{code} {number}")
        };
        assert_eq!(split("+14875550077"), "1 4875550077");
        assert_eq!(split("+4915112345678"), "49 15112345678");
        assert_eq!(split("+35312345678"), "353 12345678");
        assert_eq!(split("+78121234567"), "7 8121234567");
    }
}
