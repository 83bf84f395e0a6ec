//! Putting another leg in the place of one that was bought: what that costs, told before it is done
//! and agreed to by a digest.

use chrono::{DateTime, Utc};
use contracts::{
    asset::{AssetAmount, Units},
    ids::{LegId, derive},
    money::Money,
};
use uuid::Uuid;

use crate::{
    cancel::leg_fee,
    command::{LegPlan, Refusal},
    state::{Booking, Leg, LegCancellation},
    stuck::is_away,
    view::{Action, next_actions},
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
    /// The old price less the new one and the fee.
    pub back: Money,
    /// The same in what was paid with, at the rate of then.
    pub refund: AssetAmount,
    /// When the fee begins to be another.
    pub changes_at: Option<DateTime<Utc>>,
    /// When the day of arrival of the old one has begun everywhere on earth.
    pub arrival: DateTime<Utc>,
    /// What is recorded when the customer agrees.
    pub(crate) agreed: LegCancellation,
}

/// What it costs now to have the leg of `plan` in the place of another.
///
/// # Errors
/// When it cannot be done now, or costs more than what was paid for the old one.
pub fn amend_quote(
    booking: &Booking,
    leg_id: LegId,
    plan: &LegPlan,
    now: DateTime<Utc>,
) -> Result<AmendQuote, Refusal> {
    let leg = booking.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or(Refusal::NoSuchLeg)?;
    let allowed = next_actions(booking);
    if !allowed.contains(&Action::Amend) || leg.out.is_some() {
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
    let agreed = difference(booking, leg, price, told.fee).map_err(|why| match why {
        Short::OfMoney(missing) => {
            Refusal::NeedsPayment { price, fee: told.fee, missing, allowed: allowed.clone() }
        }
        Short::OfPoints => Refusal::PaidByPoints { allowed: allowed.clone() },
    })?;
    Ok(AmendQuote {
        digest: digest(booking, leg, plan, &agreed),
        leg_id,
        price,
        fee: agreed.fee,
        back: agreed.back,
        refund: AssetAmount { units: agreed.units, ..booking.payment.quoted.clone() },
        changes_at: told.changes_at,
        arrival: told.arrival,
        agreed,
    })
}

/// Whether any leg may be replaced now: all of them are bought and in no doubt, nothing is under
/// way, and there is time.
pub(crate) fn is_possible(booking: &Booking) -> bool {
    let settled = |leg: &Leg| match leg.out {
        Some(_) => is_away(leg),
        None => leg.is_confirmed() && leg.change.is_none(),
    };
    let over = booking.deadlines.passed.contains(&crate::fact::Deadline::Over);
    booking.legs.iter().all(settled)
        && booking.standing().next().is_some()
        && booking.legs.len() < LEGS_EVER_MAX
        && !over
}

/// The terms when the old leg is gone by itself meanwhile: what the supplier took away costs the
/// customer nothing. Those that were agreed to where that would give back more than was paid in
/// money.
pub(crate) fn without_fee(booking: &Booking, old: &Leg, new: &Leg) -> Option<LegCancellation> {
    let none = Money::zero(old.order.price.currency);
    difference(booking, old, new.order.price, none).ok()
}

/// Why it cannot be done for what was paid.
enum Short {
    /// This much would have to be paid.
    OfMoney(Money),
    /// Points paid a part of what would go back, and they come back whole or not at all.
    OfPoints,
}

fn difference(
    booking: &Booking,
    leg: &Leg,
    price: Money,
    fee: Money,
) -> Result<LegCancellation, Short> {
    let in_money = |minor| Money::new(minor, price.currency);
    let total = price.minor.saturating_add(fee.minor);
    let back = leg.order.price.minor.saturating_sub(total);
    if back < 0 {
        return Err(Short::OfMoney(in_money(back.saturating_neg())));
    }
    let left = booking.left_in_money().minor.saturating_sub(back);
    if left < 0 {
        return Err(Short::OfPoints);
    }
    // What came may be short of the price by dust.
    let had = booking.had();
    let kept = booking.payment.rate.units_for(in_money(left)).unwrap_or(had).min(had);
    // Nothing to give back gives nothing back, whatever rounding says.
    let kept = if back == 0 { had } else { kept };
    let units: Units = had.saturating_sub(kept);
    Ok(LegCancellation { fee, back: in_money(back), units, kept, borne: 0 })
}

fn digest(booking: &Booking, leg: &Leg, plan: &LegPlan, agreed: &LegCancellation) -> Uuid {
    let units = agreed.units.to_string();
    let parts: [&[u8]; 7] = [
        b"amendment",
        leg.leg_id.0.as_bytes(),
        plan.leg_id.0.as_bytes(),
        &plan.order.price.minor.to_be_bytes(),
        plan.order.price.currency.code().as_bytes(),
        &agreed.fee.minor.to_be_bytes(),
        units.as_bytes(),
    ];
    derive(booking.created_at, &parts)
}
