//! What is to be paid and where, signed by payment-verification and verified at every display.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    asset::{AssetAmount, Units},
    ids::{BookingId, PaymentId},
};

/// What stands for a chain where a card is charged.
pub const CARD_CHAIN: &str = "card:gateway";
/// What stands for an address where money goes back to the card it came from.
pub const CARD: &str = "card";

/// What stands for an address, before its id, where money that is due back pays another payment
/// instead of leaving.
const PAYMENT: &str = "payment:";

/// What stands for an address where money goes to another payment.
#[must_use]
pub fn place_of_payment(payment_id: PaymentId) -> String {
    format!("{PAYMENT}{payment_id}")
}

/// The payment that such a text names; nothing of any other.
#[must_use]
pub fn payment_at(place: &str) -> Option<PaymentId> {
    place.strip_prefix(PAYMENT)?.parse().ok()
}

/// The terms of one payment. Field order is part of the signed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
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
    /// Where to pay; for a card the secret that a browser pays with at the gateway.
    pub address: String,
    /// How much, to the last unit.
    pub amount: AssetAmount,
    /// Until when the money must be seen.
    pub pay_by: DateTime<Utc>,
    /// How deep the money must be to be final.
    pub confirmations: u32,
    /// The scheme of its wallets' links, where its chain names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
}

impl Instruction {
    /// Whether it is paid by card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        self.chain == CARD_CHAIN
    }

    /// The bytes that are signed: the JSON of the fields in their order, no white space.
    ///
    /// # Errors
    /// Never in practice: the fields are plain data.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// What a wallet opens to pay this much of it: EIP-681 on EVM chains, BIP-21 on those of the
    /// Bitcoin family; nothing where no wallet is known to understand it.
    #[must_use]
    pub fn uri(&self, units: Units) -> Option<String> {
        let Self { address, contract, .. } = self;
        match (self.chain.split_once(':')?, contract) {
            (("eip155", number), None) => {
                Some(format!("ethereum:{address}@{number}?value={units}"))
            }
            (("eip155", number), Some(contract)) => Some(format!(
                "ethereum:{contract}@{number}/transfer?address={address}&uint256={units}"
            )),
            (("bip122", _), None) => {
                let scheme = self.scheme.as_deref().or_else(|| known_scheme(address))?;
                let amount = AssetAmount { units, ..self.amount.clone() }.decimal();
                Some(format!("{scheme}:{address}?amount={amount}"))
            }
            _ => None,
        }
    }
}

/// The scheme of coins that every gateway knows by the prefix of their addresses.
fn known_scheme(address: &str) -> Option<&'static str> {
    match address.split_once('1')?.0 {
        "bc" | "tb" | "bcrt" => Some("bitcoin"),
        "ltc" | "tltc" | "rltc" => Some("litecoin"),
        "dgb" => Some("digibyte"),
        _ => None,
    }
}

/// An instruction with payment-verification's Ed25519 signature over `Instruction::signed_bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedInstruction {
    /// What was signed.
    pub instruction: Instruction,
    /// The signature, base64 (standard alphabet, padded).
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asset::AssetId;

    fn instruction(chain: &str, contract: Option<&str>, address: &str) -> Instruction {
        Instruction {
            booking_id: BookingId(uuid::Uuid::nil()),
            payment_id: PaymentId(uuid::Uuid::nil()),
            chain: chain.to_owned(),
            contract: contract.map(str::to_owned),
            address: address.to_owned(),
            amount: AssetAmount {
                units: Units::parse("150000000").unwrap(),
                decimals: 8,
                asset: AssetId::parse("any").unwrap(),
            },
            pay_by: DateTime::UNIX_EPOCH,
            confirmations: 3,
            scheme: None,
        }
    }

    #[test]
    fn a_payment_is_a_place_for_money_and_no_address_is_one() {
        let id = PaymentId(uuid::Uuid::from_u128(7));
        assert_eq!(payment_at(&place_of_payment(id)), Some(id));
        for other in ["payment:", "payment:7", "card", "0xaa", ""] {
            assert_eq!(payment_at(other), None, "{other}");
        }
    }

    #[test]
    fn a_wallet_is_told_address_asset_and_what_is_left_to_pay() {
        let left = Units::parse("25000000").unwrap();
        let uri = |chain, contract, address| instruction(chain, contract, address).uri(left);
        let bitcoin = "bip122:000000000019d6689c085ae165831e93";
        assert_eq!(uri("eip155:1", None, "0xaa").unwrap(), "ethereum:0xaa@1?value=25000000");
        assert_eq!(
            uri("eip155:8453", Some("0xcc"), "0xaa").unwrap(),
            "ethereum:0xcc@8453/transfer?address=0xaa&uint256=25000000"
        );
        assert_eq!(uri(bitcoin, None, "bc1qaa").unwrap(), "bitcoin:bc1qaa?amount=0.25000000");
        assert_eq!(uri(bitcoin, None, "rltc1qaa").unwrap(), "litecoin:rltc1qaa?amount=0.25000000");
        assert_eq!(uri(bitcoin, None, "xx1qaa"), None);
        assert_eq!(uri("solana:1", None, "aa"), None);
    }

    #[test]
    fn a_chain_may_name_its_scheme_and_what_was_signed_without_one_is_signed_as_it_was() {
        let without = instruction("bip122:0123456789abcdef0123456789abcdef", None, "xx1qaa");
        let text = String::from_utf8(without.signed_bytes().unwrap()).unwrap();
        assert!(text.ends_with(r#""confirmations":3}"#), "{text}");
        assert_eq!(serde_json::from_str::<Instruction>(&text).unwrap(), without);
        let named = Instruction { scheme: Some("newcoin".to_owned()), ..without };
        let left = Units::parse("25000000").unwrap();
        assert_eq!(named.uri(left).unwrap(), "newcoin:xx1qaa?amount=0.25000000");
        let text = String::from_utf8(named.signed_bytes().unwrap()).unwrap();
        assert!(text.ends_with(r#""confirmations":3,"scheme":"newcoin"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Instruction>(&text).unwrap(), named);
    }
}
