//! Everything that has happened to a booking, as its journal keeps it.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    instruction::SignedInstruction,
    messages::{Closing, LegState, PointsState, RefundState, WantedLeg, WantedPoints},
    money::Money,
    offer::LegOrder,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    fact::Deadline,
    state::{EndWhy, Phase, ReviewWhy},
};

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// 1 for the first.
    pub version: u64,
    pub at: DateTime<Utc>,
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    Accepted(Box<Accepted>),
    /// We want a leg in another state.
    LegWished {
        leg_id: LegId,
        version: u32,
        wanted: WantedLeg,
    },
    /// supplier-sync told something new of a leg.
    LegNews {
        leg_id: LegId,
        seq: u64,
        wanted_version: u32,
        state: LegState,
    },
    PointsWished {
        version: u32,
        wanted: WantedPoints,
    },
    PointsNews {
        version: u32,
        state: PointsState,
    },
    PaymentAsked {
        amount: AssetAmount,
    },
    PaymentReady {
        instruction: Box<SignedInstruction>,
    },
    MoneySeen {
        seq: u64,
        received: Units,
        complete: bool,
        seen_at: DateTime<Utc>,
    },
    MoneySettled {
        seq: u64,
        received: Units,
    },
    CloseAsked,
    PaymentClosed {
        closing: Closing,
    },
    RefundAsked {
        refund_id: Uuid,
        units: Units,
    },
    RefundNews {
        refund_id: Uuid,
        units: Units,
        state: RefundState,
    },
    DeadlinePassed {
        deadline: Deadline,
    },
    HoldingStarted,
    Payable,
    CommitStarted,
    Confirmed,
    Completed,
    UnwindStarted {
        end: Phase,
        why: EndWhy,
    },
    Failed,
    Cancelled,
    ReviewOpened {
        why: ReviewWhy,
    },
    ReviewClosed,
    /// A rule of the booking was found broken; a person has to look.
    InvariantBroken {
        what: String,
    },
}

/// All that a booking starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub quote_id: QuoteId,
    pub payment_id: PaymentId,
    pub legs: Vec<AcceptedLeg>,
    pub price: Money,
    pub rate: Rate,
    pub quoted: AssetAmount,
    pub points: u64,
    pub points_worth: Money,
    pub refund_to: Option<String>,
    pub payable_by: DateTime<Utc>,
    pub pay_by: DateTime<Utc>,
    pub settle_by: DateTime<Utc>,
    pub commit_for_s: i64,
    pub unwind_for_s: i64,
    pub review_for_s: i64,
}

/// A leg as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedLeg {
    pub leg_id: LegId,
    pub order: LegOrder,
}
