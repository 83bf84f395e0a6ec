//! What a member of staff may do about a booking that does not go on by itself, and what is safe.
//!
//! Every act names who does it and why, and is decided by the owner's own rules: what is not safe
//! as things stand is refused with what is (409), and what asserts a state without evidence is
//! refused whatever stands (422). The console checks the role before it asks.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Versions;
use crate::{
    asset::{AssetAmount, Units},
    ids::{BookingId, LegId, PaymentId},
    messages::{LegState, RefundBasis, RefundState, UndoFailing, WantedLeg},
    money::Money,
    supplier::Supplier,
};

/// Answer to `GET /internal/bookings/{id}/legs` of supplier-sync: how its legs stand at the
/// suppliers, and what can safely be done about each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegsReply {
    /// In the order of their ids; none when nobody ever wished for one.
    pub legs: Vec<LegStanding>,
}

/// How one leg stands at its supplier, as far as the supplier's own answers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegStanding {
    /// Which.
    pub leg_id: LegId,
    /// At whom.
    pub supplier: Supplier,
    /// What booking wants of it.
    pub wanted: WantedLeg,
    /// What booking was told last.
    pub told: Option<LegState>,
    /// That giving something back fails so far.
    pub undo_failing: Option<UndoFailing>,
    /// Since when something that was sent is unresolved.
    pub in_doubt_since: Option<DateTime<Utc>>,
    /// Oldest first.
    pub attempts: Vec<AttemptStanding>,
    /// What can be done now.
    pub safe: Vec<LegAct>,
    /// Of the answer to an act: what it made of the leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

/// One try to get a reservation, under one client reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptStanding {
    /// From 1 on.
    pub attempt: u32,
    /// Our reference.
    pub client_reference: String,
    /// What is known of it.
    pub known: AttemptKnown,
    /// When the last byte of it can have been sent.
    pub sent_until: Option<DateTime<Utc>>,
    /// When a look-up for it was answered last.
    pub looked_at: Option<DateTime<Utc>>,
    /// What the supplier named under it.
    pub reservations: Vec<ReservationStanding>,
}

/// What is known of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKnown {
    /// Nothing of it was sent.
    NotSent,
    /// It was sent, or may have been; what became of it is not known.
    Unknown,
    /// Look-ups found nothing, which proves nothing yet.
    NotFound,
    /// The supplier said no.
    Refused,
    /// The supplier named what it made.
    Named,
    /// It is proven that nothing of it exists.
    Dead,
}

/// One reservation that the supplier named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationStanding {
    /// The supplier's reference.
    pub reference: String,
    /// How it stands.
    pub stage: ReservationStage,
    /// Whether it is the one that is wanted, as things stand.
    pub chosen: bool,
    /// Whether its dates are not those that were ordered, or its price is higher.
    pub differs: bool,
    /// Whether a member of staff took it as it is.
    pub adopted: bool,
    /// What the newest read said.
    pub check_in: Option<NaiveDate>,
    /// What the newest read said.
    pub check_out: Option<NaiveDate>,
    /// What the newest read said.
    pub price: Option<Money>,
    /// When the newest read that showed it was asked.
    pub read_at: Option<DateTime<Utc>>,
    /// Since when look-ups do not show it.
    pub missing_since: Option<DateTime<Utc>>,
    /// How often giving it back was tried in vain.
    pub undo_tries: u32,
}

/// How a reservation stands at the supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStage {
    /// It is there; how it stands was not said.
    Listed,
    /// It is held.
    Held,
    /// It is bought.
    Confirmed,
    /// It is gone.
    Gone,
}

