//! Contract messages to facts. (Effects carry contract messages as they are.)

use contracts::{
    ids::BookingId,
    messages::{
        LegChanged, LegGuestsSettled, PaymentClosed, PaymentPrepared, PaymentRefundChanged,
        PaymentReversed, PaymentSeen, PaymentSettled, PointsChanged,
    },
};

use crate::fact::Fact;

/// A fact and the booking it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    pub booking_id: BookingId,
    pub fact: Fact,
}

macro_rules! inbound {
    ($message:ident, $make:expr) => {
        impl From<$message> for Inbound {
            fn from(message: $message) -> Self {
                Self { booking_id: message.booking_id, fact: $make(message) }
            }
        }
    };
}

inbound!(LegChanged, Fact::Leg);
inbound!(LegGuestsSettled, Fact::Guests);
inbound!(PaymentPrepared, |m| Fact::PaymentPrepared(Box::new(m)));
inbound!(PaymentSeen, Fact::PaymentSeen);
inbound!(PaymentSettled, Fact::PaymentSettled);
inbound!(PaymentReversed, Fact::PaymentReversed);
inbound!(PaymentClosed, Fact::PaymentClosed);
inbound!(PaymentRefundChanged, Fact::Refund);
inbound!(PointsChanged, Fact::Points);
