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
    journeys::{self, Told},
    traces::{self, Traces},
    traveller::{Traveller, Trip},
    truth::{Comparison, World, plant},
    up,
};
use futures::future::join_all;
use serde::Serialize;

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
    let up = up::up(flags.profile, Profile::Demo).await?;
    anyhow::ensure!(
        up.stack.profile() != Profile::Default,
        "it runs with profile default, in which a lost answer takes minutes; ./scripts/down first"
    );
    let done = tell(&up.stack, &up.endpoints, flags).await;
    if flags.once && up.started {
        tokio::task::spawn_blocking(up::down).await??;
    }
    done
}

async fn tell(stack: &Stack, endpoints: &Endpoints, flags: &Flags) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let world = World::of(stack).await?;
    let teller = journeys::Teller::new();
    let (mut told, mut failed, mut complete): (Vec<Told>, usize, usize) = (Vec::new(), 0, 0);
    for row in journeys::ALL {
        let lanes: Vec<_> = row.iter().map(|name| (*name, teller.lane(name))).collect();
        let ended = lanes.iter().map(|(name, lane)| journeys::run(name, stack, lane));
        for ((_, lane), ended) in lanes.iter().zip(join_all(ended).await) {
            match ended {
                Ok(journey) => {
                    complete += usize::from(has_complete_trace(endpoints, &journey).await?);
                    told.push(journey);
                }
                Err(error) => {
                    failed += 1;
                    lane.done(&format!("went wrong: {error:#}"));
                }
            }
        }
    }
    let trips: Vec<&Trip> = told.iter().map(|told| &told.trip).collect();
    let mut accepted: Vec<_> = trips.iter().map(|trip| trip.accepted()).collect();
    if let Some(first) = told.first().filter(|_| flags.plant) {
        let traveller = Traveller::of(stack, "customer-1").await?;
        accepted.push(plant::one_of_each(stack, &traveller, &first.trip, &first.shown).await?);
        stack.node().mine(1).await?;
    }
    let compared = world.compare(&accepted).await?;
    let seconds = begun.elapsed().as_secs_f64();
    print_world(stack, endpoints, &told).await?;
    print_summary(&compared, complete, seconds, endpoints, flags);
    let right = compared.is_right() && complete == told.len() && failed == 0;
    Ok(right)
}

async fn has_complete_trace(endpoints: &Endpoints, told: &Told) -> anyhow::Result<bool> {
    let id = &told.trip.booking_id;
    let traces = Traces::at(&endpoints.otlp);
    let (_, verdict) = traces.complete_within(id, Duration::from_secs(10)).await?;
    if let Err(missing) = &verdict {
        eprintln!("the trace of {id} lacks {}", missing.join(", "));
    }
    Ok(verdict.is_ok())
}

async fn print_world(stack: &Stack, endpoints: &Endpoints, told: &[Told]) -> anyhow::Result<()> {
    let (truth, node) = (stack.double().truth().await?, stack.node());
    println!("\nWhat exists at the supplier (GET {}/rapid/truth)", endpoints.doubles);
    for told in told {
        for r in truth.reservations.iter().filter(|r| r.guests.contains(&told.trip.guest)) {
            let requests = truth.requests.iter().filter(|q| {
                q.reference.as_ref() == Some(&r.reference)
                    || q.client_reference == r.client_reference
            });
            let requests: Vec<&str> = requests.map(|q| q.operation.as_str()).collect();
            println!(
                "  {}  {}  {} to {}  {} {}  after {}",
                r.reference,
                r.state,
                r.check_in,
                r.check_out,
                r.price.amount,
                r.price.currency,
                requests.join(", ")
            );
        }
    }
    println!("\nWhat lies on the chain ({}, block {})", endpoints.evm_rpc, node.height().await?);
    for told in told {
        if let (Some(address), Some(amount)) = (told.shown.address(), told.shown.amount()) {
            let received = node.balance(address).await?;
            println!("  {address}  asked {}  received {received}", amount.units);
        }
    }
    let traveller = Traveller::of(stack, "customer-1").await?;
    let points = traveller.gateway.points().await?;
    println!("\nWhat stands in the ledger of points ({})", traveller.account);
    println!("  {}", points["points"]);
    for entry in points["entries"].as_array().into_iter().flatten() {
        println!(
            "  {:<10} {:>7}  {}",
            text(entry, "kind"),
            entry["points"],
            text(entry, "booking_id")
        );
    }
    if let Some(first) = told.first() {
        let spans = Traces::at(&endpoints.otlp).of_booking(&first.trip.booking_id).await?;
        let click = spans.iter().find(|span| span.name == "POST /v1/bookings");
        if let Some(click) = click {
            let own: Vec<_> =
                spans.iter().filter(|s| s.trace_id == click.trace_id).cloned().collect();
            println!("\nOne booking, one trace ({}; start and length in ms)", first.name);
            print!("{}", traces::text(&own));
            println!("  as a page: {}/traces/{}/view", endpoints.otlp, click.trace_id);
        }
    }
    Ok(())
}

fn text<'a>(value: &'a serde_json::Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
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
        "{} bookings: {} confirmed, {} undone, {} in review; {} lost, {} double, {} orphaned, {} overcharged; {} traces complete",
        compared.bookings,
        compared.confirmed,
        compared.undone,
        compared.review,
        compared.lost,
        compared.double,
        compared.orphaned,
        compared.overcharged,
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
            traces_complete,
            seconds: (seconds * 10.0).round() / 10.0,
        };
        println!("{}", serde_json::to_string(&summary).unwrap_or_default());
    }
}
