//! What a booking is right now: the fold of its events.

mod further;
mod leg;

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    instruction::SignedInstruction,
    messages::{Closing, PointsState, RefundBasis, RefundState, RefundValue, WantedPoints},
    money::Money,
    mutants::mutant,
};
pub use further::{Difference, Further};
pub(crate) use further::{keep as keep_further, take as take_further};
pub use leg::{Amendment, DeadlineBasis, Known, Leg, LegCancellation, Out};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{fact::Deadline, rebook::Rebooking};

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
    /// What the customer agreed to when cancelling what was bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// The same while it is not carried out: nobody knows whether what is being bought is bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Cancellation>,
    /// The digest of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Uuid>,
    /// The leg that is to take the place of another, while that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amendment: Option<Amendment>,
    /// What becomes of the other legs when one cannot be held.
    #[serde(default, skip_serializing_if = "OnRefusal::is_undo_all")]
    pub on_refusal: OnRefusal,
    /// In the order of the quote.
    pub legs: Vec<Leg>,
    /// All legs together, but those that were left out before anything could be paid.
    pub price: Money,
    pub payment: Payment,
    /// At which value money goes back that had paid.
    #[serde(default, skip_serializing_if = "RefundBasis::is_then")]
    pub refund_basis: RefundBasis,
    /// Payments of what other legs cost more than those whose place they took, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Further>,
    /// Nothing when no points are redeemed.
    pub points: Option<Points>,
    pub deadlines: Deadlines,
    /// The booking that what goes back is to pay, where the customer chose so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebooked: Option<Rebooking>,
    pub review: Option<Review>,
    /// The member of staff who looks into the review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<Reviewer>,
    /// Who looked into one before and does no more: what came of that, they do not let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<String>,
}

impl Booking {
    /// Who looks into it, or did last.
    #[must_use]
    pub fn handled_by(&self) -> Option<&str> {
        self.reviewer.as_ref().map(|reviewer| reviewer.name.as_str()).or(self.looked.as_deref())
    }
}

impl Booking {
    /// The part of the money that is ours for good: the price, or the fee of a cancellation, or
    /// nothing of a booking that is undone.
    #[must_use]
    pub fn kept(&self) -> Units {
        match self.phase {
            Phase::Unwinding | Phase::Failed | Phase::Cancelled => {
                self.cancellation.map_or(Units::ZERO, |c| c.kept)
            }
            Phase::Pending
            | Phase::Holding
            | Phase::AwaitingPayment
            | Phase::Committing
            | Phase::Confirmed
            | Phase::Amending
            | Phase::Completed => {
                let asked = self.payment.asked.as_ref().map_or(Units::ZERO, |a| a.units);
                let kept = self.cancelled_legs().map(|c| c.kept).min();
                kept.map_or(asked, |kept| kept.min(asked))
            }
        }
    }

    /// What of the money that came is ours, also while some of it left its chain or is lost: it is
    /// short of [`Self::kept`] by no more than the dust that a payment may be short of.
    #[must_use]
    pub fn had(&self) -> Units {
        let left = [self.payment.gone, self.payment.lost].into_iter();
        let settled = self.payment.settled;
        self.kept().min(left.fold(settled, |sum, left| sum.checked_add(left).unwrap_or(sum)))
    }

    /// The legs that the booking goes on with.
    pub fn standing(&self) -> impl DoubleEndedIterator<Item = &Leg> + Clone {
        self.legs.iter().filter(|leg| leg.out.is_none())
    }

    /// The leg, the one whose place it takes, and so on to the one that was booked at first.
    pub fn line_of(&self, leg_id: LegId) -> impl Iterator<Item = LegId> {
        let before = |leg_id: &LegId| {
            let leg = self.legs.iter().find(|leg| leg.leg_id == *leg_id);
            leg.and_then(|leg| leg.in_place_of)
        };
        // A leg takes the place of one that was there before it, so this ends.
        std::iter::successors(Some(leg_id), before).take(self.legs.len())
    }

    /// What was agreed to for each leg that the customer cancelled alone, or has another one in the
    /// place of.
    pub fn cancelled_legs(&self) -> impl Iterator<Item = &LegCancellation> {
        self.legs.iter().filter_map(|leg| match &leg.out {
            Some(Out::Cancelled { cancellation } | Out::Replaced { cancellation, .. }) => {
                Some(cancellation)
            }
            Some(
                Out::NotHeld { .. } | Out::Coming | Out::NotTaken { .. } | Out::Repriced { .. },
            )
            | None => None,
        })
    }

    /// What is paid in money for what stands, all payments together: less what legs that were
    /// cancelled alone or replaced gave back.
    #[must_use]
    pub fn left_in_money(&self) -> Money {
        let first = self.left_in_first();
        Money::new(first.minor.saturating_add(self.in_further()), first.currency)
    }

