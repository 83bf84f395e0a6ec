//! The kit as a command: an endpoint in, a page and one line out.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use conformance::{Outcome, StandIn, Subject, endpoint};
use contracts::supplier::Supplier;

/// Tests whether an endpoint speaks a supplier's dialect as our connector needs it.
///
/// Makes real reservations under references of its own, and cancels each: give it a test account.
///
/// Key, secret and what to look for are those of the stand-in (`doubles`, as it starts without
/// flags) of the dialect when they are left out: for rapid, etg, hotelbeds, duffel and neutral.
#[derive(Parser)]
#[command(name = "conformance")]
struct Flags {
    /// Base URL of the endpoint
    #[arg(value_parser = endpoint)]
    url: String,
    /// Whose dialect it claims to speak: rapid, etg, hotelbeds, duffel or neutral
    #[arg(long, value_parser = dialect)]
    dialect: Supplier,
    /// The key it gave out; that of the dialect's stand-in when left out: dev-rapid-key,
    /// dev-etg-key, dev-hotelbeds-key, dev-duffel, dev-neutral-key
    #[arg(long)]
    key: Option<String>,
    /// The secret that goes with it, better in `CONFORMANCE_SECRET`; that of the dialect's stand-in
    /// when left out: dev-rapid-secret, dev-etg-secret-token, dev-hotelbeds-secret,
    /// duffel_test_development-only, dev-neutral-secret
    #[arg(long)]
    secret: Option<String>,
    /// What to look for: a property, a route or a destination; what the dialect's stand-in sells
    /// when left out: 1100001 (rapid), 8473001 (etg), BCN (hotelbeds), LHR-JFK (duffel), NP-1001
    /// (neutral)
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
    let ours = StandIn::of(flags.dialect);
    let secret = flags.secret.or_else(|| std::env::var("CONFORMANCE_SECRET").ok());
    let subject = Subject {
        key: flags.key.unwrap_or_else(|| ours.key.to_owned()),
        secret: secret.unwrap_or_else(|| ours.secret.to_owned()).into(),
        url: flags.url,
        dialect: flags.dialect,
        what: flags.what,
        days_ahead: flags.days_ahead,
        visible_within: Duration::from_secs(flags.visible_within),
        patience: Duration::from_secs(flags.patience),
    };
    let stop = async {
        // Without a signal to wait for nobody can stop it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let report = conformance::run_until(&subject, stop).await?;
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