/// Something that a member of staff can do about a leg.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum LegAct {
    /// See now how things stand at the supplier.
    LookUp {},
    /// Take a reservation that the supplier named although it is dearer than ordered. One with
    /// other dates is never taken.
    Adopt {
        /// The supplier's reference.
        reference: String,
    },
    /// Give a reservation back now: one that is not wanted, or is not what was ordered.
    Cancel {
        /// The supplier's reference.
        reference: String,
    },
    /// Say, on evidence from the supplier, that nothing of an attempt exists, or that a reservation
    /// which look-ups do not show is gone. It is looked for all the same: should it show, it is
    /// given back.
    DeclareAbsent {
        /// The attempt.
        attempt: u32,
        /// The supplier's reference; nothing for an attempt under which none was named.
        reference: Option<String>,
    },
}

/// `POST /internal/legs/{id}/acts` of supplier-sync; answered with 202 and the leg as it stands
/// then, 404 when nobody ever wished for the leg, 409 with `safe` when it is not safe now, 422
/// without a name, a reason, or the evidence that the act needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegActRequest {
    /// The member of staff: the `sub` of their token.
    pub staff: String,
    /// Why.
    pub why: String,
    /// What the supplier said, when and to whom; needed to declare something absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// What.
    pub act: LegAct,
}

/// A booking that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenReview {
    /// Which.
    pub booking_id: BookingId,
    /// Why, in a word: `money_not_final`, `commit_stuck`, `stuck`, `cancelled_by_supplier`,
    /// `money_reversed`, `invariant_broken`.
    pub why: String,
    /// What does not go on, where that is why.
    pub stuck: Option<StuckStanding>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when somebody is to have looked.
    pub by: DateTime<Utc>,
    /// Who looks into it.
    pub owner: Option<String>,
    /// Since when they do.
    pub owned_since: Option<DateTime<Utc>>,
}

/// A step of the undo that does not go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StuckStanding {
    /// `release_leg`, `release_points`, `close_payment`, `settle_money` or `send_refund`.
    pub step: String,
    /// `no_answer`, `in_doubt`, `refused`, `not_sent` or `late`.
    pub reason: String,
    /// How often it was tried, as far as is known.
    pub attempts: u32,
    /// The leg it is about, if it is about one.
    pub leg_id: Option<LegId>,
    /// The refund it is about, if it is about one.
    pub refund_id: Option<Uuid>,
}

/// Answer to `GET /internal/bookings/{id}/review` of booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewReply {
    /// Nothing when the booking waits for nobody.
    pub review: Option<OpenReview>,
    /// What can be done about it now.
    pub safe: Vec<SafeAct>,
    /// Of the answer to an act: what it made of the booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

/// Something that is safe to do about a booking in review, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum SafeAct {
    /// Look into it: `POST /internal/bookings/{id}/review` of booking.
    Take {},
    /// Leave it to others.
    Release {},
    /// See what is safe for a leg: `GET /internal/bookings/{id}/legs` of supplier-sync.
    RepairLeg {
        /// Which.
        leg_id: LegId,
    },
    /// Let a refund go, as a second person: `POST /internal/refunds/{id}/approval` of
    /// payment-verification. Nothing of it is sent before.
    ApproveRefund {
        /// Which.
        refund_id: Uuid,
    },
    /// Name the transaction that brought a refund: `POST /internal/refunds/{id}/proof` of
    /// payment-verification.
    ProveRefund {
        /// Which.
        refund_id: Uuid,
    },
    /// Answer for what is missing of a refund, because it was given otherwise or is owed no more:
    /// `POST /internal/refunds/{id}/settlement` of payment-verification.
    SettleRefund {
        /// Which.
        refund_id: Uuid,
    },
    /// The customer is to name an address for what a refund could not bring: nothing else helps.
    AskForAddress {},
    /// Say of money that left its chain that it is lost for good: `POST
    /// /internal/cases/{id}/write-off` of payment-verification, at its case.
    WriteOffMoney {},
    /// Leave a leg at its supplier, with nothing more to be done about it: it takes nothing back,
    /// or what it changed was used. For whoever looks into it: `POST
    /// /internal/bookings/{id}/review` of booking.
    LeaveLeg {
        /// Which.
        leg_id: LegId,
    },
    /// Give back what a supplier changed, and all of its money. For whoever looks into it: `POST
    /// /internal/bookings/{id}/review` of booking.
    GiveBackLeg {
        /// Which.
        leg_id: LegId,
    },
}

