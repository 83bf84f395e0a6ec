//! Amounts without an end on a chain that says by itself what is final.

use messaging::Step;
use payment_verification::watcher::Watcher;
use serde_json::json;
use testkit::Anvil;

use crate::rig::{Asked, Rig, milli_ether};

async fn pay(node: &Anvil, asked: &Asked, wei: u128) {
    let from = node.accounts().await.remove(0);
    let call = json!([{ "from": from, "to": asked.address, "value": format!("{wei:#x}") }]);
    node.rpc("eth_sendTransaction", call).await;
}

async fn watch(watcher: &Watcher) {
    while let Step::Did(_) = watcher.step().await.unwrap() {}
}

/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_amounts_are_final_once_the_node_says_so_and_small_ones_by_depth() {
    let node = Anvil::of_chain(31_338);
    let rig = Rig::beside(&[format!("eip155:31338={}", node.url())]).await;
    let watcher = rig.watcher_of("eip155:31338");
    let (small, large) = (milli_ether(10), milli_ether(2_000));
    let small_one = rig.prepare_in("eth-final", 18, small).await;
    let large_one = rig.prepare_in("eth-final", 18, large).await;
    pay(&node, &small_one, small).await;
    pay(&node, &large_one, large).await;
    watch(&watcher).await;
    rig.settled(small_one.payment_id).await;
    // The node calls final what lies two blocks under its newest.
    node.mine(1).await;
    watch(&watcher).await;
    let journal = rig.journal(large_one.payment_id).await;
    assert_eq!(journal, ["prepared", "transfer_seen", "seen_changed"]);
    node.mine(1).await;
    watch(&watcher).await;
    rig.settled(large_one.payment_id).await;
    rig.end().await;
}
