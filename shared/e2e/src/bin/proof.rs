//! Compares a whole running system with the world, tells support how that ended, and fails on any
//! difference.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use contracts::internal::ProofRequest;
use e2e::{
    Stack,
    truth::proof::{Proof, prove},
    up,
};

#[derive(Parser)]
#[command(name = "proof")]
struct Flags {
    /// How long a difference may last, in seconds, before it counts
    #[arg(long, default_value_t = 30)]
    within: u64,
    /// After how many hours a booking that is still open counts as lost
    #[arg(long, default_value_t = 24)]
    open_for_max: u64,
    /// Prints the line of JSON alone
    #[arg(long)]
    json: bool,
    /// Which stack
    #[arg(long, hide = true, default_value = up::MAIN)]
    stack: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match proven(&flags).await {
        Ok(proof) => {
            if !flags.json {
                for line in &proof.compared.wrong {
                    eprintln!("WRONG: {line}");
                }
            }
            println!("{}", serde_json::to_string(&proof).unwrap_or_default());
            if proof.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("proof: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn proven(flags: &Flags) -> anyhow::Result<Proof> {
    let stack = Stack::open(&flags.stack)?;
    let stack = stack.ok_or_else(|| anyhow::anyhow!("nothing runs; ./scripts/up starts it"))?;
    let open_for_max = Duration::from_secs(flags.open_for_max.saturating_mul(3_600));
    let proof = prove(&stack, Duration::from_secs(flags.within), open_for_max).await;
    let differences = proof.as_ref().ok().map(|proof| proof.differences);
    tell(&stack, differences.and_then(|count| count.try_into().ok())).await?;
    proof
}

/// Tells the console how it ended, where support sees it, and sees when it is missing.
async fn tell(stack: &Stack, differences: Option<u32>) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/internal/proofs", stack.url("support-console"));
    let told = http.post(url).bearer_auth(stack.internal_token("proof"));
    let told = told.json(&ProofRequest { differences }).send().await;
    told.and_then(reqwest::Response::error_for_status).context("telling support")?;
    Ok(())
}
