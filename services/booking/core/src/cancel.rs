//! What cancelling costs: told before it is done, and agreed to by a digest.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    ids::{LegId, derive},
    messages::{GoneWhy, LegState, RefundBasis, WantedLeg},
    money::Money,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cancel_leg::decides_a_fee,
    state::{Booking, Cancellation, DeadlineBasis, Leg, LegCancellation, Payment, Phase},
};

/// What cancelling a booking costs at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelQuote {
    /// Of the booking, the fee and what goes back; an agreement names it.
    pub digest: Uuid,
    /// What the customer pays for it.
    pub fee: Money,
    /// What goes back, in what was paid with and at the rate of then; of money that is not final
    /// yet, what was seen.
    pub refund: AssetAmount,
    /// At which value it goes back.
    pub basis: RefundBasis,
    /// What of it had paid, in the currency of the price, where that goes back by value.
    pub worth: Option<Money>,
    /// How many redeemed points go back.
    pub points_back: u64,
    /// When it begins to cost something else; nothing when it never does.
    pub changes_at: Option<DateTime<Utc>>,
    /// Each leg's part, as its own terms have it.
    pub legs: Vec<LegFee>,
    /// What is recorded when the customer agrees.
    #[serde(skip)]
    pub(crate) cancellation: Option<Cancellation>,
    /// The same, where it is of one leg alone.
    #[serde(skip)]
    pub(crate) of_leg: Option<LegCancellation>,
}

/// What cancelling one leg costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegFee {
    pub leg_id: LegId,
    pub fee: Money,
    /// When it begins to cost something else.
    pub changes_at: Option<DateTime<Utc>>,
    /// Where that instant comes from.
    pub basis: Option<DeadlineBasis>,
}

impl CancelQuote {
    /// What cancelling costs at `now`: nothing before anything is bought, the suppliers' fees
    /// afterwards, also of what is being bought.
    ///
    /// The fee becomes units like a price does, rounded up to the next unit, so that what goes back
    /// is rounded down by less than one.
    #[must_use]
    pub fn of(booking: &Booking, now: DateTime<Utc>) -> Self {
        let bought = may_be_bought(booking);
        let legs = if bought { fees(booking, now) } else { Vec::new() };
        let agreed = bought.then(|| agreed(booking, &legs));
        let zero = Money::zero(booking.price.currency);
        let fee = agreed.map_or(zero, |c| c.fee);
        let points = booking.points.map_or(0, |p| p.points);
        let points_back = if agreed.is_none_or(|c| c.points_back) { points } else { 0 };
        let came = booking.payment.received.max(booking.payment.settled);
        let live = booking.payment.refunds.iter().filter(|refund| !refund.has_failed());
        let given = live.fold(came, |left, r| left.saturating_sub(r.units));
        let units = given.saturating_sub(agreed.map_or(Units::ZERO, |c| c.kept));
        let further = booking.further_beyond(agreed.map_or(0, |c| c.further));
        let units = units.checked_add(further).unwrap_or(units);
        let digest = digest(booking, None, fee, units, points_back);
        let changes_at = legs.iter().filter_map(|leg| leg.changes_at).min();
        let refund = AssetAmount { units, ..booking.payment.quoted.clone() };
        let (cancellation, of_leg) = (agreed, None);
        let basis = booking.refund_basis;
        // Of what is not there, or not all of it, nothing is promised.
        let there = !units.is_zero() && !booking.payments().any(Payment::is_lost);
        let worth = agreed.map(|c| left_of_fee(booking, &c));
        let worth = worth.filter(|_| there && !basis.is_then());
        Self {
            digest,
            fee,
            refund,
            basis,
            worth,
            points_back,
            changes_at,
            legs,
            cancellation,
            of_leg,
        }
    }

