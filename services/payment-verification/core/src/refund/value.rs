//! Refunds that go back by value: what had paid is worth today what it was worth then, and as many
//! units are sent as that takes.
//!
//! Only what had paid the price goes by value. What came too much, too little or too late never
//! paid, and goes back as it came: else anybody could send far too much and have us bear the fall
//! of a coin.

use contracts::{
    asset::Units,
    messages::{RefundBasis, RefundPriced, RefundState, RefundValue},
    money::Money,
};
use ruint::aliases::{U256, U512};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    card::is_card,
    command::RefundAsked,
    event::Event,
    ledger::Account,
    rates::Believed,
    refund::{Refund, RefundChange},
    state::{Payment, Request, total},
};

/// The value at which a refund goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// What of it had paid the price; the rest goes back as it came.
    pub of_paid: Units,
    /// What that was worth when the price was made, to the nearest minor unit. Of several refunds
    /// it adds up to what all of them are worth.
    pub worth: Money,
    /// What is sent for it; nothing while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priced: Option<RefundPriced>,
}

impl Value {
    /// The value of a refund of so much; nothing where as many units go back as were paid. A card
    /// is charged in the currency of the price, so that is the same.
    pub(crate) fn of(payment: &Payment, request: &Request, asked: &RefundAsked) -> Option<Self> {
        if asked.basis == RefundBasis::Then || is_card(request) {
            return None;
        }
        let live = payment.refunds.values().filter(|refund| refund.state != RefundState::Failed);
        let values = live.filter_map(|refund| refund.value.as_ref());
        let before = total(values.map(|value| value.of_paid));
        let paid = paid(payment).saturating_sub(before);
        let available = payment.final_units().saturating_sub(payment.refunded());
        let never_paid = available.saturating_sub(paid);
        let of_paid = asked.units.saturating_sub(never_paid);
        if of_paid.is_zero() {
            return None;
        }
        let after = worth(request, total([before, of_paid].into_iter()))?;
        let minor = after.minor.checked_sub(worth(request, before)?.minor)?;
        Some(Self { of_paid, worth: Money::new(minor, after.currency), priced: None })
    }

    /// What is told of it.
    pub(crate) fn told(&self) -> RefundValue {
        RefundValue { worth: self.worth, priced: self.priced.clone() }
    }
}

/// What paid the price, less what was missing within the tolerance and borne by us.
fn paid(payment: &Payment) -> Units {
    let sides = |account| payment.book.0.get(&account).copied().unwrap_or_default();
    sides(Account::Price).credit.saturating_sub(sides(Account::Dust).debit)
}

/// What units were worth when the price was made, to the nearest minor unit; nothing when that is
/// past all bounds.
fn worth(request: &Request, units: Units) -> Option<Money> {
    let price = request.terms.price;
    let minor = U512::from(u64::try_from(price.minor).ok()?);
    let all = U512::from(request.terms.amount.units.0);
    let twice = U512::from(units.0).checked_mul(minor)?.checked_mul(U512::from(2_u8))?;
    let nearest = twice.checked_add(all)?.checked_div(all.checked_mul(U512::from(2_u8))?)?;
    Some(Money::new(i64::try_from(u64::try_from(nearest).ok()?).ok()?, price.currency))
}

impl Refund {
    /// How many units are to be sent; nothing while that is not known.
    #[must_use]
    pub fn sends(&self) -> Option<Units> {
        match &self.value {
            None => Some(self.units),
            Some(value) => value.priced.as_ref().map(|priced| priced.units),
        }
    }

    /// Whether it waits for a rate: at once where the value is of now, and once it may be sent
    /// where it is of the price's currency.
    #[must_use]
    pub fn wants_rate(&self) -> bool {
        let unpriced = self.value.as_ref().is_some_and(|value| value.priced.is_none());
        let is_time = match self.basis {
            RefundBasis::Then => false,
            RefundBasis::Now => true,
            RefundBasis::Fiat => self.to.is_some() && self.approval.lets_go(),
        };
        unpriced && is_time && self.state == RefundState::Granted
    }

    /// What was granted where something else is sent.
    pub(crate) fn granted_otherwise(&self) -> Option<Units> {
        self.value.as_ref().map(|_| self.units)
    }
}

/// A rate is believed: a refund that waits for it is priced; nothing when none does.
pub(crate) fn priced(payment: &Payment, refund_id: Uuid, believed: &Believed) -> Vec<Event> {
    let waits = payment.refunds.get(&refund_id).filter(|refund| refund.wants_rate());
    let Some((refund, value)) = waits.and_then(|refund| Some((refund, refund.value.as_ref()?)))
    else {
        return vec![];
    };
    let amount = payment.request.as_ref().map(|request| &request.terms.amount);
    let of_this = amount.is_some_and(|amount| {
        (&amount.asset, amount.decimals) == (&believed.rate.asset, believed.rate.decimals)
    });
    let Some(bought) = believed.rate.units_within(value.worth).ok().filter(|_| of_this) else {
        return vec![];
    };
    let as_it_came = refund.units.saturating_sub(value.of_paid);
    // Nothing cannot be sent, nor be proven.
    let units = total([bought, as_it_came].into_iter()).max(Units(U256::ONE));
    let (rate, as_of) = (believed.rate.clone(), believed.as_of);
    let change = RefundChange::Priced(RefundPriced { units, rate, as_of });
    vec![Event::Refund { refund_id, change }]
}
