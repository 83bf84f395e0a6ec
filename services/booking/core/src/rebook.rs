//! Money that is due back pays another booking instead of leaving.
//!
//! The other booking is an ordinary one: quoted, accepted at its price, held, and shown what to
//! pay. Then its customer says that what is due back of this one pays it. That is where the money
//! goes from there on, as an address would be, so of sending it back and of using it again only one
//! can be. What is missing is paid as ever; what is too much can be asked back of the other one.
//! When the other booking needs no money any more by the time it would come, it stays due here.

use chrono::{DateTime, Utc};
use contracts::{
    asset::AssetAmount,
    ids::{BookingId, PaymentId},
    instruction::place_of_payment,
    money::Money,
};
use serde::{Deserialize, Serialize};

use crate::{
    command::Refusal,
    decide::refund,
    event::Event,
    state::{Booking, Phase, Refund},
    view::{Action, next_actions, next_actions_at},
};

/// A booking that is to be paid from what is due back of another, as its customer accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebooking {
    /// The other booking.
    pub booking_id: BookingId,
    /// Its payment.
    pub payment_id: PaymentId,
    /// What it costs.
    pub price: Money,
    /// What is to be paid for it.
    pub amount: AssetAmount,
}

impl Rebooking {
    /// What another booking has to be paid; nothing where it does not wait for money.
    #[must_use]
    pub fn of(booking: &Booking) -> Option<Self> {
        let waits = next_actions(booking).contains(&Action::Pay);
        let waits = waits && booking.phase == Phase::AwaitingPayment;
        Some(Self {
            booking_id: booking.booking_id,
            payment_id: booking.payment.payment_id,
            price: booking.price,
            amount: booking.payment.asked.clone().filter(|_| waits)?,
        })
    }

    /// What stands for an address where money goes to that booking.
    #[must_use]
    pub fn place(&self) -> String {
        place_of_payment(self.payment_id)
    }
}

impl Booking {
    /// The booking that money of this one pays, unless it could not.
    #[must_use]
    pub fn pays_for(&self) -> Option<&Rebooking> {
        let rebooked = self.rebooked.as_ref()?;
        let place = rebooked.place();
        let goes = |refund: &Refund| !refund.has_failed() && refund.to.as_ref() == Some(&place);
        self.refunds().any(goes).then_some(rebooked)
    }
}

/// Whether final money is due back of a booking that is over, and nobody said where to.
pub(crate) fn is_possible(booking: &Booking) -> bool {
    let over = matches!(booking.phase, Phase::Failed | Phase::Cancelled);
    let first = &booking.payment;
    let due = first.settled.saturating_sub(booking.kept()) > first.addressed();
    let further = || {
        let due = |one: &crate::state::Further| one.payment.settled.saturating_sub(one.kept);
        booking.further.iter().any(|one| due(one) > one.payment.addressed())
    };
    over && booking.refund_to().is_none() && !booking.money_is_away() && (due || further())
}

/// Says that what is due back pays the other booking; nothing for a repeat.
///
/// # Errors
/// When nothing is due back, it goes elsewhere already, or the other one is paid in something else.
pub(crate) fn decide(
    booking: &Booking,
    into: &Rebooking,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let place = into.place();
    if booking.refund_to() == Some(&place) {
        return Ok(Vec::new());
    }
    let allowed = next_actions_at(booking, now);
    if !allowed.contains(&Action::Rebook) {
        return Err(Refusal::NotAllowed { allowed });
    }
    if booking.payment.quoted.asset != into.amount.asset {
        return Err(Refusal::PaidOtherwise { with: booking.payment.quoted.asset.clone() });
    }
    let mut events = vec![Event::Rebooked { into: Box::new(into.clone()) }];
    events.extend(refund(booking, &place, now)?);
    Ok(events)
}
