//! What happened on the chain: always taken in, never refused, whatever the payment's phase.

use chrono::{DateTime, Utc};
use contracts::{asset::Units, mutants::mutant};

use crate::{
    chain::TransferKey,
    closing,
    depth::{self, Head},
    event::Event,
    evolve::{evolve, evolve_all},
    fact::{Fact, Sighted},
    ledger::Account,
    loss, matching, moving, refund,
    refund::{approval, ending, value},
    state::{Deposit, Payment, Posted, Request, Sighting, total},
};

/// Learns what happened; nothing for a repeat.
#[must_use]
pub fn learn(payment: &Payment, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    let mut events = directly(payment, fact, now);
    if !payment.refunds.is_empty() {
        let head = match fact {
            Fact::HeadMoved { head, look, .. } => Some((*head, *look)),
            Fact::TransferSeen(_)
            | Fact::BlockLeft { .. }
            | Fact::CardOpened { .. }
            | Fact::MovedIn { .. }
            | Fact::ReadUpTo { .. }
            | Fact::PayoutSeen { .. }
            | Fact::PayoutRejected { .. }
            | Fact::RefundFound { .. }
            | Fact::RateBelieved { .. }
            | Fact::WrittenOff { .. }
            | Fact::RefundApproved { .. }
            | Fact::RefundSettled { .. }
            | Fact::ProofNamed { .. } => None,
        };
        let after = evolve_all(payment.clone(), &events);
        events.extend(refund::follow(&after, head));
    }
    events
}

fn directly(payment: &Payment, fact: &Fact, now: DateTime<Utc>) -> Vec<Event> {
    match fact {
        Fact::TransferSeen(sighted) => seen(payment, sighted, now),
        Fact::BlockLeft { block, look } => {
            if payment.left.get(block).is_some_and(|known| known >= look) || mutant("reorg_ignored")
            {
                return vec![];
            }
            with_changes(payment, Event::BlockLeft { block: *block, look: *look }, now)
        }
        Fact::HeadMoved { head, look, finalized } => {
            deep(payment, Head { height: *head, finalized: *finalized }, *look)
        }
        Fact::CardOpened { secret } => opened(payment, secret).into_iter().collect(),
        Fact::MovedIn { refund_id, moved } => {
            let events = moving::taken_in(payment, *refund_id, *moved, now);
            with_meaning(payment, events)
        }
        Fact::ReadUpTo { stamped_at } => {
            closing::read_up_to(payment, *stamped_at).into_iter().collect()
        }
        Fact::PayoutSeen { refund_id, sighted } => refund::seen(payment, *refund_id, sighted),
        Fact::PayoutRejected { refund_id } => refund::rejected(payment, *refund_id),
        Fact::RefundFound { refund_id, finding } => refund::found(payment, *refund_id, *finding),
        Fact::RateBelieved { refund_id, believed } => value::priced(payment, *refund_id, believed),
        Fact::RefundApproved { refund_id, by, why } => {
            approval::approved(payment, *refund_id, by, why)
        }
        Fact::RefundSettled { refund_id, by, why } => ending::settled(payment, *refund_id, by, why),
        Fact::WrittenOff { by, why } => loss::written_off(payment, by, why),
        Fact::ProofNamed { refund_id, transaction, by, why } => {
            refund::proof_named(payment, *refund_id, *transaction, by, why)
        }
    }
}

/// The request is ready to be shown, unless nobody is to pay it any more.
fn opened(payment: &Payment, secret: &str) -> Option<Event> {
    let open = payment.request.is_none() && payment.closing.is_none();
    let asked = payment.asked.as_ref().filter(|_| open)?;
    let deposit = Deposit { address: secret.to_owned(), index: 0 };
    Some(Event::Prepared(Request { deposit, ..asked.clone() }))
}

fn seen(payment: &Payment, sighted: &Sighted, now: DateTime<Utc>) -> Vec<Event> {
    let known = payment
        .transfers
        .get(&sighted.key)
        .and_then(|transfer| transfer.sightings.get(&sighted.block.hash));
    if known.is_some_and(|known| known.look >= sighted.look) {
        return vec![];
    }
    with_changes(payment, Event::TransferSeen(sighted.clone()), now)
}

