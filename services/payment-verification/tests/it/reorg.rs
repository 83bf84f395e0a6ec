//! Blocks that leave take their money along; mined again, it comes back, once.

use contracts::{asset::Units, ids::PaymentId};
use serde_json::json;

use crate::{
    front::Manner,
    refunds::{ask, granted, new_wallet, sent, treasury},
    rig::{Asked, Heard, Rig, milli_ether, text, units},
};

/// The received sums that were said, in the order of their versions.
fn seen_sums(rig: &Rig, payment: PaymentId) -> Vec<(String, bool)> {
    let mut seen: Vec<_> = rig
        .said(payment)
        .into_iter()
        .filter_map(|heard| match heard {
            Heard::Seen(seen) => Some(seen),
            _ => None,
        })
        .collect();
    seen.sort_by_key(|seen| seen.seq);
    seen.into_iter().map(|seen| (seen.received.to_string(), seen.complete)).collect()
}

async fn raw(rig: &Rig, transaction: &str) -> String {
    text(&rig.anvil.rpc("eth_getRawTransactionByHash", json!([transaction])).await)
}

async fn place(rig: &Rig, transaction: &str) -> (String, String) {
    let receipt = rig.anvil.rpc("eth_getTransactionReceipt", json!([transaction])).await;
    (text(&receipt["blockHash"]), text(&receipt["transactionIndex"]))
}

/// Waits until this much is said to be away, and this much final.
async fn until_reversed(rig: &Rig, asked: &Asked, wanted: (Units, Units)) {
    let said = |heard: &Heard| match heard {
        Heard::Reversed(reversed) => ((reversed.gone, reversed.settled) == wanted).then_some(()),
        _ => None,
    };
    rig.hear(asked.payment_id, said).await;
}

/// Says nothing is owed to the payment at this moment: nothing final, nothing settled.
async fn is_not_final(rig: &Rig, asked: &Asked) -> bool {
    let journal = rig.journal(asked.payment_id).await;
    !journal.iter().any(|kind| kind == "finalised" || kind == "settled")
}

/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_block_left_counts_again_once_it_is_mined_again() {
    let rig = Rig::new().await;
    let amount = milli_ether(70);
    let asked = rig.prepare(amount).await;
    let transaction = rig.pay(&asked.address, amount).await;
    let bytes = raw(&rig, &transaction).await;
    let before = place(&rig, &transaction).await;
    rig.anvil.mine(1).await;
    rig.watch().await;

    rig.anvil.reorg(2).await;
    rig.watch().await;
    assert_eq!(rig.ask_database("select stands from transfer").await, "false");
    rig.anvil.mine(8).await;
    rig.watch().await;
    assert!(is_not_final(&rig, &asked).await, "money that left does not become final");

    // Behind another transaction, in another block.
    rig.anvil.set_automine(false).await;
    rig.pay_from(3, &rig.accounts[4], 1).await;
    rig.anvil.mine(1).await;
    rig.pay_from(3, &rig.accounts[4], 2).await;
    rig.anvil.rpc("eth_sendRawTransaction", json!([bytes])).await;
    rig.anvil.mine(1).await;
    assert_ne!(place(&rig, &transaction).await, before, "it is mined somewhere else");
    rig.watch().await;
    assert!(is_not_final(&rig, &asked).await, "the depth begins anew");
    rig.anvil.mine(2).await;
    rig.watch().await;

    assert_eq!(rig.settled(asked.payment_id).await.received, units(amount));
    let sums = seen_sums(&rig, asked.payment_id);
    let amount = amount.to_string();
    assert_eq!(sums, [(amount.clone(), true), ("0".to_owned(), false), (amount, true)]);
    assert_eq!(rig.ask_database("select count(*) from transfer").await, "1");
    rig.end().await;
}

