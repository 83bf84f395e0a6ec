//! What must follow from an event: something to say, something to post.

use contracts::{
    instruction::Instruction,
    messages::{
        Closing, PaymentClosed, PaymentRefundChanged, PaymentSeen, PaymentSettled, RefundState,
    },
};

use crate::{
    decide::Refusal,
    event::Event,
    ledger::{Posting, postings},
    state::{Payment, Request},
};

/// What must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sign what is to be paid and say that it is ready.
    SayPrepared(Instruction),
    /// Say what is seen.
    SaySeen(PaymentSeen),
    /// Say what is final.
    SaySettled(PaymentSettled),
    /// Say how it was closed.
    SayClosed(PaymentClosed),
    /// Say how far a refund is.
    SayRefund(PaymentRefundChanged),
    /// Write one transaction of the ledger.
    Post(Vec<Posting>),
}

/// What follows from an event; `payment` is the payment after it.
#[must_use]
pub fn effects(payment: &Payment, event: &Event) -> Vec<Effect> {
    let mut effects = Vec::from_iter(say(payment, event));
    let postings = postings(event);
    if !postings.is_empty() {
        effects.push(Effect::Post(postings));
    }
    effects
}

fn say(payment: &Payment, event: &Event) -> Option<Effect> {
    let (booking_id, payment_id, seq) = (payment.booking_id, payment.payment_id, payment.seq);
    match event {
        Event::Prepared(request) => Some(Effect::SayPrepared(instruction(payment, request))),
        // Whoever asks for a payment that was closed before it began learns the same answer again.
        Event::Refused { refusal: Refusal::Closed } => {
            payment.closing.map(|closing| say_closed(payment, closing))
        }
        Event::SeenChanged { received, complete, first_seen_at } => {
            Some(Effect::SaySeen(PaymentSeen {
                booking_id,
                payment_id,
                seq,
                received: *received,
                complete: *complete,
                seen_at: *first_seen_at,
            }))
        }
        Event::Settled { received, .. } | Event::CameLate { received, .. } => {
            let received = *received;
            Some(Effect::SaySettled(PaymentSettled { booking_id, payment_id, seq, received }))
        }
        Event::Closed { closing, .. } => Some(say_closed(payment, *closing)),
        Event::RefundGranted(grant) => Some(Effect::SayRefund(PaymentRefundChanged {
            booking_id,
            payment_id,
            seq,
            refund_id: grant.refund_id,
            units: grant.units,
            state: RefundState::Granted,
            transaction: None,
        })),
        Event::Refused { .. }
        | Event::TransferSeen(_)
        | Event::BlockLeft { .. }
        | Event::Finalised { .. }
        | Event::Exceeded { .. }
        | Event::Withdrawn { .. }
        | Event::Reversed { .. }
        | Event::Restored { .. } => None,
    }
}

fn say_closed(payment: &Payment, closing: Closing) -> Effect {
    Effect::SayClosed(PaymentClosed {
        booking_id: payment.booking_id,
        payment_id: payment.payment_id,
        seq: payment.seq,
        closing,
    })
}

fn instruction(payment: &Payment, request: &Request) -> Instruction {
    Instruction {
        booking_id: payment.booking_id,
        payment_id: payment.payment_id,
        chain: request.chain.clone(),
        contract: request.contract.clone(),
        address: request.deposit.address.clone(),
        amount: request.terms.amount.clone(),
        pay_by: request.terms.pay_by,
        confirmations: request.confirmations,
    }
}
