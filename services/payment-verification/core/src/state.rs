//! What a payment is right now: the fold of its events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{
    asset::Units,
    ids::{BookingId, PaymentId},
    messages::{Closing, RefundState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    chain::{Hash32, TransferKey},
    closing::CloseAsked,
    command::Terms,
    depth::{Deeper, is_false},
    fact::{Sighted, rests_for_nothing},
    ledger::{Account, Book},
    moving::MovedIn,
    refund::Refund,
};

/// One payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The request.
    pub payment_id: PaymentId,
    /// For which booking.
    pub booking_id: BookingId,
    /// How many events made it what it is; the version that messages carry.
    pub seq: u64,
    /// What was asked for; nothing when the closing came before the request.
    pub request: Option<Request>,
    /// What the card gateway was asked for, before it answered; nothing of what is paid otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Request>,
    /// Every transfer ever seen.
    pub transfers: BTreeMap<TransferKey, Transfer>,
    /// Every block that left with a transfer of this payment, by the newest look that saw it gone.
    pub left: BTreeMap<Hash32, u64>,
    /// When money was first seen; stays when the money leaves.
    pub first_seen_at: Option<DateTime<Utc>>,
    /// What was last said of the money seen.
    pub seen: Seen,
    /// Whether the price is paid; stays when the money leaves.
    pub settled: bool,
    /// How it was closed, once it is.
    pub closing: Option<Closing>,
    /// The closing that was asked for; it waits until `closing` answers it.
    #[serde(default)]
    pub close_asked: Option<CloseAsked>,
    /// Until when money that was in time and left its block may be mined again.
    #[serde(default)]
    pub back_by: Option<DateTime<Utc>>,
    /// What came out of other payments, by the refund that it was there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<Uuid, MovedIn>,
    /// Every refund granted.
    pub refunds: BTreeMap<Uuid, Refund>,
    /// The balances of this payment's accounts.
    pub book: Book,
}

/// What is to be paid, where, and how deep it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What booking asked for.
    pub terms: Terms,
    /// The chain, as CAIP-2 writes it.
    pub chain: String,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// The scheme of its wallets' links, where its chain names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Where to pay.
    pub deposit: Deposit,
    /// How deep money must be to be final.
    pub confirmations: u32,
    /// Whether the chain itself has to call it final besides.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finalized: bool,
    /// What it takes when more comes than was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deeper: Vec<Deeper>,
    /// By how much a payment may fall short and still pay.
    pub dust: Units,
    /// How long after the deadline money still counts, in milliseconds.
    #[serde(default)]
    pub grace_ms: i64,
    /// How long money may be away after its block left, in milliseconds.
    #[serde(default)]
    pub away_for_max_ms: i64,
}

/// One address derived from the public key, given to one payment for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deposit {
    /// The address as it is shown.
    pub address: String,
    /// Its place under the public key.
    pub index: u32,
}

/// One transfer to the payment's address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// In which blocks it was seen, now or once.
    pub sightings: BTreeMap<Hash32, Sighting>,
    /// What the ledger says of it.
    pub posted: Posted,
}

/// A transfer in one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// The block's height.
    pub height: u64,
    /// How much it moves there; a token's contract may move another amount in another block.
    pub units: Units,
    /// The newest look that saw it.
    pub look: u64,
    /// When the block's maker says it was made.
    #[serde(default)]
    pub stamped_at: DateTime<Utc>,
    /// How deep it must be by its chain's own rules.
    #[serde(default, skip_serializing_if = "rests_for_nothing")]
    pub rests: u32,
}

/// What the ledger says of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", content = "units", rename_all = "snake_case", deny_unknown_fields)]
pub enum Posted {
    /// Nothing: it is not final.
    #[default]
    Nothing,
    /// It is final.
    Final(Units),
    /// It was final and left the chain.
    Reversed(Units),
}

/// What was last said of the money seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// All that stands on canonical blocks.
    pub received: Units,
    /// Whether that pays the amount.
    pub complete: bool,
}

impl Sighting {
    /// What one sight says.
    #[must_use]
    pub const fn of(sighted: &Sighted) -> Self {
        Self {
            height: sighted.block.height,
            units: sighted.units,
            look: sighted.look,
            stamped_at: sighted.stamped_at,
            rests: sighted.rests,
        }
    }
}

