//! Putting another leg in the place of one that was bought: what that costs, told before it is done
//! and agreed to by a digest.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Rate, Units},
    ids::{LegId, derive},
    messages::RefundBasis,
    money::Money,
};
use uuid::Uuid;

use crate::{
    cancel::{leg_fee, take},
    changed::may_be_rebooked,
    command::{LegPlan, Refusal},
    state::{Booking, DeadlineBasis, Leg, LegCancellation, Payment},
    stuck::is_away,
    view::{Action, next_actions_at},
};

/// Legs that a booking may ever have had, so that changing one's mind does not grow its row for
/// ever.
const LEGS_EVER_MAX: usize = 32;

/// What another leg in the place of one costs at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmendQuote {
    /// Of both legs and of all amounts; an agreement names it.
    pub digest: Uuid,
    /// Which leg is to go.
    pub leg_id: LegId,
    /// What the one that comes costs.
    pub price: Money,
    /// What giving the old one back costs, by its own terms.
    pub fee: Money,
    /// The old price less the new one and the fee; nothing where that is less than nothing.
    pub back: Money,
    /// The same in what was paid with, at the rates of then.
    pub refund: AssetAmount,
    /// At which value it goes back.
    pub basis: RefundBasis,
    /// What has to be paid where the new one and the fee cost more than the old one.
    pub pay: Option<Due>,
    /// When the fee begins to be another.
    pub changes_at: Option<DateTime<Utc>>,
    /// Where that instant comes from.
    pub changes_basis: Option<DeadlineBasis>,
    /// What is recorded when the customer agrees.
    pub(crate) agreed: LegCancellation,
}

/// What has to be paid for another leg in the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub price: Money,
    /// The same in what is paid with, at the rate of now.
    pub amount: AssetAmount,
}

/// What it costs now to have the leg of `plan` in the place of another.
///
/// `rate` is that of the asset which the booking is paid in; without one, only what needs no
/// payment is told of.
///
/// # Errors
/// When it cannot be done now, or has to be paid for and there is no rate.
pub fn amend_quote(
    booking: &Booking,
    leg_id: LegId,
    plan: &LegPlan,
    rate: Option<&Rate>,
    now: DateTime<Utc>,
) -> Result<AmendQuote, Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let allowed = next_actions_at(booking, now);
    let unchanged = allowed.contains(&Action::Amend) && leg.out.is_none() && !leg.stays(now);
    if !unchanged && !may_be_rebooked(booking, leg, now) {
        return Err(Refusal::NotAllowed { allowed });
    }
    let price = plan.order.price;
    if !plan.order.terms.holdable {
        return Err(Refusal::NotHoldable);
    }
    if price.currency != leg.order.price.currency || price.minor <= 0 {
        return Err(Refusal::QuoteBroken);
    }
    let told = leg_fee(leg, now);
    let back = difference(leg, price, told.fee);
    let needs =
        |missing| Refusal::NeedsPayment { price, fee: told.fee, missing, allowed: allowed.clone() };
    let (agreed, pay) = if back < 0 {
        let missing = Money::new(back.saturating_neg(), price.currency);
        let rate = rate.ok_or_else(|| needs(missing))?;
        (paid_for(booking, told.fee, missing), Some(due(booking, missing, rate)?))
    } else {
        let agreed = take(booking, told.fee, back);
        (agreed.ok_or_else(|| Refusal::PaidByPoints { allowed: allowed.clone() })?, None)
    };
    Ok(AmendQuote {
        digest: digest(booking, leg, plan, &agreed, pay.as_ref()),
        leg_id,
        price,
        fee: agreed.fee,
        back: Money::new(back.max(0), price.currency),
        refund: AssetAmount { units: agreed.all_units(), ..booking.payment.quoted.clone() },
        basis: booking.refund_basis,
        pay,
        changes_at: told.changes_at,
        changes_basis: told.basis,
        agreed,
    })
}

/// Whether any leg may be replaced now: all of them are bought as ordered and in no doubt, nothing
/// is under way, there is time, and what paid for them has not left again.
pub(crate) fn is_possible(booking: &Booking) -> bool {
    is_open(booking, |_| false)
}

/// The same where legs that are `excepted` need not be as they were ordered.
pub(crate) fn is_open(booking: &Booking, excepted: impl Fn(&Leg) -> bool) -> bool {
    let settled = |leg: &Leg| match leg.out {
        Some(_) => is_away(leg),
        None if excepted(leg) => true,
        None => leg.left_there || (leg.is_confirmed() && leg.change.is_none()),
    };
    let over = booking.deadlines.passed.contains(&crate::fact::Deadline::Over);
    booking.legs.iter().all(settled)
        && booking.standing().next().is_some()
        && booking.legs.len() < LEGS_EVER_MAX
        && !booking.money_is_away()
        && !booking.payments().any(Payment::is_lost)
        && !over
}

/// The terms when the old leg is gone by itself meanwhile, or another one by now: what the supplier
/// did costs the customer no fee. Nothing where that would give back more than was paid in money.
pub(crate) fn without_fee(booking: &Booking, agreed: LegCancellation) -> Option<LegCancellation> {
    let paid = booking.due().map_or(0, |due| due.pays.minor);
    let back = agreed.back.minor.saturating_add(agreed.fee.minor);
    let none = Money::zero(agreed.fee.currency);
    let taken = take(booking, none, back.saturating_add(paid))?;
    let of_further = taken.of_further.saturating_sub(paid);
    let back = Money::new(back, agreed.fee.currency);
    Some(LegCancellation { back, of_further, ..taken })
}

/// The old price less the new one and the fee.
const fn difference(leg: &Leg, price: Money, fee: Money) -> i64 {
    leg.order.price.minor.saturating_sub(price.minor.saturating_add(fee.minor))
}

/// What is agreed to where a payment of its own pays for it: nothing goes back.
fn paid_for(booking: &Booking, fee: Money, missing: Money) -> LegCancellation {
    LegCancellation {
        fee,
        back: Money::new(missing.minor.saturating_neg(), missing.currency),
        units: Units::ZERO,
        kept: booking.had(),
        of_further: missing.minor.saturating_neg(),
        further_units: Units::ZERO,
        borne: 0,
        in_points: 0,
    }
}

/// What is to be paid, in the asset that the booking was paid in: what goes back of it later goes
/// to the same place.
fn due(booking: &Booking, missing: Money, rate: &Rate) -> Result<Due, Refusal> {
    let quoted = &booking.payment.quoted;
    let units = rate.units_for(missing).map_err(|_| Refusal::QuoteBroken)?;
    if rate.asset != quoted.asset || rate.decimals != quoted.decimals || units.is_zero() {
        return Err(Refusal::QuoteBroken);
    }
    Ok(Due { price: missing, amount: AssetAmount { units, ..quoted.clone() } })
}

fn digest(
    booking: &Booking,
    leg: &Leg,
    plan: &LegPlan,
    agreed: &LegCancellation,
    pay: Option<&Due>,
) -> Uuid {
    let units = agreed.all_units().to_string();
    let pay = pay.map_or_else(String::new, |pay| pay.amount.units.to_string());
    let parts: [&[u8]; 8] = [
        b"amendment",
        leg.leg_id.0.as_bytes(),
        plan.leg_id.0.as_bytes(),
        &plan.order.price.minor.to_be_bytes(),
        plan.order.price.currency.code().as_bytes(),
        &agreed.fee.minor.to_be_bytes(),
        units.as_bytes(),
        pay.as_bytes(),
    ];
    derive(booking.created_at, &parts)
}
