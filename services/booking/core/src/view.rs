//! What a customer is shown of a booking: a status, how the money stands, what can be done.

use chrono::{DateTime, Utc};
use contracts::asset::Units;
use serde::{Deserialize, Serialize};

use crate::{
    amend, cancel, cancel_leg, changed, rebook,
    state::{self, Booking, Leg, Out, Payment, Phase, Refund},
    terms,
};

/// The public status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Holding,
    /// A supplier asks more than is ours to bear, or has other terms; the customer is to answer.
    AwaitingConsent,
    AwaitingPayment,
    /// The amount was seen and is not final.
    ConfirmingPayment,
    Committing,
    Confirmed,
    /// Bought and paid, and another leg is to take the place of one.
    Amending,
    Completed,
    /// It is over, and the suppliers say of all of it that nobody came.
    NoShow,
    /// Being undone, against the customer's wish.
    Failing,
    /// Being undone, as the customer wished.
    Cancelling,
    Failed,
    Cancelled,
}

/// What the customer can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Send the amount to the address shown.
    Pay,
    /// Undo the booking.
    Cancel,
    /// Give back one leg and keep the others.
    CancelLeg,
    /// Have another leg in the place of one.
    Amend,
    /// Say where the money that goes back is sent.
    Refund,
    /// Let it pay another booking instead.
    Rebook,
    /// Go on at what suppliers ask now.
    AcceptTerms,
    /// Take what the supplier changed as it is now.
    AcceptChange,
    /// Give back what the supplier changed; all of its money goes back.
    RefundChange,
    /// Give the whole trip back because of what a supplier changed; all of its money goes back.
    UndoTrip,
    /// Have another leg in the place of what the supplier changed, which goes free.
    RebookChange,
}

/// How the money stands; it may move after the booking is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneyAxis {
    /// Nothing is to be paid.
    None,
    Due,
    /// Less than the amount was seen.
    Part,
    /// The amount was seen and is not final.
    Confirming,
    /// It was final and left its chain: it is waited for again, or lost for good.
    Reversed,
    Settled,
    /// Money is on its way that will go back once it is final.
    RefundWaiting,
    RefundDue,
    Refunded,
}

/// The public status of a booking.
#[must_use]
pub fn status(booking: &Booking) -> Status {
    match booking.phase {
        Phase::Pending => Status::Pending,
        Phase::Holding if terms::new_terms(booking).is_some() => Status::AwaitingConsent,
        Phase::Holding => Status::Holding,
        Phase::AwaitingPayment if booking.payment.complete => Status::ConfirmingPayment,
        Phase::AwaitingPayment => Status::AwaitingPayment,
        Phase::Committing if booking.deferred.is_some() => Status::Cancelling,
        Phase::Committing => Status::Committing,
        Phase::Confirmed => Status::Confirmed,
        Phase::Amending => Status::Amending,
        Phase::Completed if booking.standing().all(Leg::is_no_show) => Status::NoShow,
        Phase::Completed => Status::Completed,
        Phase::Unwinding if booking.end.is_some_and(|e| e.phase == Phase::Cancelled) => {
            Status::Cancelling
        }
        Phase::Unwinding => Status::Failing,
        Phase::Failed => Status::Failed,
        Phase::Cancelled => Status::Cancelled,
    }
}

/// What the customer can do as things stood when something happened last; anything else is refused
/// and changes nothing.
#[must_use]
pub fn next_actions(booking: &Booking) -> Vec<Action> {
    next_actions_at(booking, booking.changed_at)
}

/// What the customer can do at `now`.
#[must_use]
pub fn next_actions_at(booking: &Booking, now: DateTime<Utc>) -> Vec<Action> {
    let cancel = cancel::is_possible(booking, now).then_some(Action::Cancel);
    let cancel =
        cancel.into_iter().chain(cancel_leg::is_possible(booking).then_some(Action::CancelLeg));
    match booking.phase {
        Phase::Pending | Phase::Committing => cancel.collect(),
        Phase::Holding => {
            let asked = terms::new_terms(booking).is_some_and(|terms| now < terms.answer_by);
            let accept = asked.then_some(Action::AcceptTerms);
            accept.into_iter().chain(cancel).collect()
        }
        Phase::AwaitingPayment => {
            let payable = is_open(&booking.payment) && !is_doubtful(booking);
            let pay = payable.then_some(Action::Pay);
            pay.into_iter().chain(cancel).collect()
        }
        Phase::Confirmed => {
            let refund = has_excess(booking) || waits(booking);
            let mut actions: Vec<Action> = cancel.collect();
            actions.extend(amend::is_possible(booking).then_some(Action::Amend));
            actions.extend(refund.then_some(Action::Refund));
            actions.extend(changed::actions(booking, now));
            actions
        }
        Phase::Amending | Phase::Completed => {
            let refund = has_excess(booking) || waits(booking);
            let mut actions = Vec::from_iter(can_pay(booking).then_some(Action::Pay));
            actions.extend(cancel.filter(|_| booking.phase == Phase::Amending));
            actions.extend(refund.then_some(Action::Refund));
            actions
        }
        Phase::Unwinding | Phase::Failed | Phase::Cancelled => {
            let rebook = rebook::is_possible(booking).then_some(Action::Rebook);
            needs_address(booking).then_some(Action::Refund).into_iter().chain(rebook).collect()
        }
    }
}

