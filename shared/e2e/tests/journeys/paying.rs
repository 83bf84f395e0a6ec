//! Money is believed when it is deep enough, not before.

use contracts::asset::Units;
use e2e::{
    gateway::Shown,
    traveller::{Traveller, some_stay, stay_in},
};
use ruint::aliases::U256;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_confirms_at_the_depth_of_its_amount_and_never_before() {
    let stack = stage::patient("c1").await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    // Two nights cost a tenth of an ether, four weeks more than one, which must lie deeper.
    let small = traveller.book(&stay_in(40, 2)).await.unwrap();
    let large = traveller.book(&stay_in(90, 28)).await.unwrap();
    let mut pay = Vec::new();
    for trip in [&small, &large] {
        pay.push(traveller.until_payable(trip, SOON).await.unwrap());
    }
    assert_eq!(pay[0].0["payment"]["confirmations_needed"], 3);
    assert_eq!(pay[1].0["payment"]["confirmations_needed"], 6);
    let node = stack.node();
    node.stand_still().await.unwrap();
    for shown in &pay {
        traveller.pay(shown).await.unwrap();
    }

    // In no block yet: the node knows of both, the bookings of neither, however often the chain was
    // looked at.
    let pending: Value = node.call("txpool_status", json!([])).await.unwrap();
    assert_eq!(pending["pending"], "0x2");
    looked_twice(&stack).await;
    for trip in [&small, &large] {
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        assert_eq!(shown.status(), "awaiting_payment", "{}", shown.0);
    }
    for depth in 1..6_u64 {
        node.mine(1).await.unwrap();
        let at_depth = |shown: &Shown| shown.0["payment"]["confirmations"] == json!(depth);
        let large = traveller.until(&large, "that deep", SOON, at_depth).await.unwrap();
        assert_eq!(large.status(), "confirming_payment", "at depth {depth}: {}", large.0);
        if depth < 3 {
            let small = traveller.until(&small, "that deep", SOON, at_depth).await.unwrap();
            assert_eq!(small.status(), "confirming_payment", "at depth {depth}: {}", small.0);
        }
        if depth == 3 {
            traveller.until_ended(&small, SOON).await.unwrap();
        }
    }
    node.mine(1).await.unwrap();
    let shown = traveller.until_ended(&large, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed");
    stack.stop().await.unwrap();
}

/// Waits until the watcher has looked at the chain two more times from now on.
async fn looked_twice(stack: &e2e::Stack) {
    let client = redis::Client::open(stack.url("redis-cache")).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let mut looks = std::collections::BTreeSet::new();
    until("looked at the chain", async || {
        let shown: Option<String> =
            redis::cmd("get").arg("shown:head:eip155:31337").query_async(&mut redis).await.unwrap();
        let shown: Value = serde_json::from_str(&shown.unwrap_or_default()).unwrap_or_default();
        looks.insert(shown["as_of"].to_string());
        (looks.len() >= 3).then_some(())
    })
    .await;
}

/// Row: C4
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_transaction_is_replaced_confirms_nothing_and_may_be_paid_again() {
    let stack = stage::patient("c4").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let node = stack.node();
    let trip = ada.book(&some_stay()).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    node.stand_still().await.unwrap();
    ada.pay(&payable).await.unwrap();
    node.mine(2).await.unwrap();
    let seen = |shown: &Shown| shown.0["payment"]["confirmations"] == json!(2);
    let seen = ada.until(&trip, "two blocks deep", SOON, seen).await.unwrap();
    assert_eq!(seen.status(), "confirming_payment");

    // The blocks leave, and the payer spends that money elsewhere.
    node.reorg(2).await.unwrap();
    ada.spend_elsewhere().await.unwrap();
    node.mine(4).await.unwrap();
    let unpaid = |shown: &Shown| shown.0["payment"]["received"] == "0";
    let waiting = ada.until(&trip, "unpaid again", SOON, unpaid).await.unwrap();
    assert_eq!(waiting.status(), "awaiting_payment", "{}", waiting.0);
    assert!(waiting.next_actions().contains(&"pay"), "{}", waiting.0);
    assert_eq!(waiting.address(), payable.address());
    looked_twice(&stack).await;
    let still = ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(still.status(), "awaiting_payment", "{}", still.0);

    // Paid again it is confirmed, and what left counts for nothing.
    ada.pay(&waiting).await.unwrap();
    node.mine_every(1).await.unwrap();
    let ended = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(ended.status(), "confirmed");
    assert_eq!(ended.0["payment"]["received"], payable.amount().unwrap().units.to_string());
    stack.stop().await.unwrap();
}

/// Row: C2
#[tokio::test(flavor = "multi_thread")]
async fn too_little_can_be_topped_up_at_the_same_address_and_too_much_is_told() {
    let stack = stage::patient("c2").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let trip = ada.book(&some_stay()).await.unwrap();
    let payable = ada.until_payable(&trip, SOON).await.unwrap();
    let asked = payable.amount().unwrap().units;
    let part = Units(U256::from(1_000_000_000_u64));
    ada.pay_units(&payable, asked.saturating_sub(part)).await.unwrap();
    let in_part = |shown: &Shown| shown.0["payment"]["state"] == "part";
    let less = ada.until(&trip, "paid in part", SOON, in_part).await.unwrap();
    assert_eq!(less.status(), "awaiting_payment");
    assert_eq!(less.address(), payable.address());
    assert_eq!(less.0["payment"]["remaining"], part.to_string(), "{}", less.0);
    assert!(less.next_actions().contains(&"pay"));
    // A little more than what was missing.
    let over = Units(U256::from(7_u64));
    ada.pay_units(&less, part.checked_add(over).unwrap()).await.unwrap();
    let ended = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(ended.status(), "confirmed");
    let received = asked.checked_add(over).unwrap();
    assert_eq!(ended.0["payment"]["received"], received.to_string());
    stack.stop().await.unwrap();
}
