//! Reserve, confirm, cancel, look up: what is sent, and what the answers mean.

use contracts::messages::RefusedWhy;
use serde_json::{Value, json};

use super::{
    OUTCOMES,
    key::{BookKey, is_id, is_stay},
    wire::{self, Head, List, Reservation},
};
use crate::{
    Access, Answer, Asked, Broken, Guest, HttpReply, Known, Operation, Reserve, SeenReservation,
    SeenState, Sent, Unclear, outcomes::Verdict,
};

/// Before the reference in a handle of what can still be confirmed.
const HELD: &str = "held:";

/// `POST /v1/reservations`. The price is named, so that nothing is sold at another one; the contact
/// is us.
pub(super) fn body(access: &Access, reserve: &Reserve<'_>, key: &BookKey) -> Vec<u8> {
    let cost = reserve.order.cost();
    let guests =
        reserve.travellers.travellers.iter().map(
            |guest| json!({ "given_name": guest.given_name, "family_name": guest.family_name }),
        );
    let body = json!({
        "client_reference": reserve.client_reference,
        "book_token": key.book_token,
        "hold": reserve.hold,
        "price": { "amount": cost.decimal(), "currency": cost.currency.code() },
        "guests": guests.collect::<Vec<Value>>(),
        "contact": { "email": access.email, "phone": reserve.travellers.phone },
    });
    body.to_string().into_bytes()
}

/// The reference we know, from the handle or beside it.
pub(super) fn reference<'a>(known: &Known<'a>) -> Option<&'a str> {
    let handle = known.handle.map(|handle| handle.strip_prefix(HELD).unwrap_or(handle));
    handle.or(known.reference).filter(|reference| is_id(reference))
}

/// The reference of what can be confirmed.
pub(super) fn held<'a>(known: &Known<'a>) -> Option<&'a str> {
    known.handle?.strip_prefix(HELD).filter(|reference| is_id(reference))
}

/// What came of it.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let reply = match sent {
        Sent::NotSent => return Answer::NotSent,
        Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => reply,
    };
    judged(asked.operation, reply).unwrap_or_else(|| believed(asked, reply))
}

/// What the table says of a reply; nothing where its body is to be believed.
fn judged(operation: Operation, reply: &HttpReply) -> Option<Answer> {
    let code = wire::code(reply);
    Some(match OUTCOMES.verdict(operation, reply.status, code.as_slice()) {
        Verdict::SureYes => return None,
        Verdict::Taken => Answer::Unknown { why: Unclear::Duplicate },
        Verdict::SureNo(why) => Answer::Refused(why),
        Verdict::PriceChanged => Answer::Refused(RefusedWhy::PriceChanged),
        Verdict::NotSent => Answer::NotSent,
        Verdict::NotFound => Answer::NotFound,
        Verdict::Unknown if reply.status == 202 => Answer::Unknown { why: Unclear::AcceptedOnly },
        Verdict::Unknown => Answer::Unknown { why: Unclear::Status { status: reply.status, code } },
    })
}

/// Reads an answer that the table believes.
fn believed(asked: &Asked<'_>, reply: &HttpReply) -> Answer {
    let read = match asked.operation {
        Operation::Lookup => listed(asked, reply),
        Operation::Reserve
        | Operation::Confirm
        | Operation::Cancel
        | Operation::Amend
        | Operation::Search
        | Operation::PriceCheck => done(asked, reply),
    };
    read.unwrap_or_else(|broken| {
        let what = match broken {
            Broken::Foreign if asked.operation == Operation::Reserve => {
                return Answer::Unknown { why: Unclear::Foreign };
            }
            Broken::Contract { what } => what,
            other @ (Broken::Status { .. } | Broken::Expired | Broken::Foreign | Broken::Key) => {
                other.to_string()
            }
        };
        Answer::Unknown { why: Unclear::Malformed { what } }
    })
}

/// The reservation that a deed leaves.
fn done(asked: &Asked<'_>, reply: &HttpReply) -> Result<Answer, Broken> {
    let seen = one(&reply.body, asked.client_reference)?;
    let is_done = match asked.operation {
        Operation::Cancel => seen.state == SeenState::Gone,
        Operation::Confirm => seen.state == SeenState::Confirmed,
        Operation::Reserve
        | Operation::Amend
        | Operation::Search
        | Operation::PriceCheck
        | Operation::Lookup => seen.state != SeenState::Gone,
    };
    // What does not show the deed done leaves it open.
    if is_done { Ok(Answer::Seen(vec![seen])) } else { Err(Broken::contract("not as was asked")) }
}

/// `GET /v1/reservations`: all that there is, also what is over.
fn listed(asked: &Asked<'_>, reply: &HttpReply) -> Result<Answer, Broken> {
    let List { reservations } = wire::read("list", &reply.body)?;
    let each = reservations.iter().map(|it| one(it.get().as_bytes(), asked.client_reference));
    let seen = each.collect::<Result<Vec<_>, _>>()?;
    Ok(if seen.is_empty() { Answer::NotFound } else { Answer::Seen(seen) })
}

/// A reservation that is what we asked about; one that exists and cannot be read is unclear.
pub(super) fn one(body: &[u8], client_reference: &str) -> Result<SeenReservation, Broken> {
    let head: Head = wire::read("reservation", body)?;
    if !is_id(&head.reference) {
        return Err(Broken::contract("reservation at `reference`"));
    }
    if !client_reference.is_empty() && head.client_reference != client_reference {
        return Err(Broken::Foreign);
    }
    let reference = head.reference;
    Ok(detailed(&reference, body).unwrap_or_else(|broken| SeenReservation {
        odd: Some(broken.into()),
        ..SeenReservation::bare(&reference, SeenState::Unclear)
    }))
}

fn detailed(reference: &str, body: &[u8]) -> Result<SeenReservation, Broken> {
    let shown: Reservation = wire::read("reservation", body)?;
    let (state, handle) = match (shown.state.as_str(), shown.held_until) {
        ("held", Some(until)) => {
            (SeenState::Held { until: Some(until) }, Some(format!("{HELD}{reference}")))
        }
        ("confirmed", None) => (SeenState::Confirmed, Some(reference.to_owned())),
        ("no_show", None) => (SeenState::NoShow, Some(reference.to_owned())),
        ("cancelled" | "expired", None) => (SeenState::Gone, None),
        _ => return Err(Broken::contract("reservation at `state`")),
    };
    if !is_stay(shown.check_in, shown.check_out) {
        return Err(Broken::contract("reservation at `check_out`"));
    }
    let price = wire::money(&shown.price)?;
    Ok(SeenReservation {
        reference: reference.to_owned(),
        handle,
        state,
        check_in: Some(shown.check_in),
        check_out: Some(shown.check_out),
        price: Some(price),
        segments: Vec::new(),
        guests: shown.guests.into_iter().map(Guest::from).collect(),
        room: shown.room_id,
        odd: None,
    })
}
