//! Bookings that go as they should: paid, confirmed, rewarded.

use anyhow::ensure;
use serde_json::json;

use super::{
    Lane,
    steps::{grant, pay_and_confirm, until_points},
};
use crate::{
    Stack,
    gateway::Shown,
    traveller::{Traveller, some_stay},
};

/// What is given to an account that will redeem some of it.
pub(super) const GRANT: u64 = 5_000;
pub(super) const REDEEM: u64 = 2_500;

pub(super) async fn in_ether(ada: &Traveller, lane: &Lane) -> anyhow::Result<Shown> {
    lane.say("searching and quoting");
    let trip = ada.book(&some_stay()).await?;
    lane.accepted(&trip, ", the room is being held");
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    lane.say("confirmed; waiting for the points");
    until_points(ada, &trip).await?;
    lane.done("confirmed, its points pending");
    Ok(shown)
}

pub(super) async fn with_points(
    stack: &Stack,
    ada: &Traveller,
    lane: &Lane,
) -> anyhow::Result<Shown> {
    lane.say(&format!("given {GRANT} points"));
    grant(stack, &ada.account, GRANT).await?;
    let quote = ada.gateway.quote(&some_stay()).await?;
    let redeem = |body: &mut serde_json::Value| body["redeem_points"] = json!(REDEEM);
    let trip = ada.book_quote(quote, redeem).await?;
    lane.accepted(&trip, &format!(", {REDEEM} points set aside"));
    let shown = pay_and_confirm(ada, &trip, lane).await?;
    ensure!(shown.0["points"]["redeemed"] == json!(REDEEM), "redeemed: {}", shown.0["points"]);
    lane.done("confirmed, paid in ether and points");
    Ok(shown)
}
