//! Where the servers are that `scripts/lib/infra` started.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde::Deserialize;

/// What stands in `.run/infra.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct Infra {
    /// A superuser's address, without a database.
    pub postgres: String,
    /// The broker.
    pub amqp: String,
    /// The broker's management interface; empty when there is none.
    pub rabbitmq_api: String,
    /// The program.
    pub redis_server: PathBuf,
    /// The program.
    pub anvil: PathBuf,
    /// The program.
    #[serde(default)]
    pub litecoind: PathBuf,
}

impl Infra {
    /// Reads it, once a process.
    ///
    /// # Panics
    /// When nothing was started.
    #[must_use]
    pub fn get() -> &'static Self {
        static INFRA: OnceLock<Infra> = OnceLock::new();
        INFRA.get_or_init(|| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.run/infra.json");
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
                panic!("{}: {error}; run scripts/lib/infra up", file.display())
            });
            serde_json::from_str(&text).expect("infra.json is what scripts/lib/infra writes")
        })
    }
}
