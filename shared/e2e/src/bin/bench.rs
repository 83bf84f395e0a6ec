//! Measures the built system: requests accepted, whole bookings, processor time and memory, each
//! beside its floor.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::process::ExitCode;

use clap::Parser;
use e2e::{
    interrupt::or_interrupted,
    measure::{
        Figure,
        bench::{self, Filled},
    },
};

/// Figures are measured in release builds with PostgreSQL flushing to disk; `./scripts/bench` sees
/// to both.
#[derive(Parser)]
#[command(name = "bench")]
struct Flags {
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// How long each load lasts, about
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Dead letters behind the console while it is measured; the goals are for 1,000,000
    #[arg(long, default_value_t = 100_000)]
    letters: i64,
    /// Rows of journals at the owners meanwhile; the goals are for 10,000,000
    #[arg(long, default_value_t = 1_000_000)]
    events: i64,
    /// Which measures: whole, search, p99, accept, console, chain; all when none is named
    names: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let filled = Filled { letters: flags.letters, events: flags.events };
    let work = Box::pin(bench::run(flags.seconds, filled, &flags.names));
    match or_interrupted(work).await {
        Ok(figures) => {
            print(&figures, flags.json);
            let held = figures.iter().all(|figure| figure.holds);
            if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(figures: &[Figure], json: bool) {
    println!(
        "{:<36} {:>12} {:<8} {:>12} {:>8}  {:<28} holds",
        "figure", "value", "unit", "floor", "ratio", "goal"
    );
    let shown = |number: Option<f64>| number.map_or_else(String::new, |n| format!("{n:.2}"));
    for figure in figures {
        println!(
            "{:<36} {:>12.2} {:<8} {:>12} {:>8}  {:<28} {}",
            figure.name,
            figure.value,
            figure.unit,
            shown(figure.floor),
            shown(figure.ratio),
            figure.goal,
            if figure.holds { "yes" } else { "NO" }
        );
    }
    if json {
        println!("{}", serde_json::json!({ "figures": figures }));
    }
}
