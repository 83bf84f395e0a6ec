//! Everything that has happened to an account.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::{ids::BookingId, money::Money};
use serde::{Deserialize, Serialize};

use crate::{
    command::GrantId,
    rules::{Rule, Tier},
    state::LotId,
};

/// How many points of which lot.
pub type Parts = BTreeMap<LotId, u64>;

/// One change of an account, as it is kept for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A booking earned points; they are pending.
    ///
    /// Tier and percent are kept with the entry: what changes later does not change what was
    /// earned.
    Earned {
        /// By which booking.
        booking_id: BookingId,
        /// By which rule.
        rule: Rule,
        /// The customer's tier then.
        tier: Tier,
        /// Points per hundred minor units then.
        percent: u32,
        /// What was paid in money.
        paid: Money,
        /// How many.
        points: u64,
        /// From when they can be redeemed.
        available_at: DateTime<Utc>,
        /// When they expire.
        expires_at: DateTime<Utc>,
    },
    /// A booking ended before its confirmation was heard: one that comes later earns nothing.
    EarnBarred {
        /// Which booking.
        booking_id: BookingId,
    },
    /// A part of a booking was cancelled before its confirmation was heard: one that comes later
    /// earns on no more than this.
    EarnLimited {
        /// Which booking.
        booking_id: BookingId,
        /// What is still paid in money.
        paid: Money,
    },
    /// A booking was moved before its confirmation was heard: what one that comes later earns can
    /// be redeemed no earlier than this.
    EarnPostponed {
        /// Which booking.
        booking_id: BookingId,
        /// From when it can be redeemed.
        available_at: DateTime<Utc>,
    },
    /// A booking ends later than it did, and pending points wait for that.
    Postponed {
        /// Of which lot.
        lot: LotId,
        /// From when they can be redeemed.
        available_at: DateTime<Utc>,
        /// When they expire.
        expires_at: DateTime<Utc>,
    },
    /// A part of a booking was cancelled, and with it a part of what it had earned.
    Reduced {
        /// Of which lot.
        lot: LotId,
        /// How many were pending.
        voided: u64,
        /// How many were available and still there.
        taken: u64,
        /// How many had expired.
        expired: u64,
        /// How many were used already, and are owed.
        owed: u64,
    },
    /// Pending points became available.
    Matured {
        /// Of which lot.
        lot: LotId,
        /// How many.
        points: u64,
    },
    /// Pending points were taken back.
    Voided {
        /// Of which lot.
        lot: LotId,
        /// How many.
        points: u64,
    },
    /// Points that had been available were taken back.
    Reversed {
        /// Of which lot.
        lot: LotId,
        /// How many were still there.
        taken: u64,
        /// How many were not, and are owed.
        owed: u64,
    },
    /// Staff gave points.
    Granted {
        /// The gift.
        grant_id: GrantId,
        /// How many.
        points: u64,
        /// When they were given.
        available_at: DateTime<Utc>,
        /// When they expire.
        expires_at: DateTime<Utc>,
    },
    /// Points were set aside for a booking.
    Held {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// From which lots.
        parts: Parts,
    },
    /// A booking wanted more points than there are.
    Refused {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// How many it wanted.
        points: u64,
    },
    /// Points set aside were spent.
    Captured {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// From which lots.
        parts: Parts,
    },
    /// Points were spent without having been set aside: the wish to spend overtook the one to hold.
    Spent {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// From which lots.
        parts: Parts,
    },
    /// Points set aside went back to the lots they came from; no parts when there never were any.
    Released {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// To which lots.
        parts: Parts,
    },
    /// Spent points went back to the lots they came from.
    Returned {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
        /// To which lots.
        parts: Parts,
    },
    /// A newer wish changed nothing; it is answered with what is.
    WishNoted {
        /// Which booking.
        booking_id: BookingId,
        /// The wish.
        version: u32,
    },
    /// Money that paid a booking is away: what the booking earned cannot be taken meanwhile.
    Frozen {
        /// Which booking.
        booking_id: BookingId,
        /// The version of the booking that says so.
        version: u64,
    },
    /// Money that paid a booking is final again.
    Thawed {
        /// Which booking.
        booking_id: BookingId,
        /// The version of the booking that says so.
        version: u64,
    },
    /// Points expired.
    Expired {
        /// Of which lot.
        lot: LotId,
        /// How many.
        points: u64,
    },
    /// Available points paid what was owed.
    DebtPaid {
        /// From which lots.
        parts: Parts,
    },
}

