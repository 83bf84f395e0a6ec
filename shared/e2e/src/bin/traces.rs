//! Receives traces by OTLP over HTTP and shows them; keeps the newest in memory.
#![allow(
    clippy::print_stdout,
    reason = "the one line that says where it listens is for whoever started it"
)]

use std::net::SocketAddr;

use clap::Parser;

#[derive(Parser)]
#[command(name = "traces")]
struct Flags {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(Flags::parse().listen).await?;
    println!("traces are received on http://{}", listener.local_addr()?);
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, e2e::traces::router()).with_graceful_shutdown(stop).await?;
    Ok(())
}
