//! Addresses of both families: whether a text is one, and what its chain compares.

use alloy_primitives::Address;
use bech32::{Hrp, segwit};
use contracts::instruction::CARD;

use crate::assets::Family;

/// An address as its chain compares it: the 20 bytes of an account, or the script that an output
/// is locked with. Nothing when the text is an address of neither family.
///
/// Of the Bitcoin family only segregated witness is known; its text says by itself of which chain
/// it is, so the same bytes may be asked about without the chain.
#[must_use]
pub fn key(text: &str) -> Option<Vec<u8>> {
    if is_evm_address(text) {
        return text.parse::<Address>().ok().map(|address| address.to_vec());
    }
    let (_, version, program) = segwit::decode(text).ok()?;
    let version = version.to_u8();
    // OP_0 is 0x00, OP_1 to OP_16 are 0x51 to 0x60; then the program, pushed by its length.
    let opcode = if version == 0 { 0 } else { version.saturating_add(0x50) };
    let length = u8::try_from(program.len()).ok()?;
    Some([&[opcode, length], program.as_slice()].concat())
}

/// Whether money of this chain can be sent to the text; what is sent to nobody's address is gone.
#[must_use]
pub fn can_receive(family: &Family, text: &str) -> bool {
    match family {
        Family::Evm { .. } => {
            is_evm_address(text) && text.bytes().skip(2).any(|digit| digit != b'0')
        }
        // It goes back to the card that it came from.
        Family::Card => text == CARD,
        Family::Utxo { hrp, .. } => {
            segwit::decode(text).is_ok_and(|(told, ..)| told.to_lowercase() == *hrp)
        }
    }
}

/// The address that pays whoever has the key with this hash; none where the prefix is no prefix.
#[must_use]
pub fn witness_of_key_hash(hrp: &str, hash: [u8; 20]) -> Option<String> {
    segwit::encode_v0(Hrp::parse(hrp).ok()?, &hash).ok()
}

/// Whether the text is an address of an EVM chain; its checksum is not looked at.
#[must_use]
pub fn is_evm_address(text: &str) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What is wrong with the text as a contract's address, if something is: letters of both cases are
/// a checksum (EIP-55) and have to be the right one.
#[must_use]
pub fn wrong_contract(text: &str) -> Option<&'static str> {
    if !is_evm_address(text) {
        return Some("has a contract that is no address");
    }
    let letters = || text.bytes().skip(2).filter(u8::is_ascii_alphabetic);
    let mixed =
        letters().any(|b| b.is_ascii_uppercase()) && letters().any(|b| b.is_ascii_lowercase());
    (mixed && !is_checksummed(text)).then_some("has a contract whose checksum (EIP-55) is wrong")
}

/// Whether the letters of the address are written as its checksum wants them.
#[must_use]
pub fn is_checksummed(text: &str) -> bool {
    Address::parse_checksummed(text, None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitcoin() -> Family {
        let genesis = "000000000019d6689c085ae165831e93".to_owned();
        Family::Utxo { genesis, hrp: "bc".to_owned(), maturity: 100, scheme: None }
    }

    #[test]
    fn an_address_is_what_its_chain_compares() {
        let account = "0x52908400098527886E0F7030069857D2E4169EE7";
        assert_eq!(key(account), key(&account.to_lowercase()));
        assert_eq!(key(account).unwrap().len(), 20);
        // The examples of BIP-173 and BIP-350.
        let script = |text: &str| key(text).map(hex::encode);
        assert_eq!(
            script("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4").as_deref(),
            Some("0014751e76e8199196d454941c45d1b3a323f1433bd6")
        );
        assert_eq!(
            script("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0").as_deref(),
            Some("512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        );
        for bad in [
            "",
            "0x12",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        ] {
            assert_eq!(key(bad), None, "{bad}");
        }
        let hash = hex::decode("751e76e8199196d454941c45d1b3a323f1433bd6").unwrap();
        let made = witness_of_key_hash("bc", hash.try_into().unwrap()).unwrap();
        assert_eq!(made, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4");
    }

    #[test]
    fn money_is_sent_to_addresses_of_its_own_chain_only() {
        let ours = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        let test_net = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";
        let account = "0x52908400098527886E0F7030069857D2E4169EE7";
        let nobody = format!("0x{}", "0".repeat(40));
        let evm = Family::Evm { number: 1 };
        assert!(can_receive(&bitcoin(), ours) && !can_receive(&bitcoin(), test_net));
        assert!(can_receive(&evm, account) && !can_receive(&evm, ours));
        assert!(!can_receive(&bitcoin(), account) && !can_receive(&evm, &nobody));
    }

    #[test]
    fn a_mistyped_contract_is_found_by_its_checksum() {
        let right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(wrong_contract(right), None);
        assert_eq!(wrong_contract(&right.to_lowercase()), None, "without a checksum");
        assert!(wrong_contract(&right.replace("5aAe", "5aae")).unwrap().contains("checksum"));
        assert!(wrong_contract("0x12").unwrap().contains("no address"));
        assert!(is_checksummed(right) && !is_checksummed(&right.to_lowercase()));
    }
}
