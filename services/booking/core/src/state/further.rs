//! A payment beside the first: of what another leg costs more than the one whose place it takes.
//!
//! It is of the same asset as the first, so that what goes back goes to one place, at the rate of
//! its own day. What goes back of a booking goes back of its newest payment first.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{LegId, PaymentId},
    money::Money,
};
use serde::{Deserialize, Serialize};

use super::{Booking, Payment, Refund};

/// What has to be paid for another leg in the place of one, as the customer agreed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    pub payment_id: PaymentId,
    /// What it costs more.
    pub price: Money,
    pub rate: Rate,
    /// The same in what is paid with.
    pub amount: AssetAmount,
    /// How long money has to be seen once it is asked for, in seconds.
    pub pay_for_s: i64,
    /// How long after that it has to be final, in seconds.
    pub settle_for_s: i64,
}

/// A payment beside the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    /// The leg that it pays for.
    pub leg_id: LegId,
    pub payment: Payment,
    /// What of the price it pays: nothing of one that could not be had, less what went back of one
    /// that was.
    pub pays: Money,
    /// The part of its money that is ours for good, once it is there.
    pub kept: Units,
    pub pay_for_s: i64,
    pub settle_for_s: i64,
    /// Until when money must be seen; nothing until it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<DateTime<Utc>>,
}

impl Further {
    pub(crate) fn new(difference: &Difference, leg_id: LegId) -> Self {
        let Difference { payment_id, price, rate, amount, pay_for_s, settle_for_s } = difference;
        Self {
            leg_id,
            payment: Payment::new(*payment_id, rate.clone(), amount.clone()),
            pays: *price,
            kept: amount.units,
            pay_for_s: *pay_for_s,
            settle_for_s: *settle_for_s,
            pay_by: None,
        }
    }

    /// One that another took the place of before anybody was shown it: whatever came of it goes
    /// back.
    pub(crate) fn superseded(payment: Payment, leg_id: LegId, price: Money) -> Self {
        let (pays, kept) = (Money::zero(price.currency), Units::ZERO);
        Self { leg_id, payment, pays, kept, pay_for_s: 0, settle_for_s: 0, pay_by: None }
    }

    /// Until when its money must be final.
    #[must_use]
    pub fn settle_by(&self) -> Option<DateTime<Utc>> {
        self.pay_by.map(|by| by + TimeDelta::seconds(self.settle_for_s))
    }

    /// Whether its amount is final, and there.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.payment.is_settled() && self.payment.gone.is_zero()
    }

    /// Settled money that is not ours and that no refund was asked for.
    #[must_use]
    pub fn not_given_back(&self) -> Units {
        let due = self.payment.settled.saturating_sub(self.kept);
        let live = self.payment.refunds.iter().filter(|refund| !refund.has_failed());
        live.fold(due, |left, refund| left.saturating_sub(refund.units))
    }

    /// What of its money is ours when it pays so much.
    pub(crate) fn kept_for(&self, pays: i64) -> Units {
        if pays == self.pays.minor {
            return self.kept;
        }
        let pays = Money::new(pays.max(0), self.pays.currency);
        self.payment.rate.units_for(pays).unwrap_or(self.kept).min(self.kept)
    }

    fn keep(&mut self, pays: i64) {
        self.kept = self.kept_for(pays);
        self.pays = Money::new(pays.max(0), self.pays.currency);
    }
}

/// What of a sum each payment bears, the first of `payments` as much as it can.
fn spread<'a>(
    payments: impl Iterator<Item = &'a Further>,
    sum: i64,
) -> impl Iterator<Item = (&'a Further, i64)> {
    payments.scan(sum.max(0), |rest, further| {
        let part = further.pays.minor.min(*rest);
        *rest = rest.saturating_sub(part);
        Some((further, part))
    })
}

/// Takes so much out of further payments, the newest first.
pub(crate) fn take(booking: &mut Booking, back: i64) {
    let parts: Vec<i64> =
        spread(booking.further.iter().rev(), back).map(|(_, part)| part).collect();
    for (further, part) in booking.further.iter_mut().rev().zip(parts) {
        further.keep(further.pays.minor.saturating_sub(part));
    }
}

/// Keeps so much of further payments, of the oldest first; the rest goes back.
pub(crate) fn keep(booking: &mut Booking, kept: i64) {
    let parts: Vec<i64> = spread(booking.further.iter(), kept).map(|(_, part)| part).collect();
    for (further, part) in booking.further.iter_mut().zip(parts) {
        further.keep(part);
    }
}

impl Booking {
    /// Every payment, the first one first.
    pub fn payments(&self) -> impl DoubleEndedIterator<Item = &Payment> + Clone {
        std::iter::once(&self.payment).chain(self.further.iter().map(|further| &further.payment))
    }

    /// What has to be paid for the leg that is to take the place of another.
    #[must_use]
    pub fn due(&self) -> Option<&Further> {
        let payment_id = self.amendment.as_ref()?.payment_id?;
        self.further.iter().find(|further| further.payment.payment_id == payment_id)
    }

    /// Every refund, of whichever payment.
    pub fn refunds(&self) -> impl DoubleEndedIterator<Item = &Refund> + Clone {
        self.payments().flat_map(|payment| &payment.refunds)
    }

    /// When the next refund that is under way would be late.
    #[must_use]
    pub fn next_refund_by(&self) -> Option<DateTime<Utc>> {
        self.refunds().filter(|refund| refund.may_be_late()).filter_map(|refund| refund.by).min()
    }

    /// Whether final money of any payment is away.
    #[must_use]
    pub fn money_is_away(&self) -> bool {
        self.payments().any(|payment| !payment.gone.is_zero())
    }

    /// What further payments pay; not that of a leg that is not bought and may never be.
    pub(crate) fn in_further(&self) -> i64 {
        let coming = |leg_id| {
            let leg = self.legs.iter().find(|leg| leg.leg_id == leg_id);
            leg.is_some_and(|leg| {
                leg.is_coming() && leg.wanted == contracts::messages::WantedLeg::Held
            })
        };
        let pays = self.further.iter().filter(|further| !coming(further.leg_id));
        pays.fold(0_i64, |sum, further| sum.saturating_add(further.pays.minor))
    }

    /// What goes back in units when so much is taken out of further payments.
    pub(crate) fn further_back(&self, back: i64) -> Units {
        let parts = spread(self.further.iter().rev(), back);
        let units = parts.map(|(further, part)| {
            let left = further.pays.minor.saturating_sub(part);
            further.kept.saturating_sub(further.kept_for(left))
        });
        sum(units)
    }

    /// What goes back in units of further payments when so much of them is kept.
    pub(crate) fn further_beyond(&self, kept: i64) -> Units {
        sum(spread(self.further.iter(), kept).map(|(further, part)| {
            let came = further.payment.received.max(further.payment.settled);
            let live = further.payment.refunds.iter().filter(|refund| !refund.has_failed());
            let given = live.fold(came, |left, refund| left.saturating_sub(refund.units));
            given.saturating_sub(further.kept_for(part))
        }))
    }
}

fn sum(units: impl Iterator<Item = Units>) -> Units {
    units.fold(Units::ZERO, |sum, more| sum.checked_add(more).unwrap_or(sum))
}
