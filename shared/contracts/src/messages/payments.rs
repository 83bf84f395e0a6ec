//! Payments: what booking asks of payment-verification, and what that says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message;
use crate::{
    asset::{AssetAmount, Rate, Units},
    ids::{BookingId, PaymentId},
    instruction::SignedInstruction,
    money::Money,
};

/// Command to payment-verification: make a payment request ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentPrepare {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// What is to be paid, to the last unit.
    pub amount: AssetAmount,
    /// The price that it pays.
    pub price: Money,
    /// Until when money must be seen.
    pub pay_by: DateTime<Utc>,
}
message!(PaymentPrepare, Command, "holdfast.payment.prepare.v1", booking_id);

/// Event of payment-verification: the request is ready; what to pay is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentPrepared {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The version of the payment; a higher one is newer, whatever came first.
    pub seq: u64,
    /// What to pay and where.
    pub instruction: SignedInstruction,
}
message!(PaymentPrepared, Event, "holdfast.payment.prepared.v1", booking_id);

/// Event of payment-verification: the money seen on canonical blocks changed, up or down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentSeen {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The version of the payment.
    pub seq: u64,
    /// All that is seen now.
    pub received: Units,
    /// Whether that is the amount or more.
    pub complete: bool,
    /// When it was first seen, by our database's clock.
    pub seen_at: DateTime<Utc>,
}
message!(PaymentSeen, Event, "holdfast.payment.seen.v1", booking_id);

/// Event of payment-verification: the amount is as deep as the policy wants; money is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentSettled {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The version of the payment.
    pub seq: u64,
    /// All that settled.
    pub received: Units,
    /// Whether that pays the price, give or take what the asset tolerates.
    #[serde(default)]
    pub complete: bool,
}
message!(PaymentSettled, Event, "holdfast.payment.settled.v1", booking_id);

fn is_nothing(units: &Units) -> bool {
    units.is_zero()
}

/// Event of payment-verification: final money left its chain after it had paid or was due back, or
/// such money is final again. It says how all of it stands, so the newest one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentReversed {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The version of the payment.
    pub seq: u64,
    /// All that was final and is not on its chain; nothing once it is final again.
    pub gone: Units,
    /// All that is final now.
    pub settled: Units,
    /// What staff said is lost for good, of what paid or was due back: it is not waited for.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub lost: Units,
}
message!(PaymentReversed, Event, "holdfast.payment.reversed.v1", booking_id);

/// Why a payment is to be closed, and with it what has to be known before it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CloseBecause {
    /// Nobody was ever shown what to pay, so nobody can have paid.
    NeverShown,
    /// The deadline passed without the money: what was mined in time and is found yet still pays.
    #[default]
    NotPaid,
    /// The booking is undone: whatever came, or comes, goes back.
    Undone,
    /// The same while its money is away from its chain, and nothing of it would stay with us:
    /// nobody misses it. What comes back goes back.
    CalledOff,
}

/// Command to payment-verification: say whether money came, once that can be known; nothing that
/// comes after the answer counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentClose {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request; closing one that was never prepared is remembered.
    pub payment_id: PaymentId,
    /// Why.
    #[serde(default)]
    pub because: CloseBecause,
}
message!(PaymentClose, Command, "holdfast.payment.close.v1", booking_id);

/// How a payment was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Closing {
    /// It is closed; this much was seen, this much of it is final.
    Closed {
        /// Seen on canonical blocks.
        received: Units,
        /// Final.
        settled: Units,
    },
    /// It had settled already and stays settled.
    AlreadySettled {
        /// Final.
        settled: Units,
    },
}

/// Event of payment-verification: the answer to `PaymentClose`, decided once and said once.
///
/// A second `PaymentClose` is a repeat and is not answered again; a `PaymentPrepare` that comes
/// after the closing is answered with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentClosed {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The version of the payment.
    pub seq: u64,
    /// How.
    pub closing: Closing,
}
message!(PaymentClosed, Event, "holdfast.payment.closed.v1", booking_id);

/// At which value money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefundBasis {
    /// Of then: as many units as were paid, whatever they are worth now.
    #[default]
    Then,
    /// Of now: as many units as are worth what was paid when the refund is granted.
    Now,
    /// In the currency of the price: as many units as are worth what was paid when they are sent.
    Fiat,
}

impl RefundBasis {
    /// Whether as many units go back as were paid.
    #[must_use]
    pub const fn is_then(&self) -> bool {
        matches!(self, Self::Then)
    }
}

/// What a refund is worth that goes back by value, and what is sent for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefundValue {
    /// What of it had paid was worth when the price was made, to the nearest minor unit.
    pub worth: Money,
    /// What is sent; nothing while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced: Option<RefundPriced>,
}

/// What is sent for a refund that goes back by value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefundPriced {
    /// How much in all, rounded down to a whole unit and never nothing.
    pub units: Units,
    /// At which rate.
    pub rate: Rate,
    /// As of when that is.
    pub as_of: DateTime<Utc>,
}

/// Command to payment-verification: give back settled money, once per `refund_id`.
///
/// Without `to` it is granted and waits; said again with `to` it gets its address, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentRefund {
    /// For which booking.
    pub booking_id: BookingId,
    /// From which request.
    pub payment_id: PaymentId,
    /// The refund; asking again is the same refund.
    pub refund_id: Uuid,
    /// How much.
    pub units: Units,
    /// Where the customer wants it, if that was said; never where the money came from by itself.
    pub to: Option<String>,
    /// At which value.
    #[serde(default)]
    pub basis: RefundBasis,
    /// The member of staff who looks into the booking, if one does: it is not for them to let it
    /// go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_by: Option<String>,
}
message!(PaymentRefund, Command, "holdfast.payment.refund.v1", booking_id);

/// How far a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Granted here; it waits for an address, or for the treasury to send it. One that was sent is
    /// this again when the block that held it left.
    Granted,
    /// Seen on chain.
    Sent,
    /// Final on chain.
    Confirmed,
    /// It cannot be: it was refused here, or by the treasury; what it was of is due still.
    Failed,
}

/// Event of payment-verification: a refund went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PaymentRefundChanged {
    /// For which booking.
    pub booking_id: BookingId,
    /// From which request.
    pub payment_id: PaymentId,
    /// The version of the payment.
    pub seq: u64,
    /// The refund.
    pub refund_id: Uuid,
    /// How much.
    pub units: Units,
    /// How far.
    pub state: RefundState,
    /// The transaction that brings it, once one is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// What it is worth, where it goes back by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<RefundValue>,
    /// How much of what was to be sent no transaction brought: a member of staff answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Units>,
}
message!(PaymentRefundChanged, Event, "holdfast.payment.refund_changed.v1", booking_id);
