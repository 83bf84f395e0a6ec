//! Real bookings through the real system, told as they happen, then compared with the supplier, the
//! chain and the ledger.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a command talks to whoever called it"
)]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use e2e::{
    Endpoints, Profile, Stack,
    journeys::{self, Teller},
    report,
    traveller::Traveller,
    truth::{Comparison, World, plant},
    up,
};
use serde::Serialize;

/// The last points and refunds come a moment after the last booking.
const RIGHT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(name = "demo")]
struct Flags {
    /// End the system afterwards (unless it ran already), and fail if any booking ended wrong
    #[arg(long)]
    once: bool,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// Durations: demo (short, but for people) or fast
    #[arg(long)]
    profile: Option<Profile>,
    /// Only journeys whose name has this in it
    #[arg(long, hide = true)]
    only: Vec<String>,
    /// Use a stack of this name that runs already
    #[arg(long, hide = true)]
    stack: Option<String>,
    /// Spoil the world by hand, to see that it is noticed
    #[arg(long, hide = true)]
    plant: bool,
}

/// The last line.
#[derive(Serialize)]
struct Summary {
    bookings: usize,
    confirmed: usize,
    undone: usize,
    review: usize,
    lost: usize,
    double: usize,
    orphaned: usize,
    overcharged: usize,
    given_away: usize,
    in_review: usize,
    traces_complete: usize,
    seconds: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    match demo(&flags).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all ended right.
async fn demo(flags: &Flags) -> anyhow::Result<bool> {
    if let Some(name) = &flags.stack {
        let stack = Stack::open(name)?.ok_or_else(|| anyhow::anyhow!("no stack `{name}` runs"))?;
        let endpoints = stack.endpoints()?;
        return tell(&stack, &endpoints, flags).await;
    }
    let up = up::up(up::MAIN, flags.profile, Profile::Demo).await?;
    anyhow::ensure!(
        up.stack.profile() != Profile::Default,
        "it runs with profile default, in which a lost answer takes minutes; ./scripts/down first"
    );
    let done = tell(&up.stack, &up.endpoints, flags).await;
    if flags.once && up.started {
        tokio::task::spawn_blocking(|| up::down(up::MAIN)).await??;
    }
    done
}

async fn tell(stack: &Stack, endpoints: &Endpoints, flags: &Flags) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let world = World::of(stack).await?;
    let wanted =
        |name: &str| flags.only.is_empty() || flags.only.iter().any(|only| name.contains(only));
    let searches = journeys::look_around(stack).await?;
    eprintln!("  customers look around first: {searches} searches for 3 stays");
    let told = journeys::tell(stack, &Teller::new(), wanted).await;
    let all = journeys::all().filter(|name| wanted(name)).count();
    let well = told.iter().filter(|told| told.wrong.is_none()).count();
    let mut accepted: Vec<_> = told.iter().map(|told| told.trip.accepted()).collect();
    if let Some(first) = told.first().filter(|_| flags.plant) {
        let traveller = Traveller::of(stack, journeys::ACCOUNT).await?;
        accepted.push(plant::one_of_each(stack, &traveller, &first.trip, &first.shown).await?);
        stack.node().mine(1).await?;
    }
    let compared = world.compare_within(&accepted, RIGHT_WITHIN).await?;
    let complete = told.iter().filter(|told| told.trace.is_ok()).count();
    let seconds = begun.elapsed().as_secs_f64();
    println!("\nWhat came of each booking, asked from outside");
    println!("{}", report::table(stack, &told).await?);
    println!("The suppliers, by what they were asked and what they left open");
    // Nobody lost anything where a table for people cannot be had.
    match report::league(stack).await {
        Ok(table) => println!("{table}"),
        Err(error) => println!("  not to be had: {error:#}\n"),
    }
    if let Some(first) = told.first() {
        println!("{}", report::one_trace(endpoints, first).await?);
    }
    print_summary(&compared, complete, seconds, endpoints, flags);
    Ok(compared.is_right() && complete == told.len() && well == all)
}

fn print_summary(
    compared: &Comparison,
    traces_complete: usize,
    seconds: f64,
    endpoints: &Endpoints,
    flags: &Flags,
) {
    println!();
    for line in &compared.wrong {
        println!("WRONG: {line}");
    }
    println!(
        "{} bookings: {} confirmed, {} undone, {} in review; {} lost, {} double, {} orphaned, {} overcharged, {} given away; {} traces complete",
        compared.bookings,
        compared.confirmed,
        compared.undone,
        compared.review,
        compared.lost,
        compared.double,
        compared.orphaned,
        compared.overcharged,
        compared.given_away,
        traces_complete
    );
    if !flags.once {
        println!("\nIt is still up: gateway {}, console {}", endpoints.gateway, endpoints.console);
        println!(
            "traces {}; tokens and the rest in .run/endpoints.json; ./scripts/down ends it",
            endpoints.otlp
        );
    }
    if flags.once || flags.json {
        let summary = Summary {
            bookings: compared.bookings,
            confirmed: compared.confirmed,
            undone: compared.undone,
            review: compared.review,
            lost: compared.lost,
            double: compared.double,
            orphaned: compared.orphaned,
            overcharged: compared.overcharged,
            given_away: compared.given_away,
            in_review: compared.in_review,
            traces_complete,
            seconds: (seconds * 10.0).round() / 10.0,
        };
        println!("{}", serde_json::to_string(&summary).unwrap_or_default());
    }
}
