//! Owing a release, a refund, or both: closed only when nothing is owed any more.

use super::closed;
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, Leg, Phase, Points, ReviewWhy},
};

pub(super) fn next(booking: &Booking) -> Vec<Event> {
    let refund = closed::refund(booking);
    if !refund.is_empty() {
        return refund;
    }
    if nothing_owed(booking) {
        let mut events = Vec::new();
        if booking.review.is_some() {
            events.push(Event::ReviewClosed);
        }
        let cancelled = booking.end.is_some_and(|end| end.phase == Phase::Cancelled);
        events.push(if cancelled { Event::Cancelled } else { Event::Failed });
        return events;
    }
    if booking.deadlines.passed.contains(&Deadline::Unwind) && booking.review.is_none() {
        return vec![Event::ReviewOpened { why: ReviewWhy::Stuck }];
    }
    Vec::new()
}

/// Whether supplier, money and points are as if there had been no booking.
fn nothing_owed(booking: &Booking) -> bool {
    let payment = &booking.payment;
    let legs = booking.legs.iter().all(answered_away);
    let points = booking.points.as_ref().is_none_or(Points::are_back);
    let closed = !payment.close_asked || payment.closing.is_some();
    legs && points && closed && payment.refunds_arrived()
}

/// Whether the leg is gone and supplier-sync knew by then that nothing of it is wanted.
///
/// A refusal of an older wish is not enough: a later attempt may be under way.
fn answered_away(leg: &Leg) -> bool {
    leg.is_gone() && leg.known.wanted_version >= leg.wanted_version
}
