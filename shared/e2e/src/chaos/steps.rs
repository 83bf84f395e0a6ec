//! Each process is killed at each step of a booking in turn, and every booking comes to its end.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use http::StatusCode;
use serde_json::json;

use super::{Report, converge, told};
use crate::{
    Options, Profile, Stack,
    gateway::{Shown, describe},
    traveller::{Traveller, Trip, some_stay},
    truth::{Accepted, World},
};

/// How long a process is away.
const AWAY_FOR: Duration = Duration::from_millis(200);
const STEP_WITHIN: Duration = Duration::from_secs(40);

/// How far a booking is when the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its click was answered a moment ago.
    Clicked,
    /// Its address is shown.
    Held,
    /// Its money was sent a moment ago.
    Paid,
    /// Its money was seen, and is not final.
    Seen,
    /// It was confirmed, and its customer cancelled a moment ago.
    Cancelled,
    /// Its supplier did not sell it although it was paid, and it is being undone.
    Refused,
}

/// Steps of bookings that are under way at the same time. What a supplier refuses is refused to
/// whoever comes next, so that one goes alone.
const ROUNDS: [&[Step]; 3] =
    [&[Step::Clicked, Step::Held, Step::Paid, Step::Seen], &[Step::Cancelled], &[Step::Refused]];

/// Kills each of some services at each step; `tell` hears of every kill.
///
/// # Errors
/// When the system cannot be started, or a booking does not get where it should.
pub async fn steps(services: &[&str], tell: impl Fn(&str)) -> anyhow::Result<Report> {
    let options =
        Options { profile: Profile::Demo, share_of_traces: 0.0, ..Options::test("steps") };
    let stack = Stack::start(options).await?;
    let world = World::of(&stack).await?;
    let mut accepted = Vec::new();
    let mut kills = BTreeMap::new();
    for service in services {
        for round in ROUNDS {
            tell(&format!("kill -9 {service} at {round:?}"));
            accepted.extend(killed_at(&stack, service, round).await?);
            *kills.entry((*service).to_owned()).or_default() += u32::try_from(round.len())?;
        }
    }
    let began = Instant::now();
    let (compared, parked) = converge(&stack, &world, &accepted, began, true).await?;
    let report = told(&compared, kills, parked, began.elapsed(), 0);
    stack.stop().await.ok();
    Ok(report)
}

/// Brings one booking to each step, kills the process, and sees the bookings to their ends.
async fn killed_at(stack: &Stack, service: &str, round: &[Step]) -> anyhow::Result<Vec<Accepted>> {
    let traveller = Traveller::of(stack, &format!("steps-{service}")).await?;
    let there = round.iter().map(|step| come_to(stack, &traveller, *step));
    let trips = try_join_all(there).await?;
    stack.kill(service);
    tokio::time::sleep(AWAY_FOR).await;
    stack.restart(service).await?;
    let ends = round.iter().zip(&trips).map(|(step, trip)| finish(&traveller, *step, trip));
    try_join_all(ends).await?;
    Ok(trips.iter().map(Trip::accepted).collect())
}

async fn come_to(stack: &Stack, traveller: &Traveller, step: Step) -> anyhow::Result<Trip> {
    let quote = traveller.gateway.quote(&some_stay()).await?;
    let wallet = traveller.new_wallet();
    let trip = traveller.book_quote(quote, |body| body["refund_to"] = json!(wallet)).await?;
    if step == Step::Clicked {
        return Ok(trip);
    }
    let payable = traveller.until_payable(&trip, STEP_WITHIN).await?;
    if step == Step::Held {
        return Ok(trip);
    }
    if step == Step::Refused {
        stack.double().arm("confirm", "confirm_refused", 1, None).await?;
    }
    traveller.pay(&payable).await?;
    match step {
        Step::Clicked | Step::Held | Step::Paid => {}
        Step::Seen => {
            let seen = |shown: &Shown| {
                shown.ended() || shown.remaining().is_some_and(|units| units.is_zero())
            };
            traveller.until(&trip, "seen", STEP_WITHIN, seen).await?;
        }
        Step::Cancelled => {
            let confirmed = |shown: &Shown| shown.status() == "confirmed";
            traveller.until(&trip, "confirmed", STEP_WITHIN, confirmed).await?;
            let path = format!("/v1/bookings/{}/cancellation", trip.booking_id);
            let quote = traveller.gateway.post(&format!("{path}?quote=true"), &json!({})).await?;
            let agreed = json!({"quote": quote.json()["quote"]});
            let answer = traveller.gateway.post(&path, &agreed).await?;
            anyhow::ensure!(answer.status == StatusCode::ACCEPTED, "{}", describe(&answer));
        }
        Step::Refused => {
            let failing = |shown: &Shown| shown.status() == "failing" || shown.ended();
            traveller.until(&trip, "failing", STEP_WITHIN, failing).await?;
        }
    }
    Ok(trip)
}

/// What is left to be done by its customer, and the end that it has to come to.
async fn finish(traveller: &Traveller, step: Step, trip: &Trip) -> anyhow::Result<()> {
    if matches!(step, Step::Clicked | Step::Held) {
        let payable = traveller.until_payable(trip, STEP_WITHIN).await?;
        traveller.pay(&payable).await?;
    }
    let end = match step {
        Step::Clicked | Step::Held | Step::Paid | Step::Seen => "confirmed",
        Step::Cancelled => "cancelled",
        Step::Refused => "failed",
    };
    let there = |shown: &Shown| shown.status() == end;
    // A confirmed booking has ended, and goes on from there.
    let until = Instant::now() + STEP_WITHIN;
    loop {
        let shown = traveller.gateway.booking(&trip.booking_id).await?;
        if there(&shown) {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "killed at {step:?}, not {end}: {}", shown.0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
