//! Where this checkout keeps what runs: its root, `.run/`, the built binaries, the servers it may
//! use.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub struct Checkout {
    root: PathBuf,
}

/// The servers of this checkout, as `scripts/lib/infra up` wrote them down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Infra {
    /// A superuser's URL without a database.
    pub postgres: String,
    pub amqp: String,
    /// The broker's management API, where it is on.
    #[serde(default)]
    pub rabbitmq_api: Option<String>,
    /// The program.
    pub redis_server: PathBuf,
    /// The program.
    pub anvil: PathBuf,
    /// The program, where it is there.
    #[serde(default)]
    pub litecoind: Option<PathBuf>,
}

impl Checkout {
    /// Walks up from the working directory; the place this was built in is the last resort.
    #[must_use]
    pub fn find() -> Self {
        let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let here = std::env::current_dir().unwrap_or_else(|_gone| built());
        let found = here.ancestors().find(|folder| folder.join("deploy/policy.toml").is_file());
        let root = found.map_or_else(built, Path::to_path_buf);
        Self { root: root.canonicalize().unwrap_or(root) }
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where everything lies that runs.
    #[must_use]
    pub fn run(&self) -> PathBuf {
        self.root.join(".run")
    }

    /// The servers that run.
    ///
    /// # Errors
    /// When none were started.
    pub fn infra(&self) -> anyhow::Result<Infra> {
        let path = self.run().join("infra.json");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no servers: {} is missing; run ./scripts/up", path.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// The folder of the built binaries: `HOLDFAST_BIN`, or the one this program is in.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        if let Some(given) = std::env::var_os("HOLDFAST_BIN") {
            return PathBuf::from(given);
        }
        let exe = std::env::current_exe().expect("a program has a path");
        let folder = exe.parent().expect("a program is in a folder");
        // A test lies in deps/, below the binaries.
        let above = folder.parent().filter(|_| folder.ends_with("deps"));
        above.unwrap_or(folder).to_path_buf()
    }
}
