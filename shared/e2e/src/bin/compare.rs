//! Has supplier-sync compare every supplier's whole list with ours, and tells what it found.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use contracts::{
    internal::{CompareRequest, ComparisonOutcome, ComparisonStanding},
    supplier::Supplier,
};
use e2e::{Stack, up};
use reqwest::StatusCode;

const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Parser)]
#[command(name = "compare")]
struct Flags {
    /// Which suppliers; all that have a list, where none is named
    suppliers: Vec<Supplier>,
    /// Prints one line of JSON for each
    #[arg(long)]
    json: bool,
    /// How long one list may take, in seconds
    #[arg(long, default_value_t = 600)]
    within: u64,
    /// Which stack
    #[arg(long, hide = true, default_value = up::MAIN)]
    stack: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match compared(&Flags::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every list is as we know it, and nothing about it waits for a person.
async fn compared(flags: &Flags) -> anyhow::Result<bool> {
    let stack = Stack::open(&flags.stack)?;
    let stack = stack.ok_or_else(|| anyhow::anyhow!("nothing runs; ./scripts/up starts it"))?;
    let all = flags.suppliers.is_empty();
    let asked = if all { Supplier::ALL.to_vec() } else { flags.suppliers.clone() };
    let mut as_known = true;
    for supplier in asked {
        let Some(done) = one(&stack, supplier, flags.within).await? else {
            if !all {
                println!("{supplier}: it has no list; each attempt is looked up by itself");
            }
            continue;
        };
        let found = done.differing + done.missing + done.unknown + done.open_cases;
        as_known &= found == 0 && done.outcome == ComparisonOutcome::Done;
        if flags.json {
            println!("{}", serde_json::to_string(&done)?);
        } else {
            println!(
                "{supplier}: {} listed, {} differ, {} not shown, {} nobody knows{}",
                done.listed,
                done.differing,
                done.missing,
                done.unknown,
                if done.outcome == ComparisonOutcome::Done { "" } else { "; NOT READ TO ITS END" }
            );
            if done.open_cases > 0 {
                println!(
                    "{supplier}: {} known already and not closed; {}/cases#suppliers shows them",
                    done.open_cases,
                    stack.url("support-console")
                );
            }
        }
    }
    Ok(as_known)
}

/// Begins a comparison and waits for its end; nothing for a supplier without a list.
async fn one(
    stack: &Stack,
    supplier: Supplier,
    within: u64,
) -> anyhow::Result<Option<ComparisonStanding>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/internal/suppliers/{supplier}/compare", stack.url("supplier-sync"));
    let token = stack.internal_token("compare");
    let body = CompareRequest { staff: "scripts/compare".to_owned() };
    let begun = http.post(&url).bearer_auth(&token).json(&body).send().await?;
    if matches!(begun.status(), StatusCode::CONFLICT | StatusCode::NOT_FOUND) {
        return Ok(None);
    }
    let mut standing: ComparisonStanding = begun.error_for_status()?.json().await?;
    let by = tokio::time::Instant::now() + Duration::from_secs(within);
    while standing.outcome == ComparisonOutcome::UnderWay {
        anyhow::ensure!(tokio::time::Instant::now() < by, "{supplier} takes too long");
        tokio::time::sleep(LOOK_EVERY).await;
        let shown = http.get(&url).bearer_auth(&token).send().await?;
        standing = shown.error_for_status()?.json().await?;
    }
    Ok(Some(standing))
}
