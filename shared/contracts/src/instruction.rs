//! What is to be paid and where, signed by payment-verification and verified at every display.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    asset::AssetAmount,
    ids::{BookingId, PaymentId},
};

/// The terms of one payment. Field order is part of the signed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// For which booking.
    pub booking_id: BookingId,
    /// The request.
    pub payment_id: PaymentId,
    /// The chain, as CAIP-2 writes it: `eip155:31337`.
    pub chain: String,
    /// The token's contract; nothing for the chain's own coin.
    pub contract: Option<String>,
    /// Where to pay.
    pub address: String,
    /// How much, to the last unit.
    pub amount: AssetAmount,
    /// Until when the money must be seen.
    pub pay_by: DateTime<Utc>,
    /// How deep the money must be to be final.
    pub confirmations: u32,
}

impl Instruction {
    /// The bytes that are signed: the JSON of the fields in their order, no white space.
    ///
    /// # Errors
    /// Never in practice: the fields are plain data.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// An instruction with payment-verification's Ed25519 signature over `Instruction::signed_bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedInstruction {
    /// What was signed.
    pub instruction: Instruction,
    /// The signature, base64 (standard alphabet, padded).
    pub signature: String,
}
