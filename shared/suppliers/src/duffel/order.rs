//! Orders, payments, cancellations: what is sent, and what the answers mean.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use contracts::{messages::RefusedWhy, money::Money};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use uuid_time::made_at;

use super::{
    OUTCOMES,
    key::{BookKey, is_id},
    passengers, shop,
    wire::{self, Envelope, OrderDetail, OrderHead},
};
use crate::{
    Access, Answer, Asked, BadKey, Broken, HttpReply, Known, Odd, Operation, Reserve,
    SeenReservation, SeenState, Sent, Unclear, outcomes::Verdict,
};

/// Orders on one page of a list. The supplier gives up to 200; an order is some 10 KiB, and a page
/// stays well below what is read of one answer.
const PAGE: u32 = 50;
/// Pages of a list that are read in one exchange.
pub(super) const PAGES_MAX: usize = 40;
/// Where a refund is money (api/order-cancellations). A voucher and an airline's credit are not:
/// what was paid stays with the airline. Neither is a word that is not published.
const MONEY: [&str; 4] = ["balance", "arc_bsp_cash", "card", "original_form_of_payment"];
/// The clock that made our reference and the supplier's may differ by this much.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

/// What is needed to pay or cancel an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Handle {
    order: String,
    /// What is to be paid, as the supplier wrote it; nothing when nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<(String, String)>,
}

impl Handle {
    /// The handle we know, checked again; nothing where it is not one of ours.
    pub(super) fn of(known: &Known<'_>) -> Option<Self> {
        let handle: Self = serde_json::from_str(known.handle?).ok()?;
        is_id("ord_", &handle.order).then_some(handle)
    }

    /// What a cancellation needs: the order's id, which is enough where no more of it was read.
    pub(super) fn to_cancel(known: &Known<'_>) -> Option<Self> {
        let bare = || {
            let order = known.reference.filter(|reference| is_id("ord_", reference))?;
            Some(Self { order: order.to_owned(), due: None })
        };
        Self::of(known).or_else(bare)
    }

    /// The body of a payment: exactly what the newest read said is due. Paying another amount is
    /// refused by the supplier with `price_changed`.
    pub(super) fn payment(&self) -> Option<Vec<u8>> {
        let (amount, currency) = self.due.as_ref()?;
        let payment = json!({ "type": "balance", "amount": amount, "currency": currency });
        let body = json!({ "data": { "order_id": self.order, "payment": payment } });
        Some(body.to_string().into_bytes())
    }

    pub(super) fn cancellation(&self) -> Vec<u8> {
        json!({ "data": { "order_id": self.order } }).to_string().into_bytes()
    }
}

/// The body of an order. Our reference goes along as metadata, which the supplier keeps and does
/// not use.
pub(super) fn body(access: &Access, reserve: &Reserve<'_>) -> Result<Vec<u8>, BadKey> {
    let key = BookKey::parse(&reserve.order.book_key)?;
    let passengers = passengers::passengers(access, reserve, &key.seats)?;
    let reference = reserve.client_reference;
    let people = &reserve.travellers.travellers;
    let mut data = json!({
        "type": if reserve.hold { "hold" } else { "instant" },
        "selected_offers": [key.offer],
        "passengers": passengers,
        "metadata": {
            "client_reference": reference,
            "travellers": passengers::digest_of_travellers(reference, people),
        },
    });
    if !reserve.hold
        && let Some(data) = data.as_object_mut()
    {
        let price = reserve.order.cost();
        let payment = json!({
            "type": "balance", "amount": price.decimal(), "currency": price.currency.code(),
        });
        data.insert("payments".into(), json!([payment]));
    }
    Ok(json!({ "data": data }).to_string().into_bytes())
}

/// One order by the supplier's reference, where ours is empty; else the list, oldest first.
///
/// There is no filter for metadata, so every order made since our reference was is read, and ours
/// are picked out. An order is made soon after its reference, so it is among the first of them
/// however many were made since.
pub(super) fn lookup_path(known: &Known<'_>, after: Option<&str>) -> String {
    match known.reference {
        Some(reference) if known.client_reference.is_empty() && is_id("ord_", reference) => {
            format!("/air/orders/{reference}")
        }
        Some(_) | None => {
            let mut path = format!("/air/orders?limit={PAGE}&sort=created_at");
            if let Some(since) = made_at(known.client_reference) {
                let since = (since - CLOCKS_DIFFER).to_rfc3339_opts(SecondsFormat::Secs, true);
                path.push_str(&format!("&created_at%5Bafter%5D={}", since.replace(':', "%3A")));
            }
            if let Some(after) = after {
                path.push_str(&format!("&after={after}"));
            }
            path
        }
    }
}

/// The cursor of the page after this one, if there is one.
pub(super) fn next_page(reply: &HttpReply) -> Option<String> {
    if reply.status != 200 {
        return None;
    }
    let page: Envelope<Vec<Box<RawValue>>> = wire::read("orders", &reply.body).ok()?;
    // A cursor goes into a path: base64 as documented, and nothing else.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=".contains(&b);
    page.meta.after.filter(|after| after.len() <= 400 && after.bytes().all(plain))
}

