//! Final money that left its chain for good: a card's holder got it back from the bank, or it was
//! spent otherwise. A member of staff says so, and nobody waits for it any more.
//!
//! What the customer would still get of it, too much paid or due back, is theirs no more; the rest
//! is lost to us. A refund that was not sent and is not covered any more is none. Should the money
//! come back all the same, it makes good what was lost first.

use contracts::{asset::Units, messages::RefundState};
use uuid::Uuid;

use crate::{
    event::Event,
    evolve::evolve_all,
    ledger::{Account, Loss},
    refund::{Refund, RefundChange},
    state::{Payment, total},
};

/// Why money cannot be said to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLost {
    /// Nothing is away.
    #[error("no money of the payment is away from its chain")]
    NothingAway,
    /// A refund of it may arrive yet.
    #[error("a refund of the payment is on its way: how it ends has to be known first")]
    RefundUnderWay,
}

/// Whether what is away can be said to be lost.
///
/// # Errors
/// When it cannot.
pub fn may_write_off(payment: &Payment) -> Result<(), NotLost> {
    if payment.gone_units().is_zero() {
        return Err(NotLost::NothingAway);
    }
    let is_sent = |refund: &Refund| {
        let stands = |payout| payment.stands(payout).is_some();
        refund.state == RefundState::Sent
            || (refund.state == RefundState::Granted && refund.payouts.values().any(stands))
    };
    if payment.refunds.values().any(is_sent) { Err(NotLost::RefundUnderWay) } else { Ok(()) }
}

/// What is away is lost; nothing when it cannot be said.
pub(crate) fn written_off(payment: &Payment, by: &str, why: &str) -> Vec<Event> {
    if may_write_off(payment).is_err() {
        return vec![];
    }
    let covered = payment.refunded() <= payment.final_units();
    let open = |(id, refund): (&Uuid, &Refund)| {
        let fails = refund.state == RefundState::Granted && !covered;
        let change = RefundChange::Failed { units: refund.units };
        fails.then_some(Event::Refund { refund_id: *id, change })
    };
    let mut events: Vec<Event> = payment.refunds.iter().filter_map(open).collect();
    let after = evolve_all(payment.clone(), &events);
    let units = after.gone_units();
    let of_excess = units.min(after.book.credit_of(Account::Excess));
    let rest = units.saturating_sub(of_excess);
    let of_due = rest.min(after.book.credit_of(Account::RefundDue));
    let loss = Loss { of_excess, of_due, ours: rest.saturating_sub(of_due) };
    events.push(Event::WrittenOff { loss, by: by.to_owned(), why: why.to_owned() });
    events
}

/// What was said to be lost came back: what is ours of it first, and the rest is due back.
pub(crate) fn recovered(payment: &Payment) -> Option<Event> {
    let sides = payment.book.0.get(&Account::Reversed).copied().unwrap_or_default();
    let more = sides.credit.saturating_sub(sides.debit);
    let ours = more.min(payment.lost_units());
    let recovered = Event::Recovered { ours, due: more.saturating_sub(ours) };
    (!more.is_zero()).then_some(recovered)
}

impl Payment {
    /// What staff said is lost, and is lost to us.
    #[must_use]
    pub fn lost_units(&self) -> Units {
        let sides = self.book.0.get(&Account::WrittenOff).copied().unwrap_or_default();
        sides.debit.saturating_sub(sides.credit)
    }
}

impl Loss {
    /// All of it.
    #[must_use]
    pub fn units(&self) -> Units {
        total([self.of_excess, self.of_due, self.ours].into_iter())
    }
}
