//! The smallest service: what `main.rs`, `config.rs` and `serve` of every other one look like.
//!
//! `INN_HTTP_ADDR=127.0.0.1:8080 cargo run -p chassis --example inn`

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use chassis::{
    Command, Config, Problems, Process, TelemetryConfig, Vars,
    http::{self, Ready},
};

/// What the inn is configured by.
struct InnConfig {
    /// Where it listens.
    http_addr: SocketAddr,
    /// How long a guest is served.
    serving: Duration,
    telemetry: TelemetryConfig,
}

impl Config for InnConfig {
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems> {
        vars.finish(Self {
            http_addr: vars.addr("INN_HTTP_ADDR"),
            serving: vars.duration("INN_SERVING", Duration::from_millis(1)),
            telemetry: vars.telemetry("INN"),
        })
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }
}

fn main() -> ExitCode {
    let commands = [Command::new("fail", "fails, with a cause", |_: InnConfig, _, _| async {
        Err(anyhow::anyhow!("the cellar is empty").context("fetching wine"))
    })];
    chassis::main("inn", &commands, serve)
}

async fn serve(config: InnConfig, process: Process) -> anyhow::Result<()> {
    let serving = config.serving;
    let guest = move || async move {
        tracing::info!("a guest is served");
        tokio::time::sleep(serving).await;
        "served"
    };
    let broken = process.clone();
    let burn = move || async move {
        broken.tasks.spawn("kitchen", async { Err(anyhow::anyhow!("it burns")) });
    };
    let router = Router::new().route("/guest", get(guest)).route("/burn", get(burn));
    http::serve(&process, config.http_addr, router, Ready::new()).await?;
    Ok(())
}
