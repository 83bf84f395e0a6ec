//! Money in a token and in parts, and money that goes back: sent by the treasury, proven on chain.

use contracts::asset::Units;
use e2e::{
    Options, Profile, Stack,
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

/// An ether is worth a fifth more by the time the money goes back, so fewer of it are sent.
///
/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_of_value_now_gives_back_what_its_price_is_worth_when_it_is_given_back() {
    let policy = vec![("payment", "refund_basis", r#""now""#)];
    let options = Options { profile: Profile::Demo, policy, ..Options::test("c10_value") };
    let stack = Stack::start(options).await.unwrap();
    let (traveller, node) = (Traveller::of(&stack, "ada").await.unwrap(), stack.node());
    let wallet = traveller.new_wallet();
    let quote = traveller.gateway.quote(&some_stay()).await.unwrap();
    let wanted = |body: &mut Value| body["refund_to"] = json!(wallet);
    let trip = traveller.book_quote(quote, wanted).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    assert_eq!(payable.0["payment"]["refund_basis"], "now");
    traveller.pay(&payable).await.unwrap();
    let shown = traveller.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed", "{}", shown.0);

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let dearer = json!({ "id": "eth", "vs": "eur", "price": "3000" });
    let set = http.post(format!("{}/rates/set", stack.url("doubles"))).json(&dearer).send();
    assert!(set.await.unwrap().status().is_success());
    // 2,500 euro became 3,000. The quote says what that comes to, and what is sent is that.
    let asked = payable.amount().unwrap().units;
    let fewer = Units(asked.0 * U256::from(5) / U256::from(6));
    let a_cent = U256::from(10).pow(U256::from(13));
    let is_fewer = |told: &Value| {
        let told = Units::parse(told.as_str().unwrap()).unwrap();
        fewer.saturating_sub(told).0.max(told.saturating_sub(fewer).0) < a_cent
    };
    let path = format!("/v1/bookings/{}/cancellation", trip.booking_id);
    let quote = until("quoted at the new rate", async || {
        let quote = traveller.gateway.post(&format!("{path}?quote=true"), &json!({})).await;
        let quote = quote.unwrap().json();
        is_fewer(&quote["refund_now"]["units"]).then_some(quote)
    })
    .await;
    let agreed = json!({"quote": quote["quote"]});
    let cancelled = traveller.gateway.post(&path, &agreed).await.unwrap();
    assert!(cancelled.status.is_success(), "{}", cancelled.json());
    let shown = until("refunded", async || {
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "cancelled" && shown.is_refunded()).then_some(shown)
    })
    .await;
    let refund = &shown.0["payment"]["refunds"][0];
    let price = &shown.0["price"];
    assert_eq!((&refund["basis"], &refund["worth"]), (&json!("now"), price), "{}", shown.0);
    assert_eq!(refund["units"], json!(asked), "what it was granted of");
    assert_eq!(refund["sends_at"]["micro_minor_per_coin"], "300000000000");
    let sends = Units::parse(refund["sends"].as_str().unwrap()).unwrap();
    assert_eq!(node.balance(&wallet).await.unwrap(), sends);
    assert!(is_fewer(&refund["sends"]), "{sends} of {asked}");
    assert_eq!(treasury(&stack).await.len(), 1);
    stack.stop().await.unwrap();
}
