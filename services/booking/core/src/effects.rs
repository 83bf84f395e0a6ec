//! What must follow from an event: messages and timers, as values.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use contracts::{
    asset::Units,
    ids::{LegId, PaymentId},
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, CloseBecause, ConfirmedLeg,
        LegGuestsWanted, LegState, LegWanted, PaymentClose, PaymentPrepare, PaymentRefund,
        PointsWanted, WantedLeg,
    },
    mutants::mutant,
};
use uuid::Uuid;

use crate::{
    changed::{self, ChangeAnswer},
    event::{Event, Recorded},
    fact::Deadline,
    state::{Booking, Further, Leg, Payment, Phase},
};

/// Something to say or to be woken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Leg(LegWanted),
    Guests(LegGuestsWanted),
    Points(PointsWanted),
    Prepare(PaymentPrepare),
    Close(PaymentClose),
    Refund(PaymentRefund),
    Confirmed(BookingConfirmed),
    Failed(BookingFailed),
    Cancelled(BookingCancelled),
    LegCancelled(BookingLegCancelled),
    LegReplaced(BookingLegReplaced),
    MoneyReversed(BookingMoneyReversed),
    Moved(BookingMoved),
    Completed(BookingCompleted),
    WakeAt { deadline: Deadline, at: DateTime<Utc> },
}

