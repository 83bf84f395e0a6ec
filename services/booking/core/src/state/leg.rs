//! One leg of a booking: what was ordered, what we want of it, what we are told of it, and how it
//! left where the booking goes on without it.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{
    asset::Units,
    ids::{LegId, PaymentId},
    messages::{LegAsks, LegContent, LegState, UndoFailing, WantedLeg},
    money::Money,
    offer::{LegOrder, StepBasis},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EndWhy;
use crate::{
    changed::{SupplierChange, Theirs},
    guests::LegGuests,
};

/// No clock on earth is further ahead of UTC.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(14);

/// No clock on earth is further behind it.
const BEHIND_MAX: TimeDelta = TimeDelta::hours(12);

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
    /// The leg whose place it takes, or was to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<LegId>,
    /// Nothing while the booking goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<Out>,
    /// The digest of what the customer agreed to when cancelling it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Uuid>,
    /// The fee that the customer agreed to for that, while it cannot be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred: Option<Money>,
    /// What the supplier changed of it, while the customer has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<SupplierChange>,
    /// Whether the customer is asked about what its supplier asks now, or was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// What the supplier made of it that the customer agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<LegContent>,
    /// Whether it stays at its supplier for good, whatever becomes of the booking.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_there: bool,
    /// Whether a person made good what points paid of it and did not come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub points_made_good: bool,
    /// Others who were put on it, or are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guests: Option<LegGuests>,
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
    /// That giving it back does not succeed so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_failing: Option<UndoFailing>,
    /// What the supplier has of what was bought, where that is not what was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<LegContent>,
    /// What the supplier asks now, where it refused because the price is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Box<LegAsks>>,
    /// Whether the supplier says that nobody came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_show: bool,
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

    /// Whether its supplier has it or not, or has it otherwise, is being looked into.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        matches!(self.known.state, Some(LegState::InDoubt { .. }))
    }

    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        matches!(self.known.state, Some(LegState::Confirmed { .. }))
    }

    /// Whether it was bought and, as the supplier says, nobody came.
    #[must_use]
    pub const fn is_no_show(&self) -> bool {
        self.is_confirmed() && self.known.no_show
    }

    /// Whether it is to take the place of another one, which stands until this one is bought.
    #[must_use]
    pub const fn is_coming(&self) -> bool {
        matches!(self.out, Some(Out::Coming))
    }

    /// Whether cancelling it costs nothing at `now`, even after it was bought.
    #[must_use]
    pub fn cancels_free(&self, now: DateTime<Utc>) -> bool {
        self.cancel_fee(now).minor == 0
    }

    /// What cancelling it costs at `now` once it was bought; never more than its price.
    #[must_use]
    pub fn cancel_fee(&self, now: DateTime<Utc>) -> Money {
        let (terms, price) = (&self.order.terms, self.order.price);
        if !terms.refundable || now >= self.arrival() {
            return price;
        }
        let step = terms.cancel_steps.iter().rev().find(|step| step.from <= now);
        let fee = step.map_or(0, |step| step.fee.minor);
        Money::new(fee.clamp(0, price.minor), price.currency)
    }

    /// When cancelling it begins to cost something else than at `now`.
    #[must_use]
    pub fn cancel_fee_changes_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fee = self.cancel_fee(now);
        let steps = self.order.terms.cancel_steps.iter().map(|step| step.from);
        let mut later: Vec<_> = steps.chain([self.arrival()]).filter(|at| *at > now).collect();
        later.sort_unstable();
        later.into_iter().find(|at| self.cancel_fee(*at) != fee)
    }

    /// Where the instant comes from at which its fee changes.
    pub(crate) fn basis_of(&self, at: DateTime<Utc>) -> DeadlineBasis {
        let step = self.order.terms.cancel_steps.iter().find(|step| step.from == at);
        match step.map(|step| step.basis) {
            _ if at == begins(self.order.check_in) => DeadlineBasis::ArrivalDay,
            Some(StepBasis::Instant) => DeadlineBasis::SupplierInstant,
            Some(StepBasis::LocalEarliest) => DeadlineBasis::LocalEarliest,
            None => DeadlineBasis::ArrivalDay,
        }
    }

    /// When the day of arrival may have begun: 14 hours before it begins in UTC, because nobody
    /// says in which time zone that is. From then on nothing is given back, whatever the terms
    /// leave open; where they speak of a later instant, not before that one.
    #[must_use]
    pub fn arrival(&self) -> DateTime<Utc> {
        let begins = begins(self.order.check_in);
        let last = self.order.terms.cancel_steps.iter().map(|step| step.from).max();
        last.map_or(begins, |last| last.max(begins))
    }

    /// Whether it is used up at `now`: it is bought, and its last day has begun everywhere on
    /// earth. No supplier takes that back.
    #[must_use]
    pub fn is_used_up(&self, now: DateTime<Utc>) -> bool {
        let (first, last) = (self.order.check_in, self.order.check_out);
        let last = last.max(first.succ_opt().unwrap_or(first));
        self.is_confirmed() && now >= last.and_time(NaiveTime::MIN).and_utc() + BEHIND_MAX
    }

    /// Whether its first day is over everywhere on earth: what nobody could come to any more is not
    /// bought.
    #[must_use]
    pub fn is_past(&self, now: DateTime<Utc>) -> bool {
        let first = self.order.check_in;
        let over = first.succ_opt().unwrap_or(first);
        now >= over.and_time(NaiveTime::MIN).and_utc() + BEHIND_MAX
    }

    /// Whether points that paid it stay spent, and nobody made that good so far.
    #[must_use]
    pub const fn owes_points(&self) -> bool {
        self.in_points() > 0 && !self.points_made_good
    }

    /// What of its price points paid that did not come back when it went, in minor units.
    #[must_use]
    pub const fn in_points(&self) -> i64 {
        match &self.out {
            Some(Out::Cancelled { cancellation }) => cancellation.in_points,
            Some(
                Out::NotHeld { .. }
                | Out::Coming
                | Out::NotTaken { .. }
                | Out::Repriced { .. }
                | Out::Replaced { .. },
            )
            | None => 0,
        }
    }

    /// Whether nobody gives it back at `now`, whatever becomes of the booking.
    #[must_use]
    pub fn stays(&self, now: DateTime<Utc>) -> bool {
        self.left_there || (self.out.is_none() && self.is_used_up(now))
    }

    /// Whether some of it may have been used by `now`: its first day may have begun. Of what the
    /// supplier changed, when that became known, or the first day of what it has now; what it had
    /// cancelled before can have been used by nobody.
    #[must_use]
    pub fn may_be_used(&self, now: DateTime<Utc>) -> bool {
        let Some(change) = &self.change else {
            return self.left_there || now >= self.arrival();
        };
        let theirs = match &change.theirs {
            Theirs::Cancelled {} => None,
            Theirs::Other { content } => Some(begins(content.check_in)),
        };
        change.since >= self.arrival() || theirs.is_some_and(|begins| now >= begins)
    }
}

