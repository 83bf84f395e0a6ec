//! What cancelling costs: ETG's penalties, made into steps that begin in UTC.

use chrono::{DateTime, NaiveDateTime, Utc};
use contracts::{
    money::{Currency, Money},
    offer::{CancelStep, DueAtProperty, Terms},
};

use super::wire::{Penalties, Tax};
use crate::Broken;

/// What the customer agrees to.
///
/// The penalties have to cover all time, one stretch after the other: a hole would be a fee that
/// nobody told. `holdable` says that it can be cancelled free at all; until when, the first step
/// says.
pub(super) fn terms(penalties: &Penalties, taxes: &[Tax], price: Money) -> Result<Terms, Broken> {
    let mut steps = Vec::new();
    let mut until = None;
    for (at, penalty) in penalties.policies.iter().enumerate() {
        if penalty.start_at != until || (at > 0 && until.is_none()) {
            return Err(broken("policies"));
        }
        if penalty.end_at.is_some() && penalty.end_at <= penalty.start_at {
            return Err(broken("policies.end_at"));
        }
        let fee = money(&penalty.amount_charge, price.currency)?;
        steps.push(CancelStep::new(begins(penalty.start_at), fee));
        until = penalty.end_at;
    }
    // The last stretch has no end.
    if steps.is_empty() || until.is_some() {
        return Err(broken("policies"));
    }
    let is_free = steps.first().is_some_and(|step| step.fee.minor == 0);
    let free_until = steps.iter().find(|step| step.fee.minor > 0).map(|step| step.from);
    let free_until = free_until.filter(|_| is_free);
    if penalties.free_cancellation_before.map(|at| at.and_utc()) != free_until {
        return Err(broken("free_cancellation_before"));
    }
    let refundable = steps.iter().any(|step| step.fee.minor < price.minor);
    // What is free from the beginning needs no step.
    steps.retain(|step| step.from > DateTime::UNIX_EPOCH || step.fee.minor > 0);
    let cancel_steps = if refundable { steps } else { Vec::new() };
    let due_at_property = due_at_property(taxes)?;
    Ok(Terms { refundable, cancel_steps, holdable: is_free, due_at_property })
}

/// The taxes that the hotel collects itself.
fn due_at_property(taxes: &[Tax]) -> Result<Vec<DueAtProperty>, Broken> {
    let due = taxes.iter().filter(|tax| !tax.included_by_supplier).map(|tax| {
        DueAtProperty::of(&tax.name, &tax.amount, &tax.currency_code)
            .ok_or_else(|| Broken::contract("rate at `tax_data.taxes`"))
    });
    due.filter(|due| !due.as_ref().is_ok_and(DueAtProperty::is_nothing)).collect()
}

/// What has no start has always begun.
fn begins(start: Option<NaiveDateTime>) -> DateTime<Utc> {
    start.map_or(DateTime::UNIX_EPOCH, |at| at.and_utc())
}

/// An amount that is no less than nothing.
pub(super) fn money(amount: &str, currency: Currency) -> Result<Money, Broken> {
    let money = Money::parse_decimal(amount, currency);
    money
        .ok()
        .filter(|money| money.minor >= 0)
        .ok_or_else(|| Broken::contract("an amount that is no plain decimal"))
}

fn broken(field: &str) -> Broken {
    Broken::contract(format!("penalties at `{field}`"))
}