    /// What is paid in money for the legs that somebody came to: their share of it by price, where
    /// points paid a part. Nothing where no supplier says of one that nobody did.
    #[must_use]
    pub fn taken_in_money(&self) -> Option<Money> {
        let prices = |missed: bool| {
            let legs = self.standing().filter(move |leg| !missed || leg.is_no_show());
            legs.map(|leg| i128::from(leg.order.price.minor.max(0))).reduce(|a, b| a + b)
        };
        let (missed, all) = (prices(true)?, prices(false)?.max(1));
        let left = self.left_in_money();
        let share = i128::from(left.minor.max(0)) * (all - missed).max(0) / all;
        Some(Money::new(i64::try_from(share).unwrap_or(left.minor), left.currency))
    }

    /// What the first payment pays of that.
    #[must_use]
    pub fn left_in_first(&self) -> Money {
        let paid = self.paid_in_money();
        let of_first = |c: &LegCancellation| c.back.minor.saturating_sub(c.of_further);
        let back = self.cancelled_legs().fold(0_i64, |sum, c| sum.saturating_add(of_first(c)));
        Money::new(paid.minor.saturating_sub(back), paid.currency)
    }

    /// Settled money of the first payment that is not ours and that no refund was asked for.
    #[must_use]
    pub fn not_given_back(&self) -> Units {
        let kept = if mutant("fee_forgotten") { Units::ZERO } else { self.kept() };
        let due = self.payment.settled.saturating_sub(kept);
        let counts = |refund: &&Refund| !refund.has_failed() && !mutant("refund_asked_again");
        let live = self.payment.refunds.iter().filter(counts);
        live.fold(due, |left, refund| left.saturating_sub(refund.units))
    }

    /// The newest refund that failed, while no other one takes back what it was of.
    #[must_use]
    pub fn failed_refund(&self) -> Option<&Refund> {
        let newest = |payment: &'_ Payment| -> Option<usize> {
            payment.refunds.iter().rposition(Refund::has_failed)
        };
        let further = self.further.iter().rev().filter(|one| !one.not_given_back().is_zero());
        let mut further = further.filter_map(|one| one.payment.refunds.get(newest(&one.payment)?));
        let first = || {
            let at = newest(&self.payment).filter(|_| !self.not_given_back().is_zero())?;
            self.payment.refunds.get(at)
        };
        further.next().or_else(first)
    }

    /// Where the customer wants refunds, unless the newest one to there failed.
    ///
    /// Bookings from before such an address was forgotten still have it.
    #[must_use]
    pub fn refund_to(&self) -> Option<&str> {
        let to = self.payment.refund_to.as_deref()?;
        let mut newest = self.payment.refunds.iter().rev();
        let newest = newest.find(|refund| refund.to.as_deref() == Some(to));
        newest.is_none_or(|refund| !refund.has_failed()).then_some(to)
    }

    /// The price less what points pay.
    #[must_use]
    pub fn paid_in_money(&self) -> Money {
        let less = self.points.map(|p| self.price.minus(p.worth));
        less.and_then(Result::ok).unwrap_or(self.price)
    }
}

/// What becomes of the other legs when one cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRefusal {
    /// All or nothing.
    #[default]
    UndoAll,
    /// Price and payment follow what could be held.
    KeepHeld,
}

impl OnRefusal {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) const fn is_undo_all(&self) -> bool {
        matches!(self, Self::UndoAll)
    }
}

/// What the customer agreed to when cancelling what was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancellation {
    /// What the customer pays for it.
    pub fee: Money,
    /// What the terms would charge beyond that; ours to bear.
    pub borne: Money,
    /// The part of the first payment's money that pays the fee, in units at the locked rate.
    pub kept: Units,
    /// What further payments pay of the fee, in minor units of the price.
    #[serde(default, skip_serializing_if = "is_zero_minor")]
    pub further: i64,
    /// Whether redeemed points go back; if not, they pay a part of the fee.
    pub points_back: bool,
}

