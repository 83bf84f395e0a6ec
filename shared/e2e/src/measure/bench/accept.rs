//! `POST /v1/bookings`, beside a bare server, while the supplier does not answer.

use std::sync::Arc;

use anyhow::ensure;

use super::{floor::Floor, prepare};
use crate::{
    SERVICES, Stack,
    measure::{
        Figure, Goal,
        load::{self, Outcome, Shot},
        percentile,
    },
};

const CONNECTIONS: usize = 64;
const PER_SECOND: u32 = 200;
const TURNS: usize = 2;
/// Enough to last a turn of some seconds on two cores.
const PER_TURN_AND_SECOND: usize = 500;
const P99_MS_MAX: f64 = 50.0;
const PART_OF_FLOOR: f64 = 0.4;

/// The supplier takes a minute for everything from here on.
async fn put_the_supplier_to_sleep(stack: &Stack) -> anyhow::Result<()> {
    for operation in ["reserve", "lookup"] {
        stack.double().arm(operation, "slow", u32::MAX, Some(60_000)).await?;
    }
    Ok(())
}

/// 99 of 100 answers at 200 requests a second come within so many milliseconds.
pub(super) async fn p99(
    stack: &Stack,
    floor: &Floor,
    seconds: usize,
) -> anyhow::Result<Vec<Figure>> {
    eprintln!("answers at {PER_SECOND} requests a second");
    let (count, first) = (PER_SECOND as usize * seconds, PER_SECOND as usize * seconds / 4);
    let shots = prepare::shots(stack, first + count, "p99").await?;
    put_the_supplier_to_sleep(stack).await?;
    // Both are asked for a while before it counts: connections are made, statements planned.
    let (first, counted) = shots.split_at(first);
    let (first, counted) = (Arc::new(first.to_vec()), Arc::new(counted.to_vec()));
    let bare = to_floor(&counted, floor);
    load::by_the_clock(to_floor(&first, floor), PER_SECOND).await;
    let mut floor_took = checked(load::by_the_clock(bare, PER_SECOND).await, count)?;
    load::by_the_clock(first, PER_SECOND).await;
    let mut took = checked(load::by_the_clock(counted, PER_SECOND).await, count)?;
    let (p50, p99) =
        (percentile(&mut took.latencies_ms, 50), percentile(&mut took.latencies_ms, 99));
    let floor_p99 = percentile(&mut floor_took.latencies_ms, 99);
    let floor_p50 = percentile(&mut floor_took.latencies_ms, 50);
    Ok(vec![
        Figure::new("accept_p99", p99, "ms", Some(floor_p99), Goal::AtMost(P99_MS_MAX)),
        Figure::new("accept_p50", p50, "ms", Some(floor_p50), Goal::None),
    ])
}

/// Requests accepted a second over 64 connections, in turns with the bare server: while every
/// service works on what was accepted on the same cores, and then by the gateway alone, when all
/// others are down and what it says waits in their queues.
pub(super) async fn throughput(
    stack: &Stack,
    floor: &Floor,
    seconds: usize,
) -> anyhow::Result<Vec<Figure>> {
    let beside = prepare::shots(stack, PER_TURN_AND_SECOND * seconds * TURNS, "beside").await?;
    let alone = prepare::shots(stack, PER_TURN_AND_SECOND * seconds * TURNS, "alone").await?;
    put_the_supplier_to_sleep(stack).await?;
    eprintln!("requests accepted over {CONNECTIONS} connections, beside all services");
    let mut figures = vec![in_turns(floor, &beside, "accept_beside_workers_per_second").await?];
    for name in SERVICES.into_iter().filter(|name| *name != "booking") {
        stack.kill(name);
    }
    eprintln!("requests accepted over {CONNECTIONS} connections, by the gateway alone");
    figures.push(in_turns(floor, &alone, "accept_per_second").await?);
    let peak = stack.pid("booking").and_then(crate::measure::usage::peak_mib);
    if let Some(peak) = peak {
        figures.push(Figure::new("accept_peak_memory", peak, "MiB", floor.peak_mib(), Goal::None));
    }
    Ok(figures)
}

async fn in_turns(floor: &Floor, all: &[Shot], name: &str) -> anyhow::Result<Figure> {
    let count = all.len() / TURNS;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for turn in all.chunks(count) {
        let turn = Arc::new(turn.to_vec());
        let to_floor = to_floor(&turn, floor);
        bare.push(checked(load::closed(to_floor, CONNECTIONS).await, count)?.per_second());
        ours.push(checked(load::closed(turn, CONNECTIONS).await, count)?.per_second());
        eprintln!("  bare {:.0}, ours {:.0} a second", bare[bare.len() - 1], ours[ours.len() - 1]);
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    let (value, floor_value) = (mean(&ours), Some(mean(&bare)));
    Ok(Figure::new(name, value, "1/s", floor_value, Goal::OfFloor(PART_OF_FLOOR)))
}

/// The same bodies to the bare server.
fn to_floor(shots: &[Shot], floor: &Floor) -> Arc<Vec<Shot>> {
    let url = format!("{}/insert", floor.url);
    Arc::new(shots.iter().map(|shot| Shot { url: url.clone(), ..shot.clone() }).collect())
}

fn checked(outcome: Outcome, count: usize) -> anyhow::Result<Outcome> {
    let accepted = outcome.accepted.len();
    let refused = outcome.refused.as_deref().unwrap_or("");
    ensure!(accepted == count, "{accepted} of {count} accepted; one was {refused}");
    Ok(outcome)
}
