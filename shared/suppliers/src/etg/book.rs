//! Create, start, check, cancel, retrieve: what is sent, and what the answers mean.

use std::time::Duration;

use contracts::{messages::RefusedWhy, money::Money, offer::LegOrder};
use serde_json::{Value, json};

use super::{
    OUTCOMES, language,
    terms::money,
    wire::{self, Cancelled, Form, FormPayment, OrderDetail, OrderGuest, OrderHead, Orders},
};
use crate::{
    Access, Answer, Asked, Broken, Guest, HttpReply, Known, Odd, Operation, Reserve,
    SeenReservation, SeenState, Sent, Unclear, outcomes::Verdict,
};

pub(super) const FORM: &str = "hotel/order/booking/form";
pub(super) const FINISH: &str = "hotel/order/booking/finish";
pub(super) const STATUS: &str = "hotel/order/booking/finish/status";
pub(super) const INFO: &str = "hotel/order/info";
pub(super) const CANCEL: &str = "hotel/order/cancel";

/// How often a booking under way is asked about before it is left to the look-ups: "every second"
/// (page "Check booking process").
const POLLS_MAX: usize = 20;
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Orders under one reference; a second one is odd, more are not read.
const PAGE_SIZE: u32 = 10;

/// The next call of an exchange.
pub(super) struct Next {
    pub(super) path: &'static str,
    pub(super) body: Value,
    pub(super) after: Duration,
}

/// Which call of a reserve the reply after these answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Form,
    Finish,
    Status,
    /// What was bought is shown; nothing hangs on it.
    Info,
}

impl Step {
    fn after(earlier: &[HttpReply]) -> Self {
        match earlier {
            [] => Self::Form,
            [_] => Self::Finish,
            [_, _, .., last] if is_ok(last) => Self::Info,
            [_, _, ..] => Self::Status,
        }
    }
}

/// Creates the booking process (page "Create booking process"). Nothing is bought by it.
pub(super) fn form(access: &Access, reserve: &Reserve<'_>, hash: &str) -> Value {
    json!({
        "partner_order_id": reserve.client_reference,
        "book_hash": hash,
        "language": language(access),
        "user_ip": access.customer_ip,
    })
}

/// Starts it (page "Start booking process"), at the price that was agreed and no other.
///
/// The e-mail address is ours, as the supplier wants it of its B2B partners (page "Best practices",
/// 5.7). Every guest is an adult or a child of the ages that were searched for; names of those who
/// were not named are the lead traveller's family.
fn finish(access: &Access, reserve: &Reserve<'_>, payment: &FormPayment) -> Value {
    let order = reserve.order;
    let named = &reserve.travellers.travellers;
    let lead = named.first();
    let adults = usize::from(order.occupancy.adults);
    let name = |at: usize| {
        let own = named.get(at).or(lead);
        let (first, last) = own.map_or(("", ""), |own| (&own.given_name, &own.family_name));
        json!({ "first_name": first, "last_name": last })
    };
    let mut guests: Vec<Value> = (0..adults).map(name).collect();
    for (at, age) in order.occupancy.children.iter().enumerate() {
        let mut child = name(adults.saturating_add(at));
        if let Some(child) = child.as_object_mut() {
            child.insert("is_child".into(), json!(true));
            child.insert("age".into(), json!(age));
        }
        guests.push(child);
    }
    let mut user = json!({ "email": access.email, "phone": reserve.travellers.phone });
    if let (Some(user), Some(wish)) = (user.as_object_mut(), &reserve.travellers.special_requests) {
        let wish: String = wish.chars().take(256).collect();
        user.insert("comment".into(), json!(wish));
    }
    json!({
        "user": user,
        "partner": { "partner_order_id": reserve.client_reference },
        "language": language(access),
        "rooms": [{ "guests": guests }],
        "payment_type": {
            "type": payment.r#type,
            "amount": payment.amount,
            "currency_code": payment.currency_code,
        },
    })
}

/// A call that is about one order of ours.
pub(super) fn about(order: &str) -> Value {
    json!({ "partner_order_id": order })
}

/// What a cancellation cost, as its answer says (page "Cancel booking").
pub(super) fn cancel_fee(reply: &HttpReply) -> Option<Money> {
    let done: Cancelled = wire::data("cancellation", &reply.body).ok()?;
    let fee = done.amount_payable;
    money(&fee.amount, fee.currency_code.parse().ok()?).ok().filter(|fee| fee.minor >= 0)
}

