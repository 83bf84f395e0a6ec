//! What a proof of the whole system found, as support is told.

use serde::{Deserialize, Serialize};

/// `POST /internal/proofs` of the support console: how the proof of the whole ended. 204.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofRequest {
    /// How much differs; nothing where it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<u32>,
}
