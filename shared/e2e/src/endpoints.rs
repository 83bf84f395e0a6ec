//! `.run/endpoints.json`: all that any HTTP client needs to drive a running stack.

use std::{collections::BTreeMap, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

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
    /// The node of the Bitcoin family with its name and word; its own wallet has coins
    /// (`sendtoaddress`), and it makes blocks when it is asked (`generatetoaddress`).
    #[serde(default)]
    pub utxo_rpc: Option<String>,
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
        keep(&beside, &text)?;
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

/// Writes a file that holds secrets: nobody else on this machine reads it.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || {
        // A mode is given to a new file only.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_is_nobody_elses_to_read_however_it_was_before() {
        let folder = std::env::temp_dir().join(format!("holdfast-keep-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("endpoints.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        keep(&path, "new").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
