//! Native coin that contracts move: read from the traces of a block, where the node has them.
//!
//! A call that failed moves nothing, and neither does anything that was called from within it.

use std::collections::BTreeSet;

use contracts::asset::Units;
use payment_verification_core::chain::{Hash32, TransferKey};
use serde::Deserialize;

use super::{
    super::Transfer,
    wire::{Account, Amount},
};

/// One step of a transaction's execution, as `trace_block` tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawTrace {
    pub(super) block_hash: Hash32,
    // A block's reward has no transaction.
    transaction_hash: Option<Hash32>,
    #[serde(default)]
    trace_address: Vec<u32>,
    r#type: String,
    action: RawAction,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAction {
    call_type: Option<String>,
    to: Option<Account>,
    value: Option<Amount>,
    refund_address: Option<Account>,
    balance: Option<Amount>,
}

/// What contracts moved in a block, without what transactions moved themselves.
pub(super) fn moved(traces: &[RawTrace]) -> Vec<Transfer> {
    let failed: BTreeSet<(Hash32, &[u32])> = traces
        .iter()
        .filter(|trace| trace.error.is_some())
        .filter_map(|trace| Some((trace.transaction_hash?, trace.trace_address.as_slice())))
        .collect();
    let holds = |transaction: Hash32, path: &[u32]| {
        (0..=path.len()).all(|depth| {
            path.get(..depth).is_none_or(|above| !failed.contains(&(transaction, above)))
        })
    };
    let moves = traces.iter().filter_map(|trace| {
        let transaction = trace.transaction_hash?;
        let (to, amount) = trace.moves()?;
        let path = trace.trace_address.as_slice();
        if path.is_empty() || amount.0.is_zero() || !holds(transaction, path) {
            return None;
        }
        Some(Transfer {
            key: TransferKey { transaction, position: position(path) },
            to: to.0.to_vec(),
            contract: None,
            units: Units(amount.0),
            rests: 0,
        })
    });
    moves.collect()
}

impl RawTrace {
    /// To whom it moves how much. A delegated call names a value and moves none.
    fn moves(&self) -> Option<(Account, Amount)> {
        match (self.r#type.as_str(), self.action.call_type.as_deref()) {
            ("call", Some("call")) => Some((self.action.to?, self.action.value?)),
            ("suicide" | "selfdestruct", _) => {
                Some((self.action.refund_address?, self.action.balance?))
            }
            _ => None,
        }
    }
}

/// The path through the calls, `/0/2`; never the same text as a log's position.
fn position(path: &[u32]) -> String {
    path.iter().map(|step| format!("/{step}")).collect()
}
