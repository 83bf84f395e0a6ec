//! Suppliers that do not behave: silence, a contradiction, a refusal when the money is there.

use std::time::Duration;

use anyhow::ensure;
use contracts::asset::Units;
use serde_json::json;

use super::{
    Lane,
    paid::REDEEM,
    steps::{STEP_WITHIN, decimal, grant, pay, pay_and_confirm, shorter, until},
};
use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, some_stay},
};

/// When the contradicting callback comes: long after what it is about.
const LATE_BY: Duration = Duration::from_secs(6);

pub(super) async fn times_out(
    stack: &Stack,
    ada: &Traveller,
    lane: &Lane,
) -> anyhow::Result<Shown> {
    lane.say("the supplier will book and never answer");
    let quote = ada.gateway.quote(&some_stay()).await?;
    stack.double().arm("reserve", "timeout_after_commit", 1, None).await?;
    let trip = ada.book_quote(quote, |_| {}).await?;
    lane.accepted(&trip, ", looked for by our own reference");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    lane.done("found, confirmed, one reservation");
    Ok(shown)
}

pub(super) async fn contradicts(
    stack: &Stack,
    ada: &Traveller,
    lane: &Lane,
) -> anyhow::Result<Shown> {
    let double = stack.double();
    lane.say(&format!("a callback will say `cancelled`, {LATE_BY:?} late"));
    let quote = ada.gateway.quote(&some_stay()).await?;
    let late = u64::try_from(LATE_BY.as_millis())?;
    double.arm("callback", "callback_contradicting", 1, Some(late)).await?;
    let trip = ada.book_quote(quote, |_| {}).await?;
    lane.accepted(&trip, "; the callback is on its way");
    let due = tokio::time::Instant::now() + LATE_BY;
    pay_and_confirm(ada, &trip, lane).await?;
    let reference = double.reservation_of(&trip.guest).await?.reference;
    let lookups = async || -> anyhow::Result<usize> {
        let truth = double.truth().await?;
        let own =
            |request: &&crate::double::Request| request.reference.as_ref() == Some(&reference);
        Ok(truth.requests_of("lookup").into_iter().filter(own).count())
    };
    lane.say("confirmed; the callback is on its way");
    tokio::time::sleep_until(due).await;
    let before = lookups().await?;
    let asked = async || Ok((lookups().await? > before).then_some(()));
    until("look-up after the callback", asked).await?;
    lane.say("the callback came; the supplier was asked what is true");
    // What it answers is learned in a moment; the booking stays what it is before and after.
    let shown = ada.gateway.booking(&trip.booking_id).await?;
    ensure!(shown.status() == "confirmed", "a callback made it {}", shown.0);
    lane.done("still confirmed: a callback is only a hint");
    Ok(shown)
}

pub(super) async fn refuses(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    grant(stack, &ada.account, REDEEM).await?;
    let points = ada.gateway.points().await?["points"]["available"].clone();
    lane.say("the supplier will hold the room and then not sell it");
    let quote = ada.gateway.quote(&some_stay()).await?;
    stack.double().arm("confirm", "confirm_refused", 1, None).await?;
    let wallet = ada.new_wallet();
    let trip = ada
        .book_quote(quote, |body| {
            body["redeem_points"] = json!(REDEEM);
            body["refund_to"] = json!(wallet);
        })
        .await?;
    lane.accepted(&trip, &format!(", {REDEEM} points set aside"));
    let (payable, _) = pay(ada, &trip, lane).await?;
    let sum = decimal(&payable);
    let undone = |shown: &Shown| shown.status() == "failing" || shown.ended();
    ada.until(&trip, "undone", STEP_WITHIN, undone).await?;
    lane.say(&format!("refused after the money; {sum} is due back to {}", shorter(&wallet)));
    let shown = ada.until_ended(&trip, STEP_WITHIN).await?;
    ensure!(shown.status() == "failed", "it is {}", shown.0);
    let asked = payable.amount().map_or(Units::ZERO, |amount| amount.units);
    let node = stack.node();
    let arrived = async || Ok((node.balance(&wallet).await? == asked).then_some(()));
    until("refund on the chain", arrived).await?;
    lane.say("the refund is on the chain");
    let shown = ada.until(&trip, "refunded", STEP_WITHIN, Shown::is_refunded).await?;
    until("points given back", async || {
        Ok((ada.gateway.points().await?["points"]["available"] == points).then_some(()))
    })
    .await?;
    lane.done("undone: money and points are back");
    Ok(shown)
}
