//! Which transfer pays which request, and when an amount is paid: in integers.

use contracts::{asset::Units, mutants::mutant};

use crate::state::Request;

/// What a transfer moved: on which chain, and which token; nothing for the chain's own coin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved<'a> {
    /// The chain, as CAIP-2 writes it.
    pub chain: &'a str,
    /// The token's contract.
    pub contract: Option<&'a str>,
    /// How much.
    pub units: Units,
}

/// What a transfer to a request's address is to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It pays.
    Pays,
    /// It does not, and why.
    Stray(&'static str),
}

/// Says whether a transfer to the request's address pays it.
///
/// An address is given to one request only, so the amount never decides whose a transfer is.
#[must_use]
pub fn judge(request: &Request, moved: Moved<'_>) -> Match {
    let same_contract = match (&request.contract, moved.contract) {
        (None, None) => true,
        (Some(wanted), Some(moved)) => wanted.eq_ignore_ascii_case(moved),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if request.chain != moved.chain {
        Match::Stray("other_chain")
    } else if !same_contract {
        Match::Stray("other_asset")
    } else if moved.units.is_zero() {
        Match::Stray("zero_value")
    } else {
        Match::Pays
    }
}

/// Whether `units` pay the amount, give or take the tolerance.
#[must_use]
pub fn pays(request: &Request, units: Units) -> bool {
    let amount = request.terms.amount.units;
    if mutant("short_pays") {
        return !units.is_zero();
    }
    let nothing = units.is_zero() && !amount.is_zero();
    !nothing && units >= amount.saturating_sub(request.dust)
}
