//! Everything rewards hears.

use contracts::messages::{
    BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
    BookingLegReplaced, BookingMoneyReversed, BookingMoved, PointsWanted,
};
use messaging::Consumers;
use rewards_core::translate::Inbound;

/// The subscription list.
pub(crate) fn consumers() -> Consumers<Inbound> {
    Consumers::new(crate::ROLE)
        .on::<PointsWanted>(Inbound::from)
        .on::<BookingConfirmed>(Inbound::from)
        .on::<BookingCancelled>(Inbound::from)
        .on::<BookingFailed>(Inbound::from)
        .on::<BookingLegCancelled>(Inbound::from)
        .on::<BookingLegReplaced>(Inbound::from)
        .on::<BookingMoneyReversed>(Inbound::from)
        .on::<BookingMoved>(Inbound::from)
        .on::<BookingCompleted>(Inbound::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_what_speakers_are_told_that_the_role_hears() {
        assert_eq!(super::consumers().check(), Ok(()));
    }
}
