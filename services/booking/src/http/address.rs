//! Addresses that customers give, checked before anything is sent to them.

use alloy_primitives::Address;
use bech32::segwit;
use contracts::instruction::{CARD, CARD_CHAIN, Instruction};

use super::form::{Faults, Form};

/// What is known of the chain that an address has to be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chain {
    Evm,
    /// Of the Bitcoin family; which one, the prefix says, where that is known.
    Segwit {
        prefix: Option<String>,
    },
    /// No chain: what was paid by card goes back to it.
    Card,
    /// Not known yet: whichever family the address looks like.
    Any,
}

impl Chain {
    /// By the name that CAIP-2 gives it.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            CARD_CHAIN => Self::Card,
            _ if name.starts_with("bip122:") => Self::Segwit { prefix: None },
            _ => Self::Evm,
        }
    }

    /// The one that is paid on: where money came to, its like can go back.
    pub(crate) fn paid_on(instruction: Option<&Instruction>) -> Self {
        let Some(instruction) = instruction else { return Self::Any };
        match Self::named(&instruction.chain) {
            Self::Segwit { .. } => {
                let paid_to = segwit::decode(&instruction.address).ok();
                Self::Segwit { prefix: paid_to.map(|(prefix, ..)| prefix.to_lowercase()) }
            }
            named @ (Self::Evm | Self::Card | Self::Any) => named,
        }
    }

    /// Reads an address of this chain.
    ///
    /// # Errors
    /// When it is none, its checksum is wrong, or nobody could ever take money out of it.
    pub(crate) fn read(&self, text: &str) -> Result<Read, String> {
        match self {
            Self::Evm => evm(text),
            Self::Segwit { prefix } => segwit(text, prefix.as_deref()),
            Self::Card if text == CARD => Ok(Read { text: text.to_owned(), has_checksum: true }),
            Self::Card => Err(format!("must be `{CARD}`: it goes back to the card that paid")),
            Self::Any if text.starts_with("0x") => evm(text),
            Self::Any => segwit(text, None).map_err(|_| {
                "must be an address of the chain you pay on: 0x and 40 hex digits, or one of \
                 segregated witness, like bc1q..."
                    .to_owned()
            }),
        }
    }
}

/// An address that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    /// As wallets write it: of an EVM chain in upper and lower case (EIP-55).
    pub(crate) text: String,
    /// Whether it was given with a checksum; one without can be mistyped unnoticed.
    pub(crate) has_checksum: bool,
}

/// The address in a field, once it is sure: its checksum holds, or `again` says the same.
pub(crate) fn confirmed(
    form: &Form<'_>,
    faults: &Faults,
    chain: &Chain,
    field: &'static str,
    again: &'static str,
) -> Option<String> {
    let given =
        form.optional_text(field, |text| chain.read(text).map(|read| (read, text.to_owned())));
    let repeated = form.optional_text(again, |text| Ok(text.to_owned()));
    let (read, text) = given?;
    match &repeated {
        Some(repeated) if *repeated != text => {
            faults.add(&form.at(again), "differs", format!("must be the same as `{field}`"));
        }
        None if !read.has_checksum => {
            let detail = format!(
                "`{field}` carries no checksum: write it as wallets show it, in upper and lower \
                 case, or say it again here"
            );
            faults.add(&form.at(again), "missing", detail);
        }
        Some(_) | None => {}
    }
    Some(read.text)
}

fn evm(text: &str) -> Result<Read, String> {
    let digits = text.strip_prefix("0x").filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let address = digits.and_then(|_| text.parse::<Address>().ok());
    let address =
        address.ok_or("must be an address of the chain you pay on, like 0x and 40 hex digits")?;
    let checksummed = address.to_checksum(None);
    let has = |case: fn(&u8) -> bool| digits.unwrap_or_default().as_bytes().iter().any(case);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    if mixed && checksummed != text {
        return Err("has a wrong checksum; copy it from your wallet again".to_owned());
    }
    if address.is_zero() {
        return Err("must be an address that somebody holds".to_owned());
    }
    let has_checksum = checksummed == text;
    Ok(Read { text: checksummed, has_checksum })
}