/// Where the instant comes from at which a fee changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadlineBasis {
    /// The supplier named it, with its offset from UTC.
    SupplierInstant,
    /// The supplier named a local time and not its time zone; the earliest instant it could be.
    LocalEarliest,
    /// The day of arrival may have begun.
    ArrivalDay,
}

/// When a day may begin somewhere on earth.
fn begins(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() - AHEAD_MAX
}

/// How a leg left a booking that goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Out {
    /// It could not be held, and the customer chose to keep the rest.
    NotHeld { why: EndWhy },
    /// The customer cancelled it alone.
    Cancelled { cancellation: LegCancellation },
    /// It is to take the place of another one; the booking does not rest on it so far.
    Coming,
    /// It was to take the place of another one, and could not.
    NotTaken { why: EndWhy },
    /// Its supplier asks another price; the same at that price took its place.
    Repriced {
        by: LegId,
        /// The digest that the customer agreed to; nothing where the rise is ours to bear.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agreed: Option<Uuid>,
    },
    /// Another one took its place.
    Replaced { by: LegId, cancellation: LegCancellation },
}

/// Another leg that is to take the place of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Which one is to go.
    pub leg_id: LegId,
    /// Which one is to come.
    pub by: LegId,
    /// What the customer agreed to.
    pub agreed: LegCancellation,
    /// Until when the one that comes must be held.
    pub held_by: DateTime<Utc>,
    /// The payment of what it costs more, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
}

/// What the customer agreed to when cancelling one leg of what was bought, or having another one in
/// its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegCancellation {
    /// What the customer pays for it.
    pub fee: Money,
    /// The leg's price less the fee, and less the price of the one that takes its place; below zero
    /// where that one costs more, and the customer paid for it.
    pub back: Money,
    /// What goes back of the first payment, in units at the locked rate.
    pub units: Units,
    /// The part of the first payment's money that is ours from then on, all legs together.
    pub kept: Units,
    /// What of `back` is a matter of further payments, in minor units.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub of_further: i64,
    /// What goes back of further payments, in units at their rates.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub further_units: Units,
    /// What the terms charge beyond the fee, in minor units; ours to bear. They may charge more by
    /// the time another leg is bought than when the customer agreed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub borne: i64,
    /// What of the price points paid that do not come back with it, in minor units.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub in_points: i64,
}

impl LegCancellation {
    /// All that goes back, in units.
    #[must_use]
    pub fn all_units(&self) -> Units {
        self.units.checked_add(self.further_units).unwrap_or(self.units)
    }
}

fn is_nothing(units: &Units) -> bool {
    units.is_zero()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(minor: &i64) -> bool {
    *minor == 0
}
