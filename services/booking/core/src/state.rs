//! What a booking is right now: the fold of its events.

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

use crate::fact::Deadline;

/// A booking, or nothing before it was accepted.
pub type State = Option<Box<Booking>>;

/// One booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booking {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub quote_id: QuoteId,
    /// How many events made it.
    pub version: u64,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
    pub phase: Phase,
    /// How it is to end, once it cannot be confirmed or is not wanted any more.
    pub end: Option<End>,
    /// In the order of the quote.
    pub legs: Vec<Leg>,
    /// All legs together.
    pub price: Money,
    pub payment: Payment,
    /// Nothing when no points are redeemed.
    pub points: Option<Points>,
    pub deadlines: Deadlines,
    pub review: Option<Review>,
}

/// How far a booking is. Only grows towards an end; a closed phase never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Accepted; nothing heard yet.
    Pending,
    /// Legs are being held, the payment prepared.
    Holding,
    /// Everything is held; the customer can pay.
    AwaitingPayment,
    /// Money is final; legs are being bought.
    Committing,
    /// Bought and paid.
    Confirmed,
    /// The stay is over.
    Completed,
    /// Being undone.
    Unwinding,
    /// Undone, against the customer's wish.
    Failed,
    /// Undone, as the customer wished.
    Cancelled,
}

impl Phase {
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Holding,
        Self::AwaitingPayment,
        Self::Committing,
        Self::Confirmed,
        Self::Completed,
        Self::Unwinding,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the phase never changes again.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// How a booking that is not confirmed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// `Failed` or `Cancelled`.
    pub phase: Phase,
    pub why: EndWhy,
}

/// Why a booking is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndWhy {
    SoldOut,
    PriceChanged,
    RateExpired,
    RefusedBySupplier,
    HoldLapsed,
    CancelledBySupplier,
    PointsUnavailable,
    NotHeldInTime,
    NotPaidInTime,
    CancelledByCustomer,
}

/// One leg: what was ordered, what we want of it, what we are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    pub leg_id: LegId,
    pub order: LegOrder,
    pub wanted: WantedLeg,
    /// Grows with every wish; 0 before the first.
    pub wanted_version: u32,
    pub known: Known,
}

/// What supplier-sync told last of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The version of the leg at supplier-sync; 0 before the first news.
    pub seq: u64,
    /// The highest wish it had taken by then.
    pub wanted_version: u32,
    pub state: Option<LegState>,
}

impl Leg {
    /// Whether nothing of it is left at the supplier, as far as is known.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        match &self.known.state {
            Some(LegState::Gone { .. } | LegState::Refused { .. }) => true,
            Some(LegState::Held { .. } | LegState::Confirmed { .. } | LegState::InDoubt { .. })
            | None => false,
        }
    }

    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.known.state, Some(LegState::Held { .. } | LegState::Confirmed { .. }))
    }

    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self.known.state, Some(LegState::Confirmed { .. }))
    }

    /// Whether cancelling it costs nothing at `now`, even after it was bought.
    #[must_use]
    pub fn cancels_free(&self, now: DateTime<Utc>) -> bool {
        let terms = &self.order.terms;
        terms.refundable && terms.cancel_steps.first().is_none_or(|step| now < step.from)
    }

    /// What cancelling it costs at `now` once it was bought.
    #[must_use]
    pub fn cancel_fee(&self, now: DateTime<Utc>) -> Money {
        let terms = &self.order.terms;
        if !terms.refundable {
            return self.order.price;
        }
        let step = terms.cancel_steps.iter().rev().find(|step| step.from <= now);
        step.map_or(Money::zero(self.order.price.currency), |step| step.fee)
    }
}

/// The payment of a booking, an axis of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub payment_id: PaymentId,
    pub rate: Rate,
    /// The amount of the quote, before points.
    pub quoted: AssetAmount,
    /// What is to be paid in money, after points; nothing until points are settled.
    pub asked: Option<AssetAmount>,
    pub instruction: Option<SignedInstruction>,
    /// The newest picture of what was seen.
    pub seen_seq: u64,
    pub received: Units,
    pub complete: bool,
    pub seen_at: Option<DateTime<Utc>>,
    pub settled_seq: u64,
    pub settled: Units,
    pub close_asked: bool,
    pub closing: Option<Closing>,
    pub refunds: Vec<Refund>,
    /// Where the customer wants refunds.
    pub refund_to: Option<String>,
}

impl Payment {
    /// Whether there is nothing to pay in money.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| a.units.is_zero())
    }

    /// Whether the amount is final.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| self.settled >= a.units)
    }

    /// Settled money that no refund was asked for.
    #[must_use]
    pub fn not_given_back(&self) -> Units {
        self.refunds.iter().fold(self.settled, |left, refund| left.saturating_sub(refund.units))
    }

    /// Whether every refund that was asked for arrived.
    #[must_use]
    pub fn refunds_arrived(&self) -> bool {
        self.refunds.iter().all(|r| r.state == Some(RefundState::Confirmed))
    }
}

/// Money on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    pub refund_id: Uuid,
    pub units: Units,
    /// Nothing until payment-verification answered.
    pub state: Option<RefundState>,
}

/// Points redeemed for a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    pub points: u64,
    pub worth: Money,
    pub wanted: WantedPoints,
    pub wanted_version: u32,
    /// The wish that the newest news answers; 0 before the first.
    pub known_version: u32,
    pub known: Option<PointsState>,
}

impl Points {
    /// Whether none of them are set aside or spent any more.
    #[must_use]
    pub const fn are_back(&self) -> bool {
        matches!(self.known, Some(PointsState::Released | PointsState::Refused))
    }
}

/// When what must have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// Everything held and payable.
    pub payable_by: DateTime<Utc>,
    /// Money seen.
    pub pay_by: DateTime<Utc>,
    /// Money final.
    pub settle_by: DateTime<Utc>,
    /// How long commitment may take once it starts, in seconds.
    pub commit_for_s: i64,
    /// How long undoing may take once it starts, in seconds.
    pub unwind_for_s: i64,
    /// How long a person may take for a review, in seconds.
    pub review_for_s: i64,
    /// Those that have passed.
    pub passed: Vec<Deadline>,
}

/// A person has to look, by a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    pub why: ReviewWhy,
    pub since: DateTime<Utc>,
    pub by: DateTime<Utc>,
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewWhy {
    /// Seen money did not become final in time.
    MoneyNotFinal,
    /// Legs could not be bought in time.
    CommitStuck,
    /// Something could not be undone in time.
    Stuck,
    /// The supplier took back what was confirmed.
    CancelledBySupplier,
    /// The booking's own rules contradict each other.
    InvariantBroken,
}