/// What follows from `recorded`, seen from the booking just after it.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one arm an event")]
pub fn effects(booking: &Booking, recorded: &Recorded) -> Vec<Effect> {
    let wake = |deadline, at| vec![Effect::WakeAt { deadline, at }];
    let times = if mutant("deadlines_far_away") { 1_000 } else { 1 };
    let in_s = |seconds: i64| recorded.at + TimeDelta::seconds(seconds.saturating_mul(times));
    match &recorded.event {
        Event::Accepted(_) if mutant("timers_forgotten") => Vec::new(),
        Event::Accepted(accepted) => vec![
            Effect::WakeAt { deadline: Deadline::Payable, at: accepted.payable_by },
            Effect::WakeAt { deadline: Deadline::Pay, at: accepted.pay_by },
            Effect::WakeAt { deadline: Deadline::Settle, at: accepted.settle_by },
        ],
        Event::CommitStarted => wake(Deadline::Commit, in_s(booking.deadlines.commit_for_s)),
        Event::UnwindStarted { .. } => wake(Deadline::Unwind, in_s(booking.deadlines.unwind_for_s)),
        Event::Confirmed => vec![
            Effect::Confirmed(confirmed(booking, recorded)),
            Effect::WakeAt { deadline: Deadline::Over, at: over_at(booking) },
        ],
        Event::Failed => vec![Effect::Failed(BookingFailed {
            booking_id: booking.booking_id,
            account_id: booking.account_id.clone(),
            version: recorded.version,
            at: recorded.at,
        })],
        Event::Cancelled => vec![Effect::Cancelled(BookingCancelled {
            booking_id: booking.booking_id,
            account_id: booking.account_id.clone(),
            version: recorded.version,
            at: recorded.at,
        })],
        Event::LegLeftOut { payable_by, .. } => {
            let payable = payable_by.map(|at| Effect::WakeAt { deadline: Deadline::Payable, at });
            let at = in_s(booking.deadlines.unwind_for_s);
            payable.into_iter().chain([Effect::WakeAt { deadline: Deadline::Unwind, at }]).collect()
        }
        Event::LegRepriced { .. } | Event::LegGivenUp { .. } | Event::AmendmentFailed { .. } => {
            wake(Deadline::Unwind, in_s(booking.deadlines.unwind_for_s))
        }
        Event::TermsAsked { by, .. } => wake(Deadline::Payable, *by),
        Event::TermsAccepted(accepted) => vec![
            Effect::WakeAt { deadline: Deadline::Payable, at: accepted.payable_by },
            Effect::WakeAt { deadline: Deadline::Unwind, at: in_s(booking.deadlines.unwind_for_s) },
        ],
        Event::GuestsWished { leg_id, version, party, by } => {
            let (booking_id, leg_id) = (booking.booking_id, *leg_id);
            let (version, party) = (*version, *party);
            let wish = LegGuestsWanted { booking_id, leg_id, version, party };
            vec![Effect::Guests(wish), Effect::WakeAt { deadline: Deadline::Amend, at: *by }]
        }
        Event::AmendmentStarted { held_by, .. } => wake(Deadline::Amend, *held_by),
        Event::LegReplaced { leg_id, by, .. } => {
            let told = leg_replaced(booking, recorded, *leg_id, *by).map(Effect::LegReplaced);
            let at = in_s(booking.deadlines.unwind_for_s);
            let unwind = Effect::WakeAt { deadline: Deadline::Unwind, at };
            let over = Effect::WakeAt { deadline: Deadline::Over, at: over_at(booking) };
            told.into_iter().chain([unwind, over]).collect()
        }
        Event::LegCancelled { leg_id, .. } => {
            let at = in_s(booking.deadlines.unwind_for_s);
            let told = Effect::LegCancelled(leg_cancelled(booking, recorded, *leg_id));
            let unwind = Effect::WakeAt { deadline: Deadline::Unwind, at };
            [told, unwind].into_iter().chain(next_answer(booking)).collect()
        }
        Event::MoneyReversed { .. } => {
            let away = booking.money_is_away();
            // Points that were earned with money that is lost stay frozen.
            let lost = booking.payments().any(Payment::is_lost);
            let told = Effect::MoneyReversed(BookingMoneyReversed {
                booking_id: booking.booking_id,
                account_id: booking.account_id.clone(),
                version: recorded.version,
                at: recorded.at,
                away: away || lost,
            });
            let goes_on = booking.phase == Phase::Committing && !away;
            let at = in_s(booking.deadlines.commit_for_s);
            let wake = goes_on.then_some(Effect::WakeAt { deadline: Deadline::Commit, at });
            [told].into_iter().chain(wake).collect()
        }
        Event::Completed => vec![Effect::Completed(completed(booking, recorded))],
        // A supplier may say so only after the end.
        Event::LegNews { no_show: true, .. } if booking.phase == Phase::Completed => {
            vec![Effect::Completed(completed(booking, recorded))]
        }
        Event::LegWished { leg_id, wanted: WantedLeg::Confirmed, .. }
            if comes(booking, *leg_id) =>
        {
            let at = in_s(booking.deadlines.commit_for_s);
            let wake = Effect::WakeAt { deadline: Deadline::Amend, at };
            wish(booking, &recorded.event).into_iter().chain([wake]).collect()
        }
        Event::LegWished { .. }
        | Event::PointsWished { .. }
        | Event::PaymentAsked { .. }
        | Event::CloseAsked { .. } => wish(booking, &recorded.event).into_iter().collect(),
        Event::RefundAsked { .. }
        | Event::RefundAddressed { .. }
        | Event::RefundNews { .. }
        | Event::DeadlinePassed { deadline: Deadline::Refund } => {
            // One timer for all refunds: the first that may be late is the next to be looked at.
            let next = booking.next_refund_by();
            let wake = next.map(|at| Effect::WakeAt { deadline: Deadline::Refund, at });
            wish(booking, &recorded.event).into_iter().chain(wake).collect()
        }
        Event::ChangeAnswered { leg_id, answer: ChangeAnswer::Accept, .. } => {
            let told = moved(booking, recorded, *leg_id).map(Effect::Moved);
            // The stay may end on another day now.
            let over = Effect::WakeAt { deadline: Deadline::Over, at: over_at(booking) };
            told.into_iter().chain([over]).chain(next_answer(booking)).collect()
        }
        Event::ChangeFound { .. }
        | Event::ChangeOver { .. }
        | Event::ChangeAnswered { .. }
        | Event::LegLeftThere { .. }
        | Event::DeadlinePassed { deadline: Deadline::Answer } => {
            next_answer(booking).into_iter().collect()
        }
        Event::FurtherPayment { payment_id, event } => {
            further_payment(booking, recorded, *payment_id, event)
        }
        Event::LegNews { .. }
        | Event::GuestsSettled { .. }
        | Event::LegGivenBack { .. }
        | Event::PointsNews { .. }
        | Event::PaymentReady { .. }
        | Event::MoneySeen { .. }
        | Event::MoneySettled { .. }
        | Event::PaymentClosed { .. }
        | Event::RefundAddressGiven { .. }
        | Event::Rebooked { .. }
        | Event::DeadlinePassed { .. }
        | Event::HoldingStarted
        | Event::Payable
        | Event::LegCancellationDeferred { .. }
        | Event::CancellationDeferred { .. }
        | Event::CancellationAgreed { .. }
        | Event::ReviewOpened { .. }
        | Event::ReviewClosed
        | Event::ReviewTaken { .. }
        | Event::ReviewReleased { .. }
        | Event::InvariantBroken { .. } => Vec::new(),
    }
}

/// One timer for all changes that wait for an answer: the first that may be late. Whatever takes
/// one of them away sets it anew, or the next would never be late.
fn next_answer(booking: &Booking) -> Option<Effect> {
    let at = changed::next_answer_by(booking)?;
    Some(Effect::WakeAt { deadline: Deadline::Answer, at })
}

