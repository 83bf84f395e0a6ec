//! Contract messages to commands; effects to contract messages.

use contracts::{
    ids::{BookingId, PaymentId},
    instruction::{Instruction, SignedInstruction},
    messages::{
        PaymentClose, PaymentClosed, PaymentPrepare, PaymentPrepared, PaymentRefund,
        PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled,
    },
};

use crate::{
    command::{Command, RefundAsked, Terms},
    effects::Effect,
    state::Payment,
};

/// A command and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For which booking.
    pub booking_id: BookingId,
    /// Of which payment.
    pub payment_id: PaymentId,
    /// What.
    pub command: Command,
}

impl From<PaymentPrepare> for Asked {
    fn from(message: PaymentPrepare) -> Self {
        let PaymentPrepare { booking_id, payment_id, amount, price, pay_by } = message;
        let command = Command::Prepare(Terms { amount, price, pay_by });
        Self { booking_id, payment_id, command }
    }
}

impl From<PaymentClose> for Asked {
    fn from(message: PaymentClose) -> Self {
        let PaymentClose { booking_id, payment_id, because } = message;
        Self { booking_id, payment_id, command: Command::Close(because) }
    }
}

impl From<PaymentRefund> for Asked {
    fn from(message: PaymentRefund) -> Self {
        let PaymentRefund { booking_id, payment_id, refund_id, units, to, basis, handled_by } =
            message;
        let command = Command::Refund(RefundAsked { refund_id, units, to, basis, handled_by });
        Self { booking_id, payment_id, command }
    }
}

/// What a payment says to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What to pay is signed.
    Prepared(PaymentPrepared),
    /// What is seen changed.
    Seen(PaymentSeen),
    /// Money is final.
    Settled(PaymentSettled),
    /// Final money left its chain, or is back.
    Reversed(PaymentReversed),
    /// It is closed.
    Closed(PaymentClosed),
    /// A refund went on.
    Refund(PaymentRefundChanged),
}

/// The message an effect is; nothing for what is only posted. `sign` gives the text of a signature.
///
/// # Errors
/// What `sign` says.
pub fn said<E>(
    payment: &Payment,
    effect: &Effect,
    sign: impl FnOnce(&Instruction) -> Result<String, E>,
) -> Result<Option<Said>, E> {
    Ok(match effect {
        Effect::SayPrepared(instruction) => Some(Said::Prepared(PaymentPrepared {
            booking_id: payment.booking_id,
            payment_id: payment.payment_id,
            seq: payment.seq,
            instruction: SignedInstruction {
                signature: sign(instruction)?,
                instruction: instruction.clone(),
            },
        })),
        Effect::SaySeen(message) => Some(Said::Seen(message.clone())),
        Effect::SaySettled(message) => Some(Said::Settled(message.clone())),
        Effect::SayReversed(message) => Some(Said::Reversed(message.clone())),
        Effect::SayClosed(message) => Some(Said::Closed(message.clone())),
        Effect::SayRefund(message) => Some(Said::Refund(message.clone())),
        Effect::Post(_) => None,
    })
}
