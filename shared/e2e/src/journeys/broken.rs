//! What breaks inside: a message that nobody can read, a process that dies.

use anyhow::{Context as _, ensure};
use contracts::{message::Message as _, messages::BookingConfirmed};
use serde_json::{Value, json};

use super::{
    Lane,
    steps::{STEP_WITHIN, pay_and_confirm, until, until_points},
};
use crate::{
    Stack,
    broker::Broker,
    console::Console,
    gateway::Shown,
    traveller::{Traveller, some_stay},
};

/// Where the message says when the stay is over.
const SPOILT: &str = "after breakfast";

/// A message for rewards is spoilt while it waits there: the end of the stay is no instant any
/// more.
pub(super) async fn message(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    let broker = Broker::of(stack).await?;
    let trip = ada.book(&some_stay()).await?;
    lane.accepted(&trip, "; rewards rests for a moment");
    stack.pause("rewards").await?;
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    let queue = broker.routing().queue("rewards");
    let ours = |letter: &crate::broker::Letter| {
        letter.header("cloudEvents:type") == BookingConfirmed::TYPE
            && letter.header("cloudEvents:subject") == trip.booking_id
    };
    let letter = broker.take(&queue, STEP_WITHIN, ours).await?;
    let mut spoilt = letter.clone();
    let mut body: Value = serde_json::from_slice(&letter.body)?;
    body["over_at"] = json!(SPOILT);
    spoilt.body = serde_json::to_vec(&body)?;
    broker.send(&spoilt).await?;
    stack.restart("rewards").await?;
    lane.say("the message about its points was spoilt on the way");

    let staff = Console::of(stack, "support_operator");
    let dead = until("dead letter", async || {
        Ok(staff.of_booking(&trip.booking_id).await?.into_iter().next())
    })
    .await?;
    let id = dead["dead_letter_id"].as_str().context("a dead letter has an id")?.to_owned();
    let (cause, state) = (dead["cause"].as_str().unwrap_or("?"), &dead["state"]);
    ensure!(state == "parked", "it is {state}");
    lane.say(&format!("a dead letter, shown to support: {cause}"));
    let whole = staff.unmask(&id, "to see what was spoilt").await?;
    ensure!(whole["body_text"].as_str().is_some_and(|text| text.contains(SPOILT)));
    let points = ada.gateway.points().await?;
    let entries = points["entries"].as_array().cloned().unwrap_or_default();
    ensure!(entries.iter().all(|entry| entry["booking_id"] != trip.booking_id.as_str()));

    let mended: Value = serde_json::from_slice(&letter.body)?;
    let edit = staff.propose(&id, &mended, "the end of the stay was unreadable").await?;
    let second = Console::of(stack, "support_approver");
    second.approve(&edit, "it is as the booking says").await?;
    lane.say("mended by support, let pass by another, replayed");
    until_points(ada, &trip).await?;
    until("outcome of the replay", async || {
        let state = staff.show(&id).await?["state"].clone();
        ensure!(state != "failed_again", "the replay failed");
        Ok((state == "succeeded").then_some(()))
    })
    .await?;
    lane.done("confirmed, its points pending, once");
    Ok(shown)
}

pub(super) async fn worker(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("searching and quoting");
    let trip = ada.book(&some_stay()).await?;
    // Not one that has had its part in this booking: its last second of spans dies with it.
    stack.kill("rewards");
    lane.accepted(&trip, "; rewards got kill -9");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    lane.say("confirmed without rewards, which is started again");
    stack.restart("rewards").await?;
    until_points(ada, &trip).await?;
    lane.done("confirmed, its points pending, once");
    Ok(shown)
}
