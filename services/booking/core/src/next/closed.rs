//! Over; facts are still learnt, and late money goes back.

use contracts::ids::derive;

use crate::{
    event::Event,
    state::{Booking, Phase},
};

pub(super) fn next(booking: &Booking) -> Vec<Event> {
    match booking.phase {
        Phase::Failed | Phase::Cancelled => refund(booking),
        Phase::Completed
        | Phase::Pending
        | Phase::Holding
        | Phase::AwaitingPayment
        | Phase::Committing
        | Phase::Confirmed
        | Phase::Unwinding => Vec::new(),
    }
}

/// Asks for the settled money that nobody asked back yet.
pub(super) fn refund(booking: &Booking) -> Vec<Event> {
    let units = booking.payment.not_given_back();
    let waiting_for_closing = booking.payment.close_asked && booking.payment.closing.is_none();
    if units.is_zero() || waiting_for_closing {
        return Vec::new();
    }
    // The id depends on how much was settled by then, so that the same decision is the same refund.
    let payment_id = booking.payment.payment_id.0;
    let settled = booking.payment.settled.to_string();
    let refund_id = derive(booking.created_at, &[payment_id.as_bytes(), settled.as_bytes()]);
    vec![Event::RefundAsked { refund_id, units }]
}
