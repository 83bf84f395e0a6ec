//! Everything booking hears.

use booking_core::Inbound;
use contracts::messages::{
    LegChanged, LegGuestsSettled, PaymentClosed, PaymentPrepared, PaymentRefundChanged,
    PaymentReversed, PaymentSeen, PaymentSettled, PointsChanged,
};
use messaging::Consumers;

/// The subscription list.
pub(crate) fn consumers() -> Consumers<Inbound> {
    Consumers::new(crate::ROLE)
        .on::<LegChanged>(Inbound::from)
        .on::<LegGuestsSettled>(Inbound::from)
        .on::<PaymentPrepared>(Inbound::from)
        .on::<PaymentSeen>(Inbound::from)
        .on::<PaymentSettled>(Inbound::from)
        .on::<PaymentReversed>(Inbound::from)
        .on::<PaymentClosed>(Inbound::from)
        .on::<PaymentRefundChanged>(Inbound::from)
        .on::<PointsChanged>(Inbound::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_what_speakers_are_told_that_the_role_hears() {
        assert_eq!(super::consumers().check(), Ok(()));
    }
}
