//! The words a customer is told, each one of a closed list that the API's document names.

use serde::Serialize;
use utoipa::ToSchema;

/// Makes a list of words that is what the core knows, so that a new one is not shown before it is
/// documented.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident from $core:path { $($word:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($word,)*
        }

        impl From<$core> for $name {
            fn from(word: $core) -> Self {
                match word {
                    $(<$core>::$word => Self::$word,)*
                }
            }
        }
    };
}

words! {
    /// Where a booking stands.
    Status from booking_core::Status {
        Pending, Holding, AwaitingConsent, AwaitingPayment, ConfirmingPayment, Committing,
        Confirmed, Amending, Completed, NoShow, Failing, Cancelling, Failed, Cancelled,
    }
}

words! {
    /// What can be done with a booking.
    Action from booking_core::Action {
        Pay, Cancel, CancelLeg, Amend, Refund, Rebook, AcceptTerms, AcceptChange, RefundChange,
        UndoTrip, RebookChange,
    }
}

words! {
    /// What becomes of the other legs when one cannot be held.
    OnRefusal from booking_core::OnRefusal { UndoAll, KeepHeld }
}

words! {
    /// How the money of a booking stands.
    MoneyAxis from booking_core::MoneyAxis {
        None, Due, Part, Confirming, Reversed, Settled, RefundWaiting, RefundDue, Refunded,
    }
}

words! {
    /// Why a booking was undone.
    EndWhy from booking_core::EndWhy {
        SoldOut, PriceChanged, RateExpired, RefusedBySupplier, CouldNotBeSent,
        SupplierUnavailable, HoldLapsed, CancelledBySupplier,
        PointsUnavailable, NotHeldInTime, NotPaidInTime, CancelledByCustomer, ChangedBySupplier,
        PaymentLost,
    }
}

words! {
    /// Why a person looks at a booking.
    ReviewWhy from booking_core::ReviewWhy {
        MoneyNotFinal, CommitStuck, AmendmentStuck, Stuck, CancelledBySupplier, ChangedBySupplier,
        MoneyReversed, InvariantBroken,
    }
}

words! {
    /// Why a step of the undo does not go on.
    StuckWhy from booking_core::StuckWhy { NoAnswer, InDoubt, Refused, NotSent, Late }
}

/// A step of the undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StuckStep {
    ReleaseLeg,
    ReleasePoints,
    /// Being told whether money came.
    ClosePayment,
    /// Money that was seen becoming final, so that it can go back.
    SettleMoney,
    SendRefund,
}

words! {
    /// How redeemed points stand.
    PointsWord from contracts::messages::PointsState { Held, Refused, Captured, Released }
}

words! {
    /// How far money on its way back is.
    RefundWord from contracts::messages::RefundState { Granted, Sent, Confirmed, Failed }
}

words! {
    /// At which value money goes back that had paid: `then`, as many units as were paid; `now`, as
    /// many as are worth that when the refund is granted; `fiat`, as many as are worth it when they
    /// are sent, once it is known where to. What came too much, too little or too late never paid,
    /// and goes back as it came.
    RefundBasis from contracts::messages::RefundBasis { Then, Now, Fiat }
}

/// What is known of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LegWord {
    Pending,
    Held,
    Confirmed,
    /// Bought, and the supplier says that nobody came.
    NoShow,
    Gone,
    Refused,
    /// The supplier did not say; it is being asked.
    BeingChecked,
    /// The supplier cancelled it or made something else of it; the customer is to answer.
    ChangedBySupplier,
}

words! {
    /// What the customer can make of a change of the supplier's.
    ChangeAnswer from booking_core::ChangeAnswer { Accept, Refund, UndoTrip }
}

/// An answer that a change of the supplier's allows.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AllowedAnswer {
    /// It is taken as it is now.
    Accept,
    /// The leg goes back, and all of its money.
    Refund,
    /// The whole trip goes back, and all of its money.
    UndoTrip,
    /// Another leg in its place, by an amendment of it; what goes costs nothing.
    Rebook,
}

impl AllowedAnswer {
    /// Those that a change of a leg allows.
    pub(super) fn of(
        booking: &booking_core::Booking,
        leg: &booking_core::Leg,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Vec<Self> {
        let given = booking_core::change_answers(booking, leg, now).into_iter();
        let given = given.map(|answer| match answer {
            booking_core::ChangeAnswer::Accept => Self::Accept,
            booking_core::ChangeAnswer::Refund => Self::Refund,
            booking_core::ChangeAnswer::UndoTrip => Self::UndoTrip,
        });
        let rebook = booking_core::may_be_rebooked(booking, leg, now).then_some(Self::Rebook);
        given.chain(rebook).collect()
    }
}

/// How far a wish is to have others on a leg.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BookingLegGuests)]
pub(crate) enum GuestsWord {
    /// Its supplier is asked.
    Changing,
    /// They are on it.
    Changed,
    /// They are not: those stay who were on it.
    Kept,
}

impl GuestsWord {
    pub(super) const fn of(guests: &booking_core::LegGuests) -> Self {
        match guests.end {
            None => Self::Changing,
            Some(contracts::messages::GuestsEnd::Changed) => Self::Changed,
            Some(contracts::messages::GuestsEnd::Kept { .. }) => Self::Kept,
        }
    }
}
