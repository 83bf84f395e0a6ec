//! Applies an event, no questions asked.

use crate::{
    chain::TransferKey,
    event::Event,
    ledger,
    refund::{self, Refund},
    state::{Payment, Posted, Seen, Sighting},
};

/// The payment after all the events.
#[must_use]
pub fn evolve_all(payment: Payment, events: &[Event]) -> Payment {
    events.iter().fold(payment, evolve)
}

/// The payment after the event.
#[must_use]
pub fn evolve(mut payment: Payment, event: &Event) -> Payment {
    payment.seq = payment.seq.saturating_add(1);
    for posting in ledger::postings(event) {
        payment.book.post(posting);
    }
    match event {
        Event::Prepared(request) => payment.request = Some(request.clone()),
        Event::CardAsked(request) => payment.asked = Some(request.clone()),
        Event::TransferSeen(sighted) => {
            let transfer = payment.transfers.entry(sighted.key.clone()).or_default();
            transfer.sightings.insert(sighted.block.hash, Sighting::of(sighted));
        }
        Event::BlockLeft { block, look } => {
            payment.left.insert(*block, *look);
        }
        Event::MovedIn { refund_id, moved } => drop(payment.moved.insert(*refund_id, *moved)),
        Event::SeenChanged { received, complete, first_seen_at } => {
            payment.seen = Seen { received: *received, complete: *complete };
            payment.first_seen_at = Some(*first_seen_at);
        }
        Event::Finalised { transfers, .. } | Event::Restored { transfers, .. } => {
            finalise(&mut payment, transfers);
        }
        Event::Withdrawn { transfers, .. } => {
            repost(&mut payment, transfers, |_| Posted::Nothing);
        }
        Event::Reversed { transfers, .. } => {
            repost(&mut payment, transfers, |posted| match posted {
                Posted::Final(units) => Posted::Reversed(units),
                Posted::Nothing | Posted::Reversed(_) => posted,
            });
        }
        Event::Settled { .. } => payment.settled = true,
        Event::CloseAsked(asked) => payment.close_asked = Some(*asked),
        Event::GraceBegun { by } => payment.back_by = Some(*by),
        Event::Closed { closing, .. } => payment.closing = Some(*closing),
        Event::RefundGranted(grant) => {
            payment.refunds.insert(grant.refund_id, Refund::granted(grant));
        }
        Event::Refund { refund_id, change } => refund::apply(&mut payment, *refund_id, change),
        Event::Refused { .. }
        | Event::Exceeded { .. }
        | Event::CameLate { .. }
        | Event::WrittenOff { .. }
        | Event::Recovered { .. } => {}
    }
    payment
}

fn finalise(payment: &mut Payment, transfers: &[TransferKey]) {
    for key in transfers {
        let standing = payment.transfers.get(key).and_then(|transfer| payment.stands(transfer));
        repost(payment, std::slice::from_ref(key), |posted| match (posted, standing) {
            (Posted::Final(units), _) | (Posted::Reversed(units), None) => Posted::Final(units),
            (Posted::Nothing | Posted::Reversed(_), Some(sighting)) => {
                Posted::Final(sighting.units)
            }
            (Posted::Nothing, None) => Posted::Nothing,
        });
    }
}

fn repost(payment: &mut Payment, transfers: &[TransferKey], to: impl Fn(Posted) -> Posted) {
    for key in transfers {
        if let Some(transfer) = payment.transfers.get_mut(key) {
            transfer.posted = to(transfer.posted);
        }
    }
}
