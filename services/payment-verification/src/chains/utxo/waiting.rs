//! What waits to be mined: shown to whoever watches a booking, and counted for nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use payment_verification_core::chain::Hash32;
use serde_json::json;

use super::{
    super::Transfer,
    ChainError, Node, read,
    wire::{Digits, RawTransaction},
};

/// How many transactions that are new are looked at in one go; a node that was just started has
/// some hundred thousand.
const AT_ONCE: usize = 256;

/// Transactions that wait, with what they would pay, as of the last look.
#[derive(Debug, Default)]
pub struct Waiting {
    known: Mutex<BTreeMap<Hash32, Vec<Transfer>>>,
}

impl Node {
    /// What the transactions that wait would pay, as far as they were looked at. One that was
    /// replaced, or mined, is not among them any more.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn waiting(&self) -> Result<Vec<Transfer>, ChainError> {
        let asked = "getrawmempool";
        let answers = self.rpc.ask_all(asked, &[(asked, json!([]))]).await?;
        let Some(raw) = answers.first() else { return Ok(vec![]) };
        let ids: Vec<Digits> = read(asked, raw)?;
        let ids: BTreeSet<Hash32> = ids.into_iter().map(|id| id.0).collect();
        let new: Vec<Hash32> = {
            let mut known = self.waiting.lock();
            known.retain(|id, _| ids.contains(id));
            ids.into_iter().filter(|id| !known.contains_key(id)).take(AT_ONCE).collect()
        };
        let asked = "getrawtransaction";
        let calls: Vec<_> = new.iter().map(|id| (asked, json!([Digits(*id), true]))).collect();
        let answers = match calls.is_empty() {
            true => vec![],
            false => self.rpc.ask(asked, &calls).await?,
        };
        for (id, answer) in new.into_iter().zip(answers) {
            // One that is gone by now is no loss.
            let Ok(raw) = answer else { continue };
            let transaction: RawTransaction = read(asked, &raw)?;
            let transfers = transaction
                .transfers(0)
                .map_err(|source| ChainError::NotReadable { asked, source })?;
            self.waiting.lock().insert(id, transfers);
        }
        Ok(self.waiting.lock().values().flatten().cloned().collect())
    }
}

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash32, Vec<Transfer>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
