//! What follows from a booking as it is: one function per phase, each looking at the whole picture.
//!
//! Facts come repeated, late and in any order, so no rule hangs on which fact came last.

mod amending;
mod awaiting_payment;
mod closed;
mod committing;
mod confirmed;
mod difference;
mod holding;
mod unwinding;

pub(crate) use amending::give_up as give_up_amendment;
pub(crate) use closed::asked;
pub(crate) use difference::close_undone;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    messages::{CloseBecause, GoneWhy, LegState, RefusedWhy, WantedLeg, WantedPoints},
};
use uuid::Uuid;

use crate::{
    event::Event,
    state::{Booking, Cancellation, EndWhy, Leg, LegCancellation, Phase, ReviewWhy},
};

/// What has to happen now; nothing when the booking only waits.
pub(crate) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    match booking.phase {
        Phase::Pending => Vec::new(),
        Phase::Holding => holding::next(booking, now),
        Phase::AwaitingPayment => awaiting_payment::next(booking, now),
        Phase::Committing => committing::next(booking, now),
        Phase::Confirmed => confirmed::next(booking, now),
        Phase::Amending => amending::next(booking, now),
        Phase::Unwinding => unwinding::next(booking, now),
        Phase::Completed | Phase::Failed | Phase::Cancelled => closed::next(booking, now),
    }
}

/// Starts the undo: every obligation is registered at once, legs in reverse order. Of what is
/// cancelled what is used up stays: nobody takes it back. Where a purchase failed a person is to
/// see what cannot be given back.
pub(crate) fn unwind(booking: &Booking, end: Phase, why: EndWhy, now: DateTime<Utc>) -> Vec<Event> {
    let mut events = vec![Event::UnwindStarted { end, why }];
    if booking.review.is_some_and(|r| r.why != ReviewWhy::InvariantBroken) {
        // Whatever somebody was to look at is undone now.
        events.push(Event::ReviewClosed);
    }
    let forgotten = usize::from(contracts::mutants::mutant("one_leg_not_released"));
    let stays = |leg: &Leg| leg.left_there || (end == Phase::Cancelled && leg.stays(now));
    let (used, to_go): (Vec<_>, Vec<_>) = booking.legs.iter().rev().partition(|leg| stays(leg));
    let left = |leg: &&Leg| Event::LegLeftThere { leg_id: leg.leg_id, by: None, why: None };
    events.extend(used.iter().filter(|leg| !leg.left_there).map(left));
    events.extend(to_go.into_iter().skip(forgotten).filter_map(release));
    let kept = contracts::mutants::mutant("points_kept");
    let back = booking.cancellation.is_none_or(|c| c.points_back);
    // Points that do not come back pay a fee; where nothing was bought so far they are only held.
    let wanted = if back { WantedPoints::Released } else { WantedPoints::Captured };
    if let Some(points) = booking.points.filter(|p| !kept && p.wanted != wanted) {
        let version = points.wanted_version.saturating_add(1);
        events.push(Event::PointsWished { version, wanted });
    }
    let open = booking.payment.asked.is_some() && !booking.payment.close_asked;
    if open && !booking.payment.is_free() && !contracts::mutants::mutant("payment_left_open") {
        events.push(Event::CloseAsked { because: close_because(booking.phase) });
    }
    events.extend(booking.further.iter().filter_map(close_undone));
    events
}

/// Why the payment of a booking that is undone in this phase is closed. An address is shown from
/// `awaiting_payment` on, and to nobody before.
const fn close_because(phase: Phase) -> CloseBecause {
    match phase {
        Phase::Pending | Phase::Holding => CloseBecause::NeverShown,
        Phase::AwaitingPayment
        | Phase::Committing
        | Phase::Confirmed
        | Phase::Amending
        | Phase::Completed
        | Phase::Unwinding
        | Phase::Failed
        | Phase::Cancelled => CloseBecause::Undone,
    }
}

