//! Everything is held, the clock runs: money final starts the commitment, silence ends the booking.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{CloseBecause, Closing},
    mutants::mutant,
};

use super::{closed, committing, holding, lost_leg, unwind};
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, EndWhy, Phase, ReviewWhy},
    view::is_doubtful,
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let payment = &booking.payment;
    if let Some(why) = lost_leg(booking) {
        return unwind(booking, Phase::Failed, why, now);
    }
    if payment.asked.is_none() {
        // A leg was given up.
        return holding::ask(booking);
    }
    let unwanted = closed::unwanted(booking, now);
    if !unwanted.is_empty() {
        return unwanted;
    }
    match payment.closing {
        Some(Closing::AlreadySettled { .. }) => {
            // What paid and left again buys nothing; a person looks until it is back.
            let reversed = closed::paid_and_left(booking);
            let waits = booking.money_is_away() || !reversed.is_empty();
            return match waits {
                true => reversed,
                false if payment.is_lost() => {
                    unwind(booking, Phase::Failed, EndWhy::PaymentLost, now)
                }
                false => committing::start(booking, now),
            };
        }
        Some(Closing::Closed { .. }) => {
            // Nobody was asked to pay for what was looked into.
            let doubtful = is_doubtful(booking);
            let why = if doubtful { EndWhy::NotHeldInTime } else { EndWhy::NotPaidInTime };
            return unwind(booking, Phase::Failed, why, now);
        }
        None => {}
    }
    // Once closing was asked for, its answer decides: money that is told of meanwhile may have come
    // after it.
    let is_there = payment.is_settled() && payment.gone.is_zero();
    let settled = is_there || (payment.complete && mutant("paid_on_sight"));
    if settled && (!payment.close_asked || mutant("told_before_the_answer")) {
        return committing::start(booking, now);
    }
    let passed = &booking.deadlines.passed;
    let unpaid = passed.contains(&Deadline::Pay) && !mutant("never_too_late_to_pay");
    if unpaid && !payment.complete && !payment.close_asked {
        // payment-verification alone decides that money did not come.
        return vec![Event::CloseAsked { because: CloseBecause::NotPaid }];
    }
    if passed.contains(&Deadline::Settle) && booking.review.is_none() {
        return vec![Event::ReviewOpened { why: ReviewWhy::MoneyNotFinal, stuck: None }];
    }
    Vec::new()
}
