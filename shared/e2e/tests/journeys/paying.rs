//! Money is believed when it is deep enough, not before.

use e2e::{
    gateway::Shown,
    traveller::{Traveller, stay_in},
};
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