/// What follows from an event of a payment beside the first.
fn further_payment(
    booking: &Booking,
    recorded: &Recorded,
    payment_id: PaymentId,
    event: &Event,
) -> Vec<Effect> {
    let is = |further: &&Further| further.payment.payment_id == payment_id;
    let Some(further) = booking.further.iter().find(is) else { return Vec::new() };
    if let (Event::PaymentAsked { amount }, Some(pay_by)) = (event, further.pay_by) {
        let prepare = Effect::Prepare(PaymentPrepare {
            booking_id: booking.booking_id,
            payment_id,
            amount: amount.clone(),
            price: further.pays,
            pay_by,
        });
        let seen = Effect::WakeAt { deadline: Deadline::Difference, at: pay_by };
        let last = further.settle_by().map(|at| Effect::WakeAt { deadline: Deadline::Amend, at });
        return [prepare, seen].into_iter().chain(last).collect();
    }
    if let Event::MoneyReversed { .. } = event {
        return effects(booking, &Recorded { event: event.clone(), ..recorded.clone() });
    }
    let payment = &further.payment;
    let refunds = matches!(
        event,
        Event::RefundAsked { .. } | Event::RefundAddressed { .. } | Event::RefundNews { .. }
    );
    let next = booking.next_refund_by().filter(|_| refunds);
    let wake = next.map(|at| Effect::WakeAt { deadline: Deadline::Refund, at });
    money_wish(booking, payment, event).into_iter().chain(wake).collect()
}

/// The command to another service that an event of ours asks for.
#[expect(clippy::too_many_lines, reason = "one arm an event")]
fn wish(booking: &Booking, event: &Event) -> Option<Effect> {
    let booking_id = booking.booking_id;
    let payment_id = booking.payment.payment_id;
    match event {
        Event::LegWished { leg_id, version, wanted } => {
            let leg = booking.legs.iter().find(|leg| leg.leg_id == *leg_id)?;
            let (order, accepts) = (leg.order.clone(), leg.accepted.clone());
            let (leg_id, version, wanted) = (*leg_id, *version, *wanted);
            Some(Effect::Leg(LegWanted { booking_id, leg_id, version, wanted, order, accepts }))
        }
        Event::PointsWished { version, wanted } => Some(Effect::Points(PointsWanted {
            booking_id,
            account_id: booking.account_id.clone(),
            version: *version,
            wanted: *wanted,
            points: booking.points?.points,
        })),
        // An amount of nothing needs no payment.
        Event::PaymentAsked { amount } if amount.units.is_zero() => None,
        Event::PaymentAsked { amount } => Some(Effect::Prepare(PaymentPrepare {
            booking_id,
            payment_id,
            amount: amount.clone(),
            price: booking.paid_in_money(),
            pay_by: booking.deadlines.pay_by,
        })),
        Event::CloseAsked { .. } | Event::RefundAsked { .. } | Event::RefundAddressed { .. } => {
            money_wish(booking, &booking.payment, event)
        }
        Event::Accepted(_)
        | Event::LegNews { .. }
        | Event::LegRepriced { .. }
        | Event::TermsAsked { .. }
        | Event::TermsAccepted(_)
        | Event::ChangeFound { .. }
        | Event::ChangeOver { .. }
        | Event::ChangeAnswered { .. }
        | Event::LegLeftOut { .. }
        | Event::LegGivenUp { .. }
        | Event::LegCancellationDeferred { .. }
        | Event::LegCancelled { .. }
        | Event::LegLeftThere { .. }
        | Event::LegGivenBack { .. }
        | Event::AmendmentStarted { .. }
        | Event::LegReplaced { .. }
        | Event::AmendmentFailed { .. }
        | Event::GuestsWished { .. }
        | Event::GuestsSettled { .. }
        | Event::FurtherPayment { .. }
        | Event::PointsNews { .. }
        | Event::PaymentReady { .. }
        | Event::MoneySeen { .. }
        | Event::MoneySettled { .. }
        | Event::MoneyReversed { .. }
        | Event::PaymentClosed { .. }
        | Event::RefundAddressGiven { .. }
        | Event::Rebooked { .. }
        | Event::RefundNews { .. }
        | Event::DeadlinePassed { .. }
        | Event::HoldingStarted
        | Event::Payable
        | Event::CancellationDeferred { .. }
        | Event::CancellationAgreed { .. }
        | Event::CommitStarted
        | Event::Confirmed
        | Event::Completed
        | Event::UnwindStarted { .. }
        | Event::Failed
        | Event::Cancelled
        | Event::ReviewOpened { .. }
        | Event::ReviewClosed
        | Event::ReviewTaken { .. }
        | Event::ReviewReleased { .. }
        | Event::InvariantBroken { .. } => None,
    }
}