/// Where a cancellation that was made is confirmed; nothing where it was not made.
pub(super) fn confirm_cancellation(reply: &HttpReply) -> Option<String> {
    if !matches!(reply.status, 200 | 201) {
        return None;
    }
    let made: Envelope<wire::Cancellation> = wire::read("cancellation", &reply.body).ok()?;
    let id = made.data.id;
    is_id("ore_", &id).then(|| format!("/air/order_cancellations/{id}/actions/confirm"))
}

/// What does not come back as money, as a cancellation that was made says; nothing where nothing
/// was paid, or it comes back in another currency.
pub(super) fn cancel_fee(cost: Money, reply: &HttpReply) -> Option<Money> {
    let made: Envelope<wire::Cancellation> = wire::read("cancellation", &reply.body).ok()?;
    let wire::Cancellation { refund_amount, refund_currency, refund_to, .. } = made.data;
    let back = match refund_to?.as_str() {
        "awaiting_payment" => return None,
        way if MONEY.contains(&way) => wire::money(&refund_amount?, &refund_currency?).ok()?,
        _voucher => Money::new(0, cost.currency),
    };
    let same = back.currency == cost.currency && (0..=cost.minor).contains(&back.minor);
    same.then(|| Money::new(cost.minor - back.minor, cost.currency))
}

/// What came of it.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let reply = match sent {
        // The first call of two left nothing behind that counts.
        Sent::NotSent => return Answer::NotSent,
        Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => reply,
    };
    let mut codes = wire::codes(&reply.body);
    match OUTCOMES.verdict(asked.operation, reply.status, &codes) {
        Verdict::SureYes => believed(asked, reply).unwrap_or_else(malformed),
        Verdict::Taken => Answer::Unknown { why: Unclear::Duplicate },
        Verdict::SureNo(why) => Answer::Refused(why),
        Verdict::PriceChanged => Answer::Refused(RefusedWhy::PriceChanged),
        Verdict::NotSent => Answer::NotSent,
        // Said of one order by its id; a list is empty where there is none.
        Verdict::NotFound if asked.client_reference.is_empty() => Answer::NotFound,
        Verdict::Unknown if reply.status == 202 => Answer::Unknown { why: Unclear::AcceptedOnly },
        Verdict::NotFound | Verdict::Unknown => {
            let code = (!codes.is_empty()).then(|| codes.swap_remove(0));
            Answer::Unknown { why: Unclear::Status { status: reply.status, code } }
        }
    }
}

fn malformed(broken: Broken) -> Answer {
    let what = match broken {
        // Only a reserve says so.
        Broken::Foreign => return Answer::Unknown { why: Unclear::Foreign },
        Broken::Contract { what } => what,
        other @ (Broken::Status { .. } | Broken::Expired | Broken::Key) => other.to_string(),
    };
    Answer::Unknown { why: Unclear::Malformed { what } }
}

/// Reads the body of an answer that the table believes.
fn believed(asked: &Asked<'_>, reply: &HttpReply) -> Result<Answer, Broken> {
    match asked.operation {
        Operation::Reserve => {
            let order: Envelope<Box<RawValue>> = wire::read("order", &reply.body)?;
            let seen = order_of(asked.client_reference, &order.data)?;
            let seen = seen.ok_or(Broken::Foreign)?;
            Ok(Answer::Seen(vec![seen]))
        }
        Operation::Confirm => {
            let paid: Envelope<wire::Payment> = wire::read("payment", &reply.body)?;
            let named = is_id("pay_", &paid.data.id);
            named.then_some(Answer::Accepted).ok_or_else(|| Broken::contract("payment at `id`"))
        }
        Operation::Cancel => {
            let done: Envelope<wire::Cancellation> = wire::read("cancellation", &reply.body)?;
            let confirmed = done.data.confirmed_at.is_some();
            let why = || Broken::contract("a cancellation that is not confirmed");
            confirmed.then_some(Answer::Accepted).ok_or_else(why)
        }
        Operation::Lookup if asked.client_reference.is_empty() => {
            let order: Envelope<Box<RawValue>> = wire::read("order", &reply.body)?;
            let head: OrderHead = wire::read("order", order.data.get().as_bytes())?;
            let ours = head.metadata.and_then(|m| m.client_reference).unwrap_or_default();
            let seen = order_of(&ours, &order.data)?;
            Ok(seen.map_or(Answer::NotFound, |seen| Answer::Seen(vec![seen])))
        }
        Operation::Lookup => listed(asked, reply),
        Operation::Amend | Operation::Search | Operation::PriceCheck => {
            Err(Broken::contract("not asked for"))
        }
    }
}

