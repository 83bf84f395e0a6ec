//! Addresses that customers give, checked before anything is sent to them.

use alloy_primitives::Address;

use super::form::{Faults, Form};

/// An address of an EVM chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Evm {
    /// In upper and lower case, as EIP-55 writes it.
    pub(crate) checksummed: String,
    /// Whether it was given so; one all in one case can be mistyped unnoticed.
    pub(crate) has_checksum: bool,
}

/// The address in a field, once it is sure: its checksum holds, or `again` says the same.
pub(crate) fn confirmed(
    form: &Form<'_>,
    faults: &Faults,
    field: &'static str,
    again: &'static str,
) -> Option<String> {
    let given = form.optional_text(field, |text| evm(text).map(|read| (read, text.to_owned())));
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
    Some(read.checksummed)
}

/// Reads an address of an EVM chain, the only family of chains so far.
///
/// # Errors
/// When it is none, its checksum is wrong, or nobody could ever take money out of it.
pub(crate) fn evm(text: &str) -> Result<Evm, String> {
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
    Ok(Evm { checksummed, has_checksum })
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
            let read = evm(good).unwrap();
            assert!(read.has_checksum && read.checksummed == good);
            let lower = evm(&good.to_lowercase()).unwrap();
            assert!(!lower.has_checksum && lower.checksummed == good);
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
            assert!(evm(bad).is_err(), "{bad}");
        }
    }
}
