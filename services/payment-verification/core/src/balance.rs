//! Coin that only an address's balance tells of: what contracts sent, where no node has traces.
//!
//! An address of an account that never sent anything holds exactly what ever came to it. What it
//! holds at the end of a block, less what is known to have come up to that block, came from within
//! contracts: a claim on that block, which becomes final, leaves and comes back as a transfer does.

use chrono::{DateTime, Utc};
use contracts::asset::Units;

use crate::{
    address,
    chain::{BlockRef, Hash32, TransferKey},
    fact::Sighted,
    state::{Payment, Posted, Transfer},
};

/// What an address held at the end of a block up to which everything was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How much.
    pub units: Units,
    /// How many transactions it had sent by then.
    pub sent: u64,
    /// At the end of which block.
    pub block: BlockRef,
    /// Which look read it.
    pub look: u64,
    /// As of when what is claimed counts.
    pub stamped_at: DateTime<Utc>,
}

/// The claims that explain what a payment's address holds; none when all of it is known.
///
/// An address that sent something is not explained any more: what is missing there went out. A
/// claim's key names the address and a number, never the block, because money that left with its
/// block and is claimed again has to be the same money: else what is restored would be too much.
#[must_use]
pub fn claims(payment: &Payment, held: &Held) -> Vec<Sighted> {
    let own = payment.request.as_ref().filter(|request| request.contract.is_none());
    let Some(account) = own.and_then(|request| account(&request.deposit.address)) else {
        return vec![];
    };
    let mut rest = held.units.saturating_sub(payment.at_address());
    if held.sent > 0 || rest.is_zero() {
        return vec![];
    }
    let mut claimed: Vec<(TransferKey, Units)> = vec![];
    let mut free = None;
    let mut number = 0_u32;
    loop {
        let key = key(account, number);
        match payment.transfers.get(&key) {
            None => {
                free = free.or(Some(key));
                break;
            }
            Some(transfer) => match again(payment, transfer) {
                // What was final comes back whole or not at all.
                Again::Whole(units) if units <= rest => {
                    rest = rest.saturating_sub(units);
                    claimed.push((key, units));
                }
                Again::Any => free = free.or(Some(key)),
                Again::Whole(_) | Again::Stands => {}
            },
        }
        number = number.saturating_add(1);
    }
    claimed.extend(free.filter(|_| !rest.is_zero()).map(|key| (key, rest)));
    let Held { block, look, stamped_at, .. } = *held;
    let sighted = |(key, units)| Sighted { key, units, block, look, stamped_at, rests: 0 };
    claimed.into_iter().map(sighted).collect()
}

/// Whether a claim can be made again.
enum Again {
    /// It holds.
    Stands,
    /// It left after it had been final: as much as it was.
    Whole(Units),
    /// It left before it was final.
    Any,
}

fn again(payment: &Payment, transfer: &Transfer) -> Again {
    match transfer.posted {
        _ if payment.stands(transfer).is_some() => Again::Stands,
        Posted::Reversed(units) => Again::Whole(units),
        Posted::Nothing => Again::Any,
        Posted::Final(_) => Again::Stands,
    }
}

/// The 20 bytes of an account; nothing where the address is of another family.
fn account(address: &str) -> Option<[u8; 20]> {
    address::key(address)?.try_into().ok()
}

/// The account stands where a transfer has its transaction: no transaction of a chain has a hash
/// that begins with twelve zeros.
fn key(account: [u8; 20], number: u32) -> TransferKey {
    let mut bytes = [0; 32];
    for (byte, of_account) in bytes.iter_mut().skip(12).zip(account) {
        *byte = of_account;
    }
    TransferKey { transaction: Hash32(bytes), position: format!("balance/{number}") }
}
