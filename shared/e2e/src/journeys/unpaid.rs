//! Money that never comes, and money that comes and is taken away again.

use anyhow::ensure;
use serde_json::json;

use super::{
    Lane,
    steps::{STEP_WITHIN, pay, until, until_confirmed, until_points},
};
use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, some_stay},
};

pub(super) async fn never(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    let trip = ada.book(&some_stay()).await?;
    lane.accepted(&trip, ", being held");
    let payable = ada.until_payable(&trip, STEP_WITHIN).await?;
    let by = payable.0["payment"]["pay_by"].as_str().unwrap_or("?").to_owned();
    let by = by.get(11..19).unwrap_or(&by).to_owned();
    lane.say(&format!("held; nobody pays until {by}"));
    let shown = ada.until_ended(&trip, 2 * STEP_WITHIN).await?;
    ensure!(shown.status() == "failed", "it is {}", shown.0);
    ensure!(shown.0["ended_because"] == json!("not_paid_in_time"), "it is {}", shown.0);
    let reservation = stack.double().reservation_of(&trip.guest).await?;
    ensure!(!reservation.lives(), "{} is still {}", reservation.reference, reservation.state);
    lane.done("undone: the room is free again");
    Ok(shown)
}

/// Blocks that are replaced although their money was final: as many as this payment lies deep.
const TOO_DEEP: u64 = 3;
/// What others paid lies below what is replaced.
const BETWEEN: u64 = 8;

pub(super) async fn taken_back(
    stack: &Stack,
    ada: &Traveller,
    lane: &Lane,
) -> anyhow::Result<Shown> {
    let node = stack.node();
    let trip = ada.book(&some_stay()).await?;
    lane.accepted(&trip, ", being held");
    ada.until_payable(&trip, STEP_WITHIN).await?;
    node.stand_still().await?;
    node.mine(BETWEEN).await?;
    let (_, transaction) = pay(ada, &trip, lane).await?;
    let bytes: String = node.call("eth_getRawTransactionByHash", json!([transaction])).await?;
    node.mine(TOO_DEEP).await?;
    until_confirmed(ada, &trip).await?;
    until_points(ada, &trip).await?;
    lane.say(&format!("confirmed; the chain replaces {TOO_DEEP} blocks all the same"));
    node.reorg(TOO_DEEP).await?;
    let asked = async || ada.gateway.booking(&trip.booking_id).await;
    until("review of money that left", async || {
        let shown = asked().await?;
        ensure!(shown.status() == "confirmed", "it is {}", shown.0);
        Ok(shown.in_review().then_some(()))
    })
    .await?;
    lane.say("the money is gone: a person is asked, its points are frozen");
    let again: String = node.call("eth_sendRawTransaction", json!([bytes])).await?;
    ensure!(again == transaction, "another transaction");
    node.mine_every(1).await?;
    let shown = until("end of the review", async || {
        let shown = asked().await?;
        Ok((!shown.in_review()).then_some(shown))
    })
    .await?;
    ensure!(shown.status() == "confirmed", "it is {}", shown.0);
    lane.done("confirmed still: final again, and nobody has to look any more");
    Ok(shown)
}

pub(super) async fn undone(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    let node = stack.node();
    let trip = ada.book(&some_stay()).await?;
    lane.accepted(&trip, ", being held");
    ada.until_payable(&trip, STEP_WITHIN).await?;
    // Blocks come by hand, so that the one with the payment can be taken away in time.
    node.stand_still().await?;
    let (_, transaction) = pay(ada, &trip, lane).await?;
    let bytes: String = node.call("eth_getRawTransactionByHash", json!([transaction])).await?;
    node.mine(1).await?;
    let seen = |shown: &Shown| shown.status() == "confirming_payment";
    ada.until(&trip, "seen", STEP_WITHIN, seen).await?;
    lane.say("seen in a block; the chain replaces that block");
    node.reorg(1).await?;
    let gone = |shown: &Shown| {
        shown.status() == "awaiting_payment" && shown.0["payment"]["received"] == json!("0")
    };
    ada.until(&trip, "unpaid again", STEP_WITHIN, gone).await?;
    lane.say("the money is gone, and the booking waits for it again");
    // As deep as this payment must lie: what left does not become final.
    node.mine(3).await?;
    let looked = async || {
        let shown = ada.gateway.booking(&trip.booking_id).await?;
        ensure!(shown.status() == "awaiting_payment", "it is {}", shown.0);
        Ok((stack.read_blocks().await? >= node.height().await?).then_some(()))
    };
    until("look at the new blocks", looked).await?;
    let again: String = node.call("eth_sendRawTransaction", json!([bytes])).await?;
    ensure!(again == transaction, "another transaction");
    node.mine_every(1).await?;
    lane.say("mined again; its depth counts anew");
    let shown = until_confirmed(ada, &trip).await?;
    lane.done("confirmed once the money was final");
    Ok(shown)
}
