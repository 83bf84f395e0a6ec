//! Kills, stops and cuts what a whole system is made of while customers book, then compares what
//! came of it with the supplier, the chain and the points.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use e2e::{
    SERVICES,
    chaos::{
        self, Asked, Report,
        cluster::cluster,
        outages::outages,
        steps::{Fault, Step, steps},
        upgrade::upgrade,
    },
    interrupt::or_interrupted,
};
use serde::Serialize;

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
    /// Kills each of three nodes of a broker for so many seconds, and cuts each off as long,
    /// instead
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["control", "outages", "steps"])]
    cluster: Option<u64>,
    /// Lets each step of a booking meet each fault in turn, instead: each process killed and
    /// stopped, every message repeated, the supplier failing
    #[arg(long, conflicts_with_all = ["control", "outages"])]
    steps: bool,
    /// Takes database, broker, Redis and a service away for so many seconds each, instead, and
    /// helps nowhere
    #[arg(long, value_name = "SECONDS", conflicts_with = "control")]
    outages: Option<u64>,
    /// Goes over from the services in this folder to those of this build while customers book,
    /// instead; each state lasts a third of `--seconds`
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["control", "cluster", "outages", "steps"]
    )]
    upgrade: Option<PathBuf>,
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
    or_interrupted(Box::pin(done(&flags, asked, tell))).await.unwrap_or_else(|error| {
        eprintln!("chaos: {error:#}");
        ExitCode::FAILURE
    })
}

/// Does what is asked for, and prints what came of it.
async fn done(flags: &Flags, asked: Asked, tell: impl Fn(&str) + Sync) -> anyhow::Result<ExitCode> {
    if flags.steps {
        let all = steps(&SERVICES, &Fault::ALL, &Step::ALL, tell).await?;
        return Ok(said(&all.report, &all, asked.faults, None));
    }
    if let Some(seconds) = flags.outages {
        let all = outages(Duration::from_secs(seconds), flags.rate, tell).await?;
        return Ok(said(&all.report, &all, asked.faults, Some(all.report.parked)));
    }
    let report = if let Some(from) = &flags.upgrade {
        upgrade(from.clone(), asked.lasts / 3, flags.rate, tell).await?
    } else if let Some(seconds) = flags.cluster {
        cluster(Duration::from_secs(seconds), flags.rate, tell).await?
    } else {
        chaos::run(asked, tell).await?
    };
    Ok(said(&report, &report, asked.faults, None))
}

/// Prints the line, and says whether all is well; `parked` where nothing may have been parked.
fn said(report: &Report, line: &impl Serialize, faults: bool, parked: Option<usize>) -> ExitCode {
    for wrong in &report.wrong {
        eprintln!("WRONG: {wrong}");
    }
    println!("{}", serde_json::to_string(line).unwrap_or_default());
    let well = report.is_well(faults) && parked.is_none_or(|parked| parked == 0);
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