/// What payment-verification is to do about one of the booking's payments.
fn money_wish(booking: &Booking, payment: &Payment, event: &Event) -> Option<Effect> {
    let (booking_id, payment_id) = (booking.booking_id, payment.payment_id);
    let refund = |id: Uuid, units, to| Effect::Refund(refund(booking, payment_id, id, units, to));
    if let Event::CloseAsked { because } = event {
        let undone = *because == CloseBecause::Undone;
        let missed = payment.gone.is_zero() || !booking.kept().is_zero();
        let because = if undone && !missed { CloseBecause::CalledOff } else { *because };
        return Some(Effect::Close(PaymentClose { booking_id, payment_id, because }));
    }
    if let Event::RefundAsked { refund_id, units, to, .. } = event {
        return Some(refund(*refund_id, *units, to.clone()));
    }
    if let Event::RefundAddressed { refund_id, to, .. } = event {
        let known = payment.refunds.iter().find(|r| r.refund_id == *refund_id)?;
        return Some(refund(*refund_id, known.units, Some(to.clone())));
    }
    None
}

fn refund(
    booking: &Booking,
    payment_id: PaymentId,
    refund_id: Uuid,
    units: Units,
    to: Option<String>,
) -> PaymentRefund {
    PaymentRefund {
        booking_id: booking.booking_id,
        payment_id,
        refund_id,
        units,
        to,
        basis: booking.refund_basis,
        handled_by: booking.handled_by().map(str::to_owned),
    }
}

fn confirmed(booking: &Booking, recorded: &Recorded) -> BookingConfirmed {
    BookingConfirmed {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        version: recorded.version,
        at: recorded.at,
        legs: booking.standing().map(confirmed_leg).collect(),
        paid: booking.paid_in_money(),
        over_at: over_at(booking),
    }
}

fn completed(booking: &Booking, recorded: &Recorded) -> BookingCompleted {
    BookingCompleted {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        version: recorded.version,
        at: recorded.at,
        taken: booking.taken_in_money(),
    }
}

fn leg_cancelled(booking: &Booking, recorded: &Recorded, leg_id: LegId) -> BookingLegCancelled {
    BookingLegCancelled {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        version: recorded.version,
        at: recorded.at,
        leg_id,
        paid: booking.left_in_money(),
    }
}

fn leg_replaced(
    booking: &Booking,
    recorded: &Recorded,
    leg_id: LegId,
    by: LegId,
) -> Option<BookingLegReplaced> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == by)?;
    Some(BookingLegReplaced {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        version: recorded.version,
        at: recorded.at,
        leg_id,
        by: confirmed_leg(leg),
        paid: booking.left_in_money(),
        over_at: over_at(booking),
    })
}

fn moved(booking: &Booking, recorded: &Recorded, leg_id: LegId) -> Option<BookingMoved> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id)?;
    Some(BookingMoved {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        version: recorded.version,
        at: recorded.at,
        leg_id,
        check_in: leg.order.check_in,
        check_out: leg.order.check_out,
        over_at: over_at(booking),
    })
}

/// Whether it is the leg that is to take the place of another.
fn comes(booking: &Booking, leg_id: LegId) -> bool {
    booking.amendment.is_some_and(|amendment| amendment.by == leg_id)
}

fn confirmed_leg(leg: &Leg) -> ConfirmedLeg {
    let reference = match &leg.known.state {
        Some(LegState::Confirmed { reference } | LegState::Held { reference, .. }) => {
            reference.clone()
        }
        Some(LegState::Gone { .. } | LegState::Refused { .. } | LegState::InDoubt { .. })
        | None => String::new(),
    };
    ConfirmedLeg {
        leg_id: leg.leg_id,
        supplier: leg.order.supplier,
        reference,
        check_in: leg.order.check_in,
        check_out: leg.order.check_out,
        price: leg.order.price,
    }
}

/// The end of the last check-out day anywhere on earth: 12 hours after it ends in UTC.
fn over_at(booking: &Booking) -> DateTime<Utc> {
    let last = booking.standing().map(|leg| leg.order.check_out).max();
    let midnight = last.map(|day| day.and_time(NaiveTime::MIN).and_utc());
    midnight.map_or(booking.changed_at, |m| m + TimeDelta::hours(36))
}
