//! What a token's contract says of itself.

use ruint::aliases::U256;
use serde_json::json;

use super::{ChainError, Node, read, wire};

/// The first bytes of a call of `decimals()`.
const DECIMALS_CALL: &str = "0x313ce567";

impl Node {
    /// How many decimals the contract says one coin has; nothing when it says nothing of use.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn decimals(&self, contract: &str) -> Result<Option<u8>, ChainError> {
        let asked = "eth_call";
        let call = json!([{ "to": contract, "data": DECIMALS_CALL }, "latest"]);
        let answers = self.ask(asked, &[(asked, call)]).await?;
        let Some(raw) = answers.first() else { return Ok(None) };
        let told: Option<String> = read(asked, raw)?;
        let word: Option<U256> = told.as_deref().and_then(wire::word);
        Ok(word.and_then(|word| u8::try_from(word).ok()))
    }
}
