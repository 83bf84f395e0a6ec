//! Owing a release, a refund, or both: closed only when nothing is owed any more but what waits for
//! the customer to name an address.

use chrono::{DateTime, Utc};

use super::closed;
use crate::{
    event::Event,
    state::{Booking, Phase},
    stuck::nothing_owed,
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let refund = closed::refund(booking, now);
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
    closed::review(booking, now)
}
