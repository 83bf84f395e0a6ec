//! Two nodes that have to agree, in front of one real chain: whatever one of them does, nothing
//! settles that the other does not say.

use serde_json::json;

use crate::{
    front::{Front, Manner},
    rig::{CHAIN, Rig, milli_ether, units},
};

/// A rig whose chain has a second node, with its own manners.
async fn two() -> (Rig, Front) {
    let second = Front::to_come().await;
    let others = [format!("{CHAIN}={}", second.url())];
    let rig = Rig::with(&others, |anvil| second.stand_before(anvil)).await;
    (rig, second)
}

async fn fails_with(rig: &Rig, what: &str) {
    let error = rig.watcher.step().await.unwrap_err();
    let told = chassis::chain(&error).to_string();
    assert!(told.contains(what), "{told} does not say {what:?}");
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_answers_nonsense_settles_nothing_and_stops_nothing_for_good() {
    let (rig, second) = two().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.pay(&asked.address, milli_ether(10)).await;
    rig.anvil.mine(2).await;
    let wrong = |says| Manner { says: Some(says), ..Manner::default() };
    for (manner, what) in [
        (wrong("<html><body>Checking your browser</body></html>"), "cannot be read"),
        (wrong(r#"[{"jsonrpc":"2.0","id":0,"result":"0x7a69"},{"jsonr"#), "cannot be read"),
        (
            wrong(r#"[{"id":0,"result":"0x7a69"},{"id":1,"result":{"number":"0xzz"}}]"#),
            "cannot be read",
        ),
        (wrong(r#"[{"id":0,"result":"0x1"},{"id":1,"result":null}]"#), "serves chain 1"),
        (wrong(r#"[{"id":0,"error":{"code":-32000}},{"id":1,"result":null}]"#), "refused"),
        (wrong(r#"{"error":{"code":-32005,"message":"rate limit"}}"#), "cannot be read"),
        (Manner { down: true, ..Manner::default() }, "refused"),
    ] {
        second.behave(manner);
        fails_with(&rig, what).await;
    }
    assert_eq!(rig.journal(asked.payment_id).await, ["prepared"]);
    second.behave(Manner::default());
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(10)));
    rig.end().await;
}

/// Row: C9
/// Row: C1
/// Row: S13
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_alone_says_counts_for_nothing() {
    let (rig, second) = two().await;
    let asked = rig.prepare_in("usdc", 6, 4_000_000).await;
    let block = |manner| Manner { ..manner };
    rig.pay_token(0, &asked.address, 4_000_000).await;
    rig.anvil.mine(1).await;
    for lie in [
        block(Manner { other_units: true, ..Manner::default() }),
        block(Manner { other_hash: true, ..Manner::default() }),
        block(Manner { no_logs: true, ..Manner::default() }),
    ] {
        second.behave(lie.clone());
        fails_with(&rig, "do not agree").await;
        // The first node is believed no more than the second.
        second.behave(Manner::default());
        rig.front.behave(lie);
        fails_with(&rig, "do not agree").await;
        rig.front.behave(Manner::default());
    }
    assert_eq!(rig.journal(asked.payment_id).await, ["prepared"]);
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(4_000_000));
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_stands_on_none_that_is_known_is_an_error_and_no_money() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.watch().await;
    rig.pay(&asked.address, milli_ether(10)).await;
    rig.anvil.mine(3).await;
    rig.front.behave(Manner { other_parent: true, ..Manner::default() });
    for _look in 0..2 {
        fails_with(&rig, "do not fit together").await;
    }
    assert_eq!(rig.journal(asked.payment_id).await, ["prepared"]);
    rig.front.behave(Manner::default());
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(10)));
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lags_or_stalls_holds_the_chain_back_to_its_own_newest_block() {
    let (rig, second) = two().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.pay(&asked.address, milli_ether(10)).await;
    let paid_at = rig.anvil.head().await;
    second.behave(Manner { newest: Some(paid_at), ..Manner::default() });
    rig.anvil.mine(5).await;
    for _look in 0..3 {
        rig.watch().await;
    }
    let in_block = ["prepared", "transfer_seen", "seen_changed"];
    assert_eq!(rig.journal(asked.payment_id).await, in_block, "one block deep, as far as it knows");
    assert_eq!(rig.ask_database("select height from watch").await, paid_at.to_string());
    second.behave(Manner::default());
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    rig.end().await;
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn what_contracts_send_counts_only_where_both_nodes_tell_of_it() {
    let (rig, second) = two().await;
    let asked = rig.prepare(milli_ether(5)).await;
    second.behave(Manner { unknown: Some("trace_block"), ..Manner::default() });
    let sender = rig.deploy(2, crate::cases::SENDER_CODE).await;
    let pair = format!("0x{:0>64}{:064x}", asked.address.trim_start_matches("0x"), milli_ether(5));
    let call = json!([{
        "from": rig.accounts[3], "to": sender, "value": format!("{:#x}", milli_ether(5)),
        "data": pair, "gas": "0x100000",
    }]);
    rig.anvil.rpc("eth_sendTransaction", call).await;
    rig.anvil.mine(5).await;
    second.behave(Manner {
        unknown: Some("trace_block"),
        balance: Some(milli_ether(9)),
        ..Manner::default()
    });
    rig.watch().await;
    assert_eq!(rig.journal(asked.payment_id).await, ["prepared"], "only one of them saw it");
    second.behave(Manner { unknown: Some("trace_block"), ..Manner::default() });
    rig.anvil.mine(1).await;
    rig.watch().await;
    rig.anvil.mine(5).await;
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(5)));
    let places = rig.ask_database("select string_agg(position, ' ') from transfer").await;
    assert_eq!(places, "balance/0", "both of them tell of the balance");
    rig.end().await;
}
