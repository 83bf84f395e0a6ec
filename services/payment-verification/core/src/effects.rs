//! What must follow from an event: something to say, something to post.

use contracts::{
    instruction::Instruction,
    messages::{
        Closing, PaymentClosed, PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled,
        RefundState,
    },
};
use uuid::Uuid;

use crate::{
    decide::Refusal,
    event::Event,
    ledger::{Posting, postings},
    matching,
    refund::{Refund, RefundChange, value::Value},
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
    /// Say what of the final money is away.
    SayReversed(PaymentReversed),
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
    if matches!(event, Event::Exceeded { .. }) && !payment.gone_units().is_zero() {
        // It takes the place of what left.
        effects.push(say_reversed(payment));
    }
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
            let (received, request) = (*received, payment.request.as_ref());
            let complete = request.is_some_and(|request| matching::pays(request, received));
            let settled = PaymentSettled { booking_id, payment_id, seq, received, complete };
            Some(Effect::SaySettled(settled))
        }
        // What is final beyond the price can be asked back, so it is told of as it becomes final.
        Event::Exceeded { .. } => {
            let received = payment.final_units();
            let request = payment.request.as_ref();
            let complete = request.is_some_and(|request| matching::pays(request, received));
            let settled = PaymentSettled { booking_id, payment_id, seq, received, complete };
            Some(Effect::SaySettled(settled))
        }
        Event::Reversed { .. }
        | Event::Restored { .. }
        | Event::WrittenOff { .. }
        | Event::Recovered { .. } => Some(say_reversed(payment)),
        Event::Closed { closing, .. } => Some(say_closed(payment, *closing)),
        Event::RefundGranted(grant) => Some(Effect::SayRefund(PaymentRefundChanged {
            booking_id,
            payment_id,
            seq,
            refund_id: grant.refund_id,
            units: grant.units,
            state: RefundState::Granted,
            transaction: None,
            value: grant.value.as_ref().map(Value::told),
            otherwise: None,
        })),
        Event::Refund { refund_id, change } => say_refund(payment, *refund_id, change),
        Event::Refused { .. }
        | Event::CardAsked(_)
        | Event::MovedIn { .. }
        | Event::TransferSeen(_)
        | Event::BlockLeft { .. }
        | Event::CloseAsked(_)
        | Event::GraceBegun { .. }
        | Event::Finalised { .. }
        | Event::Withdrawn { .. } => None,
    }
}

fn say_reversed(payment: &Payment) -> Effect {
    Effect::SayReversed(PaymentReversed {
        booking_id: payment.booking_id,
        payment_id: payment.payment_id,
        seq: payment.seq,
        gone: payment.away_units(),
        settled: payment.final_units(),
        lost: payment.lost_units(),
    })
}

fn say_closed(payment: &Payment, closing: Closing) -> Effect {
    Effect::SayClosed(PaymentClosed {
        booking_id: payment.booking_id,
        payment_id: payment.payment_id,
        seq: payment.seq,
        closing,
    })
}

/// What the others hear of a refund: how far it is, whenever that changed.
fn say_refund(payment: &Payment, refund_id: Uuid, change: &RefundChange) -> Option<Effect> {
    let refund = payment.refunds.get(&refund_id);
    let (units, state) = match change {
        RefundChange::Refused { units, .. } => (*units, RefundState::Failed),
        RefundChange::Sent { .. }
        | RefundChange::Priced(_)
        | RefundChange::Unsent
        | RefundChange::Confirmed { .. }
        | RefundChange::AddedUp(_)
        | RefundChange::Settled { .. }
        | RefundChange::FellShort(_)
        | RefundChange::Moved { .. }
        | RefundChange::AddressRefused { .. }
        | RefundChange::Failed { .. }
        | RefundChange::Reversed { proof: true, .. } => refund.map(|r| (r.units, r.state))?,
        RefundChange::AddressGiven { .. }
        | RefundChange::Approved { .. }
        | RefundChange::PayoutSeen(_)
        | RefundChange::Misspent { .. }
        | RefundChange::Reversed { proof: false, .. }
        | RefundChange::Found(_)
        | RefundChange::ProofNamed { .. } => return None,
    };
    let brings = matches!(state, RefundState::Sent | RefundState::Confirmed);
    let transaction = change.transaction().filter(|_| brings);
    let chain = payment.request.as_ref().map_or("", |request| request.chain.as_str());
    Some(Effect::SayRefund(PaymentRefundChanged {
        booking_id: payment.booking_id,
        payment_id: payment.payment_id,
        seq: payment.seq,
        refund_id,
        units,
        state,
        transaction: transaction.map(|hash| hash.on_chain(chain)),
        value: refund.and_then(|refund| refund.value.as_ref()).map(Value::told),
        otherwise: refund.and_then(Refund::settled_otherwise),
    }))
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
        scheme: request.scheme.clone(),
    }
}
