//! Where one transaction stands.

use payment_verification_core::chain::{BlockRef, Hash32};
use serde::Deserialize;
use serde_json::json;

use super::{ChainError, Node, read, wire::Quantity};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    block_hash: Hash32,
    block_number: Quantity,
}

impl Node {
    /// The canonical block that holds a transaction; nothing when none does.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn mined(&self, transaction: Hash32) -> Result<Option<BlockRef>, ChainError> {
        let asked = "eth_getTransactionReceipt";
        let answers = self.ask(asked, &[(asked, json!([transaction]))]).await?;
        let Some(raw) = answers.first() else { return Ok(None) };
        let place: Option<Place> = read(asked, raw)?;
        Ok(place.map(|place| BlockRef { height: place.block_number.0, hash: place.block_hash }))
    }
}