/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn a_reorg_that_puts_another_log_before_the_payment_changes_nothing() {
    let rig = Rig::new().await;
    let asked = rig.prepare_in("usdc", 6, 9_000_000).await;
    let other = rig.prepare_in("usdc", 6, 1_000_000).await;
    let transaction = rig.pay_token(0, &asked.address, 9_000_000).await;
    let bytes = raw(&rig, &transaction).await;
    rig.watch().await;
    let log_index = |transaction: String| {
        let rig = &rig;
        async move {
            let receipt = rig.anvil.rpc("eth_getTransactionReceipt", json!([transaction])).await;
            text(&receipt["logs"][0]["logIndex"])
        }
    };
    assert_eq!(log_index(transaction.clone()).await, "0x0");

    rig.anvil.reorg(1).await;
    rig.anvil.set_automine(false).await;
    // A higher fee puts the other payer's log first.
    let data =
        format!("0xa9059cbb{:0>64}{:064x}", other.address.trim_start_matches("0x"), 1_000_000);
    let first = json!([{
        "from": rig.accounts[5], "to": crate::rig::TOKEN, "data": data, "gas": "0x20000",
        "maxFeePerGas": "0x174876e800", "maxPriorityFeePerGas": "0xba43b7400",
    }]);
    rig.anvil.rpc("eth_sendTransaction", first).await;
    rig.anvil.rpc("eth_sendRawTransaction", json!([bytes])).await;
    rig.anvil.mine(2).await;
    assert_eq!(log_index(transaction.clone()).await, "0x1", "the block's log index moved");
    rig.watch().await;

    assert_eq!(rig.settled(asked.payment_id).await.received, units(9_000_000));
    assert_eq!(rig.settled(other.payment_id).await.received, units(1_000_000));
    let keys = "select string_agg(position || ' ' || units, ', ' order by units)
        from transfer where stands";
    assert_eq!(rig.ask_database(keys).await, "0 1000000, 0 9000000");
    assert_eq!(rig.ask_database("select count(*) from transfer").await, "2");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_shrank_and_a_node_that_is_behind_are_told_apart() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.pay(&asked.address, milli_ether(10)).await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    let head = rig.anvil.head().await;
    rig.anvil.rpc("anvil_rollback", json!([1])).await;
    assert_eq!(rig.anvil.head().await, head - 1);
    rig.watch().await;
    assert_eq!(rig.ask_database("select height from watch").await, head.to_string(), "only behind");
    rig.anvil.reorg(1).await;
    rig.watch().await;
    assert_eq!(rig.ask_database("select height from watch").await, (head - 1).to_string());
    assert_eq!(rig.ask_database("select stands from transfer").await, "false");
    rig.end().await;
}

/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lacks_the_blocks_it_told_of_makes_no_block_leave() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(10)).await;
    rig.pay(&asked.address, milli_ether(10)).await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    let head = rig.anvil.head().await;
    // As behind a balancer: one node tells of its newest block, another is asked for it.
    rig.front.behave(Manner { lacks_from: Some(head), ..Manner::default() });
    for _look in 0..2 {
        let error = rig.watcher.step().await.unwrap_err();
        assert!(chassis::chain(&error).to_string().contains("do not fit together"), "{error:?}");
    }
    let journal = ["prepared", "transfer_seen", "seen_changed"];
    assert_eq!(rig.journal(asked.payment_id).await, journal, "it left nowhere");
    assert_eq!(rig.ask_database("select stands from transfer").await, "true");

    rig.front.behave(Manner::default());
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    rig.end().await;
}

/// A reorg deeper than the policy, after the money paid.
///
/// Row: C5
/// Row: S13
#[tokio::test(flavor = "multi_thread")]
async fn settled_money_that_leaves_is_a_case_that_closes_when_it_is_final_again() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(20)).await;
    let transaction = rig.pay(&asked.address, milli_ether(20)).await;
    leaves_and_comes_back(rig, asked, transaction, milli_ether(20)).await;
}

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn settled_tokens_that_leave_are_a_case_that_closes_when_they_are_final_again() {
    let rig = Rig::new().await;
    let asked = rig.prepare_in("usdc", 6, 4_000_000).await;
    let transaction = rig.pay_token(0, &asked.address, 4_000_000).await;
    leaves_and_comes_back(rig, asked, transaction, 4_000_000).await;
}

async fn leaves_and_comes_back(rig: Rig, asked: Asked, transaction: String, paid: u128) {
    let bytes = raw(&rig, &transaction).await;
    let (left, _) = place(&rig, &transaction).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;

    rig.service.logs.expect("settled money left its chain");
    rig.anvil.reorg(4).await;
    rig.watch().await;
    let [case] = crate::cases::cases(&rig).await.try_into().unwrap();
    assert_eq!((case.reason.as_str(), case.payment_id), ("payment_reversed", asked.payment_id));
    assert_eq!(case.transaction.as_deref(), Some(transaction.as_str()));
    assert!(case.subject.ends_with(&left) && case.closed_at.is_none(), "{case:?}");
    let journal = rig.journal(asked.payment_id).await;
    assert!(journal.contains(&"reversed".to_owned()), "{journal:?}");
    let nothing = |heard: &Heard| match heard {
        Heard::Seen(seen) => (seen.received == units(0) && !seen.complete).then_some(()),
        _ => None,
    };
    rig.hear(asked.payment_id, nothing).await;
    let all = units(paid);
    until_reversed(&rig, &asked, (all, units(0))).await;

    rig.anvil.rpc("eth_sendRawTransaction", json!([bytes])).await;
    let (stands, _) = place(&rig, &transaction).await;
    rig.watch().await;
    let [still] = crate::cases::cases(&rig).await.try_into().unwrap();
    assert!(still.closed_at.is_none(), "in a block, and not final yet");
    rig.anvil.mine(3).await;
    rig.watch().await;
    let [closed] = crate::cases::cases(&rig).await.try_into().unwrap();
    let because = closed.closed_because.unwrap();
    assert!(closed.closed_at.is_some() && left != stands);
    assert!(because.contains(&left) && because.contains(&stands), "{because}");
    assert_eq!(rig.journal(asked.payment_id).await.last().unwrap(), "restored");
    until_reversed(&rig, &asked, (units(0), all)).await;
    rig.end().await;
}

