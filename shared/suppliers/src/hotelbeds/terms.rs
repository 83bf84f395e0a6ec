//! What cancelling costs: local times at the destination, made into steps that begin in UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use contracts::{
    money::Money,
    offer::{CancelStep, StepBasis, Terms},
};

use super::wire::{CancellationPolicy, money};
use crate::Broken;

/// Where the clock is furthest ahead, a local time comes this much before the same time in UTC.
/// The reply does not say where the destination is, so every step begins as early as it could.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(14);

/// What the customer agrees to.
///
/// Page cancellation-policies: from `dateFrom` on the amount is charged, before it nothing; it is
/// always the destination's time, whatever its `Z` says; a rate of class `NRF` gives nothing back.
/// Once the activity has begun nothing is given back either way (assumed).
pub(super) fn terms(
    class: &str,
    policies: &[CancellationPolicy],
    from: NaiveDate,
    price: Money,
) -> Result<Terms, Broken> {
    let refundable = match class {
        "NOR" if policies.is_empty() => {
            return Err(Broken::contract("rate without `cancellationPolicies`"));
        }
        "NOR" => true,
        "NRF" => false,
        _ => return Err(Broken::contract("rate at `rateClass`")),
    };
    let mut steps =
        policies.iter().map(|policy| step(policy, price)).collect::<Result<Vec<_>, _>>()?;
    steps.sort_by_key(|step| step.from);
    let begins = earliest(from.and_time(NaiveTime::MIN));
    if steps.iter().all(|step| step.fee.minor < price.minor) {
        steps.retain(|step| step.from < begins);
        steps.push(CancelStep { from: begins, fee: price, basis: StepBasis::LocalEarliest });
    }
    Ok(Terms {
        refundable,
        cancel_steps: if refundable { steps } else { Vec::new() },
        holdable: true,
        due_at_property: Vec::new(),
    })
}

fn step(policy: &CancellationPolicy, price: Money) -> Result<CancelStep, Broken> {
    let fee = money(&policy.amount, price.currency)?;
    if fee.minor < 0 {
        return Err(Broken::contract("policy at `amount`"));
    }
    let from = earliest(local(&policy.date_from)?);
    Ok(CancelStep { from, fee, basis: StepBasis::LocalEarliest })
}

fn earliest(local: NaiveDateTime) -> DateTime<Utc> {
    local.and_utc().checked_sub_signed(AHEAD_MAX).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

fn local(text: &str) -> Result<NaiveDateTime, Broken> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    NaiveDateTime::parse_from_str(bare, "%Y-%m-%dT%H:%M:%S%.f")
        .map_err(|_| Broken::contract("policy at `dateFrom`"))
}
