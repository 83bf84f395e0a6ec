//! Cancelling one leg of several, at any time: before anything is paid it is given up, and price
//! and payment follow; what was bought goes back by its own terms; what cannot be done yet is
//! deferred with what was agreed to, and done as soon as it can be.

use chrono::{DateTime, Utc};
use contracts::{
    asset::AssetAmount,
    ids::{LegId, PaymentId, derive},
    messages::WantedLeg,
    money::Money,
};
use uuid::Uuid;

use crate::{
    cancel::{CancelQuote, leg_fee, take, take_what_is_there},
    command::Refusal,
    event::Event,
    next::{self, close_undone, lost, release},
    state::{Booking, EndWhy, Further, Leg, LegCancellation, Payment, Phase},
    view::{Action, next_actions_at},
};

/// Whether one of several legs may be cancelled alone; one at a time, where that has to wait.
pub(crate) fn is_possible(booking: &Booking) -> bool {
    let open = match booking.phase {
        Phase::Pending
        | Phase::Holding
        | Phase::AwaitingPayment
        | Phase::Committing
        | Phase::Confirmed => true,
        Phase::Amending => {
            is_open(booking) || (booking.points.is_none() && booking.due().is_none())
        }
        Phase::Completed | Phase::Unwinding | Phase::Failed | Phase::Cancelled => false,
    };
    let waits = booking.deferred.is_some() || booking.legs.iter().any(|leg| leg.deferred.is_some());
    let lost = booking.payments().any(Payment::is_lost);
    open && !waits && !lost && booking.standing().nth(1).is_some()
}

/// Whether an amendment can still be given up: nothing is bought for it so far.
fn is_open(booking: &Booking) -> bool {
    let coming = booking.legs.iter().find(|leg| leg.is_coming());
    coming.is_none_or(|leg| leg.wanted == WantedLeg::Held)
}

/// Whether a leg may be cancelled while another one takes the place of one. The one that is to go
/// may while nothing is bought for it: that ends the amendment. Of the others nobody knows what
/// points will have paid of them once another leg costs less, nor of which payment they would go
/// back once another leg is being bought for one.
fn is_free(booking: &Booking, leg: &Leg) -> bool {
    let Some(amendment) = &booking.amendment else { return true };
    if amendment.leg_id == leg.leg_id {
        return is_open(booking);
    }
    booking.points.is_none() && (booking.due().is_none() || is_open(booking))
}

/// What cancelling one leg costs now, the others staying.
///
/// # Errors
/// When it cannot be cancelled alone now.
pub fn cancel_leg_quote(
    booking: &Booking,
    leg_id: LegId,
    now: DateTime<Utc>,
) -> Result<CancelQuote, Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let allowed = next_actions_at(booking, now);
    let for_a_person = leg.change.is_some() && leg.may_be_used(now);
    if !allowed.contains(&Action::CancelLeg)
        || !is_free(booking, leg)
        || leg.out.is_some()
        || leg.stays(now)
        || for_a_person
    {
        return Err(Refusal::NotAllowed { allowed });
    }
    let quote = if is_unpaid(booking) {
        left(booking, leg).map(|_| CancelQuote::of_unpaid(booking, leg, now))
    } else {
        CancelQuote::of_leg(&as_paid(booking), leg, now)
    };
    quote.ok_or(Refusal::PaidByPoints { allowed })
}

/// Cancels one leg, for the fee that the customer agreed to.
pub(crate) fn decide(
    booking: &Booking,
    leg_id: LegId,
    agreed: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let known = |leg: &Leg| leg.leg_id == leg_id && leg.agreed == agreed;
    if agreed.is_some() && booking.legs.iter().any(known) {
        // The same click again.
        return Ok(Vec::new());
    }
    let quote = cancel_leg_quote(booking, leg_id, now)?;
    let Some(agreed) = agreed.filter(|agreed| *agreed == quote.digest) else {
        return Err(Refusal::AgreementNeeded { quote: Box::new(quote) });
    };
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let replaced = booking.amendment.is_some_and(|amendment| amendment.leg_id == leg_id);
    match quote.of_leg {
        None => Ok(give_up(booking, leg, agreed)),
        Some(cancellation) if booking.phase == Phase::Confirmed => {
            Ok(next::cancel_leg(booking, leg_id, cancellation, Some(agreed), now))
        }
        Some(cancellation) if replaced => {
            let coming = booking.legs.iter().find(|leg| leg.is_coming());
            let why = EndWhy::CancelledByCustomer;
            let mut events =
                coming.map_or_else(Vec::new, |new| next::give_up_amendment(booking, new, why));
            events.extend(next::cancel_leg(booking, leg_id, cancellation, Some(agreed), now));
            Ok(events)
        }
        // What goes back of it is not paid by what the other leg costs more.
        Some(cancellation) if booking.due().is_some() => {
            Ok(next::cancel_leg(booking, leg_id, cancellation, Some(agreed), now))
        }
        Some(LegCancellation { fee, .. }) => {
            Ok(vec![Event::LegCancellationDeferred { leg_id, fee, agreed }])
        }
    }
}