/// Every order of ours in the pages read. Where there is none, pages that were not read may have
/// it: then nothing is known.
fn listed(asked: &Asked<'_>, last: &HttpReply) -> Result<Answer, Broken> {
    let mut seen: Vec<SeenReservation> = Vec::new();
    for page in asked.earlier.iter().chain([last]) {
        let page: Envelope<Vec<Box<RawValue>>> = wire::read("orders", &page.body)?;
        for order in page.data {
            // The same order on two pages: something was made while we turned.
            let found = order_of(asked.client_reference, &order)?;
            seen.extend(found.filter(|one| seen.iter().all(|s| s.reference != one.reference)));
        }
    }
    let page: Envelope<Vec<Box<RawValue>>> = wire::read("orders", &last.body)?;
    let is_whole = page.meta.after.is_none();
    if !is_whole && asked.earlier.len() + 1 < PAGES_MAX {
        return Err(Broken::contract("orders at `meta.after`"));
    }
    Ok(match (seen.is_empty(), is_whole) {
        (false, _) => Answer::Seen(seen),
        (true, true) => Answer::NotFound,
        (true, false) => Answer::Unknown { why: Unclear::Incomplete },
    })
}

/// An order, if it is ours. One that cannot be read further than its reference is there all the
/// same.
pub(super) fn order_of(
    reference: &str,
    order: &RawValue,
) -> Result<Option<SeenReservation>, Broken> {
    let body = order.get().as_bytes();
    let head: OrderHead = wire::read("order", body)?;
    if !is_id("ord_", &head.id) {
        return Err(Broken::contract("order at `id`"));
    }
    let wrote = head.metadata.unwrap_or_default();
    if wrote.client_reference.as_deref().unwrap_or_default() != reference {
        return Ok(None);
    }
    let detail = wire::read::<OrderDetail>("order", body);
    let shown = detail.and_then(|detail| shown(reference, &head.id, &wrote, &detail));
    Ok(Some(shown.unwrap_or_else(|broken| SeenReservation {
        odd: Some(broken.into()),
        ..SeenReservation::bare(&head.id, SeenState::Unclear)
    })))
}

fn shown(
    reference: &str,
    id: &str,
    wrote: &wire::Metadata,
    order: &OrderDetail,
) -> Result<SeenReservation, Broken> {
    let flights = shop::segments(&order.slices)?;
    let first = flights.first().map(|flight| flight.departs_at.date());
    let last = flights.last().map(|flight| flight.arrives_at.date()).max(first);
    let price = wire::money(&order.total_amount, &order.total_currency)?;
    let status = &order.payment_status;
    let people = passengers::digest_of_passengers(reference, &order.passengers);
    let ordered_for = wrote.travellers.as_deref().filter(|ours| *ours != people);
    let names = |ours: &str| Odd::Names { ours: ours.to_owned(), theirs: people.clone() };
    // Every order of ours says who travels; without that no name can be compared.
    let unsaid = wrote.client_reference.is_some() && wrote.travellers.is_none();
    let unsaid = unsaid.then(|| Broken::contract("order at `metadata.travellers`").into());
    let odd = ordered_for.map(names).or(unsaid);
    let state = if order.cancelled_at.is_some() {
        SeenState::Gone
    } else if odd.is_some() {
        // A ticket in another name is worth nothing to the traveller: nobody pays for it unread.
        SeenState::Unclear
    } else if status.awaiting_payment {
        SeenState::Held { until: earlier(status) }
    } else if status.paid_at.is_some() || !order.documents.is_empty() {
        SeenState::Confirmed
    } else {
        SeenState::Unclear
    };
    // Only what is held as it was ordered is ever paid for.
    let due = (order.total_amount.clone(), order.total_currency.clone());
    let due = matches!(state, SeenState::Held { .. }).then_some(due);
    let handle = Handle { order: id.to_owned(), due };
    Ok(SeenReservation {
        reference: id.to_owned(),
        handle: serde_json::to_string(&handle).ok(),
        state,
        check_in: first,
        check_out: last,
        price: Some(price),
        segments: flights,
        // Names are compared here, by digest; seats on flights have no room.
        guests: Vec::new(),
        room: None,
        odd,
    })
}

/// The earlier of the two deadlines: after it the space is gone, or the price.
fn earlier(status: &wire::PaymentStatus) -> Option<DateTime<Utc>> {
    let ends = [status.payment_required_by, status.price_guarantee_expires_at];
    ends.into_iter().flatten().min()
}

/// When our references were made, which is before anything was made under them.
mod uuid_time {
    use chrono::{DateTime, Utc};

    /// The instant in a reference whose leg has an id of version 7; nothing in any other.
    pub(super) fn made_at(reference: &str) -> Option<DateTime<Utc>> {
        let leg = reference.split_once('-').map(|(leg, _)| leg)?;
        let plain = leg.len() == 32 && leg.bytes().all(|b| b.is_ascii_hexdigit());
        let version_7 = plain && leg.get(12..13) == Some("7");
        let millis = version_7.then(|| i64::from_str_radix(leg.get(..12)?, 16).ok())??;
        DateTime::from_timestamp_millis(millis)
    }
}
