//! A real browser, driven by a script of ours as a person would use it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::checkout::Checkout;

/// Longer than any script takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(240);

/// Where screenshots of a script are put: beside the servers, outside git.
#[must_use]
pub fn shots(name: &str) -> PathBuf {
    Checkout::find().run().join("shots").join(name)
}

/// Runs a script of `shared/e2e/browser` with its task; what it said.
///
/// Gets Chromium, Node and the driver when they are missing.
///
/// # Errors
/// When they cannot be had, or the script ends badly, with all that it said.
pub async fn run(script: &str, task: &Value) -> anyhow::Result<String> {
    let root = Checkout::find().root().to_owned();
    let tools = tokio::process::Command::new(root.join("scripts/lib/tools"))
        .arg("browser")
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("getting a browser")?;
    ensure!(tools.status.success(), "no browser can be had");
    let tools = String::from_utf8(tools.stdout)?.trim().to_owned();
    let mut command = tokio::process::Command::new("node");
    command
        .arg(root.join("shared/e2e/browser").join(script))
        .env("BROWSER_TOOLS", tools)
        .env("BROWSER_TASK", task.to_string())
        .kill_on_drop(true);
    let done = tokio::time::timeout(WITHIN, command.output()).await;
    let done = done.with_context(|| format!("{script} took longer than {WITHIN:?}"))?;
    let done = done.context("starting node")?;
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(done.status.success(), "{script}:\n{said}");
    Ok(said)
}
