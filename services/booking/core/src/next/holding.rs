//! Legs are being held, the payment prepared: payable only when everything is held.

use chrono::{DateTime, Utc};
use contracts::{asset::AssetAmount, messages::PointsState};

use super::{lost, lost_leg, release, unwind};
use crate::{
    event::Event,
    fact::Deadline,
    repriced,
    state::{Booking, EndWhy, Leg, OnRefusal, Phase},
    terms,
};

pub(super) fn next(booking: &Booking, now: DateTime<Utc>) -> Vec<Event> {
    let points = booking.points.as_ref();
    if points.is_some_and(|p| p.known == Some(PointsState::Refused)) {
        return unwind(booking, Phase::Failed, EndWhy::PointsUnavailable, now);
    }
    if let Some(why) = lost_leg(booking) {
        let again = repriced::next(booking);
        if !again.is_empty() {
            return again;
        }
        let goes_on = leave_out(booking, lost, None).or_else(|| terms::next(booking, now));
        return goes_on.unwrap_or_else(|| unwind(booking, Phase::Failed, why, now));
    }
    if booking.deadlines.passed.contains(&Deadline::Payable) {
        let goes_on = go_on_with_held(booking, now);
        return goes_on
            .unwrap_or_else(|| unwind(booking, Phase::Failed, EndWhy::NotHeldInTime, now));
    }
    if points.is_some_and(|p| p.known != Some(PointsState::Held)) {
        return Vec::new();
    }
    let held = booking.standing().all(Leg::is_held);
    if booking.payment.asked.is_none() {
        // The amount follows what could be held, and never changes once it was asked for.
        let wait = booking.on_refusal == OnRefusal::KeepHeld && !held;
        return if wait { Vec::new() } else { ask(booking) };
    }
    if !held {
        return Vec::new();
    }
    if booking.payment.is_free() {
        return vec![Event::CommitStarted];
    }
    if booking.payment.instruction.is_some() { vec![Event::Payable] } else { Vec::new() }
}

/// Goes on with what is held when the time is over, where the customer chose so, while that lasts
/// and can still be paid.
fn go_on_with_held(booking: &Booking, now: DateTime<Utc>) -> Option<Vec<Event>> {
    let in_doubt = |leg: &Leg| (!leg.is_held()).then_some(EndWhy::NotHeldInTime);
    let by = terms::while_held(booking, booking.deadlines.pay_by);
    let points = booking.points.is_none_or(|points| points.known == Some(PointsState::Held));
    let some = booking.standing().any(|leg| !leg.is_held());
    let may = some && points && by > now;
    may.then(|| leave_out(booking, in_doubt, Some(by))).flatten()
}

/// Goes on without the legs that are `out`, where the customer chose so; nothing where that cannot
/// be: no leg is left, points would pay more than the rest costs, or the amount is asked for.
fn leave_out(
    booking: &Booking,
    out: impl Fn(&Leg) -> Option<EndWhy>,
    payable_by: Option<DateTime<Utc>>,
) -> Option<Vec<Event>> {
    let may = booking.on_refusal == OnRefusal::KeepHeld && booking.payment.asked.is_none();
    let rest = booking.standing().filter(|leg| out(leg).is_none());
    let left = rest.fold(0_i64, |sum, leg| sum.saturating_add(leg.order.price.minor));
    let worth = booking.points.map_or(0, |points| points.worth.minor);
    if !may || left == 0 || worth > left {
        return None;
    }
    let mut events = Vec::new();
    for leg in booking.standing() {
        if let Some(why) = out(leg) {
            events.push(Event::LegLeftOut { leg_id: leg.leg_id, why, payable_by });
            events.extend(release(leg));
        }
    }
    Some(events)
}

/// Asks for what is left to pay after the points, at the locked rate.
pub(super) fn ask(booking: &Booking) -> Vec<Event> {
    let quoted = &booking.payment.quoted;
    let worth = booking.points.map_or(Ok(booking.price), |p| booking.price.minus(p.worth));
    match worth.and_then(|left| booking.payment.rate.units_for(left)) {
        Ok(units) => vec![Event::PaymentAsked { amount: AssetAmount { units, ..quoted.clone() } }],
        Err(error) => vec![Event::InvariantBroken { what: format!("the amount to pay: {error}") }],
    }
}