/// Our reference of what is known; else the one that a look-up gave as its handle.
pub(super) fn order_of<'a>(known: &Known<'a>) -> Option<&'a str> {
    Some(known.client_reference).filter(|own| !own.is_empty()).or(known.handle)
}

/// Orders under our reference (page "Retrieve bookings"); by the supplier's where ours is empty.
pub(super) fn info(known: &Known<'_>) -> Value {
    let own = Some(known.client_reference).filter(|own| !own.is_empty());
    let search = match (own, known.reference.and_then(|theirs| theirs.parse::<u64>().ok())) {
        (Some(own), _) => json!({ "partner_order_ids": [own] }),
        (None, Some(theirs)) => json!({ "order_ids": [theirs] }),
        // A reference that is none of theirs names nothing.
        (None, None) => json!({ "order_ids": [0] }),
    };
    json!({
        "ordering": { "ordering_type": "desc", "ordering_by": "created_at" },
        "pagination": { "page_size": PAGE_SIZE, "page_number": 1 },
        "search": search,
        "language": "en",
    })
}

/// Form, start, status until it has ended, and once it has succeeded, what was bought.
///
/// A start that the supplier says it could not answer for may have been one: it is asked about
/// (pages "Start booking process" and "Best practices", 5.3).
pub(super) fn after_reserve(
    access: &Access,
    reserve: &Reserve<'_>,
    replies: &[HttpReply],
) -> Option<Next> {
    let (last, earlier) = replies.split_last()?;
    let own = reserve.client_reference;
    let status = |after| Next { path: STATUS, body: about(own), after };
    match Step::after(earlier) {
        Step::Form => {
            let payment = payable(&form_of(own, last)?, reserve.order)?;
            let body = finish(access, reserve, &payment);
            Some(Next { path: FINISH, body, after: Duration::ZERO })
        }
        Step::Finish => {
            // Turned away at the door, it was not started.
            let started = is_ok(last) || (is_passing(last) && last.status != 429);
            started.then(|| status(Duration::ZERO))
        }
        Step::Status if is_ok(last) => {
            let known = Known { client_reference: own, reference: None, handle: None };
            Some(Next { path: INFO, body: info(&known), after: Duration::ZERO })
        }
        Step::Status => {
            // Who is told to ask less often leaves the rest to the look-ups, which are scheduled.
            let goes_on = is_passing(last) && last.status != 429 && earlier.len() < POLLS_MAX;
            goes_on.then(|| status(POLL_EVERY))
        }
        Step::Info => None,
    }
}

/// Orders show only once they are bought. Where none is shown, the booking process is asked about:
/// it may be under way.
pub(super) fn after_lookup(known: &Known<'_>, replies: &[HttpReply]) -> Option<Next> {
    let [shown] = replies else { return None };
    let own = Some(known.client_reference).filter(|own| !own.is_empty())?;
    let none = orders(shown).is_ok_and(|orders| orders.is_empty());
    none.then(|| Next { path: STATUS, body: about(own), after: Duration::ZERO })
}

/// What came of it.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    match asked.operation {
        Operation::Reserve => reserved(asked, sent),
        Operation::Lookup => looked_up(asked, sent),
        Operation::Confirm
        | Operation::Cancel
        | Operation::Amend
        | Operation::Search
        | Operation::PriceCheck => judged(asked.operation, sent, || Answer::Accepted),
    }
}

/// What the table says of a reply, and of one that it believes, what `believed` says.
fn judged(operation: Operation, sent: &Sent, believed: impl FnOnce() -> Answer) -> Answer {
    let reply = match sent {
        Sent::NotSent => return Answer::NotSent,
        Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => reply,
    };
    let code = wire::code(&reply.body);
    let codes: Vec<String> = code.iter().cloned().collect();
    match OUTCOMES.verdict(operation, reply.status, &codes) {
        Verdict::SureYes => believed(),
        Verdict::Taken => Answer::Unknown { why: Unclear::Duplicate },
        Verdict::SureNo(why) => Answer::Refused(why),
        Verdict::PriceChanged => Answer::Refused(RefusedWhy::PriceChanged),
        Verdict::NotSent => Answer::NotSent,
        Verdict::NotFound => Answer::NotFound,
        Verdict::Unknown if reply.status == 202 || code.as_deref() == Some("processing") => {
            Answer::Unknown { why: Unclear::AcceptedOnly }
        }
        Verdict::Unknown => Answer::Unknown { why: Unclear::Status { status: reply.status, code } },
    }
}

