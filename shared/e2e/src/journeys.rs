//! The journeys of the demo: each is a booking that a traveller would recognise, told step by step.

mod teller;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, Trip, some_stay},
};

pub use teller::{Lane, Teller};

/// Nothing in a journey takes longer on a busy machine.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// What is given to an account that will redeem some of it.
const GRANT: u64 = 5_000;
const REDEEM: u64 = 2_500;

/// Every journey of the demo. Those of a row are told side by side, the rows one after the other: a
/// fault of the supplier strikes whoever comes first.
pub const ALL: [&[&str]; 3] = [
    &["a stay paid in ether", "a stay paid partly with points"],
    &["a supplier that times out but books"],
    &["a worker killed in the middle"],
];

/// A journey's end.
#[derive(Debug)]
pub struct Told {
    pub name: &'static str,
    pub trip: Trip,
    pub shown: Shown,
}

/// Runs one journey of [`ALL`].
///
/// # Errors
/// When it does not end as its name says.
pub async fn run(name: &'static str, stack: &Stack, lane: &Lane) -> anyhow::Result<Told> {
    let traveller = Traveller::of(stack, "customer-1").await?;
    let (trip, shown) = match name {
        "a stay paid in ether" => paid_in_ether(&traveller, lane).await,
        "a stay paid partly with points" => paid_with_points(stack, &traveller, lane).await,
        "a supplier that times out but books" => times_out_but_books(stack, &traveller, lane).await,
        "a worker killed in the middle" => worker_killed(stack, &traveller, lane).await,
        other => anyhow::bail!("no journey `{other}`"),
    }
    .with_context(|| name.to_owned())?;
    Ok(Told { name, trip, shown })
}

async fn paid_in_ether(traveller: &Traveller, lane: &Lane) -> anyhow::Result<(Trip, Shown)> {
    lane.say("searching and quoting");
    let trip = traveller.book(&some_stay()).await?;
    lane.say(&format!("accepted as {}, being held", trip.booking_id));
    let shown = pay_and_confirm(traveller, &trip, lane).await?;
    lane.say("waiting for the points");
    until_points(traveller, &trip).await?;
    lane.done("confirmed, its points pending");
    Ok((trip, shown))
}

async fn paid_with_points(
    stack: &Stack,
    traveller: &Traveller,
    lane: &Lane,
) -> anyhow::Result<(Trip, Shown)> {
    lane.say(&format!("given {GRANT} points"));
    grant(stack, &traveller.account, GRANT).await?;
    let quote = traveller.gateway.quote(&some_stay()).await?;
    let redeem = |body: &mut serde_json::Value| body["redeem_points"] = json!(REDEEM);
    let trip = traveller.book_quote(quote, redeem).await?;
    lane.say(&format!("accepted as {}, {REDEEM} points set aside", trip.booking_id));
    let shown = pay_and_confirm(traveller, &trip, lane).await?;
    ensure!(shown.0["points"]["redeemed"] == json!(REDEEM), "redeemed: {}", shown.0["points"]);
    lane.done("confirmed, paid in ether and points");
    Ok((trip, shown))
}

async fn times_out_but_books(
    stack: &Stack,
    traveller: &Traveller,
    lane: &Lane,
) -> anyhow::Result<(Trip, Shown)> {
    lane.say("the supplier will book and never answer");
    let quote = traveller.gateway.quote(&some_stay()).await?;
    stack.double().arm("reserve", "timeout_after_commit", 1, None).await?;
    let trip = traveller.book_quote(quote, |_| {}).await?;
    lane.say(&format!("accepted as {}, looked for by our own reference", trip.booking_id));
    let shown = pay_and_confirm(traveller, &trip, lane).await?;
    lane.done("confirmed, one reservation");
    Ok((trip, shown))
}

async fn worker_killed(
    stack: &Stack,
    traveller: &Traveller,
    lane: &Lane,
) -> anyhow::Result<(Trip, Shown)> {
    lane.say("searching and quoting");
    let trip = traveller.book(&some_stay()).await?;
    // Not one that has had its part in this booking: its last second of spans dies with it.
    stack.kill("rewards");
    lane.say(&format!("accepted as {}; rewards got kill -9", trip.booking_id));
    let shown = pay_and_confirm(traveller, &trip, lane).await?;
    lane.say("confirmed without rewards, which is started again");
    stack.restart("rewards").await?;
    until_points(traveller, &trip).await?;
    lane.done("confirmed, its points pending, once");
    Ok((trip, shown))
}

async fn pay_and_confirm(traveller: &Traveller, trip: &Trip, lane: &Lane) -> anyhow::Result<Shown> {
    let payable = traveller.until_payable(trip, STEP_WITHIN).await?;
    let amount = payable.0["payment"]["amount_decimal"].as_str().unwrap_or("?").to_owned();
    let transaction = traveller.pay(&payable).await?;
    lane.say(&format!("held; {amount} ETH sent in {}", shorter(&transaction)));
    traveller.until(trip, "confirmed", STEP_WITHIN, |shown| shown.status() == "confirmed").await
}

/// Waits until the points of a booking stand in the ledger, pending.
///
/// # Errors
/// When they do not.
pub async fn until_points(traveller: &Traveller, trip: &Trip) -> anyhow::Result<()> {
    let until = std::time::Instant::now() + STEP_WITHIN;
    loop {
        let points = traveller.gateway.points().await?;
        let entries = points["entries"].as_array().cloned().unwrap_or_default();
        let earned = |entry: &serde_json::Value| {
            entry["booking_id"] == trip.booking_id.as_str() && entry["kind"] == "earned"
        };
        if entries.iter().any(earned) {
            return Ok(());
        }
        ensure!(std::time::Instant::now() < until, "no points for {}: {points}", trip.booking_id);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gives points to an account, as support may.
///
/// # Errors
/// When rewards refuses.
pub async fn grant(stack: &Stack, account: &str, points: u64) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/internal/accounts/{account}/grants", stack.url("rewards"));
    let body = json!({"grant_id": uuid::Uuid::now_v7(), "points": points});
    let request = http.post(url).bearer_auth(stack.internal_token("demo")).json(&body);
    let reply = request.send().await?;
    let status = reply.status();
    ensure!(status.is_success(), "{status}: {}", reply.text().await.unwrap_or_default());
    Ok(())
}

fn shorter(hash: &str) -> String {
    format!("{}…", hash.chars().take(12).collect::<String>())
}
