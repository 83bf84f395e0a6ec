//! Steps that several journeys take.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::Lane;
use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, Trip},
};

/// Nothing in a journey takes longer on a busy machine.
pub(super) const STEP_WITHIN: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Pays what is shown as soon as it is, and says so.
pub(super) async fn pay(
    traveller: &Traveller,
    trip: &Trip,
    lane: &Lane,
) -> anyhow::Result<(Shown, String)> {
    let payable = traveller.until_payable(trip, STEP_WITHIN).await?;
    let amount = decimal(&payable);
    let transaction = traveller.pay(&payable).await?;
    lane.say(&format!("held; {amount} sent in {}", shorter(&transaction)));
    Ok((payable, transaction))
}

/// Pays, and waits for the confirmation.
pub(super) async fn pay_and_confirm(
    traveller: &Traveller,
    trip: &Trip,
    lane: &Lane,
) -> anyhow::Result<Shown> {
    pay(traveller, trip, lane).await?;
    until_confirmed(traveller, trip).await
}

pub(super) async fn until_confirmed(traveller: &Traveller, trip: &Trip) -> anyhow::Result<Shown> {
    traveller.until(trip, "confirmed", STEP_WITHIN, |shown| shown.status() == "confirmed").await
}

/// Waits until the points of a booking stand in the ledger, pending.
///
/// # Errors
/// When they do not.
pub async fn until_points(traveller: &Traveller, trip: &Trip) -> anyhow::Result<()> {
    until(&format!("points for {}", trip.booking_id), async || {
        let points = traveller.gateway.points().await?;
        let entries = points["entries"].as_array().cloned().unwrap_or_default();
        let earned = |entry: &serde_json::Value| {
            entry["booking_id"] == trip.booking_id.as_str() && entry["kind"] == "earned"
        };
        Ok(entries.iter().any(earned).then_some(()))
    })
    .await
}

/// Asks until the answer is there.
pub(super) async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let until = Instant::now() + STEP_WITHIN;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        ensure!(Instant::now() < until, "no {what} after {STEP_WITHIN:?}");
        tokio::time::sleep(POLL_EVERY).await;
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

/// What is to be paid, as people write it: without the zeros that end it.
#[must_use]
pub fn decimal(shown: &Shown) -> String {
    let payment = &shown.0["payment"];
    let amount = payment["amount_decimal"].as_str().unwrap_or("?");
    let asset = payment["amount"]["asset"].as_str().unwrap_or("").to_uppercase();
    let short = if amount.contains('.') { amount.trim_end_matches('0') } else { amount };
    format!("{} {asset}", short.trim_end_matches('.'))
}

/// A booking's id as people tell it apart.
#[must_use]
pub fn brief(trip: &Trip) -> &str {
    trip.booking_id.get(24..).unwrap_or(&trip.booking_id)
}

pub(super) fn shorter(hash: &str) -> String {
    format!("{}…", hash.chars().take(12).collect::<String>())
}
