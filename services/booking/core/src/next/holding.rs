//! Legs are being held, the payment prepared: payable only when everything is held.

use contracts::{asset::AssetAmount, messages::PointsState};

use super::{lost_leg, unwind};
use crate::{
    event::Event,
    fact::Deadline,
    state::{Booking, EndWhy, Leg, Phase},
};

pub(super) fn next(booking: &Booking) -> Vec<Event> {
    if let Some(why) = lost_leg(booking) {
        return unwind(booking, Phase::Failed, why);
    }
    let points = booking.points.as_ref();
    if points.is_some_and(|p| p.known == Some(PointsState::Refused)) {
        return unwind(booking, Phase::Failed, EndWhy::PointsUnavailable);
    }
    if booking.deadlines.passed.contains(&Deadline::Payable) {
        return unwind(booking, Phase::Failed, EndWhy::NotHeldInTime);
    }
    if points.is_some_and(|p| p.known != Some(PointsState::Held)) {
        return Vec::new();
    }
    if booking.payment.asked.is_none() {
        return ask(booking);
    }
    if !booking.legs.iter().all(Leg::is_held) {
        return Vec::new();
    }
    if booking.payment.is_free() {
        return vec![Event::CommitStarted];
    }
    if booking.payment.instruction.is_some() { vec![Event::Payable] } else { Vec::new() }
}

/// Asks for what is left to pay after the points, at the locked rate.
fn ask(booking: &Booking) -> Vec<Event> {
    let quoted = &booking.payment.quoted;
    let worth = booking.points.map_or(Ok(booking.price), |p| booking.price.minus(p.worth));
    match worth.and_then(|left| booking.payment.rate.units_for(left)) {
        Ok(units) => vec![Event::PaymentAsked { amount: AssetAmount { units, ..quoted.clone() } }],
        Err(error) => vec![Event::InvariantBroken { what: format!("the amount to pay: {error}") }],
    }
}
