//! Answers what is asked: events, or a refusal. Changes nothing.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    messages::{RefundBasis, WantedLeg, WantedPoints},
    money::Money,
    mutants::mutant,
};
use uuid::Uuid;

use crate::{
    amend::amend_quote,
    cancel::CancelQuote,
    cancel_leg, changed,
    command::{Accept, Command, LegPlan, PayPlan, Refusal},
    event::{Accepted, AcceptedLeg, Event},
    guests,
    learn::settle_down,
    next,
    policy::Policy,
    rebook, review,
    state::{Booking, Difference, EndWhy, OnRefusal, Phase, State},
    terms,
    view::{Action, next_actions_at},
};

/// Decides about `command`.
///
/// # Errors
/// When the booking's state, or the command itself, does not allow it.
pub fn decide(
    state: &State,
    command: &Command,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Accept(accept) => match state {
            // The same booking again is a repeat; its id is minted once per request.
            Some(_) if !mutant("accepted_again") => Ok(Vec::new()),
            Some(_) | None => accepted(accept, policy, now),
        },
        Command::Cancel { agreed } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = cancel(booking, *agreed, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::CancelLeg { leg_id, agreed } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = cancel_leg::decide(booking, *leg_id, *agreed, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::AcceptTerms { agreed } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = terms::accept(booking, *agreed, policy, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::AnswerChange { leg_id, answer, agreed } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = changed::answer(booking, *leg_id, *answer, *agreed, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::Amend { leg_id, plan, agreed, pay } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let of = (*leg_id, plan.as_ref(), pay.as_deref());
            let events = amend(booking, of, *agreed, policy, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::ChangeGuests { leg_id, party } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = guests::decide(booking, *leg_id, *party, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::Refund { to } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = refund(booking, to, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::Rebook { into } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = rebook::decide(booking, into, now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
        Command::Review { act, by, why } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            review::decide(booking, *act, by, why)
        }
        Command::SettleLeg { leg_id, how, by, why } => {
            let booking = state.as_deref().ok_or(Refusal::Unknown)?;
            let events = review::settle(booking, (*leg_id, *how), (by, why), now)?;
            Ok(if events.is_empty() { events } else { settle_down(booking, events, now) })
        }
    }
}

fn accepted(accept: &Accept, policy: &Policy, now: DateTime<Utc>) -> Result<Vec<Event>, Refusal> {
    let points_worth = check(accept, policy)?;
    let legs = accept.legs.iter();
    let mut events = vec![Event::Accepted(Box::new(Accepted {
        booking_id: accept.booking_id,
        account_id: accept.account_id.clone(),
        quote_id: accept.quote_id,
        payment_id: accept.payment_id,
        legs: legs
            .map(|leg| AcceptedLeg { leg_id: leg.leg_id, order: leg.order.clone() })
            .collect(),
        on_refusal: accept.on_refusal,
        price: accept.price,
        rate: accept.rate.clone(),
        quoted: accept.quoted.clone(),
        points: accept.points,
        points_worth,
        refund_to: accept.refund_to.clone(),
        payable_by: now + policy.pending_for_max,
        pay_by: now + policy.payment_window,
        settle_by: now + policy.payment_window + policy.settle_for_max,
        commit_for_s: policy.commit_for_max.num_seconds(),
        unwind_for_s: policy.unwind_for_max.num_seconds(),
        review_for_s: policy.review_for_max.num_seconds(),
        refund_for_s: policy.refund_for_max.num_seconds(),
        answer_for_s: changed::kept_s(policy.answer_for_max),
        // A card is charged in the currency of the price: all values are one.
        refund_basis: if accept.rate.asset.is_card() {
            RefundBasis::Then
        } else {
            policy.refund_basis
        },
    }))];
    events.extend(accept.legs.iter().map(|leg| Event::LegWished {
        leg_id: leg.leg_id,
        version: 1,
        wanted: WantedLeg::Held,
    }));
    if accept.points > 0 {
        events.push(Event::PointsWished { version: 1, wanted: WantedPoints::Held });
    } else if accept.on_refusal == OnRefusal::UndoAll {
        // Otherwise the amount is known when it is known what could be held.
        events.push(Event::PaymentAsked { amount: accept.quoted.clone() });
    }
    Ok(events)
}

/// Checks that the quote adds up; returns what the points are worth.
fn check(accept: &Accept, policy: &Policy) -> Result<Money, Refusal> {
    let broken = |_| Refusal::QuoteBroken;
    let zero = Money::zero(accept.price.currency);
    let sum = accept.legs.iter().try_fold(zero, |sum, leg| sum.plus(leg.order.price));
    let units = accept.rate.units_for(accept.price).map_err(broken)?;
    if sum.map_err(broken)? != accept.price
        || accept.legs.is_empty()
        || accept.price.minor <= 0
        || units != accept.quoted.units
        || accept.rate.asset != accept.quoted.asset
    {
        return Err(Refusal::QuoteBroken);
    }
    if accept.legs.iter().any(|leg| !leg.order.terms.holdable) {
        return Err(Refusal::NotHoldable);
    }
    // Never worth less than a hundredth of the currency's unit, as they are earned.
    let finer = 10_u64.pow(accept.price.currency.scale().saturating_sub(2));
    let each = u64::from(policy.point_worth_minor).saturating_mul(finer);
    let worth = accept.points.checked_mul(each);
    let worth = worth.and_then(|w| i64::try_from(w).ok()).ok_or(Refusal::TooManyPoints)?;
    if worth > accept.price.minor {
        return Err(Refusal::TooManyPoints);
    }
    Ok(Money::new(worth, accept.price.currency))
}

/// Cancels, for the fee that the customer agreed to; where it costs nothing, without asking.
fn cancel(
    booking: &Booking,
    agreed: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if agreed.is_some() && agreed == booking.agreed {
        // The same click again.
        return Ok(Vec::new());
    }
    let quote = cancel_quote(booking, now)?;
    let named = agreed.map(|digest| digest == quote.digest || mutant("any_fee_agreed"));
    match (named, quote.cancellation) {
        (Some(false), _) | (None, Some(_)) => {
            Err(Refusal::AgreementNeeded { quote: Box::new(quote) })
        }
        (Some(true), Some(cancellation)) if booking.phase == Phase::Committing => {
            Ok(vec![Event::CancellationDeferred { cancellation, agreed: quote.digest }])
        }
        (Some(true), Some(cancellation)) => {
            Ok(next::cancel(booking, cancellation, Some(quote.digest), now))
        }
        (Some(true) | None, None) => {
            Ok(next::unwind(booking, Phase::Cancelled, EndWhy::CancelledByCustomer, now))
        }
    }
}

/// Starts to put another leg in the place of one, for what the customer agreed to.
fn amend(
    booking: &Booking,
    (leg_id, plan, pay): (LegId, &LegPlan, Option<&PayPlan>),
    agreed: Uuid,
    policy: &Policy,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if booking.legs.iter().any(|leg| leg.leg_id == plan.leg_id) {
        // The same click again.
        return Ok(Vec::new());
    }
    let quote = amend_quote(booking, leg_id, plan, pay.map(|pay| &pay.rate), now)?;
    if agreed != quote.digest {
        return Err(Refusal::AmendmentToAgree { quote: Box::new(quote) });
    }
    let leg = Box::new(AcceptedLeg { leg_id: plan.leg_id, order: plan.order.clone() });
    let (agreed, held_by) = (quote.agreed, now + policy.pending_for_max);
    let difference = quote.pay.zip(pay).map(|(due, pay)| {
        Box::new(Difference {
            payment_id: pay.payment_id,
            price: due.price,
            rate: pay.rate.clone(),
            amount: due.amount,
            pay_for_s: policy.payment_window.num_seconds(),
            settle_for_s: policy.settle_for_max.num_seconds(),
        })
    });
    Ok(vec![
        Event::AmendmentStarted { leg_id, leg, agreed, held_by, difference },
        Event::LegWished { leg_id: plan.leg_id, version: 1, wanted: WantedLeg::Held },
    ])
}

/// What cancelling costs now.
///
/// # Errors
/// When it cannot be cancelled now.
pub fn cancel_quote(booking: &Booking, now: DateTime<Utc>) -> Result<CancelQuote, Refusal> {
    let allowed = next_actions_at(booking, now);
    if allowed.contains(&Action::Cancel) {
        Ok(CancelQuote::of(booking, now))
    } else {
        Err(Refusal::NotAllowed { allowed })
    }
}

/// Notes where money goes; what waits for an address follows from that. The same address again is a
/// repeat.
pub(crate) fn refund(
    booking: &Booking,
    to: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let allowed = next_actions_at(booking, now);
    let known = booking.refund_to() == Some(to);
    if !allowed.contains(&Action::Refund) {
        return if known { Ok(Vec::new()) } else { Err(Refusal::NotAllowed { allowed }) };
    }
    if !known && booking.refund_to().is_some() {
        // Whoever has the session for a moment must not be able to send the money elsewhere.
        return Err(Refusal::NotAllowed { allowed });
    }
    let mut events = Vec::new();
    if !known {
        events.push(Event::RefundAddressGiven { to: to.to_owned() });
    }
    let excess = booking.not_given_back();
    let bought = matches!(booking.phase, Phase::Confirmed | Phase::Amending | Phase::Completed);
    if (bought || booking.failed_refund().is_some()) && !excess.is_zero() {
        // Money beyond the price, and money that could not be sent, goes back when the customer
        // asks for it.
        events.push(next::asked(booking, excess, Some(to.to_owned()), now));
    }
    Ok(events)
}