impl Payment {
    /// Whether the money that pays it is on this chain.
    #[must_use]
    pub fn is_on(&self, chain: &str) -> bool {
        self.request.as_ref().is_some_and(|request| request.chain == chain)
    }

    /// A payment of which nothing is known but its names.
    #[must_use]
    pub fn new(payment_id: PaymentId, booking_id: BookingId) -> Self {
        Self {
            payment_id,
            booking_id,
            seq: 0,
            request: None,
            asked: None,
            transfers: BTreeMap::new(),
            left: BTreeMap::new(),
            first_seen_at: None,
            seen: Seen::default(),
            settled: false,
            closing: None,
            close_asked: None,
            back_by: None,
            moved: BTreeMap::new(),
            refunds: BTreeMap::new(),
            book: Book::default(),
        }
    }

    /// The transfers that stand on canonical blocks, each once, with where it stands.
    pub fn standing(&self) -> impl Iterator<Item = (&TransferKey, &Transfer, Sighting)> {
        self.transfers.iter().filter_map(|(key, transfer)| {
            self.stands(transfer).map(|sighting| (key, transfer, sighting))
        })
    }

    /// Where a transfer stands: in the block of the newest look whose leaving was not seen since.
    #[must_use]
    pub fn stands(&self, transfer: &Transfer) -> Option<Sighting> {
        let here = |(block, seen): &(&Hash32, &Sighting)| {
            self.left.get(block).is_none_or(|gone_at| *gone_at < seen.look)
        };
        let standing = transfer.sightings.iter().filter(here).map(|(_, sighting)| *sighting);
        standing.max_by_key(|sighting| sighting.look)
    }

    /// All that came: what stands on canonical blocks, and what came out of other payments.
    #[must_use]
    pub fn received(&self) -> Units {
        total([self.at_address(), self.moved_in()].into_iter())
    }

    /// All that stands on canonical blocks.
    #[must_use]
    pub fn at_address(&self) -> Units {
        total(self.standing().map(|(_, _, sighting)| sighting.units))
    }

    /// All that came out of other payments.
    #[must_use]
    pub fn moved_in(&self) -> Units {
        total(self.moved.values().map(|moved| moved.units))
    }

    /// All that is final.
    #[must_use]
    pub fn final_units(&self) -> Units {
        let posted = self.transfers.values().map(|transfer| match transfer.posted {
            Posted::Final(units) => units,
            Posted::Nothing | Posted::Reversed(_) => Units::ZERO,
        });
        total(posted.chain([self.moved_in()]))
    }

    /// All that was final, left its chain and did not come back.
    #[must_use]
    pub fn gone_units(&self) -> Units {
        // By the ledger: what came back may be less than what left.
        let sides = self.book.0.get(&Account::Reversed).copied().unwrap_or_default();
        sides.debit.saturating_sub(sides.credit)
    }

    /// What of the money that left is missing still: of what was the price, goes back or is due
    /// back, as much as final money does not make up for. What a customer pays anew takes its
    /// place.
    #[must_use]
    pub fn away_units(&self) -> Units {
        let sum = |a: Units, b: Units| Units(a.0.saturating_add(b.0));
        let kept = self.book.credit_of(Account::Price);
        let due = self.book.credit_of(Account::RefundDue);
        // Borne by us, so nobody ever gave it.
        let dust = self.book.0.get(&Account::Dust).map_or(Units::ZERO, |sides| sides.debit);
        let claimed = sum(sum(kept, due), self.refunded()).saturating_sub(dust);
        self.gone_units().min(claimed.saturating_sub(self.final_units()))
    }

    /// All that is granted to go back and may still go, or went.
    #[must_use]
    pub fn refunded(&self) -> Units {
        let live = self.refunds.values().filter(|refund| refund.state != RefundState::Failed);
        total(live.map(|refund| refund.units))
    }

    /// The height of the newest block that holds money of this payment.
    #[must_use]
    pub fn newest_height(&self) -> Option<u64> {
        self.standing().map(|(_, _, sighting)| sighting.height).max()
    }
}

/// Sums units; a sum past 256 bits stays at the largest number, which pays anything.
pub(crate) fn total(units: impl Iterator<Item = Units>) -> Units {
    units.fold(Units::ZERO, |sum, more| Units(sum.0.saturating_add(more.0)))
}