    /// What cancelling `leg` alone costs at `now`, by its own terms: its price less that goes back.
    ///
    /// Nothing where points paid a part of what would go back: they come back whole or not at all,
    /// and the customer never pays more than the fee.
    pub(crate) fn of_leg(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Option<Self> {
        let told = if leg.wanted == WantedLeg::Confirmed {
            leg_fee(leg, now)
        } else {
            // It is held and not bought.
            LegFee { fee: Money::zero(booking.price.currency), ..leg_fee(leg, now) }
        };
        let back = leg.order.price.minus(told.fee).ok()?;
        let agreed = take(booking, told.fee, back.minor)?;
        let (fee, units) = (told.fee, agreed.all_units());
        Some(Self {
            digest: digest(booking, Some(leg), fee, units, 0),
            fee,
            refund: AssetAmount { units, ..booking.payment.quoted.clone() },
            basis: booking.refund_basis,
            worth: Some(back).filter(|_| !booking.refund_basis.is_then()),
            points_back: 0,
            changes_at: told.changes_at,
            legs: vec![told],
            cancellation: None,
            of_leg: Some(agreed),
        })
    }

    /// Cancelling `leg` alone while nothing is paid: its price is not asked for any more.
    pub(crate) fn of_unpaid(booking: &Booking, leg: &Leg, now: DateTime<Utc>) -> Self {
        let fee = Money::zero(leg.order.price.currency);
        Self {
            digest: digest(booking, Some(leg), fee, Units::ZERO, 0),
            fee,
            refund: AssetAmount { units: Units::ZERO, ..booking.payment.quoted.clone() },
            basis: booking.refund_basis,
            worth: None,
            points_back: 0,
            changes_at: None,
            legs: vec![LegFee { fee, changes_at: None, basis: None, ..leg_fee(leg, now) }],
            cancellation: None,
            of_leg: None,
        }
    }

    /// What giving everything back costs where a supplier is why: the customer nothing, us what the
    /// terms charge.
    pub(crate) fn borne(booking: &Booking, now: DateTime<Utc>) -> Cancellation {
        let told: Vec<LegFee> = booking.standing().map(|leg| leg_fee(leg, now)).collect();
        let zero = Money::zero(booking.price.currency);
        let terms = told.iter().fold(0_i64, |sum, leg| sum.saturating_add(leg.fee.minor));
        let free: Vec<LegFee> = told.into_iter().map(|leg| LegFee { fee: zero, ..leg }).collect();
        Cancellation { borne: Money::new(terms, zero.currency), ..agreed(booking, &free) }
    }
}

/// Takes so much out of what was paid: out of further payments first, the newest first, and out of
/// the first one last. Nothing where points paid a part of it.
pub(crate) fn take(booking: &Booking, fee: Money, back: i64) -> Option<LegCancellation> {
    let in_money = |minor| Money::new(minor, fee.currency);
    let of_further = back.min(booking.in_further());
    let of_first = back.saturating_sub(of_further);
    let left = booking.left_in_first().minor.saturating_sub(of_first);
    // What came may be short of the price by dust.
    let had = booking.had();
    let kept = match of_first {
        // Nothing to give back gives nothing back, whatever rounding says.
        0 => had,
        _ if left < 0 => return None,
        _ => booking.payment.rate.units_for(in_money(left)).unwrap_or(had).min(had),
    };
    Some(LegCancellation {
        fee,
        back: in_money(back),
        units: had.saturating_sub(kept),
        kept,
        of_further,
        further_units: booking.further_back(of_further),
        borne: 0,
        in_points: 0,
    })
}

/// As much of a price as was paid in money, where points paid a part of it.
pub(crate) fn take_what_is_there(booking: &Booking, price: Money) -> Option<LegCancellation> {
    let there = booking.left_in_money().minor.clamp(0, price.minor.max(0));
    let taken = take(booking, Money::zero(price.currency), there)?;
    Some(LegCancellation { in_points: price.minor.saturating_sub(there), ..taken })
}

pub(crate) fn leg_fee(leg: &Leg, now: DateTime<Utc>) -> LegFee {
    let gone = match &leg.known.state {
        Some(LegState::Gone { why: GoneWhy::CancelledBySupplier | GoneWhy::Lapsed })
        | Some(LegState::Refused { .. }) => true,
        Some(
            LegState::Gone { why: GoneWhy::Released | GoneWhy::NeverMade }
            | LegState::Held { .. }
            | LegState::Confirmed { .. }
            | LegState::InDoubt { .. },
        )
        | None => false,
    };
    let (fee, changes_at) = if leg.stays(now) {
        (leg.order.price, None)
    } else if gone || leg.change.is_some() {
        // What the supplier took away, or made something else of, costs the customer nothing.
        (Money::zero(leg.order.price.currency), None)
    } else {
        (leg.cancel_fee(now), leg.cancel_fee_changes_at(now))
    };
    let basis = changes_at.map(|at| leg.basis_of(at));
    LegFee { leg_id: leg.leg_id, fee, changes_at, basis }
}

/// The fees of what is bought or may be at `now`: of a leg that is to take the place of another,
/// too.
fn fees(booking: &Booking, now: DateTime<Utc>) -> Vec<LegFee> {
    let may_be_bought = |leg: &&Leg| {
        let there = leg.out.is_none() || leg.is_coming();
        there && leg.wanted == WantedLeg::Confirmed
    };
    booking.legs.iter().filter(may_be_bought).map(|leg| leg_fee(leg, now)).collect()
}

/// What was agreed to while legs were being bought, once it is known which are: what the terms
/// charge more by now is ours to bear.
pub(crate) fn deferred(booking: &Booking, now: DateTime<Utc>) -> Option<Cancellation> {
    let agreed = booking.deferred?;
    let waits = booking.standing().any(|leg| decides_a_fee(leg, now));
    let terms = fees(booking, now).iter().fold(0_i64, |sum, leg| sum.saturating_add(leg.fee.minor));
    let borne = terms.saturating_sub(agreed.fee.minor).max(agreed.borne.minor);
    let borne = Money::new(borne, agreed.fee.currency);
    (!waits).then_some(Cancellation { borne, ..agreed })
}

const fn may_be_bought(booking: &Booking) -> bool {
    matches!(booking.phase, Phase::Committing | Phase::Confirmed | Phase::Amending)
}

/// Whether there is something to cancel at `now`, and the customer can do it.
pub(crate) fn is_possible(booking: &Booking, now: DateTime<Utc>) -> bool {
    let something_left = booking.standing().any(|leg| !leg.stays(now));
    let for_a_person = may_be_bought(booking) && is_for_a_person(booking, now);
    something_left && booking.deferred.is_none() && !for_a_person
}

/// Whether only a person can give the trip back at `now`: its supplier changed what may have been
/// used, or what was used, or went before, was paid by points, which come back whole or not at all.
fn is_for_a_person(booking: &Booking, now: DateTime<Utc>) -> bool {
    let used = |leg: &&Leg| leg.stays(now) || leg.may_be_used(now);
    if booking.standing().filter(used).any(|leg| leg.change.is_some()) {
        return true;
    }
    let in_points = |leg: &Leg| leg.in_points() > 0;
    let prices = booking.standing().filter(used).map(|leg| leg.order.price.minor);
    let travelled = prices.fold(0_i64, i64::saturating_add);
    let points_back = CancelQuote::of(booking, now).cancellation.is_some_and(|c| c.points_back);
    let pays = booking.points.is_some_and(|points| points.points > 0);
    pays && points_back
        && (travelled > booking.left_in_money().minor || booking.legs.iter().any(in_points))
}

/// How the fee is paid: by the money as far as that reaches, else by the points, which come back
/// whole or not at all. The customer never pays more than the fee; what is missing is ours. Fees of
/// legs that were cancelled alone before are paid from the same.
fn agreed(booking: &Booking, legs: &[LegFee]) -> Cancellation {
    let money = booking.left_in_money().minor;
    let worth = booking.points.map_or(0, |p| p.worth.minor);
    let terms: i64 = legs.iter().fold(0, |sum, leg| sum.saturating_add(leg.fee.minor));
    let before = booking.cancelled_legs().fold(0_i64, |sum, c| sum.saturating_add(c.fee.minor));
    let all = before.saturating_add(terms);
    let in_money = |minor| Money::new(minor, booking.price.currency);
    let (paid, from_money, points_back) = if all <= money {
        (all, all, true)
    } else if all >= worth {
        (all, all.saturating_sub(worth), false)
    } else {
        (money, money, true)
    };
    let charged = paid.saturating_sub(before).max(0);
    let had = booking.kept();
    // Further payments go back first.
    let of_first = from_money.min(booking.left_in_first().minor);
    // A fee of all the money keeps all of it, to the last unit.
    let kept = booking.payment.rate.units_for(in_money(of_first)).unwrap_or(had).min(had);
    Cancellation {
        fee: in_money(charged),
        borne: in_money(terms.saturating_sub(charged)),
        kept,
        further: from_money.saturating_sub(of_first),
        points_back,
    }
}

/// What was paid in money less what of it pays this fee and those of before.
fn left_of_fee(booking: &Booking, agreed: &Cancellation) -> Money {
    let before = booking.cancelled_legs().fold(0_i64, |sum, c| sum.saturating_add(c.fee.minor));
    let points = booking.points.filter(|_| !agreed.points_back).map_or(0, |p| p.worth.minor);
    let kept = before.saturating_add(agreed.fee.minor).saturating_sub(points);
    let left = booking.left_in_money();
    Money::new(left.minor.saturating_sub(kept).max(0), left.currency)
}

fn digest(
    booking: &Booking,
    leg: Option<&Leg>,
    fee: Money,
    refund: Units,
    points_back: u64,
) -> Uuid {
    let refund = refund.to_string();
    let subject = leg.map_or(booking.booking_id.0, |leg| leg.leg_id.0);
    let parts: [&[u8]; 5] = [
        subject.as_bytes(),
        &fee.minor.to_be_bytes(),
        fee.currency.code().as_bytes(),
        refund.as_bytes(),
        &points_back.to_be_bytes(),
    ];
    derive(booking.created_at, &parts)
}
