//! Over; facts are still learnt, and late money goes back.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{asset::Units, ids::derive, messages::WantedLeg, mutants::mutant};

use super::difference::of;
use crate::{
    event::Event,
    state::{Booking, Leg, Payment, Phase, Refund, ReviewWhy, Stuck, StuckStep},
    stuck::{is_away, stuck},
};

/// How long a refund may take in bookings from before that was kept with them.
const REFUND_FOR: TimeDelta = TimeDelta::hours(24);

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    match booking.phase {
        Phase::Failed | Phase::Cancelled => {
            let refund = refund(booking, now);
            if !refund.is_empty() {
                return refund;
            }
            let reversed = given_and_reversed(booking);
            if reversed.is_empty() { review(booking, now) } else { reversed }
        }
        // Money of a leg that was cancelled alone, or beyond the price, may still wait for its
        // address, fail or be late.
        Phase::Completed => {
            let money = money(booking, now);
            if money.is_empty() { review(booking, now) } else { money }
        }
        Phase::Pending
        | Phase::Holding
        | Phase::AwaitingPayment
        | Phase::Committing
        | Phase::Confirmed
        | Phase::Amending
        | Phase::Unwinding => Vec::new(),
    }
}

/// What follows for the money of what was bought: refunds that wait get the address that is known,
/// money that is away is looked into, and what waited for it is asked for once it is back.
pub(super) fn money(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let addressed = addressed(booking, now);
    if !addressed.is_empty() {
        return addressed;
    }
    let reversed = reversed(booking);
    if !reversed.is_empty() {
        return reversed;
    }
    let further = further(booking, now);
    if !further.is_empty() {
        return further;
    }
    let owed = booking.payment.owed.min(booking.not_given_back());
    asked_at_once(booking, owed, now).into_iter().collect()
}

/// What came for what is not wanted any more goes back also while the rest is paid or bought.
pub(super) fn unwanted(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let mut events = addressed(booking, now);
    events.extend(further(booking, now));
    events
}

/// Asks for the money of further payments that is not ours, once it is known that no more of it
/// comes or that it paid.
fn further(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let asked = booking.further.iter().filter_map(|further| {
        let payment = &further.payment;
        let known = !payment.close_asked || payment.closing.is_some();
        let units = further.not_given_back();
        let to = payment.refund_to.as_deref().or_else(|| booking.refund_to());
        // What failed is not asked for again until the customer says where to.
        let may_arrive = to.is_some() || !payment.refunds.iter().any(Refund::has_failed);
        let now_or_never = known && may_arrive && payment.gone.is_zero() && !units.is_zero();
        let refund = || refund_of(booking, payment, units, to.map(str::to_owned), now);
        now_or_never.then(|| of(further, refund()))
    });
    asked.filter(|_| !mutant("difference_kept")).collect()
}

/// A refund of what goes back at once; nothing while money is away, because what is not there
/// cannot be sent: it is asked for when it is back.
pub(super) fn asked_at_once(booking: &Booking, units: Units, now: DateTime<Utc>) -> Option<Event> {
    let may_be_sent = !units.is_zero() && booking.payment.gone.is_zero();
    let to = || booking.refund_to().map(str::to_owned);
    let may_be_sent = may_be_sent && !mutant("difference_kept");
    may_be_sent.then(|| asked(booking, units, to(), now))
}

/// Asks for the settled money that nobody asked back yet, and gives refunds that wait the address
/// that is known.
pub(super) fn refund(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let payment = &booking.payment;
    if payment.close_asked && payment.closing.is_none() {
        return Vec::new();
    }
    let mut events = addressed(booking, now);
    let units = booking.not_given_back();
    // What failed is not asked for again until the customer says where to: nothing would be other.
    let may_arrive = booking.refund_to().is_some() || booking.failed_refund().is_none();
    if !units.is_zero() && may_arrive && !mutant("refund_not_asked") {
        let to = booking.refund_to().map(str::to_owned);
        events.push(asked(booking, units, to, now));
    }
    events.extend(further(booking, now));
    events
}

/// Gives refunds that wait for an address the one that is known.
pub(super) fn addressed(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let Some(to) = booking.refund_to() else { return Vec::new() };
    let addressed = |refund: &Refund| Event::RefundAddressed {
        refund_id: refund.refund_id,
        to: to.to_owned(),
        by: refund_by(booking, now),
    };
    let waiting = |payment: &'_ Payment| -> Vec<Event> {
        payment.refunds.iter().filter(|refund| refund.waits()).map(addressed).collect()
    };
    let mut events = waiting(&booking.payment);
    for further in &booking.further {
        let addressed = waiting(&further.payment).into_iter();
        events.extend(addressed.map(|event| of(further, event)));
    }
    events
}

