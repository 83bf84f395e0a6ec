//! What must follow from an event.

use contracts::{
    ids::BookingId,
    messages::{PointsChanged, PointsState},
};

use crate::{
    event::{Event, Parts},
    state::{Account, RedemptionState},
};

/// Something that must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Booking hears what became of its redeemed points.
    Say(PointsChanged),
}

/// What follows from `event`, which made `account` what it is.
#[must_use]
pub fn effects(account: &Account, event: &Event) -> Vec<Effect> {
    let say = |booking_id: &BookingId, version: &u32, state, points| {
        let (booking_id, version) = (*booking_id, *version);
        vec![Effect::Say(PointsChanged { booking_id, version, state, points })]
    };
    let sum = |parts: &Parts| parts.values().sum();
    match event {
        Event::Held { booking_id, version, parts } => {
            say(booking_id, version, PointsState::Held, sum(parts))
        }
        Event::Refused { booking_id, version, points } => {
            say(booking_id, version, PointsState::Refused, *points)
        }
        Event::Captured { booking_id, version, parts }
        | Event::Spent { booking_id, version, parts } => {
            say(booking_id, version, PointsState::Captured, sum(parts))
        }
        Event::Released { booking_id, version, parts }
        | Event::Returned { booking_id, version, parts } => {
            say(booking_id, version, PointsState::Released, sum(parts))
        }
        Event::WishNoted { booking_id, version } => match account.redemptions.get(booking_id) {
            Some(redemption) => {
                say(booking_id, version, shown(redemption.state), sum(&redemption.parts))
            }
            None => Vec::new(),
        },
        Event::Earned { .. }
        | Event::EarnBarred { .. }
        | Event::EarnLimited { .. }
        | Event::EarnPostponed { .. }
        | Event::Postponed { .. }
        | Event::Reduced { .. }
        | Event::Matured { .. }
        | Event::Voided { .. }
        | Event::Reversed { .. }
        | Event::Granted { .. }
        | Event::Frozen { .. }
        | Event::Thawed { .. }
        | Event::Expired { .. }
        | Event::DebtPaid { .. } => Vec::new(),
    }
}

const fn shown(state: RedemptionState) -> PointsState {
    match state {
        RedemptionState::Held => PointsState::Held,
        RedemptionState::Refused => PointsState::Refused,
        RedemptionState::Captured => PointsState::Captured,
        RedemptionState::Released => PointsState::Released,
    }
}
