//! What an account is right now.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, money::Money};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{command::GrantId, event::Parts, rules::Rule};

/// The fold of an account's events.
///
/// Lots and redemptions stay for good: points can come back to a lot long after it was used up, and
/// a message that is heard again must find what its first hearing did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// How many events happened.
    pub version: u64,
    /// Points by where they came from.
    pub lots: BTreeMap<LotId, Lot>,
    /// What each booking redeemed.
    pub redemptions: BTreeMap<BookingId, Redemption>,
    /// Bookings that ended before their confirmation was heard; they earn nothing any more.
    pub barred: BTreeSet<BookingId>,
    /// What is still paid for bookings of which a part was cancelled before their confirmation was
    /// heard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<BookingId, Money>,
    /// From when the points of bookings can be redeemed whose end was moved before their
    /// confirmation was heard.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub later: BTreeMap<BookingId, DateTime<Utc>>,
    /// Of bookings whose money left its chain at some time, how that money stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub money: BTreeMap<BookingId, PaidMoney>,
    /// Points that had to be taken back after they were spent. Never above zero while points are
    /// available.
    pub debt: u64,
}

/// How the money that paid a booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaidMoney {
    /// The version of the booking that said so.
    pub version: u64,
    /// Whether some of it is away. What the booking earned cannot be taken meanwhile; in the ledger
    /// it stays where it is.
    pub away: bool,
}

/// Where the points of a lot came from.
///
/// As text `stay:<booking>` or `grant:<grant>`: a booking earns once per rule, a grant is given
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LotId {
    /// A booking earned them by a rule.
    Earned(Rule, BookingId),
    /// Staff gave them.
    Granted(GrantId),
}

/// Points that were earned or granted together and expire together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// How many there were at first, without those that were taken back since.
    pub points: u64,
    /// How many are neither set aside, spent, expired nor taken back. More than `points` when some
    /// that are owed came back from a redemption.
    pub free: u64,
    /// How many expired.
    pub expired: u64,
    /// How many there are for each hundred minor units paid; 0 where they were given, and in lots
    /// from before that was kept with them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub percent: u32,
    /// From when they can be redeemed.
    pub available_at: DateTime<Utc>,
    /// When what is left of them expires.
    pub expires_at: DateTime<Utc>,
    /// How far the lot is.
    pub stage: Stage,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How far a lot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Earned; cannot be redeemed yet.
    Pending,
    /// Can be redeemed.
    Available,
    /// Taken back before it could be redeemed.
    Voided,
    /// Taken back after it could be redeemed. Points set aside from it may still come back.
    Reversed,
}

/// The points that a booking redeems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redemption {
    /// The highest wish heard.
    pub version: u32,
    /// What became of it.
    pub state: RedemptionState,
    /// From which lots they are, while they are out.
    pub parts: Parts,
}

/// What became of a redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedemptionState {
    /// Set aside.
    Held,
    /// There were not enough.
    Refused,
    /// Spent.
    Captured,
    /// Given back, or never taken; final.
    Released,
}

/// The sums of an account, as its owner sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balances {
    /// Can be redeemed.
    pub available: u64,
    /// Earned, not to be redeemed yet.
    pub pending: u64,
    /// Would be available, but for money that left its chain after it had paid for them.
    pub frozen: u64,
    /// Set aside for bookings under way.
    pub held: u64,
    /// Owed because spent points had to be taken back.
    pub debt: u64,
}

impl Account {
    /// The sums over lots and redemptions.
    #[must_use]
    pub fn balances(&self) -> Balances {
        let (mut available, mut pending, mut frozen) = (0, 0, 0);
        for (id, lot) in &self.lots {
            match lot.stage {
                Stage::Pending => pending += lot.free,
                Stage::Available | Stage::Voided | Stage::Reversed if self.is_frozen(id) => {
                    frozen += lot.free;
                }
                Stage::Available | Stage::Voided | Stage::Reversed => available += lot.free,
            }
        }
        let held = self.redemptions.values().filter(|r| r.state == RedemptionState::Held);
        Balances {
            available,
            pending,
            frozen,
            held: held.flat_map(|r| r.parts.values()).sum(),
            debt: self.debt,
        }
    }

    /// Whether what paid for a lot is away.
    #[must_use]
    pub fn is_frozen(&self, lot: &LotId) -> bool {
        let LotId::Earned(_, booking) = lot else { return false };
        self.money.get(booking).is_some_and(|money| money.away)
    }

    /// When time alone changes something next: a lot becomes available or expires.
    #[must_use]
    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        let lots = self.lots.iter();
        // Points that are frozen do not expire, and nothing else happens to them by itself.
        let awake = lots.filter(|(id, lot)| lot.stage == Stage::Pending || !self.is_frozen(id));
        awake.filter_map(|(_, lot)| lot.wake_at()).min()
    }
}

impl Lot {
    /// Whether points can be taken from it.
    pub(crate) fn is_open(&self) -> bool {
        self.stage != Stage::Pending && self.free > 0
    }

    fn wake_at(&self) -> Option<DateTime<Utc>> {
        match self.stage {
            Stage::Pending => Some(self.available_at),
            Stage::Available | Stage::Reversed => (self.free > 0).then_some(self.expires_at),
            Stage::Voided => None,
        }
    }
}

impl fmt::Display for LotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earned(rule, booking) => write!(f, "{}:{booking}", rule.word()),
            Self::Granted(grant) => write!(f, "grant:{}", grant.0),
        }
    }
}

/// The text is not the id of a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lot's id is `stay:<booking>` or `grant:<grant>`")]
pub struct NotALot;

impl FromStr for LotId {
    type Err = NotALot;
    fn from_str(text: &str) -> Result<Self, NotALot> {
        let (word, id) = text.split_once(':').ok_or(NotALot)?;
        let id = Uuid::parse_str(id).map_err(|_not_a_uuid| NotALot)?;
        if word == "grant" {
            return Ok(Self::Granted(GrantId(id)));
        }
        Rule::of_word(word).map(|rule| Self::Earned(rule, BookingId(id))).ok_or(NotALot)
    }
}

impl TryFrom<String> for LotId {
    type Error = NotALot;
    fn try_from(text: String) -> Result<Self, NotALot> {
        text.parse()
    }
}

impl From<LotId> for String {
    fn from(id: LotId) -> Self {
        id.to_string()
    }
}
