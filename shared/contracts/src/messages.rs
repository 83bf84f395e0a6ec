//! What each owner says, past tense or imperative; one file an owner.

mod booking;
mod payments;
mod rewards;
mod suppliers;

pub use booking::{
    BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
    BookingLegReplaced, BookingMoneyReversed, BookingMoved, ConfirmedLeg,
};
pub use payments::{
    CloseBecause, Closing, PaymentClose, PaymentClosed, PaymentPrepare, PaymentPrepared,
    PaymentRefund, PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled, RefundBasis,
    RefundPriced, RefundState, RefundValue,
};
pub use rewards::{PointsChanged, PointsState, PointsWanted, WantedPoints};
pub use suppliers::{
    CallbackClaim, CallbackReceived, EvidenceSource, GoneWhy, GuestsEnd, LegAsks, LegChanged,
    LegContent, LegEvidence, LegGuestsSettled, LegGuestsWanted, LegState, LegWanted, RefusedWhy,
    UndoFailedWhy, UndoFailing, WantedLeg,
};

macro_rules! message {
    ($type:ident, $kind:ident, $name:literal, $subject:ident) => {
        impl crate::message::Message for $type {
            const TYPE: &'static str = $name;
            const KIND: crate::message::Kind = crate::message::Kind::$kind;
            fn subject(&self) -> uuid::Uuid {
                self.$subject.0
            }
        }
    };
}
use message;
