//! Everything that can be asked of a booking.

use contracts::{
    asset::{AssetAmount, AssetId, Rate},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    internal::ReviewAct,
    money::Money,
    offer::LegOrder,
};
use uuid::Uuid;

use crate::{
    amend::AmendQuote, cancel::CancelQuote, changed::ChangeAnswer, rebook::Rebooking,
    state::OnRefusal, terms::NewTerms, view::Action,
};

/// What is asked of us; it may be refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Take a booking on from a claimed quote.
    Accept(Box<Accept>),
    /// Undo it, as the customer wishes.
    Cancel {
        /// The digest of the quote that the customer agreed to; needed once it costs something to
        /// be wrong about it.
        agreed: Option<Uuid>,
    },
    /// Cancel one leg of what was bought; the others stay.
    CancelLeg {
        leg_id: LegId,
        /// The digest of the quote that the customer agreed to.
        agreed: Option<Uuid>,
    },
    /// Go on at what suppliers ask now for what they have not held so far.
    AcceptTerms {
        /// The digest of what the customer agreed to.
        agreed: Uuid,
    },
    /// Answer what the supplier changed of a leg.
    AnswerChange {
        leg_id: LegId,
        answer: ChangeAnswer,
        /// The digest of the change that is answered.
        agreed: Uuid,
    },
    /// Put another leg in the place of one of what was bought.
    Amend {
        leg_id: LegId,
        /// The one that comes; the same again is a repeat.
        plan: Box<LegPlan>,
        /// The digest of the quote that the customer agreed to.
        agreed: Uuid,
        /// How it is paid for, where it costs more.
        pay: Option<Box<PayPlan>>,
    },
    /// Put others on a leg of what was bought, in the reservation that is there.
    ChangeGuests {
        leg_id: LegId,
        /// Under which they are kept; the same again is a repeat.
        party: Uuid,
    },
    /// Send what goes back to this address.
    Refund {
        /// An address of the chain that was paid on.
        to: String,
    },
    /// Let what goes back pay another booking instead.
    Rebook {
        /// The other booking, as it waits for its money.
        into: Box<Rebooking>,
    },
    /// A member of staff looks into its review, or leaves it to others.
    Review { act: ReviewAct, by: String, why: String },
    /// Whoever looks into its review settles a leg that nobody else can.
    SettleLeg { leg_id: LegId, how: Settle, by: String, why: String },
}

/// How a leg is settled by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// It stays at its supplier, and nothing more is to be done about it.
    LeaveThere,
    /// All of its money goes back.
    GiveBack,
}

/// A quote that became a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    pub booking_id: BookingId,
    pub account_id: AccountId,
    pub quote_id: QuoteId,
    pub payment_id: PaymentId,
    pub legs: Vec<LegPlan>,
    pub on_refusal: OnRefusal,
    pub price: Money,
    pub rate: Rate,
    pub quoted: AssetAmount,
    /// Points to redeem; 0 for none.
    pub points: u64,
    pub refund_to: Option<String>,
}

/// A leg as the quote has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegPlan {
    pub leg_id: LegId,
    pub order: LegOrder,
}

/// A payment of what another leg costs more, as the quote has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayPlan {
    pub payment_id: PaymentId,
    pub rate: Rate,
}

/// A business "no".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The booking's state does not allow it; these it does.
    #[error("not allowed now")]
    NotAllowed {
        /// The next actions allowed.
        allowed: Vec<Action>,
    },
    /// Cancelling needs the customer's agreement to this; none was named, or it was another.
    #[error("cancelling needs agreement to its fee")]
    AgreementNeeded {
        /// What it costs now.
        quote: Box<CancelQuote>,
    },
    /// The supplier's change is another one by now.
    #[error("the supplier changed it again")]
    ChangedAgain {
        leg_id: LegId,
        /// The one to answer.
        change: Uuid,
    },
    /// Suppliers ask something else by now than what was agreed to.
    #[error("suppliers ask something else by now")]
    TermsToAgree {
        /// What they ask now.
        terms: Box<NewTerms>,
    },
    /// Another leg in the place of one needs the customer's agreement to this; another was named.
    #[error("amending needs agreement to what it costs")]
    AmendmentToAgree {
        /// What it costs now.
        quote: Box<AmendQuote>,
    },
    /// The other leg and the fee for the old one cost more than the old one did, and nothing says
    /// at which rate that is paid.
    #[error("it costs more than what was paid")]
    NeedsPayment {
        /// What the other leg costs.
        price: Money,
        /// What giving the old one back costs.
        fee: Money,
        /// What would have to be paid.
        missing: Money,
        /// The next actions allowed.
        allowed: Vec<Action>,
    },
    /// There is no such booking.
    #[error("no such booking")]
    Unknown,
    /// The booking has no such leg.
    #[error("no such leg")]
    NoSuchLeg,
    /// Points paid a part of what would go back for this leg alone, and they come back whole or not
    /// at all.
    #[error("points paid a part of the leg")]
    PaidByPoints {
        /// The next actions allowed.
        allowed: Vec<Action>,
    },
    /// More points than the price is worth.
    #[error("more points than the price is worth")]
    TooManyPoints,
    /// The legs do not add up to the price, or the amount does not fit the rate.
    #[error("the quote contradicts itself")]
    QuoteBroken,
    /// A rate that cannot be held before it is paid is not sold.
    #[error("a leg cannot be held before it is paid")]
    NotHoldable,
    /// Money pays another booking only in what it was paid with.
    #[error("the other booking is paid with something else")]
    PaidOtherwise {
        /// What it would have to be paid with.
        with: AssetId,
    },
    /// As things stand, nobody settles this leg by hand, or whoever asks does not look into it.
    #[error("not safe now")]
    NotSafe,
    /// It waits for nobody.
    #[error("not in review")]
    NotInReview,
    /// Somebody else looks into it.
    #[error("somebody else looks into it")]
    TakenBy {
        /// Who.
        name: String,
    },
}