/// Whether what another leg costs more waits for its money.
fn can_pay(booking: &Booking) -> bool {
    let doubtful = booking.legs.iter().any(|leg| leg.out == Some(Out::Coming) && leg.is_in_doubt());
    !doubtful && booking.due().is_some_and(|due| is_open(&due.payment))
}

/// Whether somebody knows where to pay, and more is to come.
const fn is_open(payment: &Payment) -> bool {
    payment.instruction.is_some() && !payment.complete && !payment.close_asked
}

/// Whether a leg is looked into that was held: nobody is asked to pay for what may not be there, or
/// may not be what was ordered.
#[must_use]
pub fn is_doubtful(booking: &Booking) -> bool {
    booking.standing().any(Leg::is_in_doubt)
}

/// Whether more settled than the price, and the rest was not given back.
fn has_excess(booking: &Booking) -> bool {
    let further = || booking.further.iter().any(|one| !one.not_given_back().is_zero());
    !booking.not_given_back().is_zero() || further()
}

/// Whether the money of a leg goes back, and nobody knows where to.
fn waits(booking: &Booking) -> bool {
    booking.refund_to().is_none() && booking.refunds().any(Refund::waits)
}

/// Whether money goes back, now or once it is final, and nobody knows where to.
fn needs_address(booking: &Booking) -> bool {
    let due = |payment: &Payment, kept: Units| {
        let due = payment.received.max(payment.settled).saturating_sub(kept);
        due > payment.addressed()
    };
    let of = |further: &state::Further| due(&further.payment, further.kept);
    let further = || booking.further.iter().any(of);
    booking.refund_to().is_none() && (due(&booking.payment, booking.kept()) || further())
}

/// How the money stands.
#[must_use]
pub fn money(booking: &Booking) -> MoneyAxis {
    let payment = &booking.payment;
    let going_back = matches!(booking.phase, Phase::Unwinding | Phase::Failed | Phase::Cancelled);
    if going_back {
        return money_back(booking);
    }
    if booking.money_is_away() || booking.payments().any(Payment::is_lost) {
        MoneyAxis::Reversed
    } else if let Some(due) = booking.due().filter(|due| waits_for(&due.payment)) {
        coming(&due.payment)
    } else if payment.is_free() && booking.refunds().all(Refund::has_arrived) {
        if booking.further.is_empty() { MoneyAxis::None } else { MoneyAxis::Settled }
    } else if payment.is_settled() && gives_back(booking) {
        MoneyAxis::RefundDue
    } else if payment.is_settled() {
        MoneyAxis::Settled
    } else {
        coming(payment)
    }
}

fn waits_for(payment: &Payment) -> bool {
    payment.asked.is_some() && !payment.is_settled()
}

/// How money stands that is not final.
fn coming(payment: &Payment) -> MoneyAxis {
    if payment.complete {
        MoneyAxis::Confirming
    } else if payment.received.is_zero() {
        MoneyAxis::Due
    } else {
        MoneyAxis::Part
    }
}

/// Whether the money of a leg that was cancelled alone is not back yet.
fn gives_back(booking: &Booking) -> bool {
    let under_way = |refund: &Refund| !refund.has_arrived() && !refund.has_failed();
    let due = booking.refunds().any(under_way) || booking.failed_refund().is_some();
    (booking.cancelled_legs().next().is_some() || !booking.further.is_empty()) && due
}

fn money_back(booking: &Booking) -> MoneyAxis {
    let kept = |further: &state::Further| further.payment.settled <= further.kept;
    let further = || booking.further.iter();
    if booking.payments().any(Payment::is_confirming) {
        MoneyAxis::RefundWaiting
    } else if booking.payments().all(|payment| payment.settled.is_zero()) {
        MoneyAxis::None
    } else if booking.payment.settled <= booking.kept()
        && further().all(kept)
        && booking.refunds().next().is_none()
    {
        // All of it pays the fee.
        MoneyAxis::Settled
    } else if booking.not_given_back().is_zero()
        && further().all(|one| one.not_given_back().is_zero())
        && booking.refunds().all(|refund| refund.has_arrived() || refund.has_failed())
    {
        MoneyAxis::Refunded
    } else {
        MoneyAxis::RefundDue
    }
}