/// Each payment came in two transfers, and the second one left before any refund was handed over.
///
/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_beyond_what_is_final_waits_for_the_money_that_left_and_one_within_it_does_not() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let (one, other) = (rig.prepare(milli_ether(30)).await, rig.prepare(milli_ether(30)).await);
    for asked in [&one, &other] {
        rig.pay(&asked.address, milli_ether(20)).await;
    }
    let mut left = vec![];
    for asked in [&one, &other] {
        let transaction = rig.pay(&asked.address, milli_ether(10)).await;
        left.push(raw(&rig, &transaction).await);
    }
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(one.payment_id).await;
    rig.settled(other.payment_id).await;
    let beyond = granted(&rig, &one, milli_ether(25), &new_wallet()).await;
    let within = granted(&rig, &other, milli_ether(15), &new_wallet()).await;
    rig.service.logs.expect("settled money left its chain");
    rig.anvil.reorg(4).await;
    rig.watch().await;

    let open = "select count(*) from payment_case where closed_at is null";
    assert_eq!(rig.ask_database(open).await, "2");
    // That a person closes the case lets nothing go.
    sqlx::query(
        "with closed as (update payment_case set closed_at = holdfast_now(), closed_because = 'told'
                          where payment_id = $1 returning case_id, closed_at)
         insert into payment_case_closing (case_id, at, staff, why)
         select case_id, closed_at, 'ada', 'told' from closed",
    )
    .bind(one.payment_id.0)
    .execute(&rig.pool)
    .await
    .unwrap();
    ask(&rig, &treasury).await;
    let handed = "select string_agg(refund_id::text, ', ' order by units desc) from refund
        where handed_at is not null";
    assert_eq!(rig.ask_database(handed).await, within.to_string(), "20 are final of each");
    assert!(sent(&rig, beyond).await.is_empty());

    for bytes in left {
        rig.anvil.rpc("eth_sendRawTransaction", json!([bytes])).await;
    }
    rig.anvil.mine(2).await;
    rig.watch().await;
    assert_eq!(rig.ask_database(open).await, "0");
    ask(&rig, &treasury).await;
    assert_eq!(rig.ask_database(handed).await, format!("{beyond}, {within}"));
    rig.end().await;
}

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_cannot_be_read_stops_no_other_and_is_told_all_once_it_can() {
    let rig = Rig::new().await;
    let (spoilt, other) = (rig.prepare(milli_ether(20)).await, rig.prepare(milli_ether(30)).await);
    let part = rig.pay(&spoilt.address, milli_ether(5)).await;
    let part = raw(&rig, &part).await;
    rig.watch().await;
    let id = spoilt.payment_id.0;
    let state: String = sqlx::query_scalar("select state::text from payment where payment_id = $1")
        .bind(id)
        .fetch_one(&rig.pool)
        .await
        .unwrap();
    let write = async |state: &str| {
        let written = sqlx::query("update payment set state = $2::json where payment_id = $1");
        written.bind(id).bind(state).execute(&rig.pool).await.unwrap();
    };
    write("{}").await;

    rig.service.logs.expect("a payment is put aside");
    // What it had leaves and comes again, and the rest comes in one way that pays and one that does
    // not.
    rig.anvil.reorg(1).await;
    rig.anvil.rpc("eth_sendRawTransaction", json!([part])).await;
    rig.pay(&spoilt.address, milli_ether(15)).await;
    rig.pay_token(0, &spoilt.address, 7).await;
    rig.pay(&other.address, milli_ether(30)).await;
    rig.anvil.mine(4).await;
    rig.watch().await;
    rig.settled(other.payment_id).await;
    let open = "select string_agg(reason, ',' order by reason) from payment_case
        where closed_at is null";
    assert_eq!(rig.ask_database(open).await, "payment_unreadable");
    assert!(rig.ask_database("select count(*) from untold").await.parse::<u32>().unwrap() > 2);

    write(&state).await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    assert_eq!(rig.settled(spoilt.payment_id).await.received, units(milli_ether(20)));
    assert_eq!(rig.ask_database(open).await, "other_asset", "what does not pay is a case as ever");
    assert_eq!(rig.ask_database("select count(*) from untold").await, "0");
    let closed = crate::cases::cases(&rig).await;
    let closed = closed.iter().find(|case| case.reason == "payment_unreadable").unwrap();
    assert!(closed.closed_because.as_deref().unwrap().contains("can be read again"), "{closed:?}");
    rig.end().await;
}