/// The event, and what it changes in the money that stands.
fn with_changes(payment: &Payment, event: Event, now: DateTime<Utc>) -> Vec<Event> {
    let after = evolve(payment.clone(), &event);
    let mut events = vec![event];
    let gone = |key: &TransferKey| {
        after.transfers.get(key).is_none_or(|transfer| after.stands(transfer).is_none())
    };
    let lost: Vec<_> = after
        .transfers
        .iter()
        .filter_map(|(key, transfer)| match transfer.posted {
            Posted::Final(units) if gone(key) => Some((key.clone(), units)),
            Posted::Final(_) | Posted::Nothing | Posted::Reversed(_) => None,
        })
        .collect();
    if !lost.is_empty() && !mutant("reversal_ignored") {
        let (transfers, units) = split(lost);
        let claimed = payment.settled || payment.closing.is_some();
        events.push(match claimed {
            true => Event::Reversed { transfers, units },
            false => Event::Withdrawn { transfers, units },
        });
    }
    events.extend(closing::grace_after(payment, &after, now));
    let received = after.received();
    let complete = after.request.as_ref().is_some_and(|r| matching::pays(r, received));
    if received != payment.seen.received || complete != payment.seen.complete {
        let first_seen_at = payment.first_seen_at.unwrap_or(now);
        events.push(Event::SeenChanged { received, complete, first_seen_at });
    }
    events
}

/// What is deep enough becomes final; then the price is paid, or what came is due back.
fn deep(payment: &Payment, head: Head, look: u64) -> Vec<Event> {
    let Some(request) = &payment.request else { return vec![] };
    let is_deep = |sighting: &Sighting| {
        depth::is_deep(payment, request, sighting, head) || mutant("first_block_is_final")
    };
    let mut new = vec![];
    let mut again = vec![];
    for (key, transfer, sighting) in payment.standing() {
        if sighting.look > look || !is_deep(&sighting) {
            continue;
        }
        match transfer.posted {
            Posted::Final(_) if !mutant("finalised_again") => {}
            Posted::Final(_) | Posted::Nothing => new.push((key.clone(), sighting.units)),
            // A token's contract may move another amount now: no more comes back than that, and
            // what is beyond it is new.
            Posted::Reversed(units) => {
                again.push((key.clone(), units.min(sighting.units)));
                let more = sighting.units.saturating_sub(units);
                if !more.is_zero() {
                    new.push((key.clone(), more));
                }
            }
        }
    }
    let mut events = vec![];
    if !again.is_empty() {
        let (transfers, units) = split(again);
        events.push(Event::Restored { transfers, units });
        events.extend(loss::recovered(&evolve_all(payment.clone(), &events)));
    }
    if !new.is_empty() {
        let (transfers, units) = split(new);
        events.push(Event::Finalised { transfers, units });
    }
    with_meaning(payment, events)
}

/// The events, and what the money means that is final after them.
fn with_meaning(payment: &Payment, mut events: Vec<Event>) -> Vec<Event> {
    let after = evolve_all(payment.clone(), &events);
    if let Some(event) = what_final_money_means(&after) {
        let after = evolve(after, &event);
        events.push(event);
        events.extend(closing::once_settled(&after));
    }
    events
}

fn what_final_money_means(payment: &Payment) -> Option<Event> {
    let request = payment.request.as_ref()?;
    let received = payment.final_units();
    let unclaimed = payment.book.credit_of(Account::Customer);
    if payment.closing.is_some() && !mutant("late_money_pays") {
        let due = !unclaimed.is_zero();
        return due.then_some(Event::CameLate { units: unclaimed, received });
    }
    if payment.settled {
        return (!unclaimed.is_zero()).then_some(Event::Exceeded { units: unclaimed });
    }
    let price = request.terms.amount.units;
    let counted = payment.standing().filter(|(_, transfer, sighting)| {
        matches!(transfer.posted, Posted::Final(_)) && closing::is_counted(payment, sighting)
    });
    let counted = counted.map(|(_, _, sighting)| sighting.units).chain([payment.moved_in()]);
    let pays = matching::pays(request, total(counted));
    pays.then(|| Event::Settled {
        price,
        dust: price.saturating_sub(received),
        excess: received.saturating_sub(if mutant("excess_forgotten") { received } else { price }),
        received,
    })
}

fn split(transfers: Vec<(TransferKey, Units)>) -> (Vec<TransferKey>, Units) {
    let units = total(transfers.iter().map(|(_, units)| *units));
    (transfers.into_iter().map(|(key, _)| key).collect(), units)
}
