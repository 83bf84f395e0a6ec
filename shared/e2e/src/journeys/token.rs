//! A booking paid in a token, a part at a time.

use anyhow::{Context as _, ensure};
use contracts::asset::Units;
use ruint::aliases::U256;

use super::{
    Lane,
    steps::{STEP_WITHIN, decimal, shorter, until_confirmed},
};
use crate::{
    gateway::Shown,
    token::SYMBOL,
    traveller::{Traveller, some_stay},
};

/// Pays the first third, waits until what is left is told, and pays that.
pub(super) async fn in_parts(ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("searching and quoting in a token");
    let quote = ada.gateway.quote_in(&some_stay(), SYMBOL).await?;
    let trip = ada.book_quote(quote, |_| {}).await?;
    lane.accepted(&trip, ", the room is being held");
    let payable = ada.until_payable(&trip, STEP_WITHIN).await?;
    let asked = payable.amount().context("no amount is shown")?.units;
    let part = Units(asked.0 / U256::from(3));
    let transaction = ada.pay_units(&payable, part).await?;
    let sum = decimal(&payable);
    lane.say(&format!("held; a third of {sum} sent in {}", shorter(&transaction)));
    let left = asked.saturating_sub(part);
    let told = |shown: &Shown| shown.remaining() == Some(left);
    let part_paid = ada.until(&trip, "paid in part", STEP_WITHIN, told).await?;
    ensure!(part_paid.address() == payable.address(), "it has another address: {}", part_paid.0);
    ensure!(part_paid.status() != "confirmed", "a third confirmed it: {}", part_paid.0);
    let transaction = ada.pay_units(&part_paid, left).await?;
    lane.say(&format!("what is left is told, and sent in {}", shorter(&transaction)));
    let shown = until_confirmed(ada, &trip).await?;
    lane.done("confirmed, paid in two parts");
    Ok(shown)
}