/// Its checksum is a part of it, so that whatever can be read was not mistyped.
fn segwit(text: &str, prefix: Option<&str>) -> Result<Read, String> {
    let read = segwit::decode(text).ok().map(|(told, ..)| told.to_lowercase());
    if read.is_none_or(|told| prefix.is_some_and(|prefix| prefix != told)) {
        let like = prefix.unwrap_or("bc");
        return Err(format!(
            "must be a segregated witness address of the chain you pay on, like {like}1q..., with \
             its checksum; copy it from your wallet again"
        ));
    }
    Ok(Read { text: text.to_lowercase(), has_checksum: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_letter_in_the_wrong_case_is_refused() {
        // From EIP-55.
        for good in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        ] {
            let read = Chain::Evm.read(good).unwrap();
            assert!(read.has_checksum && read.text == good);
            assert_eq!(Chain::Any.read(good).as_ref(), Ok(&read));
            let lower = Chain::Evm.read(&good.to_lowercase()).unwrap();
            assert!(!lower.has_checksum && lower.text == good);
        }
        for bad in [
            "",
            "x",
            "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x0000000000000000000000000000000000000000",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
        ] {
            assert!(Chain::Evm.read(bad).is_err(), "{bad}");
            assert!(Chain::Any.read(bad).is_err(), "{bad}");
        }
    }
    // From BIP-173 and BIP-350.
    const BITCOIN: [&str; 2] = [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ];
    const TEST_NET: &str = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx";
    const ACCOUNT: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    fn instruction(chain: &str, address: &str) -> Instruction {
        let text = serde_json::json!({
            "booking_id": uuid::Uuid::nil(), "payment_id": uuid::Uuid::nil(), "chain": chain,
            "contract": null, "address": address, "pay_by": "2027-01-01T00:00:00Z",
            "amount": {"units": "1", "decimals": 8, "asset": "btc"}, "confirmations": 1,
        });
        serde_json::from_value(text).unwrap()
    }

    /// Row: L4
    #[test]
    fn what_a_card_paid_goes_back_to_no_address() {
        let card = Chain::paid_on(Some(&instruction(CARD_CHAIN, "pi_1_secret")));
        assert_eq!(card, Chain::named(CARD_CHAIN));
        assert!(card.read(CARD).is_ok());
        assert!(card.read(ACCOUNT).is_err() && Chain::Evm.read(CARD).is_err());
    }

    /// Row: C10
    #[test]
    fn money_of_the_bitcoin_family_goes_back_to_an_address_of_the_same_chain() {
        let genesis = "bip122:000000000019d6689c085ae165831e93";
        let bitcoin = Chain::paid_on(Some(&instruction(genesis, BITCOIN[0])));
        for good in BITCOIN {
            let read = bitcoin.read(&good.to_uppercase()).unwrap();
            assert_eq!(read, Read { text: good.to_owned(), has_checksum: true });
            assert_eq!(Chain::named(genesis).read(good), bitcoin.read(good));
            assert_eq!(Chain::Any.read(good), bitcoin.read(good));
            assert!(Chain::named("eip155:1").read(good).unwrap_err().contains("40 hex digits"));
        }
        let slip = BITCOIN[0].replace("3t4", "3t5");
        for bad in [TEST_NET, ACCOUNT, &slip, "", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"] {
            assert!(bitcoin.read(bad).unwrap_err().contains("like bc1q"), "{bad}");
        }
        let test_net = Chain::paid_on(Some(&instruction("bip122:00", TEST_NET)));
        assert!(test_net.read(TEST_NET).is_ok());
        assert!(test_net.read(BITCOIN[0]).unwrap_err().contains("like tb1q"));
        let evm = Chain::paid_on(Some(&instruction("eip155:1", ACCOUNT)));
        assert_eq!((evm, Chain::paid_on(None)), (Chain::Evm, Chain::Any));
    }
}
