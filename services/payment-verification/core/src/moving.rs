//! Money that is due back and pays another booking instead.
//!
//! It stays at the address where it came to and moves in the ledger alone: out of one payment and
//! into the other, in one transaction, through an account that is empty over both. The payment that
//! gives decides, once: what goes to a payment goes nowhere else. A payment that needs no money any
//! more takes none; then it stays due where it is. So does money that does not lie as deep yet as
//! the payment that takes it needs: cheap payments, or several one after the other, would make a
//! dear one final early.

use chrono::{DateTime, Utc};
use contracts::{asset::Units, ids::PaymentId, instruction::payment_at};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    card::is_card,
    command::Command,
    depth::{self, Head},
    event::Event,
    evolve::evolve,
    fact::Fact,
    matching,
    refund::RefundChange,
    state::{Payment, Posted, Request, Transfer, total},
};

/// Money that came out of another payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedIn {
    /// Out of which.
    pub from: PaymentId,
    /// How much.
    pub units: Units,
    /// In which block the newest of it lay; 0 in what moved before that was kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub height: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The payment that a refund is wanted at, if it is not to leave at all.
#[must_use]
pub fn destination(command: &Command) -> Option<PaymentId> {
    match command {
        Command::Refund(asked) => asked.to.as_deref().and_then(payment_at),
        Command::Prepare(_) | Command::Close(_) => None,
    }
}

/// Whether so much of what is due back of one payment can pay the other: it is of the same asset,
/// still waits for its money, and what moves is there, as deep as money that comes to its address
/// has to be.
#[must_use]
pub fn may_move(from: &Payment, into: &Payment, units: Units, head: Option<Head>) -> bool {
    let same = |(a, b): (&Request, &Request)| {
        (&a.chain, &a.contract, &a.terms.amount.asset)
            == (&b.chain, &b.contract, &b.terms.amount.asset)
            && !is_card(a)
    };
    let is_deep = |request: &Request| {
        let wanted = depth::wanted(request, total([into.received(), units].into_iter()));
        let height = newest_final(from);
        height.zip(head).is_some_and(|(height, head)| wanted.is_met(height, head))
    };
    let waits = into.closing.is_none() && into.close_asked.is_none() && !into.settled;
    from.payment_id != into.payment_id
        && from.request.as_ref().zip(into.request.as_ref()).is_some_and(same)
        && into.request.as_ref().is_some_and(is_deep)
        && waits
        && from.away_units().is_zero()
}

/// The height of the newest block that holds final money of a payment, or held what came out of
/// others.
fn newest_final(payment: &Payment) -> Option<u64> {
    let is_final = |transfer: &Transfer| matches!(transfer.posted, Posted::Final(_));
    let standing = payment.standing().filter(|(_, transfer, _)| is_final(transfer));
    let moved = payment.moved.values().map(|moved| moved.height);
    standing.map(|(_, _, sighting)| sighting.height).chain(moved).max()
}

/// What the payment that takes learns from an event of the one that gives.
#[must_use]
pub fn arrives(from: &Payment, event: &Event) -> Option<(PaymentId, Fact)> {
    let Event::Refund { refund_id, change: RefundChange::Moved { into, units } } = event else {
        return None;
    };
    let height = newest_final(from).unwrap_or_default();
    let moved = MovedIn { from: from.payment_id, units: *units, height };
    Some((*into, Fact::MovedIn { refund_id: *refund_id, moved }))
}

/// Takes in what came out of another payment; nothing for a repeat.
pub(crate) fn taken_in(
    payment: &Payment,
    refund_id: Uuid,
    moved: MovedIn,
    now: DateTime<Utc>,
) -> Vec<Event> {
    if payment.moved.contains_key(&refund_id) {
        return vec![];
    }
    let event = Event::MovedIn { refund_id, moved };
    let after = evolve(payment.clone(), &event);
    let received = after.received();
    let complete = after.request.as_ref().is_some_and(|r| matching::pays(r, received));
    let first_seen_at = payment.first_seen_at.unwrap_or(now);
    vec![event, Event::SeenChanged { received, complete, first_seen_at }]
}
