//! What of an undo does not go on, and why.

use chrono::{DateTime, Utc};
use contracts::{
    messages::{LegState, UndoFailedWhy, WantedPoints},
    mutants::mutant,
};

use crate::{
    fact::Deadline,
    state::{Booking, Leg, Payment, Phase, Refund, Stuck, StuckStep, StuckWhy},
};

/// Tries after which an undo that fails for whatever reason is for a person, however early.
const TRIES_MAX: u32 = 5;

/// The first step of the undo that a person has to look at; nothing while all of it may still take
/// its time.
pub(crate) fn stuck(booking: &Booking, now: DateTime<Utc>) -> Option<Stuck> {
    let unwinding = booking.phase == Phase::Unwinding;
    let passed = |deadline| booking.deadlines.passed.contains(&deadline);
    let late = unwinding && passed(Deadline::Unwind);
    let step = |step, reason| Stuck { step, reason, attempts: 1 };
    let leg_late = |leg: &Leg| late || leg.out.is_some() && passed(Deadline::Unwind);
    let to_go = booking.legs.iter().filter(|leg| !leg.is_coming());
    let leg = to_go.clone().find_map(|leg| stuck_leg(leg, leg_late(leg)));
    leg.or_else(|| {
        let owed = late && !points_are_back(booking);
        owed.then(|| step(StuckStep::ReleasePoints, StuckWhy::NoAnswer))
    })
    .or_else(|| {
        let owed = late && !is_closed(booking);
        owed.then(|| step(StuckStep::ClosePayment, StuckWhy::NoAnswer))
    })
    .or_else(|| {
        let owed =
            late && passed(Deadline::Settle) && booking.payments().any(Payment::is_confirming);
        owed.then(|| step(StuckStep::SettleMoney, StuckWhy::Late))
    })
    .or_else(|| stuck_refund(booking, now))
}

fn stuck_leg(leg: &Leg, late: bool) -> Option<Stuck> {
    if is_away(leg) {
        return None;
    }
    let failing = leg.known.undo_failing;
    let loud = failing.is_some_and(|f| f.why == UndoFailedWhy::Refused || f.attempts >= TRIES_MAX);
    if !late && !loud {
        return None;
    }
    let reason = match (failing.map(|f| f.why), &leg.known.state) {
        (Some(UndoFailedWhy::Refused), _) => StuckWhy::Refused,
        (Some(UndoFailedWhy::NotSent), _) => StuckWhy::NotSent,
        (Some(UndoFailedWhy::Unknown), _) | (None, Some(LegState::InDoubt { .. })) => {
            StuckWhy::InDoubt
        }
        (
            None,
            Some(
                LegState::Held { .. }
                | LegState::Confirmed { .. }
                | LegState::Gone { .. }
                | LegState::Refused { .. },
            )
            | None,
        ) => StuckWhy::NoAnswer,
    };
    let attempts = failing.map_or(1, |f| f.attempts);
    Some(Stuck { step: StuckStep::ReleaseLeg { leg_id: leg.leg_id }, reason, attempts })
}

/// A refund that failed, or that has had an address for too long. One without an address waits for
/// the customer, not for us; one that failed does so, too, but somebody of ours has to know.
fn stuck_refund(booking: &Booking, now: DateTime<Utc>) -> Option<Stuck> {
    let late = |refund: &&Refund| {
        !refund.has_arrived() && !refund.has_failed() && refund.by.is_some_and(|by| by <= now)
    };
    let failed = booking.failed_refund().map(|refund| (refund, StuckWhy::Refused));
    let late = || booking.refunds().find(late).map(|r| (r, StuckWhy::Late));
    let (refund, reason) = failed.or_else(late)?;
    let step = StuckStep::SendRefund { refund_id: refund.refund_id };
    Some(Stuck { step, reason, attempts: 1 })
}

/// Whether the leg is gone and supplier-sync knew by then that nothing of it is wanted, or it stays
/// there for good.
///
/// A refusal of an older wish is not enough: a later attempt may be under way.
pub(crate) fn is_away(leg: &Leg) -> bool {
    leg.left_there || (leg.is_gone() && leg.known.wanted_version >= leg.wanted_version)
}

/// Whether no points are out that are to come back.
pub(crate) fn points_are_back(booking: &Booking) -> bool {
    booking.points.is_none_or(|p| p.are_back() || p.wanted != WantedPoints::Released)
}

/// Whether payment-verification said how every payment ended of which it was asked.
pub(crate) fn is_closed(booking: &Booking) -> bool {
    booking.payments().all(|payment| !payment.close_asked || payment.closing.is_some())
}

/// Whether supplier, money and points are as if there had been no booking, but for what waits for
/// the customer to name an address.
pub(crate) fn nothing_owed(booking: &Booking) -> bool {
    let came_or_waits = |refund: &Refund| refund.has_arrived() || refund.to.is_none();
    let money = !booking.payments().any(Payment::is_confirming)
        && booking.failed_refund().is_none()
        && booking.refunds().filter(|r| !r.has_failed()).all(came_or_waits);
    let legs = booking.legs.iter().all(is_away) || mutant("closed_over_a_leg");
    legs && points_are_back(booking) && is_closed(booking) && money
}
