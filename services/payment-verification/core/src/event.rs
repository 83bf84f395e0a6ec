//! Everything that has happened to a payment, as its journal keeps it.

use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    messages::{Closing, RefundBasis},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    chain::{Hash32, TransferKey},
    closing::CloseAsked,
    decide::Refusal,
    fact::Sighted,
    ledger::Loss,
    moving::MovedIn,
    refund::{RefundChange, value::Value},
    state::Request,
};

/// What happened to one payment; event number n makes the payment's `seq` n.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The request is ready: it has an address and a depth.
    Prepared(Request),
    /// The card gateway has to be asked for the request, which has no address before.
    CardAsked(Request),
    /// Something was asked that cannot be; kept, because a refusal is an answer.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// A transfer stands in a block.
    TransferSeen(Sighted),
    /// A block left, with what stood in it.
    BlockLeft {
        /// The block.
        block: Hash32,
        /// Which look saw it gone.
        look: u64,
    },
    /// What stands on canonical blocks changed, up or down.
    SeenChanged {
        /// All of it.
        received: Units,
        /// Whether that pays the amount.
        complete: bool,
        /// When money was first seen, by the database's clock.
        first_seen_at: DateTime<Utc>,
    },
    /// Money that was due back of another payment pays this one; it is final.
    MovedIn {
        /// The refund that it was there.
        refund_id: Uuid,
        /// How much, and from where.
        moved: MovedIn,
    },
    /// Transfers are as deep as the policy wants.
    Finalised {
        /// Which.
        transfers: Vec<TransferKey>,
        /// How much together.
        units: Units,
    },
    /// The amount is final: the price is paid.
    Settled {
        /// What is asked for.
        price: Units,
        /// What is missing within the tolerance; borne by us.
        dust: Units,
        /// What is too much; the customer's.
        excess: Units,
        /// All that is final.
        received: Units,
    },
    /// More became final after the price was paid; the customer's.
    Exceeded {
        /// How much more.
        units: Units,
    },
    /// A closing was asked for that cannot be answered yet.
    CloseAsked(CloseAsked),
    /// Money that was in time left its block; it is in time again when it is mined by then.
    GraceBegun {
        /// By when.
        by: DateTime<Utc>,
    },
    /// The payment is closed; what is final without paying the price is due back.
    Closed {
        /// The answer, the same each time it is asked.
        closing: Closing,
        /// What is due back.
        due: Units,
    },
    /// Money became final after the closing; it is due back.
    CameLate {
        /// How much.
        units: Units,
        /// All that is final.
        received: Units,
    },
    /// Final money left the chain while nobody had a claim on it: it is the payer's to send again.
    Withdrawn {
        /// Which transfers.
        transfers: Vec<TransferKey>,
        /// How much together.
        units: Units,
    },
    /// Final money left the chain after it had paid or was due back: the reorg was deeper than the
    /// policy.
    Reversed {
        /// Which transfers.
        transfers: Vec<TransferKey>,
        /// How much together.
        units: Units,
    },
    /// Money that had been final and left is final again.
    Restored {
        /// Which transfers.
        transfers: Vec<TransferKey>,
        /// How much together.
        units: Units,
    },
    /// A member of staff says of money that left the chain that it is lost for good.
    WrittenOff {
        /// How much, and whose it was.
        loss: Loss,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Money that was said to be lost is final again.
    Recovered {
        /// So much of it had been lost to us.
        ours: Units,
        /// So much is due back.
        due: Units,
    },
    /// A refund is granted; the treasury has to send it.
    RefundGranted(Grant),
    /// A refund went on, or was found out about.
    Refund {
        /// Which.
        refund_id: Uuid,
        /// How.
        change: RefundChange,
    },
}

/// A granted refund and out of which accounts it is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The refund.
    pub refund_id: Uuid,
    /// How much.
    pub units: Units,
    /// Where to, if the customer said so.
    pub to: Option<String>,
    /// At which value it goes back.
    pub basis: RefundBasis,
    /// That value, where it is not of as many units as were paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// How deep what is sent must be to be final.
    pub confirmations: u32,
    /// Whether a second person has to let it go.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_second: bool,
    /// The member of staff who looks into the booking, if one does: not that second person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled_by: Option<String>,
    /// Out of what was due back anyway.
    pub of_due: Units,
    /// Out of what was too much.
    pub of_excess: Units,
    /// Out of the price that was paid.
    pub of_price: Units,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_false(known: &bool) -> bool {
    !*known
}

impl Event {
    /// The event's name in the journal.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Prepared(_) => "prepared",
            Self::CardAsked(_) => "card_asked",
            Self::Refused { .. } => "refused",
            Self::TransferSeen(_) => "transfer_seen",
            Self::BlockLeft { .. } => "block_left",
            Self::SeenChanged { .. } => "seen_changed",
            Self::MovedIn { .. } => "moved_in",
            Self::Finalised { .. } => "finalised",
            Self::Settled { .. } => "settled",
            Self::Exceeded { .. } => "exceeded",
            Self::CloseAsked(_) => "close_asked",
            Self::GraceBegun { .. } => "grace_begun",
            Self::Closed { .. } => "closed",
            Self::CameLate { .. } => "came_late",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Reversed { .. } => "reversed",
            Self::Restored { .. } => "restored",
            Self::WrittenOff { .. } => "written_off",
            Self::Recovered { .. } => "recovered",
            Self::RefundGranted(_) => "refund_granted",
            Self::Refund { change, .. } => change.kind(),
        }
    }
}