/// A reserve, by the call that was the last of it.
fn reserved(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let step = Step::after(asked.earlier);
    let form = asked.earlier.first().and_then(|form| form_of(asked.client_reference, form));
    match step {
        Step::Form => judged(Operation::Reserve, sent, || not_started(asked, sent)),
        // Started, and then nobody asked how it went.
        Step::Finish => {
            let accepted = || Answer::Unknown { why: Unclear::AcceptedOnly };
            judged(Operation::Reserve, sent, accepted)
        }
        Step::Status => {
            // It was started; that it cannot be asked about now changes nothing of that.
            let answer = judged(Operation::Reserve, sent, || bought(form.as_ref(), None));
            // A status that is not 200 is about the question, and refuses nothing else.
            let is_of_question = matches!(sent, Sent::Reply(reply) if reply.status != 200)
                && matches!(answer, Answer::Refused(_));
            if is_of_question || answer == Answer::NotSent {
                Answer::Unknown { why: Unclear::AcceptedOnly }
            } else {
                answer
            }
        }
        Step::Info => {
            let shown = match sent {
                Sent::Reply(reply) => orders(reply).and_then(|o| seen_all(asked, &o)).ok(),
                Sent::NotSent | Sent::NoAnswer => None,
            };
            bought(form.as_ref(), shown)
        }
    }
}

/// The process was created and we did not start it: it asks for another price, or for something
/// that we cannot pay with.
fn not_started(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let form = match sent {
        Sent::Reply(reply) => form_of(asked.client_reference, reply),
        Sent::NotSent | Sent::NoAnswer => None,
    };
    match form {
        Some(form) if form.payment_types.iter().any(is_from_deposit) => {
            Answer::Refused(RefusedWhy::PriceChanged)
        }
        Some(_) => Answer::Refused(RefusedWhy::Rejected),
        None => malformed("booking process"),
    }
}

/// The booking succeeded. What the orders show of it is welcome, and may be missing for a while
/// (page "Retrieve bookings").
fn bought(form: Option<&Form>, shown: Option<Vec<SeenReservation>>) -> Answer {
    let Some(form) = form else { return malformed("booking process") };
    let reference = form.order_id.to_string();
    let own = |seen: &Vec<SeenReservation>| seen.iter().any(|one| one.reference == reference);
    let seen = shown
        .filter(own)
        .unwrap_or_else(|| vec![bare(&reference, &form.partner_order_id, SeenState::Confirmed)]);
    Answer::Seen(seen)
}

fn looked_up(asked: &Asked<'_>, sent: &Sent) -> Answer {
    if asked.earlier.is_empty() {
        let answer = judged(Operation::Lookup, sent, || match sent {
            Sent::Reply(reply) => shown(asked, reply),
            Sent::NotSent | Sent::NoAnswer => malformed("orders"),
        });
        return match sent {
            // The words for nothing are those of the booking process; of orders none is an empty
            // list.
            Sent::Reply(reply) if answer == Answer::NotFound && !is_ok(reply) => {
                let (status, code) = (reply.status, wire::code(&reply.body));
                Answer::Unknown { why: Unclear::Status { status, code } }
            }
            Sent::Reply(_) | Sent::NotSent | Sent::NoAnswer => answer,
        };
    }
    // No order is shown, and this says how the booking process stands. One that succeeded will
    // show.
    let accepted = || Answer::Unknown { why: Unclear::AcceptedOnly };
    judged(Operation::Lookup, sent, accepted)
}

fn shown(asked: &Asked<'_>, reply: &HttpReply) -> Answer {
    match orders(reply).and_then(|orders| seen_all(asked, &orders)) {
        Ok(seen) if seen.is_empty() => Answer::NotFound,
        Ok(seen) => Answer::Seen(seen),
        Err(Broken::Contract { what }) => Answer::Unknown { why: Unclear::Malformed { what } },
        Err(other) => malformed(&other.to_string()),
    }
}

pub(super) fn orders(reply: &HttpReply) -> Result<Vec<Value>, Broken> {
    if reply.status != 200 || !is_ok(reply) {
        return Err(Broken::contract("orders"));
    }
    wire::data::<Orders>("orders", &reply.body).map(|found| found.orders)
}

