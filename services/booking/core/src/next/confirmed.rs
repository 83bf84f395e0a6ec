//! Bought and paid, until the stay is over or the supplier takes something back.

use super::lost_leg;
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, ReviewWhy},
};

pub(super) fn next(booking: &Booking) -> Vec<Event> {
    if lost_leg(booking).is_some() {
        // The customer was promised this room: a person answers, the phase stays.
        let open = Event::ReviewOpened { why: ReviewWhy::CancelledBySupplier, stuck: None };
        return if booking.review.is_none() { vec![open] } else { Vec::new() };
    }
    if booking.deadlines.passed.contains(&Deadline::Over) && booking.review.is_none() {
        return vec![Event::Completed];
    }
    Vec::new()
}
