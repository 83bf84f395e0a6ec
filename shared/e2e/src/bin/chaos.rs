//! Kills, stops and cuts what a whole system is made of while customers book, then compares what
//! came of it with the supplier, the chain and the points.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{process::ExitCode, time::Duration, time::Instant};

use clap::Parser;
use e2e::chaos::{self, Asked};

#[derive(Parser)]
#[command(name = "chaos")]
struct Flags {
    /// How long the faults last
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which faults come, and when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bookings a second
    #[arg(long, default_value_t = 3)]
    rate: u32,
    /// Lets nothing fail: what the same load does without faults
    #[arg(long)]
    control: bool,
    /// Tells no fault, only the result
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let asked = Asked {
        lasts: Duration::from_secs(flags.seconds),
        seed: flags.seed,
        per_second: flags.rate,
        faults: !flags.control,
    };
    let begun = Instant::now();
    let tell = |what: &str| {
        if !flags.json {
            eprintln!("{:>7.1} s   {what}", begun.elapsed().as_secs_f64());
        }
    };
    match chaos::run(asked, tell).await {
        Ok(report) => {
            for line in &report.wrong {
                eprintln!("WRONG: {line}");
            }
            println!("{}", serde_json::to_string(&report).unwrap_or_default());
            match report.is_well(asked.faults) {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}
