//! `simulate`: runs seeds, counts, and tells the story of one that failed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to whoever called it"
)]

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use simulation::{Mix, Report, Run, STREAM, Tally};

/// The least share of bookings that has to be confirmed, so that a run proves something.
const SHARES: [(Mix, f64); 2] = [(Mix::Calm, 0.5), (Mix::Worst, 0.2)];
/// A share of fewer bookings than this says nothing.
const BOOKINGS_MIN: u64 = 200;

/// Runs the whole system without I/O, by seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many bookings a seed has.
    #[arg(long, default_value_t = 10)]
    bookings: u32,
    /// Which stream of seeds; any name gives one.
    #[arg(long, default_value = STREAM)]
    stream: String,
    /// Runs this one seed and tells its story.
    #[arg(long, visible_alias = "seed")]
    trace: Option<u64>,
    /// Prints the result alone, as one line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.trace {
        Some(seed) => trace(&arguments, seed),
        None => many(&arguments),
    }
}

fn trace(arguments: &Arguments, seed: u64) -> anyhow::Result<ExitCode> {
    let report = Run::new(&arguments.stream, seed, arguments.bookings).trace();
    if !arguments.json {
        tell(&report).context("telling the story")?;
    }
    let mut tally = Tally::default();
    tally.add(&report);
    finish(&tally, Duration::ZERO)
}

fn many(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = bar(arguments)?;
    let run = |seed| Run::new(&arguments.stream, seed, arguments.bookings);
    let tally = Tally::of(arguments.from, arguments.seeds, threads, run, || bar.inc(1));
    bar.finish_and_clear();
    let seconds = begun.elapsed();
    if !arguments.json {
        print(&tally, seconds);
    }
    for (seed, run) in tally.failed.iter().take(1) {
        eprintln!("seed {seed} of stream {} with {} bookings failed:", run.stream, run.bookings);
        tell(&run.trace()).context("telling the story")?;
        eprintln!(
            "again: ./scripts/simulate --trace {seed} --stream {} --bookings {}",
            run.stream, run.bookings
        );
    }
    finish(&tally, seconds)
}

fn bar(arguments: &Arguments) -> anyhow::Result<ProgressBar> {
    let target = match !arguments.json && std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(arguments.seeds), target);
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left";
    Ok(bar.with_style(ProgressStyle::with_template(style)?))
}

fn print(tally: &Tally, seconds: Duration) {
    println!(
        "{} seeds, {} bookings, {} steps in {seconds:.1?}",
        tally.seeds, tally.bookings, tally.steps
    );
    for mix in [Mix::Calm, Mix::Swarm, Mix::Worst] {
        if let Some(share) = tally.share(Some(mix)) {
            println!("{:>6}: {:.1} % confirmed", mix.word(), share * 100.0);
        }
    }
    for (word, count) in tally.sometimes.by_word() {
        println!("{count:>12}  {word}");
    }
}

/// On standard error, so that the last line of the output stays JSON alone.
fn tell(report: &Report) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    for violation in &report.violations {
        let about = violation.booking_id.map_or_else(String::new, |id| format!(" (booking {id})"));
        writeln!(out, "{} broken{about}: {}", violation.predicate, violation.what)?;
    }
    for line in report.shortened() {
        writeln!(out, "{}  {}", line.at.format("%d %H:%M:%S%.3f"), line.text)?;
    }
    Ok(())
}

/// The last line, and whether all is well.
fn finish(tally: &Tally, took: Duration) -> anyhow::Result<ExitCode> {
    let round = |share: Option<f64>| share.map(|share| (share * 10_000.0).round() / 10_000.0);
    let line = serde_json::json!({
        "seeds": tally.seeds,
        "bookings": tally.bookings,
        "confirmed_share": round(tally.share(None)),
        "confirmed_share_by_mix": {
            "calm": round(tally.share(Some(Mix::Calm))),
            "swarm": round(tally.share(Some(Mix::Swarm))),
            "worst": round(tally.share(Some(Mix::Worst))),
        },
        "violations": tally.violations,
        "sometimes": tally.sometimes.by_word(),
        "steps": tally.steps,
        "seconds": (took.as_secs_f64() * 10.0).round() / 10.0,
    });
    println!("{}", serde_json::to_string(&line).context("writing the result")?);
    let vacuous = SHARES.iter().filter(|(mix, least)| {
        let enough = tally.by_mix.get(mix).is_some_and(|(bookings, _)| *bookings >= BOOKINGS_MIN);
        enough && tally.share(Some(*mix)).is_some_and(|share| share < *least)
    });
    let mut well = tally.violations == 0;
    for (mix, least) in vacuous {
        eprintln!("too little is confirmed in the {} mix: less than {least}", mix.word());
        well = false;
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
