//! Ether that contracts send, where the node has no traces: told by what addresses hold.

use chrono::TimeDelta;
use contracts::messages::{CloseBecause, Closing};
use messaging::Step;
use serde_json::json;

use crate::{
    cases::{SENDER_CODE, call, cases, pairs},
    front::Manner,
    rig::{Asked, Heard, Rig, close_because, milli_ether, units},
};

/// A rig whose node has no traces, and a contract on it that sends what it is given.
async fn without_traces() -> (Rig, String) {
    let rig = Rig::new().await;
    rig.front.behave(no_traces());
    let sender = rig.deploy(2, SENDER_CODE).await;
    rig.watch().await;
    (rig, sender)
}

fn no_traces() -> Manner {
    Manner { unknown: Some("trace_block"), ..Manner::default() }
}

/// Pays through the contract.
async fn send(rig: &Rig, sender: &str, to: &Asked, wei: u128) {
    let data = format!("0x{}", pairs(&[(&to.address, wei)]));
    call(rig, 3, sender, wei, &data).await;
}

async fn positions(rig: &Rig) -> String {
    rig.ask_database("select string_agg(position, ' ' order by position) from transfer").await
}

async fn count(rig: &Rig, asked: &Asked, kind: &str) -> usize {
    rig.journal(asked.payment_id).await.iter().filter(|event| *event == kind).count()
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn ether_that_a_contract_sends_is_credited_by_balance_where_the_node_has_no_traces() {
    let (rig, sender) = Box::pin(without_traces()).await;
    let (one, other) = (rig.prepare(milli_ether(50)).await, rig.prepare(milli_ether(60)).await);
    send(&rig, &sender, &one, milli_ether(50)).await;
    // Half by itself, half from within.
    rig.pay(&other.address, milli_ether(30)).await;
    send(&rig, &sender, &other, milli_ether(30)).await;
    rig.watch().await;
    assert_eq!(count(&rig, &one, "settled").await, 0, "not before it is deep");
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(rig.settled(one.payment_id).await.received, units(milli_ether(50)));
    assert_eq!(rig.settled(other.payment_id).await.received, units(milli_ether(60)));

    // A node with traces takes over: what it tells is new, and what was told stays as it was.
    let seeing = rig.watcher_of(crate::rig::CHAIN);
    rig.front.behave(Manner::default());
    send(&rig, &sender, &one, milli_ether(1)).await;
    rig.anvil.mine(3).await;
    while let Step::Did(_) = seeing.step().await.unwrap() {}
    assert_eq!(positions(&rig).await, " /0 balance/0 balance/0");
    let received = "select sum(units) from transfer where stands and final";
    assert_eq!(rig.ask_database(received).await, milli_ether(111).to_string());
    assert_eq!((count(&rig, &one, "exceeded").await, cases(&rig).await.len()), (1, 0));
    rig.end().await;
}

/// Row: C8
/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn what_a_balance_told_leaves_with_its_block_and_is_the_same_money_when_it_is_back() {
    let (rig, sender) = Box::pin(without_traces()).await;
    let asked = rig.prepare(milli_ether(50)).await;
    send(&rig, &sender, &asked, milli_ether(50)).await;
    rig.watch().await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;

    rig.service.logs.expect("settled money left its chain");
    rig.anvil.reorg(4).await;
    rig.watch().await;
    assert_eq!(rig.ask_database("select stands from transfer").await, "false");
    assert_eq!(count(&rig, &asked, "reversed").await, 1);
    rig.anvil.mine(1).await;
    send(&rig, &sender, &asked, milli_ether(50)).await;
    rig.watch().await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(rig.ask_database("select stands and final from transfer").await, "true");
    assert_eq!(rig.journal(asked.payment_id).await.last().unwrap(), "restored");
    assert_eq!(count(&rig, &asked, "exceeded").await, 0);
    let [case] = cases(&rig).await.try_into().unwrap();
    assert!(case.closed_at.is_some(), "{case:?}");
    rig.end().await;
}

/// A node that keeps the state of its newest blocks only, after an outage over the deadline.
///
/// Row: C8
/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_unpaid_while_balances_of_old_blocks_cannot_be_told() {
    let (rig, sender) = Box::pin(without_traces()).await;
    let asked = rig.prepare(milli_ether(50)).await;
    rig.mine_after(1).await;
    rig.watch().await;
    send(&rig, &sender, &asked, milli_ether(50)).await;
    rig.mine_after(3_600).await;
    rig.anvil.mine(20).await;
    rig.service.database.offset_clock(TimeDelta::hours(1)).await;
    rig.say(&close_because(&asked, CloseBecause::NotPaid)).await;
    rig.until_journal(asked.payment_id, "close_asked").await;

    rig.front.behave(Manner { forgets: true, ..no_traces() });
    assert_eq!(rig.watcher.step().await.unwrap(), Step::Did(16), "old blocks are taken in");
    assert_eq!(count(&rig, &asked, "closed").await, 0, "it is not known what came in them");
    // The newest among them: what blocks tell by themselves is taken in all the same.
    rig.watch().await;
    assert_eq!(count(&rig, &asked, "closed").await, 0, "nor what came in the last one");
    rig.front.behave(no_traces());
    rig.anvil.mine(1).await;
    rig.watch().await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    let settled = units(milli_ether(50));
    let answer = rig
        .hear(asked.payment_id, |heard| match heard {
            Heard::Closed(closed) => Some(closed.closing),
            _ => None,
        })
        .await;
    assert_eq!(answer, Closing::AlreadySettled { settled });
    rig.end().await;
}

/// A node whose state is broken, and one that does not know the question.
///
/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn money_is_seen_while_nobody_can_say_what_addresses_hold() {
    let (rig, _) = Box::pin(without_traces()).await;
    for manner in [
        Manner { forgets: true, ..no_traces() },
        Manner { unknown: Some("eth_getBalance"), ..Manner::default() },
    ] {
        let asked = rig.prepare(milli_ether(50)).await;
        rig.front.behave(manner);
        rig.pay(&asked.address, milli_ether(50)).await;
        rig.anvil.mine(3).await;
        rig.watch().await;
        assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(50)));
    }
    rig.end().await;
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_emptied_is_credited_nothing_for_what_it_holds() {
    let (rig, sender) = Box::pin(without_traces()).await;
    let asked = rig.prepare(milli_ether(50)).await;
    rig.pay(&asked.address, milli_ether(50)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    rig.anvil.rpc("anvil_impersonateAccount", json!([asked.address])).await;
    let sweep = json!([{
        "from": asked.address, "to": rig.accounts[4], "value": format!("{:#x}", milli_ether(20)),
    }]);
    rig.anvil.rpc("eth_sendTransaction", sweep).await;
    rig.watch().await;
    // More than was known to have come, and nobody could say how much more.
    send(&rig, &sender, &asked, milli_ether(40)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(count(&rig, &asked, "transfer_seen").await, 1);
    rig.end().await;
}
