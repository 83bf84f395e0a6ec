//! The bare server, as a process beside the stack.

use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::{Stack, measure::usage};

pub(super) struct Floor {
    pub(super) url: String,
    child: Child,
}

impl Floor {
    pub(super) async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let port = crate::ports::Ports::default().free()?;
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(stack.bin().join("floors"))
            // In the console's database, where nothing else happens meanwhile.
            .args(["--listen", &listen, "--database", &stack.database_url("support-console")])
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting floors")?;
        let floor = Self { url: format!("http://{listen}"), child };
        for _ in 0..200 {
            if reqwest::get(format!("{}/health", floor.url)).await.is_ok() {
                return Ok(floor);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("floors does not answer")
    }

    pub(super) fn peak_mib(&self) -> Option<f64> {
        usage::peak_mib(self.child.id()?)
    }
}