/// A refund of `units` that nobody asked back yet.
pub(crate) fn asked(
    booking: &Booking,
    units: Units,
    to: Option<String>,
    now: DateTime<Utc>,
) -> Event {
    refund_of(booking, &booking.payment, units, to, now)
}

fn refund_of(
    booking: &Booking,
    payment: &Payment,
    units: Units,
    to: Option<String>,
    now: DateTime<Utc>,
) -> Event {
    // The id depends on how much will have been asked back with it, so that the same decision is
    // the same refund.
    let add = |sum: Units, more: Units| sum.checked_add(more).unwrap_or(sum);
    let total = payment.refunds.iter().fold(units, |sum, refund| add(sum, refund.units));
    let parts = [payment.payment_id.0.as_bytes().as_slice(), &total.to_string().into_bytes()];
    let refund_id = derive(booking.created_at, &parts);
    let by = to.is_some().then(|| refund_by(booking, now));
    Event::RefundAsked { refund_id, units, to, by }
}

fn refund_by(booking: &Booking, now: DateTime<Utc>) -> DateTime<Utc> {
    match booking.deadlines.refund_for_s {
        0 => now + REFUND_FOR,
        seconds => now + TimeDelta::seconds(seconds),
    }
}

/// Opens a review when money that had paid is away, and closes it when all of it is final again.
pub(super) fn reversed(booking: &Booking) -> Vec<Event> {
    let open = booking.review.map(|review| review.why);
    match (open, !booking.money_is_away()) {
        (None, false) => {
            vec![Event::ReviewOpened { why: ReviewWhy::MoneyReversed, stuck: None }]
        }
        (Some(ReviewWhy::MoneyReversed), true) => vec![Event::ReviewClosed],
        (Some(_) | None, _) => Vec::new(),
    }
}

/// The same for a booking that waited for this money: whoever looks is told that it came and left.
pub(super) fn paid_and_left(booking: &Booking) -> Vec<Event> {
    let late = booking.review.is_some_and(|review| review.why == ReviewWhy::MoneyNotFinal);
    if late && booking.money_is_away() {
        return vec![Event::ReviewOpened { why: ReviewWhy::MoneyReversed, stuck: None }];
    }
    reversed(booking)
}

/// The same for a booking that is over: while nothing of it went anywhere, money that is away is
/// not missing. What was sent back, or pays another booking, was given and is not there.
fn given_and_reversed(booking: &Booking) -> Vec<Event> {
    let given = |payment: &Payment| {
        !payment.gone.is_zero() && payment.refunds.iter().any(Refund::has_arrived)
    };
    let open = booking.review.is_some_and(|review| review.why == ReviewWhy::MoneyReversed);
    if open || booking.payments().any(given) { reversed(booking) } else { Vec::new() }
}

/// Opens a review when a step of the undo does not go on, says so again when it is another step,
/// and closes it when none is left.
pub(super) fn review(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let stuck = stuck(booking, now);
    let known = booking.review.and_then(|review| review.stuck);
    let broken = booking.review.is_some_and(|r| r.why == ReviewWhy::InvariantBroken);
    match stuck {
        _ if broken => Vec::new(),
        Some(stuck) if known.is_none_or(|k| (k.step, k.reason) != (stuck.step, stuck.reason)) => {
            vec![Event::ReviewOpened { why: ReviewWhy::Stuck, stuck: Some(stuck) }]
        }
        None if booking.review.is_some_and(|r| r.why == ReviewWhy::Stuck)
            && !stays(booking, known) =>
        {
            vec![Event::ReviewClosed]
        }
        Some(_) | None => Vec::new(),
    }
}

/// Whether the leg that a person looks into is still there: it may have its time again because
/// another one is given back, and is not over for that. One that stands is there for good: what
/// could not be undone was a second reservation beside it.
fn stays(booking: &Booking, known: Option<Stuck>) -> bool {
    let Some(Stuck { step: StuckStep::ReleaseLeg { leg_id }, .. }) = known else { return false };
    let to_go = |leg: &Leg| leg.wanted == WantedLeg::Released && !is_away(leg);
    booking.legs.iter().any(|leg| leg.leg_id == leg_id && to_go(leg))
}
