//! Bought and paid, until the stay is over or the supplier takes something back.

use chrono::{DateTime, Utc};

use super::{closed, lost_leg};
use crate::{
    cancel_leg, changed,
    event::Event,
    fact::Deadline,
    state::{Booking, Leg, ReviewWhy},
    stuck::is_away,
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let money = closed::money(booking, now);
    if !money.is_empty() {
        return money;
    }
    if booking.review.is_some_and(|review| review.why == ReviewWhy::AmendmentStuck) {
        // It is over by now.
        return vec![Event::ReviewClosed];
    }
    if let Some(events) = cancel_leg::deferred(booking, now) {
        return events;
    }
    let changed = changed::next(booking, now);
    if !changed.is_empty() {
        return changed;
    }
    let taken = booking.review.is_some_and(|r| r.why.is_the_suppliers());
    let owes_points = booking.legs.iter().any(Leg::owes_points);
    let stands = |leg: &Leg| leg.left_there || leg.is_confirmed();
    if taken && !owes_points && booking.standing().all(stands) {
        // The supplier has it again, or had it all the time, or nothing more is to be done.
        return vec![Event::ReviewClosed];
    }
    if (lost_leg(booking).is_some() || owes_points) && booking.review.is_none() {
        // The customer was promised this room: it answers, and a person may help; the phase stays.
        return vec![Event::ReviewOpened { why: ReviewWhy::CancelledBySupplier, stuck: None }];
    }
    if booking.standing().any(|leg| leg.change.is_some()) && booking.review.is_none() {
        return vec![Event::ReviewOpened { why: ReviewWhy::ChangedBySupplier, stuck: None }];
    }
    // A leg that was cancelled alone may not go, or its money may not arrive.
    let review = closed::review(booking, now);
    if !review.is_empty() {
        return review;
    }
    let over = booking.deadlines.passed.contains(&Deadline::Over);
    let undone = booking.legs.iter().all(|leg| leg.out.is_none() || is_away(leg));
    if over && undone && booking.review.is_none() {
        return vec![Event::Completed];
    }
    Vec::new()
}
