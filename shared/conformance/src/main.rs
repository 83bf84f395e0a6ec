//! The kit as a command: an endpoint in, a page and one line out.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use conformance::{Outcome, Subject, endpoint};
use contracts::supplier::Supplier;

/// Tests whether an endpoint speaks a supplier's dialect as our connector needs it.
///
/// Makes real reservations under references of its own, and cancels each: give it a test account.
#[derive(Parser)]
#[command(name = "conformance")]
struct Flags {
    /// Base URL of the endpoint
    #[arg(value_parser = endpoint)]
    url: String,
    /// Whose dialect it claims to speak: rapid, etg, hotelbeds, duffel or neutral
    #[arg(long, value_parser = dialect)]
    dialect: Supplier,
    /// The key it gave out; that of the stand-in for Rapid or Hotelbeds when left out
    #[arg(long)]
    key: Option<String>,
    /// The secret that goes with it, better in `CONFORMANCE_SECRET`
    #[arg(long)]
    secret: Option<String>,
    /// What to look for: a property, a route such as LHR-JFK, or a destination
    #[arg(long)]
    what: Option<String>,
    /// How many days ahead
    #[arg(long, default_value_t = 45)]
    days_ahead: u64,
    /// How many seconds a new reservation may be missing from look-ups
    #[arg(long, default_value_t = 10)]
    visible_within: u64,
    /// How many seconds to wait for a hold to end
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Where to write the report, a page
    #[arg(long)]
    report: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(flags).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the word of a dialect.
fn dialect(word: &str) -> Result<Supplier, String> {
    let all = || Supplier::ALL.map(Supplier::word).join(", ");
    word.parse().map_err(|unknown| format!("{unknown}: it is one of {}", all()))
}

async fn run(flags: Flags) -> anyhow::Result<bool> {
    let ours = |what: &str| format!("dev-{}-{what}", flags.dialect);
    let secret = flags.secret.or_else(|| std::env::var("CONFORMANCE_SECRET").ok());
    let subject = Subject {
        key: flags.key.unwrap_or_else(|| ours("key")),
        secret: secret.unwrap_or_else(|| ours("secret")).into(),
        url: flags.url,
        dialect: flags.dialect,
        what: flags.what,
        days_ahead: flags.days_ahead,
        visible_within: Duration::from_secs(flags.visible_within),
        patience: Duration::from_secs(flags.patience),
    };
    let report = conformance::run(&subject).await?;
    for check in &report.checks {
        let mark = match check.outcome {
            Outcome::Passed => "✓",
            Outcome::Failed => "✗",
            Outcome::Skipped => "-",
            Outcome::NotTested => "?",
        };
        println!("{mark} {:<18} {}", check.name, check.seen);
    }
    if let Some(path) = flags.report {
        std::fs::write(&path, report.page())?;
        println!("  the report: {}", path.display());
    }
    println!("{}", report.line());
    Ok(report.passed())
}