impl Event {
    /// The kinds that move points, as an account's owner reads them.
    pub const KINDS_SHOWN: [&'static str; 11] = [
        "earned",
        "matured",
        "voided",
        "reversed",
        "reduced",
        "granted",
        "held",
        "captured",
        "released",
        "expired",
        "debt_paid",
    ];

    /// What it is called in the ledger; the two ways to spend and to give back have one name each.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Earned { .. } => "earned",
            Self::EarnBarred { .. } => "earn_barred",
            Self::EarnLimited { .. } => "earn_limited",
            Self::EarnPostponed { .. } => "earn_postponed",
            Self::Postponed { .. } => "postponed",
            Self::Reduced { .. } => "reduced",
            Self::Matured { .. } => "matured",
            Self::Voided { .. } => "voided",
            Self::Reversed { .. } => "reversed",
            Self::Granted { .. } => "granted",
            Self::Held { .. } => "held",
            Self::Refused { .. } => "refused",
            Self::Captured { .. } | Self::Spent { .. } => "captured",
            Self::Released { .. } | Self::Returned { .. } => "released",
            Self::WishNoted { .. } => "wish_noted",
            Self::Frozen { .. } => "frozen",
            Self::Thawed { .. } => "thawed",
            Self::Expired { .. } => "expired",
            Self::DebtPaid { .. } => "debt_paid",
        }
    }

    /// The booking it is about, if it is about one.
    #[must_use]
    pub const fn booking_id(&self) -> Option<BookingId> {
        match self {
            Self::Earned { booking_id, .. }
            | Self::EarnBarred { booking_id }
            | Self::EarnLimited { booking_id, .. }
            | Self::EarnPostponed { booking_id, .. }
            | Self::Held { booking_id, .. }
            | Self::Refused { booking_id, .. }
            | Self::Captured { booking_id, .. }
            | Self::Spent { booking_id, .. }
            | Self::Released { booking_id, .. }
            | Self::Returned { booking_id, .. }
            | Self::Frozen { booking_id, .. }
            | Self::Thawed { booking_id, .. }
            | Self::WishNoted { booking_id, .. } => Some(*booking_id),
            Self::Matured { lot, .. }
            | Self::Voided { lot, .. }
            | Self::Reversed { lot, .. }
            | Self::Reduced { lot, .. }
            | Self::Postponed { lot, .. }
            | Self::Expired { lot, .. } => match lot {
                LotId::Earned(_, booking_id) => Some(*booking_id),
                LotId::Granted(_) => None,
            },
            Self::Granted { .. } | Self::DebtPaid { .. } => None,
        }
    }

    /// How many points moved, positive where the account's owner gained by it.
    #[must_use]
    pub fn points_shown(&self) -> i64 {
        let signed = |points: u64| i64::try_from(points).unwrap_or(i64::MAX);
        match self {
            Self::Earned { points, .. }
            | Self::Matured { points, .. }
            | Self::Granted { points, .. } => signed(*points),
            Self::Released { parts, .. } | Self::Returned { parts, .. } => {
                signed(parts.values().sum())
            }
            Self::Voided { points, .. } | Self::Expired { points, .. } => -signed(*points),
            Self::Reversed { taken, owed, .. } => -signed(taken + owed),
            Self::Reduced { voided, taken, owed, .. } => -signed(voided + taken + owed),
            Self::Held { parts, .. }
            | Self::Captured { parts, .. }
            | Self::Spent { parts, .. }
            | Self::DebtPaid { parts } => -signed(parts.values().sum()),
            Self::EarnBarred { .. }
            | Self::EarnLimited { .. }
            | Self::EarnPostponed { .. }
            | Self::Postponed { .. }
            | Self::Refused { .. }
            | Self::Frozen { .. }
            | Self::Thawed { .. }
            | Self::WishNoted { .. } => 0,
        }
    }
}
