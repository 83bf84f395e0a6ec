//! Bookings paid otherwise than on an EVM chain: by card, and in a coin of the Bitcoin family.

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::{
    Lane,
    steps::{STEP_WITHIN, decimal, shorter, until_confirmed},
};
use crate::{
    Stack,
    cards::{Cards, SECURE},
    gateway::Shown,
    processes::DOUBLES,
    traveller::{Traveller, some_stay},
};

pub(super) async fn by_card(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("searching and quoting for a card");
    let quote = ada.gateway.quote_in(&some_stay(), "card-eur").await?;
    let trip = ada.book_quote(quote, |_| {}).await?;
    lane.accepted(&trip, ", the room is being held");
    let payable = ada.until_payable(&trip, STEP_WITHIN).await?;
    let secret = payable.0["payment"]["card"]["client_secret"].as_str();
    let secret = secret.context("no secret is shown")?;
    let cards = Cards::at(&stack.url(DOUBLES));
    let asked = cards.pay(secret, SECURE).await?;
    ensure!(asked["status"] == "requires_action", "the bank asks nobody: {asked}");
    lane.say(&format!("held; {} on a card whose bank asks who that is", decimal(&payable)));
    cards.authenticate(secret, true).await?;
    let shown = until_confirmed(ada, &trip).await?;
    lane.done("confirmed, charged once the room was held");
    Ok(shown)
}

pub(super) async fn in_coins(stack: &Stack, ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    let coins = stack.coins().context("the stack has no node of the Bitcoin family")?;
    lane.say("searching and quoting in a coin of the Bitcoin family");
    let quote = ada.gateway.quote_in(&some_stay(), "ltc").await?;
    let trip = ada.book_quote(quote, |_| {}).await?;
    lane.accepted(&trip, ", the room is being held");
    let payable = ada.until_payable(&trip, STEP_WITHIN).await?;
    let address = payable.address().context("no address is shown")?;
    let amount = payable.0["payment"]["amount_decimal"].as_str().context("no amount is shown")?;
    let transaction = coins.pay(address, amount).await?;
    lane.say(&format!("held; {} sent in {}", decimal(&payable), shorter(&transaction)));
    let needed = payable.0["payment"]["confirmations_needed"].as_u64().unwrap_or(1);
    for depth in 1..needed {
        coins.mine(1).await?;
        let deep = |shown: &Shown| shown.0["payment"]["confirmations"] == json!(depth);
        let shown = ada.until(&trip, "that deep", STEP_WITHIN, deep).await?;
        ensure!(shown.status() == "confirming_payment", "it is {}", shown.0);
        lane.say(&format!("{depth} of {needed} blocks deep"));
    }
    coins.mine(1).await?;
    let shown = until_confirmed(ada, &trip).await?;
    lane.done("confirmed, paid on another chain");
    Ok(shown)
}
