//! A message on its way, as bytes: whatever two services say to each other here has been JSON in
//! between.

use std::sync::Arc;

use contracts::{
    ids::MessageId,
    message::Message,
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, CallbackReceived, LegChanged,
        LegWanted, PaymentClose, PaymentClosed, PaymentPrepare, PaymentPrepared, PaymentRefund,
        PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled, PointsChanged,
        PointsWanted,
    },
};
use messaging_core::Cause;
use uuid::Uuid;

/// Who has a database of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Booking,
    SupplierSync,
    Payments,
    Rewards,
    Callbacks,
}

impl Role {
    pub(crate) const ALL: [Self; 5] =
        [Self::Booking, Self::SupplierSync, Self::Payments, Self::Rewards, Self::Callbacks];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::SupplierSync => "supplier-sync",
            Self::Payments => "payment-verification",
            Self::Rewards => "rewards",
            Self::Callbacks => "supplier-callback",
        }
    }
}

/// A message with its envelope.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub(crate) id: MessageId,
    pub(crate) attempt: u32,
    pub(crate) kind: &'static str,
    pub(crate) about: Uuid,
    pub(crate) body: Arc<Vec<u8>>,
    pub(crate) to: To,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Whoever listens to its type.
    Listeners,
    /// One consumer's queue: a retry or a replay.
    Only(Role),
    /// The dead letters, because that consumer gave it up.
    Parker(Role, Cause),
}

impl Parcel {
    pub(crate) fn of<M: Message>(id: MessageId, message: &M) -> Self {
        let body = serde_json::to_vec(message).unwrap();
        Self {
            id,
            attempt: 0,
            kind: M::TYPE,
            about: message.subject(),
            body: Arc::new(body),
            to: To::Listeners,
        }
    }

    /// The message in it, which must be of that type.
    pub(crate) fn open<M: Message>(&self) -> M {
        assert_eq!(self.kind, M::TYPE);
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The short name of its type: `leg.wanted`.
    pub(crate) fn name(&self) -> &'static str {
        self.kind.trim_start_matches("holdfast.").trim_end_matches(".v1")
    }

    /// Whose queues it goes to.
    pub(crate) fn listeners(&self) -> &'static [Role] {
        match self.to {
            To::Listeners => listeners(self.kind),
            To::Only(role) => match role {
                Role::Booking => &[Role::Booking],
                Role::SupplierSync => &[Role::SupplierSync],
                Role::Payments => &[Role::Payments],
                Role::Rewards => &[Role::Rewards],
                Role::Callbacks => &[Role::Callbacks],
            },
            To::Parker(..) => &[],
        }
    }
}

fn listeners(kind: &str) -> &'static [Role] {
    match kind {
        LegChanged::TYPE
        | PaymentPrepared::TYPE
        | PaymentSeen::TYPE
        | PaymentSettled::TYPE
        | PaymentReversed::TYPE
        | PaymentClosed::TYPE
        | PaymentRefundChanged::TYPE
        | PointsChanged::TYPE => &[Role::Booking],
        LegWanted::TYPE | CallbackReceived::TYPE => &[Role::SupplierSync],
        PaymentPrepare::TYPE | PaymentClose::TYPE | PaymentRefund::TYPE => &[Role::Payments],
        PointsWanted::TYPE
        | BookingConfirmed::TYPE
        | BookingFailed::TYPE
        | BookingCancelled::TYPE
        | BookingLegCancelled::TYPE
        | BookingLegReplaced::TYPE
        | BookingMoneyReversed::TYPE
        | BookingMoved::TYPE
        | BookingCompleted::TYPE => &[Role::Rewards],
        other => panic!("nobody listens to {other}"),
    }
}
