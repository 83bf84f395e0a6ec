//! What cancelling costs: Rapid's penalty windows, made into steps that begin in UTC.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    money::{Currency, Money},
    offer::{CancelStep, Terms},
};
use serde::{Deserialize, Serialize};

use super::wire::{CancelPenalty, DateRange, Nights, Rate};
use crate::Broken;

/// The policy of a rate, before it is applied to a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    refunds: Refunds,
    holdable: bool,
    windows: Vec<Window>,
}

/// Whether anything is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refunds {
    /// Yes, less the penalties.
    Yes,
    /// No.
    No,
    /// The supplier only says "not fully": yes if some window costs less than everything.
    ByWindows,
}

/// Between these instants, cancelling costs the sum of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    amount: Option<Money>,
    nights: Option<u32>,
    /// Hundredths of a percent.
    percent: Option<u32>,
}

/// What a rate costs, as far as penalties are counted from it.
pub(super) struct Priced<'a> {
    pub(super) total: Money,
    /// Each night's sum; asked for only when a penalty counts nights.
    pub(super) nights: &'a dyn Fn() -> Result<Vec<Money>, Broken>,
}

impl Policy {
    /// The policy of a rate in `currency`; `None` when its penalties are in another, so that what
    /// cancelling costs cannot be told.
    ///
    /// # Errors
    /// When the policy is not what the supplier documents.
    pub(super) fn of(
        rate: &Rate,
        currency: Currency,
        stay: (NaiveDate, NaiveDate),
    ) -> Result<Option<Self>, Broken> {
        if rate.cancel_penalties.iter().any(|p| p.currency != currency.code()) {
            return Ok(None);
        }
        let windows: Vec<Window> =
            rate.cancel_penalties.iter().map(|p| window(p, currency)).collect::<Result<_, _>>()?;
        let refunds = match (rate.current_refundability.as_deref(), rate.refundable) {
            _ if takes_a_night(&rate.nonrefundable_date_ranges, stay) => Refunds::No,
            (Some("non_refundable"), _) => Refunds::No,
            (Some("refundable" | "partially_refundable"), _) | (None, true) => Refunds::Yes,
            (None, false) => Refunds::ByWindows,
            (Some(_), _) => return Err(Broken::contract("rate at `current_refundability`")),
        };
        // What is given back without a word of what it costs is more than can be promised.
        if refunds == Refunds::Yes && windows.is_empty() {
            return Err(Broken::contract("rate at `cancel_penalties`"));
        }
        // Only a rate that says so can be held (hold and resume, "Holdable flag").
        Ok(Some(Self { refunds, holdable: rate.holdable == Some(true), windows }))
    }

    /// What the customer agrees to at this price, but for what the property collects.
    ///
    /// Where windows overlap the dearer counts. After the last one nothing is given back: the
    /// supplier publishes no end of a penalty but the end of its window, which is the stay.
    pub(super) fn terms(&self, priced: &Priced<'_>) -> Result<Terms, Broken> {
        let total = priced.total;
        let priced: Vec<(DateTime<Utc>, DateTime<Utc>, Money)> = self
            .windows
            .iter()
            .map(|w| Ok((w.start, w.end, w.fee(priced)?)))
            .collect::<Result<_, Broken>>()?;
        let refundable = match self.refunds {
            Refunds::Yes => true,
            Refunds::No => false,
            Refunds::ByWindows => priced.iter().any(|(_, _, fee)| fee.minor < total.minor),
        };
        let cancel_steps = if refundable { steps(&priced, total) } else { Vec::new() };
        let holdable = self.holdable;
        Ok(Terms { refundable, cancel_steps, holdable, due_at_property: Vec::new() })
    }
}

impl Window {
    fn fee(&self, priced: &Priced<'_>) -> Result<Money, Broken> {
        let over = |_| Broken::contract("penalty out of range");
        let mut fee = self.amount.unwrap_or(Money::zero(priced.total.currency));
        if let Some(nights) = self.nights {
            let nights = usize::try_from(nights).unwrap_or(usize::MAX);
            for night in (priced.nights)()?.into_iter().take(nights) {
                fee = fee.plus(night).map_err(over)?;
            }
        }
        if let Some(percent) = self.percent {
            // Rounded up: a fee told too low would be ours to pay.
            let part = i128::from(priced.total.minor)
                .checked_mul(i128::from(percent))
                .and_then(|n| n.checked_add(9_999))
                .map(|n| n.div_euclid(10_000))
                .and_then(|n| i64::try_from(n).ok())
                .ok_or_else(|| Broken::contract("penalty out of range"))?;
            fee = fee.plus(Money::new(part, fee.currency)).map_err(over)?;
        }
        Ok(fee)
    }
}

fn window(penalty: &CancelPenalty, currency: Currency) -> Result<Window, Broken> {
    let broken = |field: &str| Broken::contract(format!("penalty at `{field}`"));
    let amount = penalty
        .amount
        .as_deref()
        .map(|a| Money::parse_decimal(a, currency).map_err(|_| broken("amount")))
        .transpose()?;
    let nights = match &penalty.nights {
        None => None,
        Some(Nights::Number(n)) => Some(*n),
        Some(Nights::Text(t)) => Some(t.parse().map_err(|_| broken("nights"))?),
    };
    let percent = penalty
        .percent
        .as_deref()
        .map(|p| hundredths(p).ok_or_else(|| broken("percent")))
        .transpose()?;
    let (start, end) = (instant(&penalty.start)?, instant(&penalty.end)?);
    let says_nothing = amount.is_none() && nights.is_none() && percent.is_none();
    if says_nothing || start > end || amount.is_some_and(|a| a.minor < 0) {
        return Err(broken("amount"));
    }
    Ok(Window { start, end, amount, nights, percent })
}

/// Reads an instant with its offset; without an offset it could be anybody's local time.
pub(super) fn instant(text: &str) -> Result<DateTime<Utc>, Broken> {
    DateTime::parse_from_rfc3339(text)
        .map(|t| t.with_timezone(&Utc))
        .map_err(|_| Broken::contract("a time without its offset"))
}

/// `30%` is 3,000 hundredths of a percent; at most two decimals.
fn hundredths(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
        return None;
    }
    let fraction: u32 = format!("{fraction:0<2}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(fraction)
}

/// Whether a night of the stay is in a range of which nothing is given back (spec 21571: the range
/// counts nights by their check-in date, both ends included).
fn takes_a_night(ranges: &[DateRange], (check_in, check_out): (NaiveDate, NaiveDate)) -> bool {
    ranges.iter().any(|r| r.start < check_out && r.end >= check_in)
}

fn steps(windows: &[(DateTime<Utc>, DateTime<Utc>, Money)], total: Money) -> Vec<CancelStep> {
    let edges: BTreeSet<DateTime<Utc>> =
        windows.iter().flat_map(|(start, end, _)| [*start, *end]).collect();
    let over = windows.iter().map(|(_, end, _)| *end).max();
    let mut steps: Vec<CancelStep> = Vec::new();
    for from in edges {
        let open = windows.iter().filter(|(start, end, _)| *start <= from && from < *end);
        let fee = if Some(from) >= over {
            total
        } else {
            open.map(|(_, _, fee)| *fee).max().unwrap_or(Money::zero(total.currency))
        };
        if steps.last().map(|s| s.fee) != Some(fee) {
            steps.push(CancelStep::new(from, fee));
        }
    }
    steps
}
