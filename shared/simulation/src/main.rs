//! `simulate`: runs seeds, counts, and tells the story of one that failed.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

mod figures;

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use simulation::{Mix, Part, Report, Run, STREAM, Tally, model, shrink::shrink};

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
    /// Of the traced seed, nobody clicks but these, counted from 0.
    #[arg(long, value_delimiter = ',', requires = "trace")]
    only: Vec<u32>,
    /// Of the traced seed, nothing fails but these kinds.
    #[arg(long, requires = "trace")]
    faults: Option<String>,
    /// Of the traced seed, draws anew what happens.
    #[arg(long, requires = "trace", default_value_t = 0)]
    salt: u64,
    /// Fails when something rare happened less often than this.
    #[arg(long, value_name = "N")]
    sometimes_min: Option<u64>,
    /// Makes every mistake on purpose in turn, and says which are found within the seeds.
    #[arg(long, conflicts_with = "trace")]
    mutants: bool,
    /// Goes every way of one leg at its supplier and of one whole booking, with so many calls that
    /// fail.
    #[arg(long, value_name = "FAULTS", num_args = 0..=1, default_missing_value = "1")]
    model: Option<u32>,
    /// Prints a table of the results that a folder holds, beside what they should be.
    #[arg(long, value_name = "FOLDER")]
    table: Option<PathBuf>,
    /// Prints the result alone, as one line of JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(parts) = &arguments.table {
        let well = figures::table(parts)?;
        return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    match arguments.trace {
        None if arguments.mutants => mutants(&arguments),
        None if arguments.model.is_some() => model(&arguments),
        Some(seed) => trace(&arguments, seed),
        None => many(&arguments),
    }
}

fn trace(arguments: &Arguments, seed: u64) -> anyhow::Result<ExitCode> {
    let part = Part {
        bookings: (!arguments.only.is_empty()).then(|| arguments.only.iter().copied().collect()),
        faults: arguments.faults.as_ref().map(|kinds| {
            kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect()
        }),
        salt: arguments.salt,
    };
    let run = Run { part, ..Run::new(&arguments.stream, seed, arguments.bookings) };
    let report = run.trace();
    if !arguments.json {
        tell(&report).context("telling the story")?;
    }
    let mut tally = Tally::default();
    tally.add(&report);
    finish(&tally, Duration::ZERO, arguments)
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
    for (seed, run) in &tally.failed {
        eprintln!("SEED={seed} STREAM={} BOOKINGS={}", run.stream, run.bookings);
    }
    if let Some(run) = tally.failed.values().next() {
        tell_shrunk(run).context("telling the story")?;
    }
    finish(&tally, seconds, arguments)
}

/// Which sources this was built of, where the script that started it knows.
fn commit() -> String {
    std::env::var("HOLDFAST_COMMIT").unwrap_or_else(|_unset| "unknown".to_owned())
}

/// The first run that failed, made as small as it goes.
fn tell_shrunk(failed: &Run) -> std::io::Result<()> {
    eprintln!("SEED={} COMMIT={}: making it smaller ...", failed.seed, commit());
    let Some(shrunk) = shrink(failed) else { return Ok(()) };
    let Run { stream, seed, bookings, part, .. } = &shrunk.run;
    let left =
        part.bookings.as_ref().map_or_else(|| u64::from(*bookings), |some| some.len() as u64);
    let kinds = shrunk.report.faults.iter().copied().collect::<Vec<_>>().join(",");
    eprintln!(
        "{left} of {bookings} bookings, {} of {} kinds of faults, after {} runs:",
        shrunk.report.faults.len(),
        shrunk.faults_before,
        shrunk.tried
    );
    tell(&shrunk.run.trace())?;
    let only = part.bookings.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
    let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
    let faults = if part.faults.is_some() { format!(" --faults={kinds}") } else { String::new() };
    let salt = if part.salt == 0 { String::new() } else { format!(" --salt {}", part.salt) };
    eprintln!(
        "again: ./scripts/simulate --trace {seed} --stream {stream} --bookings {bookings}\
         {only}{faults}{salt}"
    );
    Ok(())
}

/// All ways within bounds: complete, or the way that goes wrong.
fn model(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut models = serde_json::Map::new();
    let (mut states, mut well) = (0, true);
    for asked in model::asked(arguments.model.unwrap_or_default()) {
        let since = Instant::now();
        let seen = asked.explore(None, threads);
        if let Some((what, way)) = &seen.wrong {
            eprintln!("{}: it is not always so that {what}, after", asked.name);
            way.iter().for_each(|step| eprintln!("  {step}"));
        }
        for never in &seen.never {
            eprintln!("{}: it is never so that {never}", asked.name);
        }
        states += seen.states;
        well &= seen.is_well();
        let told = serde_json::json!({
            "states": seen.states,
            "longest_way": seen.depth,
            "complete": seen.wrong.is_none(),
            "bounds": format!("{:?}", asked.bounds),
            "seconds": (since.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        });
        if !arguments.json {
            println!("{}: {told}", asked.name);
        }
        models.insert(asked.name.to_owned(), told);
    }
    let line = serde_json::json!({
        "states": states,
        "well": well,
        "models": models,
        "seconds": (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        "commit": commit(),
    });
    println!("{}", serde_json::to_string(&line).context("writing the result")?);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(not(feature = "mutants"))]
fn mutants(_: &Arguments) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "built without mistakes on purpose: ./scripts/simulate --mutants builds with them"
    )
}

#[cfg(feature = "mutants")]
fn mutants(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    use simulation::{hunt::Hunt, mutants::MUTANTS};
    let begun = Instant::now();
    let hunt = Hunt {
        stream: arguments.stream.clone(),
        from: arguments.from,
        seeds: arguments.seeds,
        bookings: arguments.bookings,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    // Code that gives up under a mistake has found it; its words are of no use here.
    std::panic::set_hook(Box::new(|_| ()));
    let results = hunt.all(MUTANTS, |mutant, found| {
        if arguments.json {
            return;
        }
        match found {
            Some(found) => {
                println!(
                    "{:<28} {:<6} seed {:<5} {}",
                    mutant.name, found.by, found.seed, mutant.what
                );
            }
            None => println!("{:<28} NOT FOUND         {}", mutant.name, mutant.what),
        }
    });
    let canary_failed = hunt.canary_failed();
    drop(std::panic::take_hook());
    let survived: Vec<_> =
        results.iter().filter(|(_, found)| found.is_none()).map(|(m, _)| m.name).collect();
    let line = serde_json::json!({
        "killed": results.len().saturating_sub(survived.len()),
        "of": results.len(),
        "canary_failed": canary_failed,
        "survived": survived,
        "seeds_max": arguments.seeds,
        "seconds": (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        "stream": arguments.stream,
        "commit": commit(),
    });
    println!("{}", serde_json::to_string(&line).context("writing the result")?);
    let well = survived.is_empty() && canary_failed;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
fn finish(tally: &Tally, took: Duration, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let least = arguments.sometimes_min;
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
        "stream": arguments.stream,
        "from": arguments.trace.unwrap_or(arguments.from),
        "commit": commit(),
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
    for (word, count) in tally.sometimes.by_word() {
        if least.is_some_and(|least| count < least) {
            eprintln!("{word} happened only {count} times");
            well = false;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
