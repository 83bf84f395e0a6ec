//! `.run/endpoints.json`: all that any HTTP client needs to drive a running stack.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Where everything is, and with which tokens it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Endpoints {
    pub gateway: String,
    pub callback: String,
    pub console: String,
    pub doubles: String,
    /// A superuser's URL without a database; a service's database is `<stack>_<service>`.
    pub postgres: String,
    /// Price locks.
    pub redis: String,
    /// What owners show.
    pub redis_cache: String,
    pub amqp: String,
    pub rabbitmq_api: Option<String>,
    pub evm_rpc: String,
    /// Funded private keys of the test node.
    pub evm_payers: Vec<String>,
    /// Symbol to contract.
    pub evm_tokens: BTreeMap<String, String>,
    pub rate_feed: String,
    pub treasury: String,
    /// The trace receiver: OTLP over HTTP at `/v1/traces`, and its pages.
    pub otlp: String,
    /// Every service's own address.
    pub services: BTreeMap<String, String>,
    pub profile: String,
    /// The values of the profile, as `deploy/policy.toml` names them.
    pub policy: serde_json::Value,
    pub policy_file: String,
    pub tokens: Tokens,
    /// Who can sign in to the console's pages: name and password, by role.
    #[serde(default)]
    pub staff: BTreeMap<String, SignIn>,
}

/// What a member of staff types to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    pub name: String,
    pub password: String,
}

/// One bearer token for each kind of person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub customer: String,
    pub other_customer: String,
    pub support_viewer: String,
    pub support_operator: String,
    pub support_approver: String,
    pub support_admin: String,
}

impl Endpoints {
    /// Writes the file as a whole: whoever reads meanwhile sees the old one or the new one.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        let beside = path.with_extension("json.new");
        std::fs::write(&beside, text).with_context(|| format!("writing {}", beside.display()))?;
        std::fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When there is none.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }
}