/// Cancels what was bought, as the customer agreed to.
pub(crate) fn cancel(
    booking: &Booking,
    cancellation: Cancellation,
    agreed: Option<Uuid>,
    now: DateTime<Utc>,
) -> Vec<Event> {
    all_back(booking, cancellation, agreed, EndWhy::CancelledByCustomer, now)
}

/// Gives back what was bought because of what a supplier made of it.
pub(crate) fn give_back(
    booking: &Booking,
    cancellation: Cancellation,
    why: EndWhy,
    now: DateTime<Utc>,
) -> Vec<Event> {
    all_back(booking, cancellation, None, why, now)
}

fn all_back(
    booking: &Booking,
    cancellation: Cancellation,
    digest: Option<Uuid>,
    why: EndWhy,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let mut events = vec![Event::CancellationAgreed { cancellation, agreed: digest }];
    let agreed = Booking { cancellation: Some(cancellation), ..booking.clone() };
    events.extend(unwind(&agreed, Phase::Cancelled, why, now));
    events
}

/// Cancels one leg of what was bought, as the customer agreed to: it is given back, and its money
/// goes back at once; the others stay.
pub(crate) fn cancel_leg(
    booking: &Booking,
    leg_id: LegId,
    cancellation: LegCancellation,
    agreed: Option<Uuid>,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let mut events = vec![Event::LegCancelled { leg_id, cancellation, agreed }];
    events.extend(booking.legs.iter().filter(|leg| leg.leg_id == leg_id).filter_map(release));
    events.extend(closed::asked_at_once(booking, cancellation.units, now));
    let mut others = booking.standing().filter(|leg| leg.leg_id != leg_id);
    let taken = booking.review.is_some_and(|r| r.why.is_the_suppliers());
    let made_good = cancellation.in_points == 0 && !booking.legs.iter().any(Leg::owes_points);
    if taken && made_good && !others.any(|leg| leg.change.is_some() || lost(leg).is_some()) {
        // The customer answered what the supplier did.
        events.push(Event::ReviewClosed);
    }
    events
}

/// Wishes a leg away, unless that was wished already.
pub(crate) fn release(leg: &Leg) -> Option<Event> {
    (leg.wanted != WantedLeg::Released).then_some(Event::LegWished {
        leg_id: leg.leg_id,
        version: leg.wanted_version.saturating_add(1),
        wanted: WantedLeg::Released,
    })
}

/// Why the booking cannot go on, if a leg that it goes on with is lost and not settled.
fn lost_leg(booking: &Booking) -> Option<EndWhy> {
    // What the customer cancels anyway is no loss.
    let counts = |leg: &&Leg| !leg.left_there && leg.deferred.is_none();
    booking.standing().filter(counts).find_map(lost)
}

/// Why there is nothing of a leg.
pub(crate) fn lost(leg: &Leg) -> Option<EndWhy> {
    match &leg.known.state {
        Some(LegState::Refused { why }) => Some(match why {
            RefusedWhy::SoldOut => EndWhy::SoldOut,
            RefusedWhy::PriceChanged => EndWhy::PriceChanged,
            RefusedWhy::RateExpired => EndWhy::RateExpired,
            RefusedWhy::Rejected => EndWhy::RefusedBySupplier,
            RefusedWhy::CouldNotBeSent => EndWhy::CouldNotBeSent,
            RefusedWhy::Unavailable => EndWhy::SupplierUnavailable,
        }),
        Some(LegState::Gone { why }) => Some(match why {
            GoneWhy::Lapsed => EndWhy::HoldLapsed,
            GoneWhy::CancelledBySupplier => EndWhy::CancelledBySupplier,
            GoneWhy::Released | GoneWhy::NeverMade => EndWhy::RefusedBySupplier,
        }),
        Some(LegState::Held { .. } | LegState::Confirmed { .. } | LegState::InDoubt { .. })
        | None => None,
    }
}