/// How far a booking is. Only grows towards an end, but that an amendment ends in `confirmed`
/// again; a closed phase never changes.
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
    /// Bought and paid, and another leg is to take the place of one.
    Amending,
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
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Holding,
        Self::AwaitingPayment,
        Self::Committing,
        Self::Confirmed,
        Self::Amending,
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
    CouldNotBeSent,
    SupplierUnavailable,
    HoldLapsed,
    CancelledBySupplier,
    PointsUnavailable,
    NotHeldInTime,
    NotPaidInTime,
    CancelledByCustomer,
    /// The supplier made something else of it, and the customer did not want that.
    ChangedBySupplier,
    /// The money that had paid it left its chain for good before it was bought.
    PaymentLost,
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
    /// Whether payment-verification said that it pays the price: a payment may be short by dust.
    #[serde(default)]
    pub paid: bool,
    /// The newest news of final money that left its chain.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reversed_seq: u64,
    /// Final money that is away; nothing can be given back of it.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub gone: Units,
    /// Final money that left and that nobody waits for any more: a person said that it is lost.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub lost: Units,
    pub close_asked: bool,
    pub closing: Option<Closing>,
    pub refunds: Vec<Refund>,
    /// What legs that were cancelled alone or replaced gave back, and no refund was asked for so
    /// far: money that is away cannot be sent.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub owed: Units,
    /// Where the customer wants refunds; nothing any more once a refund to there failed.
    pub refund_to: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_nothing(units: &Units) -> bool {
    units.is_zero()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero_minor(minor: &i64) -> bool {
    *minor == 0
}

impl Payment {
    /// One of which nothing was asked so far.
    pub(crate) const fn new(payment_id: PaymentId, rate: Rate, quoted: AssetAmount) -> Self {
        Self {
            payment_id,
            rate,
            quoted,
            asked: None,
            instruction: None,
            seen_seq: 0,
            received: Units::ZERO,
            complete: false,
            seen_at: None,
            settled_seq: 0,
            settled: Units::ZERO,
            paid: false,
            reversed_seq: 0,
            gone: Units::ZERO,
            lost: Units::ZERO,
            close_asked: false,
            closing: None,
            refunds: Vec::new(),
            owed: Units::ZERO,
            refund_to: None,
        }
    }

    /// Whether there is nothing to pay in money.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| a.units.is_zero())
    }

    /// Whether the amount is final.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        (self.paid && self.lost.is_zero())
            || self.asked.as_ref().is_some_and(|a| self.settled >= a.units)
    }

    /// Whether it had been paid, and that money is lost for good.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.lost.is_zero() && !self.is_settled()
    }

    /// Whether more was seen than is final.
    #[must_use]
    pub fn is_confirming(&self) -> bool {
        self.received > self.settled
    }

    /// All that goes back to an address the customer named.
    #[must_use]
    pub fn addressed(&self) -> Units {
        let on_its_way = |refund: &&Refund| refund.to.is_some() && !refund.has_failed();
        let addressed = self.refunds.iter().filter(on_its_way);
        addressed.fold(Units::ZERO, |sum, refund| sum.checked_add(refund.units).unwrap_or(sum))
    }
}

impl Refund {
    #[must_use]
    pub fn has_arrived(&self) -> bool {
        self.state == Some(RefundState::Confirmed)
    }

    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == Some(RefundState::Failed)
    }

    /// Whether it waits for the customer to name an address.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.to.is_none() && !self.has_arrived() && !self.has_failed()
    }

    /// Whether it is under way and was not called late so far.
    #[must_use]
    pub fn may_be_late(&self) -> bool {
        !self.late && !self.has_arrived() && !self.has_failed()
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
    /// The version of the payment that told the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Where to; nothing while the customer has named no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Until when it is to have arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<DateTime<Utc>>,
    /// Whether it had not arrived by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// The transaction that brings it, once one is seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// What it is worth, and what is sent for that, where it goes back by value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Box<RefundValue>>,
    /// How much no transaction brought: a member of staff answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Units>,
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
    /// How long a refund may take once it has an address, in seconds.
    #[serde(default, skip_serializing_if = "crate::event::is_zero_s")]
    pub refund_for_s: i64,
    /// How long the customer has to answer what a supplier changed, in seconds; 0 for two days.
    #[serde(default, skip_serializing_if = "crate::event::is_zero_s")]
    pub answer_for_s: i64,
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
    /// What does not go on, where that is why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
}

/// Who looks into a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewer {
    /// The name in their token.
    pub name: String,
    pub since: DateTime<Utc>,
}

/// A step of the undo that does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stuck {
    pub step: StuckStep,
    pub reason: StuckWhy,
    /// How often it was tried, as far as is known.
    pub attempts: u32,
}

/// Which step of the undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum StuckStep {
    /// Giving a leg back.
    ReleaseLeg { leg_id: LegId },
    /// Giving points back.
    ReleasePoints,
    /// Being told whether money came.
    ClosePayment,
    /// Money that was seen becoming final, so that it can go back.
    SettleMoney,
    /// Sending money back.
    SendRefund { refund_id: Uuid },
}

/// Why a step does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StuckWhy {
    /// Its owner has not answered in time.
    NoAnswer,
    /// Nobody knows how it stands at the supplier.
    InDoubt,
    /// Whoever had to do it said no.
    Refused,
    /// It could not be sent.
    NotSent,
    /// It is under way for longer than it may take.
    Late,
}

impl ReviewWhy {
    /// Whether a supplier did something to what was confirmed.
    #[must_use]
    pub const fn is_the_suppliers(self) -> bool {
        matches!(self, Self::CancelledBySupplier | Self::ChangedBySupplier)
    }
}

/// Why a person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewWhy {
    /// Seen money did not become final in time.
    MoneyNotFinal,
    /// Legs could not be bought in time.
    CommitStuck,
    /// Another leg that is to take the place of one could not be bought in time.
    AmendmentStuck,
    /// Something could not be undone in time.
    Stuck,
    /// The supplier took back what was confirmed.
    CancelledBySupplier,
    /// The supplier made something else of what was confirmed.
    ChangedBySupplier,
    /// Money that had paid it left its chain.
    MoneyReversed,
    /// The booking's own rules contradict each other.
    InvariantBroken,
}
