//! Money in a token and in parts, and money that goes back: sent by the treasury, proven on chain.

use contracts::asset::Units;
use e2e::{
    Stack,
    gateway::Shown,
    token::SYMBOL,
    traveller::{Traveller, some_stay},
};
use http::StatusCode;
use ruint::aliases::U256;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

async fn treasury(stack: &Stack) -> Vec<Value> {
    let url = format!("{}/treasury/truth", stack.url("doubles"));
    let reply = reqwest::get(url).await.unwrap();
    let truth: Value = reply.json().await.unwrap();
    truth["payouts"].as_array().unwrap().clone()
}

/// Row: C2
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_is_paid_in_a_token_in_two_parts_and_told_what_is_left_between_them() {
    let stack = stage::patient("c2").await;
    let endpoints = stack.endpoints().unwrap();
    let token = stack.token_on_chain().unwrap();
    assert_eq!(endpoints.evm_tokens[SYMBOL], token.contract);
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let quote = traveller.gateway.quote_in(&some_stay(), SYMBOL).await.unwrap();
    let trip = traveller.book_quote(quote, |_| {}).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.contract().map(str::to_lowercase), Some(token.contract.to_lowercase()));
    let asked = payable.amount().unwrap().units;
    let part = Units(asked.0 / U256::from(3));
    let left = asked.saturating_sub(part);
    traveller.pay_units(&payable, part).await.unwrap();

    let told = |shown: &Shown| shown.remaining() == Some(left);
    let shown = traveller.until(&trip, "paid in part", SOON, told).await.unwrap();
    assert_eq!(shown.address(), payable.address(), "the address stays");
    // As deep as it must be, and still only a part.
    stack.node().mine(6).await.unwrap();
    let read = async || {
        let read = stack.read_blocks().await.unwrap();
        (read >= stack.node().height().await.unwrap()).then_some(())
    };
    until("at the newest block", read).await;
    let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(shown.status(), "awaiting_payment", "{}", shown.0);

    traveller.pay_units(&shown, left).await.unwrap();
    let shown = traveller.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed");
    let address = payable.address().unwrap();
    assert_eq!(token.balance(&stack.node(), address).await.unwrap(), asked);
    stack.stop().await.unwrap();
}

/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn money_for_what_is_not_sold_goes_back_once_to_where_the_traveller_wants_it() {
    let stack = stage::patient("c10").await;
    let (traveller, node) = (Traveller::of(&stack, "ada").await.unwrap(), stack.node());
    let wallet = traveller.new_wallet();
    stack.double().arm("confirm", "confirm_refused", 1, None).await.unwrap();
    let quote = traveller.gateway.quote(&some_stay()).await.unwrap();
    let wanted = |body: &mut Value| body["refund_to"] = json!(wallet);
    let trip = traveller.book_quote(quote, wanted).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    let asked = payable.amount().unwrap().units;
    traveller.pay(&payable).await.unwrap();

    let shown = until("refunded", async || {
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "failed" && shown.is_refunded()).then_some(shown)
    })
    .await;
    assert_eq!(shown.refunds(), asked, "{}", shown.0);
    assert_eq!(node.balance(&wallet).await.unwrap(), asked);
    let payouts = treasury(&stack).await;
    assert_eq!(payouts.len(), 1, "{payouts:#?}");
    assert_eq!(payouts[0]["transactions"].as_array().unwrap().len(), 1);

    // What support sees of it, and by what it is found.
    let transaction = payouts[0]["transactions"][0].as_str().unwrap();
    let base = stack.url("payment-verification");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: String| {
        let request = http.get(format!("{base}{path}"));
        let reply = request.bearer_auth(stack.internal_token("support-console")).send().await;
        let reply = reply.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        reply.json::<Value>().await.unwrap()
    };
    let found = ask(format!("/internal/find?key={transaction}")).await;
    assert_eq!(found["found"][0]["booking_id"], trip.booking_id.as_str(), "{found}");
    let told = ask(format!("/internal/timeline/{}", trip.booking_id)).await;
    let what: Vec<&str> =
        told["entries"].as_array().unwrap().iter().filter_map(|e| e["what"].as_str()).collect();
    for step in ["refund granted", "refund sent", "refund confirmed"] {
        assert!(what.contains(&step), "{step} in {what:?}");
    }
    stack.stop().await.unwrap();
}
