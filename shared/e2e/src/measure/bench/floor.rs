//! The bare server, as a process beside the stack.

use std::time::Duration;

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::{Stack, measure::usage};

pub(super) struct Floor {
    pub(super) url: String,
    redis: String,
    child: Child,
}

impl Floor {
    pub(super) async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let port = crate::ports::Ports::default().free()?;
        let listen = format!("127.0.0.1:{port}");
        let redis = stack.url("redis-cache");
        let child = Command::new(stack.bin().join("floors"))
            // In the console's database, where nothing else happens meanwhile.
            .args(["--listen", &listen, "--database", &stack.database_url("support-console")])
            .args(["--redis", &redis])
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting floors")?;
        let floor = Self { url: format!("http://{listen}"), redis, child };
        for _ in 0..200 {
            if reqwest::get(format!("{}/health", floor.url)).await.is_ok() {
                return Ok(floor);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("floors does not answer")
    }

    /// Has the bare server answer `GET /cached` with these bytes, from Redis.
    pub(super) async fn keep(&self, body: &[u8]) -> anyhow::Result<()> {
        let client = redis::Client::open(self.redis.as_str())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("SET").arg("floor").arg(body).exec_async(&mut connection).await?;
        Ok(())
    }

    pub(super) fn peak_mib(&self) -> Option<f64> {
        usage::peak_mib(self.child.id()?)
    }
}
