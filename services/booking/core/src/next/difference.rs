//! Another leg is held and costs more than the one that is to go: the difference is asked for, and
//! the leg is bought when that money is final. What does not come in time leaves the booking as it
//! was.

use contracts::messages::{CloseBecause, Closing, WantedLeg};
use contracts::mutants::mutant;

use super::amending::give_up;
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, EndWhy, Further, Leg, ReviewWhy},
};

/// What follows while the new leg is not being bought.
pub(super) fn next(booking: &Booking, due: &Further, new: &Leg) -> Vec<Event> {
    let payment = &due.payment;
    let passed = |deadline| booking.deadlines.passed.contains(&deadline);
    if payment.asked.is_none() {
        let amount = payment.quoted.clone();
        return match (new.is_held(), passed(Deadline::Amend)) {
            (true, _) => vec![of(due, Event::PaymentAsked { amount })],
            (false, true) => give_up(booking, new, EndWhy::NotHeldInTime),
            (false, false) => Vec::new(),
        };
    }
    if payment.is_lost() && payment.gone.is_zero() {
        return give_up(booking, new, EndWhy::PaymentLost);
    }
    if let Some(Closing::Closed { .. }) = payment.closing {
        return give_up(booking, new, EndWhy::NotPaidInTime);
    }
    // Once closing was asked for, its answer decides.
    let decided = !payment.close_asked || payment.closing.is_some();
    let paid = due.is_paid() || (payment.complete && mutant("difference_on_sight"));
    if paid && decided && new.is_held() {
        return buy(booking, new);
    }
    if passed(Deadline::Difference) && !payment.complete && !payment.close_asked {
        // payment-verification alone decides that money did not come.
        return vec![of(due, Event::CloseAsked { because: CloseBecause::NotPaid })];
    }
    if passed(Deadline::Amend) && booking.review.is_none() {
        let why = if paid { ReviewWhy::AmendmentStuck } else { ReviewWhy::MoneyNotFinal };
        return vec![Event::ReviewOpened { why, stuck: None }];
    }
    Vec::new()
}

fn buy(booking: &Booking, new: &Leg) -> Vec<Event> {
    let waited = booking.review.is_some_and(|review| review.why == ReviewWhy::MoneyNotFinal);
    let closed = waited.then_some(Event::ReviewClosed);
    let wished = Event::LegWished {
        leg_id: new.leg_id,
        version: new.wanted_version.saturating_add(1),
        wanted: WantedLeg::Confirmed,
    };
    closed.into_iter().chain([wished]).collect()
}

/// Asks for the closing of what was asked for in vain: whatever came of it goes back.
pub(super) fn close(booking: &Booking) -> Option<Event> {
    booking.due().and_then(close_undone)
}

/// Asks for the closing of a payment, if it was asked for and is open.
pub(crate) fn close_undone(further: &Further) -> Option<Event> {
    let payment = &further.payment;
    let open = payment.asked.is_some() && !payment.close_asked && !mutant("difference_left_open");
    let because = match payment.instruction {
        // It was shown to nobody.
        None => CloseBecause::NeverShown,
        Some(_) => CloseBecause::Undone,
    };
    open.then(|| of(further, Event::CloseAsked { because }))
}

/// An event of a payment beside the first.
pub(crate) fn of(further: &Further, event: Event) -> Event {
    Event::FurtherPayment { payment_id: further.payment.payment_id, event: Box::new(event) }
}
