//! Everything is held, the clock runs: money final starts the commitment, silence ends the booking.

use chrono::{DateTime, Utc};
use contracts::messages::Closing;

use super::{committing, lost_leg, unwind};
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, EndWhy, Phase, ReviewWhy},
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let payment = &booking.payment;
    if let Some(why) = lost_leg(booking) {
        return unwind(booking, Phase::Failed, why);
    }
    if payment.is_settled() {
        return committing::start(booking, now);
    }
    if payment.closing.is_some_and(|closing| matches!(closing, Closing::Closed { .. })) {
        return unwind(booking, Phase::Failed, EndWhy::NotPaidInTime);
    }
    let passed = &booking.deadlines.passed;
    if passed.contains(&Deadline::Pay) && !payment.complete && !payment.close_asked {
        // payment-verification alone decides that money did not come.
        return vec![Event::CloseAsked];
    }
    if passed.contains(&Deadline::Settle) && booking.review.is_none() {
        return vec![Event::ReviewOpened { why: ReviewWhy::MoneyNotFinal }];
    }
    Vec::new()
}