/// Every order that is, or was, a reservation. One that failed never was.
pub(super) fn seen_all(
    asked: &Asked<'_>,
    orders: &[Value],
) -> Result<Vec<SeenReservation>, Broken> {
    let mut seen = Vec::new();
    for order in orders {
        let head: OrderHead = wire::part("order", order)?;
        let own = head.partner_data.order_id.as_str();
        if !asked.client_reference.is_empty() && own != asked.client_reference {
            return Err(Broken::contract("order of another client reference"));
        }
        let reference = head.order_id.to_string();
        match wire::part::<OrderDetail>("order", order).and_then(|detail| state_of(&detail)) {
            Ok(Some(state)) => {
                let detail: OrderDetail = wire::part("order", order)?;
                seen.push(SeenReservation {
                    check_in: Some(detail.checkin_at),
                    check_out: Some(detail.checkout_at),
                    price: price(&detail)?,
                    guests: guests(&detail),
                    odd: rejected(&detail),
                    ..bare(&reference, own, state)
                });
            }
            Ok(None) => {}
            Err(broken) => seen.push(SeenReservation {
                odd: Some(broken.into()),
                ..bare(&reference, own, SeenState::Unclear)
            }),
        }
    }
    Ok(seen)
}

/// What an order's status says; nothing of one that failed. A status that is not published is no
/// status.
fn state_of(order: &OrderDetail) -> Result<Option<SeenState>, Broken> {
    if order.checkin_at >= order.checkout_at {
        return Err(Broken::contract("order at `checkout_at`"));
    }
    price(order)?;
    match order.status.as_str() {
        "completed" => Ok(Some(SeenState::Confirmed)),
        "noshow" => Ok(Some(SeenState::NoShow)),
        "cancelled" => Ok(Some(SeenState::Gone)),
        // It can still be cancelled (page "Cancel booking"), so something is there.
        "rejected" => Ok(Some(SeenState::Unclear)),
        "failed" => Ok(None),
        _ => Err(Broken::contract("order at `status`")),
    }
}

/// In whose names its rooms are, as they were written when they were ordered.
fn guests(order: &OrderDetail) -> Vec<Guest> {
    let all = order.rooms_data.iter().flat_map(|room| &room.guest_data.guests);
    let named = |guest: &OrderGuest| {
        let given_name = guest.first_name_original.as_deref().or(guest.first_name.as_deref());
        let family_name = guest.last_name_original.as_deref().or(guest.last_name.as_deref());
        Guest::named(given_name, family_name)
    };
    all.filter_map(named).collect()
}

/// A bought room that the hotel does not take: nobody has said so to its customer yet.
fn rejected(order: &OrderDetail) -> Option<Odd> {
    let theirs = "rejected";
    (order.status == theirs).then_some(Odd::Status { ours: "confirmed", theirs })
}

/// What it cost; nothing where the order does not say, or in a currency that we do not have.
fn price(order: &OrderDetail) -> Result<Option<Money>, Broken> {
    let Some(sold) = &order.amount_sell else { return Ok(None) };
    let Ok(currency) = sold.currency_code.parse() else { return Ok(None) };
    money(&sold.amount, currency).map(Some)
}

/// The booking process as it was created; nothing where it was not, or is another's.
fn form_of(own: &str, reply: &HttpReply) -> Option<Form> {
    if reply.status != 200 || !is_ok(reply) {
        return None;
    }
    let form: Form = wire::data("booking process", &reply.body).ok()?;
    (form.partner_order_id == own && form.order_id > 0).then_some(form)
}

/// The way to pay exactly what was agreed.
fn payable(form: &Form, order: &LegOrder) -> Option<FormPayment> {
    let agreed = |way: &&FormPayment| {
        let price = way.currency_code.parse().ok().and_then(|c| money(&way.amount, c).ok());
        is_from_deposit(way) && price == Some(order.cost())
    };
    form.payment_types.iter().find(agreed).cloned()
}

fn is_from_deposit(way: &FormPayment) -> bool {
    way.r#type == "deposit" && !way.is_need_credit_card_data
}

fn is_ok(reply: &HttpReply) -> bool {
    reply.status == 200 && wire::code(&reply.body).as_deref() == Some("ok")
}

/// Whether a reply says that there is no answer yet.
fn is_passing(reply: &HttpReply) -> bool {
    let code = wire::code(&reply.body);
    let waits = matches!(code.as_deref(), Some("processing" | "timeout" | "unknown"));
    reply.status >= 500 || reply.status == 429 || (reply.status == 200 && waits)
}

fn malformed(what: &str) -> Answer {
    Answer::Unknown { why: Unclear::Malformed { what: what.to_owned() } }
}

fn bare(reference: &str, own: &str, state: SeenState) -> SeenReservation {
    SeenReservation { handle: Some(own.to_owned()), ..SeenReservation::bare(reference, state) }
}
