//! Everything that has happened to a booking, as its journal keeps it.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    instruction::SignedInstruction,
    messages::{
        CloseBecause, Closing, GuestsEnd, LegAsks, LegContent, LegEvidence, LegState, PointsState,
        RefundBasis, RefundState, RefundValue, UndoFailing, WantedLeg, WantedPoints,
    },
    money::Money,
    offer::LegOrder,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    changed::{ChangeAnswer, Theirs},
    fact::Deadline,
    rebook::Rebooking,
    state::{
        Cancellation, Difference, EndWhy, LegCancellation, OnRefusal, Phase, ReviewWhy, Stuck,
    },
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
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<LegEvidence>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo_failing: Option<UndoFailing>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        theirs: Option<LegContent>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asks: Option<Box<LegAsks>>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        no_show: bool,
    },
    /// A supplier refused a leg because it asks another price now. The same at that price takes its
    /// place; what it costs more is ours to bear.
    LegRepriced {
        leg_id: LegId,
        by: LegId,
        asks: Box<LegAsks>,
    },
    /// A supplier asks more for a leg than is ours to bear, or has worse terms; the customer is to
    /// answer by then, while nothing can be paid.
    TermsAsked {
        leg_id: LegId,
        by: DateTime<Utc>,
    },
    /// The customer agreed to what suppliers ask now; the digest names exactly that.
    TermsAccepted(Box<AcceptedTerms>),
    /// A supplier changed what was bought; the customer is to answer by then.
    ChangeFound {
        leg_id: LegId,
        theirs: Theirs,
        by: DateTime<Utc>,
    },
    /// The supplier has it again as it was agreed to.
    ChangeOver {
        leg_id: LegId,
    },
    /// The customer answered a change; its digest names exactly the values that were told.
    ChangeAnswered {
        leg_id: LegId,
        answer: ChangeAnswer,
        change: Uuid,
    },
    /// A leg could not be held, and the booking goes on without it, as the customer chose.
    LegLeftOut {
        leg_id: LegId,
        why: EndWhy,
        /// Until when the rest must be payable, where its time was over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payable_by: Option<DateTime<Utc>>,
    },
    /// The customer gave a leg up before anything was paid; price and payment follow.
    LegGivenUp {
        leg_id: LegId,
        /// The digest that the customer agreed to.
        agreed: Uuid,
        /// The amount of what is left, before points.
        quoted: AssetAmount,
        /// The payment of that, where another one was asked for before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment_id: Option<PaymentId>,
    },
    /// The customer agreed to what cancelling one leg costs before that can be done: its money is
    /// not final, nobody knows whether it is bought, or another leg is being replaced.
    LegCancellationDeferred {
        leg_id: LegId,
        fee: Money,
        /// The digest that the customer agreed to.
        agreed: Uuid,
    },
    /// The customer agreed to what cancelling one bought leg costs, or the supplier took it away
    /// and it costs nothing; the others stay.
    LegCancelled {
        leg_id: LegId,
        cancellation: LegCancellation,
        /// The digest that the customer agreed to, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<Uuid>,
    },
    /// A leg stays at its supplier: it was used up, or a member of staff says that nothing more is
    /// to be done about it. Of one that went, what points paid of it was made good.
    LegLeftThere {
        leg_id: LegId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A member of staff gives back what a supplier changed; what follows is told besides.
    LegGivenBack {
        leg_id: LegId,
        by: String,
        why: String,
    },
    /// The customer agreed to having another leg in the place of one; that one stays until the
    /// other is bought.
    AmendmentStarted {
        leg_id: LegId,
        leg: Box<AcceptedLeg>,
        agreed: LegCancellation,
        /// Until when the other one must be held.
        held_by: DateTime<Utc>,
        /// What has to be paid before it is bought.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        difference: Option<Box<Difference>>,
    },
    /// The customer wants others on a leg, in the reservation that is there.
    GuestsWished {
        leg_id: LegId,
        version: u32,
        /// Under which they are kept.
        party: Uuid,
        /// Until when its supplier is to have done it.
        by: DateTime<Utc>,
    },
    /// They are on it, or surely not.
    GuestsSettled {
        leg_id: LegId,
        version: u32,
        end: GuestsEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<LegEvidence>,
    },
    /// What happened to a payment beside the first; the event is one of those of a payment.
    FurtherPayment {
        payment_id: PaymentId,
        event: Box<Event>,
    },
    /// The other leg is bought: the booking goes on with it and without the old one.
    LegReplaced {
        leg_id: LegId,
        by: LegId,
        cancellation: LegCancellation,
    },
    /// The other leg cannot be had; the booking is what it was.
    AmendmentFailed {
        /// The other leg.
        leg_id: LegId,
        why: EndWhy,
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
        /// Whether it pays the price, give or take what the asset tolerates.
        #[serde(default)]
        complete: bool,
    },
    /// Final money left its chain, or is final again.
    MoneyReversed {
        seq: u64,
        /// All that is away.
        gone: Units,
        /// All that is final.
        settled: Units,
        /// What staff said is lost for good.
        #[serde(default, skip_serializing_if = "is_nothing")]
        lost: Units,
    },
    CloseAsked {
        #[serde(default)]
        because: CloseBecause,
    },
    PaymentClosed {
        closing: Closing,
        /// The version of the payment that told it; 0 before versions were kept.
        #[serde(default, skip_serializing_if = "is_zero")]
        seq: u64,
    },
    /// Money is to go back, at the value that the booking was accepted with; the units are those
    /// that were paid.
    RefundAsked {
        refund_id: Uuid,
        units: Units,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// Until when it is to have arrived; nothing while it has no address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<DateTime<Utc>>,
    },
    /// The customer said where refunds go.
    RefundAddressGiven {
        to: String,
    },
    /// A refund that waited for its address has one.
    RefundAddressed {
        refund_id: Uuid,
        to: String,
        by: DateTime<Utc>,
    },
    /// The customer chose that what goes back pays another booking, at the price told here.
    Rebooked {
        into: Box<Rebooking>,
    },
    RefundNews {
        refund_id: Uuid,
        units: Units,
        state: RefundState,
        /// The version of the payment that told it; 0 before versions were kept.
        #[serde(default, skip_serializing_if = "is_zero")]
        seq: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<String>,
        /// What it is worth, and what is sent for that, where it goes back by value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<Box<RefundValue>>,
        /// How much no transaction brought: a member of staff answers for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        otherwise: Option<Units>,
    },
    DeadlinePassed {
        deadline: Deadline,
    },
    HoldingStarted,
    Payable,
    CommitStarted,
    Confirmed,
    Completed,
    /// The customer agreed to what cancelling a bought booking costs, or a supplier is why and it
    /// costs nothing.
    CancellationAgreed {
        cancellation: Cancellation,
        /// The digest that the customer agreed to, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<Uuid>,
    },
    /// The customer agreed to what cancelling costs while legs are being bought: nothing more is
    /// bought, and it is cancelled once nobody waits to hear what the fee hangs on.
    CancellationDeferred {
        cancellation: Cancellation,
        /// The digest that the customer agreed to.
        agreed: Uuid,
    },
    UnwindStarted {
        end: Phase,
        why: EndWhy,
    },
    Failed,
    Cancelled,
    ReviewOpened {
        why: ReviewWhy,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stuck: Option<Stuck>,
    },
    ReviewClosed,
    /// A member of staff looks into it.
    ReviewTaken {
        by: String,
        why: String,
    },
    /// Nobody looks into it any more.
    ReviewReleased {
        by: String,
        why: String,
    },
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
    #[serde(default, skip_serializing_if = "OnRefusal::is_undo_all")]
    pub on_refusal: OnRefusal,
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
    /// 0 in bookings from before refunds had a time of their own.
    #[serde(default, skip_serializing_if = "is_zero_s")]
    pub refund_for_s: i64,
    /// How long the customer has to answer what a supplier changed; 0 for two days.
    #[serde(default, skip_serializing_if = "is_zero_s")]
    pub answer_for_s: i64,
    /// At which value money goes back that had paid.
    #[serde(default, skip_serializing_if = "RefundBasis::is_then")]
    pub refund_basis: RefundBasis,
}

fn is_nothing(units: &Units) -> bool {
    units.is_zero()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_zero_s(seconds: &i64) -> bool {
    *seconds == 0
}

/// What the customer agreed to, of what suppliers ask now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedTerms {
    pub digest: Uuid,
    pub legs: Vec<RaisedLeg>,
    /// All legs together with these.
    pub price: Money,
    /// The amount of that, before points.
    pub quoted: AssetAmount,
    /// The payment of that, where another one was asked for before; nobody was shown that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// Until when everything must be held and payable now.
    pub payable_by: DateTime<Utc>,
}

/// A leg that is held anew at what its supplier asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaisedLeg {
    pub leg_id: LegId,
    /// The one that takes its place.
    pub by: LegId,
    pub asks: LegAsks,
}

/// A leg as it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedLeg {
    pub leg_id: LegId,
    pub order: LegOrder,
}