/// Who looks into a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAct {
    /// I do. Refused while somebody else does.
    Take,
    /// Nobody does any more.
    Release,
    /// A leg stays at its supplier.
    LeaveLeg,
    /// A leg that its supplier changed is given back.
    GiveBackLeg,
}

/// `POST /internal/bookings/{id}/review` of booking; answered with a [`ReviewReply`], 404 for an
/// unknown booking or leg, 409 when it waits for nobody, somebody else has it or the act is not
/// safe now, 422 without a name, a reason, or the leg that the act is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewActRequest {
    /// The member of staff: the `sub` of their token.
    pub staff: String,
    /// Why.
    pub why: String,
    /// What.
    pub act: ReviewAct,
    /// Which leg, where the act is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
}

/// `POST /internal/refunds/{id}/proof` of payment-verification: which transaction brought it.
///
/// Only the chain proves it: answered with 202 and a [`RefundStanding`] when a transfer of the
/// refund's asset to its address stands in that transaction and belongs to no other refund, 404 for
/// an unknown refund, 409 `proves_nothing` when there is none, `known_already` when what it brought
/// was known, 422 without a name, a reason or a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundProofRequest {
    /// The member of staff: the `sub` of their token.
    pub staff: String,
    /// Why.
    pub why: String,
    /// The transaction's hash.
    pub transaction: String,
}

/// `POST /internal/refunds/{id}/settlement` of payment-verification: what is missing of a refund
/// was given otherwise, or is owed no more, as a member of staff answers for.
///
/// Answered with a [`RefundStanding`], 404 for an unknown refund, 409 when it ended, when something
/// of it is on its way or when nobody knows how much is to be sent, 422 without a name or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundSettlementRequest {
    /// The member of staff: the `sub` of their token.
    pub staff: String,
    /// Why.
    pub why: String,
}

/// How far a refund is, after somebody said something about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundStanding {
    /// How far.
    pub state: RefundState,
    /// What of it is missing still, in the asset's smallest units: not final at its address.
    pub missing: Units,
    /// Of the answer to an act: what it made of the refund's payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

/// Answer to `GET /internal/refunds/waiting` of payment-verification: the refunds that a second
/// person has to let go, the oldest first, at most 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingRefundsReply {
    /// They.
    pub refunds: Vec<WaitingRefund>,
}

/// A refund that a second person has to let go: `GET /internal/refunds/{id}/approval` of
/// payment-verification, 404 when it does not wait for that. Where it goes is not told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingRefund {
    /// Which.
    pub refund_id: Uuid,
    /// Of which booking.
    pub booking_id: BookingId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: AssetAmount,
    /// The same in whole coins, for people.
    pub amount_decimal: String,
    /// At which value it goes back.
    pub basis: RefundBasis,
    /// How much is sent, in whole coins; nothing while it waits for a rate, which what goes back in
    /// the currency of the price does until somebody let it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sends_decimal: Option<String>,
    /// What it was worth when its price was made.
    pub worth: Option<Money>,
    /// Whether the customer has said where to.
    pub has_address: bool,
    /// The member of staff who looked into the booking; it is not for them.
    pub handled_by: Option<String>,
    /// Since when.
    pub granted_at: DateTime<Utc>,
}

/// `POST /internal/refunds/{id}/approval` of payment-verification: a second person lets it go.
///
/// 202 when it goes now, 404 for an unknown refund, 409 `not_waiting` when it does not wait for
/// that, `same_person` when whoever asks had a hand in it, 422 without a name or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundApprovalRequest {
    /// The member of staff: the `sub` of their token.
    pub staff: String,
    /// Why.
    pub why: String,
}