/// Cancels a leg for which that was deferred, once it can be done.
pub(crate) fn deferred(booking: &Booking, now: DateTime<Utc>) -> Option<Vec<Event>> {
    let waits = |leg: &&Leg| leg.deferred.is_some() && !decides_a_fee(leg, now);
    let leg = booking.standing().find(waits)?;
    let zero = Money::zero(leg.order.price.currency);
    // What was not bought costs nothing, and never more than what was agreed to.
    let terms = if lost(leg).is_some() { zero } else { leg_fee(leg, now).fee };
    let agreed = leg.deferred.unwrap_or(zero);
    let fee = Money::new(terms.minor.min(agreed.minor), zero.currency);
    let back = Money::new(leg.order.price.minor.saturating_sub(fee.minor), zero.currency);
    let taken = take(booking, fee, back.minor).or_else(|| take_what_is_there(booking, back))?;
    let borne = match leg.wanted {
        WantedLeg::Confirmed => terms.minor.saturating_sub(fee.minor),
        WantedLeg::Held | WantedLeg::Released => 0,
    };
    let cancellation = LegCancellation { fee, borne, ..taken };
    Some(next::cancel_leg(booking, leg.leg_id, cancellation, leg.agreed, now))
}

/// Whether nobody knows so far whether a leg is bought, and cancelling costs something if it is.
pub(crate) fn decides_a_fee(leg: &Leg, now: DateTime<Utc>) -> bool {
    let asked = leg.wanted == WantedLeg::Confirmed && !leg.is_confirmed() && lost(leg).is_none();
    asked && leg_fee(leg, now).fee.minor > 0
}

/// Whether no money came for it, and what is asked for may become another amount.
fn is_unpaid(booking: &Booking) -> bool {
    let payment = &booking.payment;
    match booking.phase {
        Phase::Pending | Phase::Holding => true,
        Phase::AwaitingPayment => payment.received.is_zero() && !payment.close_asked,
        Phase::Committing
        | Phase::Confirmed
        | Phase::Amending
        | Phase::Completed
        | Phase::Unwinding
        | Phase::Failed
        | Phase::Cancelled => false,
    }
}

/// The amount of the other legs, before points; nothing where points would pay more than that.
fn left(booking: &Booking, leg: &Leg) -> Option<AssetAmount> {
    let price = booking.price.minus(leg.order.price).ok()?;
    let worth = booking.points.map_or(0, |points| points.worth.minor);
    let units = booking.payment.rate.units_for(price).ok()?;
    let amount = AssetAmount { units, ..booking.payment.quoted.clone() };
    (price.minor > 0 && worth <= price.minor).then_some(amount)
}

fn give_up(booking: &Booking, leg: &Leg, agreed: Uuid) -> Vec<Event> {
    let Some(quoted) = left(booking, leg) else { return Vec::new() };
    let payment = &booking.payment;
    let parts = [payment.payment_id.0.as_bytes().as_slice(), agreed.as_bytes()];
    let asked = payment.asked.is_some();
    let payment_id = asked.then(|| PaymentId(derive(booking.created_at, &parts)));
    let old = Further::superseded(payment.clone(), leg.leg_id, booking.price);
    let given_up = Event::LegGivenUp { leg_id: leg.leg_id, agreed, quoted, payment_id };
    let closed = asked.then(|| close_undone(&old)).flatten();
    [given_up].into_iter().chain(release(leg)).chain(closed).collect()
}

/// The booking as it will be when its money is final: what goes back then is told before.
fn as_paid(booking: &Booking) -> Booking {
    let mut paid = booking.clone();
    let Payment { asked, received, complete, settled, .. } = &mut paid.payment;
    if booking.phase == Phase::AwaitingPayment && !booking.payment.is_settled() {
        let asked = asked.as_ref().map_or(*settled, |asked| asked.units);
        *settled = if *complete { *received } else { asked };
    }
    paid
}
