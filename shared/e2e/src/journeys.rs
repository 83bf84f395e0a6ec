//! The journeys of the demo: each is a booking that a traveller would recognise, told step by step.

mod broken;
mod life;
mod looking;
mod otherwise;
mod paid;
mod steps;
mod supplier;
mod teller;
mod token;
mod unpaid;

use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;

use crate::{
    Stack,
    gateway::Shown,
    traces::{Ended, Traces},
    traveller::{Traveller, Trip},
};

pub use looking::look_around;
pub use steps::{brief, decimal, grant, until_points};
pub use teller::{Lane, Teller};

/// The journeys that are told while others go on: those of a row side by side, the rows one after
/// the other. A fault of the supplier strikes whoever comes first, a reorg whoever paid last.
pub const ROWS: [&[&str]; 10] = [
    &[
        "a stay paid in ether",
        "a stay paid partly with points",
        "a stay paid in a token in two parts",
        "a stay paid by card",
        "a stay paid in a Bitcoin-like coin",
    ],
    &[
        "a trip of three cities",
        "a flight, a stay and an activity",
        "one of three rooms given back",
        "a stay made longer",
        "a stay cancelled by the hotel",
    ],
    &["a trip whose second room is gone"],
    &["a supplier that times out but books"],
    &["a late callback that contradicts"],
    &["a supplier that refuses after the money"],
    &["a payment undone by a reorg"],
    &["a settled payment undone by a reorg"],
    &["a message that is spoilt on its way"],
    &["a worker killed in the middle"],
];

/// The journeys that only wait: they begin with the first row and may end after the last.
pub const BESIDE: [&str; 1] = ["a payment that never comes"];

/// Services send their spans once a second.
const TRACE_WITHIN: Duration = Duration::from_secs(10);

/// Whose all bookings are.
pub const ACCOUNT: &str = "customer-1";

/// A journey's end.
#[derive(Debug)]
pub struct Told {
    pub name: &'static str,
    pub trip: Trip,
    pub shown: Shown,
    /// How many spans its view has, or which hops it lacks.
    pub trace: Result<usize, Vec<String>>,
    /// Why it did not end as its name says.
    pub wrong: Option<String>,
}

/// Every journey there is, in the order in which they begin.
pub fn all() -> impl Iterator<Item = &'static str> {
    ROWS.into_iter().flatten().copied().chain(BESIDE)
}

/// Tells the journeys that are wanted. One that went wrong before a booking was accepted is said so
/// and left out.
pub async fn tell(stack: &Stack, teller: &Teller, wanted: impl Fn(&str) -> bool) -> Vec<Told> {
    let lanes: Vec<(&'static str, Lane)> =
        all().filter(|name| wanted(name)).map(|name| (name, teller.lane(name))).collect();
    let one = |name: &'static str| {
        let lane = lanes.iter().find(|(of, _)| *of == name).map(|(_, lane)| lane);
        async move { told(name, stack, lane?).await }
    };
    let beside = join_all(BESIDE.into_iter().map(one));
    let rows = async {
        let mut all = Vec::new();
        for row in ROWS {
            all.extend(join_all(row.iter().copied().map(one)).await);
        }
        all
    };
    let (rows, beside) = futures::join!(rows, beside);
    rows.into_iter().chain(beside).flatten().collect()
}

async fn told(name: &'static str, stack: &Stack, lane: &Lane) -> Option<Told> {
    let (shown, wrong) = match run(name, stack, lane).await {
        Ok(shown) => (shown, None),
        Err(error) => {
            let wrong = format!("{error:#}");
            lane.fail(&wrong);
            let ada = Traveller::of(stack, ACCOUNT).await.ok()?;
            (ada.gateway.booking(&lane.trip()?.booking_id).await.ok()?, Some(wrong))
        }
    };
    // Looked at before the next fault: a process that is killed takes its last spans along.
    let traces = Traces::at(&stack.url("traces"));
    let trip = lane.trip()?;
    let asked = traces.complete_within(&trip.booking_id, ended(&shown), TRACE_WITHIN).await;
    let trace = match asked {
        Ok((spans, whole)) => whole.map(|()| spans.len()),
        Err(error) => Err(vec![format!("{error:#}")]),
    };
    if wrong.is_none() {
        lane.end();
    }
    Some(Told { name, trip, shown, trace, wrong })
}

fn ended(shown: &Shown) -> Ended {
    // What undid it after it was bought began with a request of its own.
    if shown.status() == "confirmed" || !shown.0["cancellation"].is_null() {
        return Ended::Confirmed;
    }
    Ended::Undone {
        refunded: shown.0["payment"]["refunds"].as_array().is_some_and(|r| !r.is_empty()),
    }
}

/// Runs one journey; an error when it does not end as its name says.
async fn run(name: &'static str, stack: &Stack, lane: &Lane) -> anyhow::Result<Shown> {
    let ada = Traveller::of(stack, ACCOUNT).await?;
    match name {
        "a stay paid in ether" => paid::in_ether(&ada, lane).await,
        "a stay paid partly with points" => paid::with_points(stack, &ada, lane).await,
        "a stay paid in a token in two parts" => token::in_parts(&ada, lane).await,
        "a trip of three cities" => life::three(stack, &ada, lane).await,
        "a flight, a stay and an activity" => life::outing(stack, &ada, lane).await,
        "one of three rooms given back" => life::one_back(stack, &ada, lane).await,
        "a stay made longer" => life::longer(stack, &ada, lane).await,
        "a stay cancelled by the hotel" => life::taken(stack, &ada, lane).await,
        "a trip whose second room is gone" => life::refused(stack, &ada, lane).await,
        "a supplier that times out but books" => supplier::times_out(stack, &ada, lane).await,
        "a late callback that contradicts" => supplier::contradicts(stack, &ada, lane).await,
        "a supplier that refuses after the money" => supplier::refuses(stack, &ada, lane).await,
        "a stay paid by card" => otherwise::by_card(stack, &ada, lane).await,
        "a stay paid in a Bitcoin-like coin" => otherwise::in_coins(stack, &ada, lane).await,
        "a settled payment undone by a reorg" => unpaid::taken_back(stack, &ada, lane).await,
        "a payment that never comes" => unpaid::never(stack, &ada, lane).await,
        "a payment undone by a reorg" => unpaid::undone(stack, &ada, lane).await,
        "a message that is spoilt on its way" => broken::message(stack, &ada, lane).await,
        "a worker killed in the middle" => broken::worker(stack, &ada, lane).await,
        other => anyhow::bail!("no journey `{other}`"),
    }
    .with_context(|| format!("{name} went wrong"))
}
