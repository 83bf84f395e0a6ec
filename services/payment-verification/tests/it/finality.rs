//! Amounts without an end on a chain that says by itself what is final.

use messaging::Step;
use payment_verification::watcher::Watcher;
use serde_json::json;
use testkit::Anvil;

use crate::{
    front::{Front, Manner},
    rig::{Asked, Rig, milli_ether},
};

const FINALIZED: &str = "select finalized from watch where chain = 'eip155:31338'";

pub(crate) async fn pay(node: &Anvil, asked: &Asked, wei: u128) {
    let from = node.accounts().await.remove(0);
    let call = json!([{ "from": from, "to": asked.address, "value": format!("{wei:#x}") }]);
    node.rpc("eth_sendTransaction", call).await;
}

pub(crate) async fn watch(watcher: &Watcher) {
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

/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_calls_final_counts_only_while_it_is_the_block_that_was_taken_in() {
    let node = Anvil::of_chain(31_338);
    let front = Front::before(&node).await;
    let rig = Rig::beside(&[format!("eip155:31338={}", front.url())]).await;
    let watcher = rig.watcher_of("eip155:31338");
    let large = milli_ether(2_000);
    let asked = rig.prepare_in("eth-final", 18, large).await;
    pay(&node, &asked, large).await;
    front.behave(Manner { other_final: true, ..Manner::default() });
    node.mine(5).await;
    watch(&watcher).await;
    let journal = rig.journal(asked.payment_id).await;
    assert_eq!(journal, ["prepared", "transfer_seen", "seen_changed"], "another branch's");
    assert_eq!(rig.ask_database(FINALIZED).await, "");
    front.behave(Manner::default());
    node.mine(1).await;
    watch(&watcher).await;
    rig.settled(asked.payment_id).await;
    let two_under = node.head().await - 2;
    assert_eq!(rig.ask_database(FINALIZED).await, two_under.to_string());
    rig.end().await;
}
