//! Money that comes: when it counts, when it is final, whose it is.

use contracts::messages::PaymentSeen;

use crate::rig::{Heard, Rig, milli_ether, units};

fn seen(heard: &Heard) -> Option<PaymentSeen> {
    match heard {
        Heard::Seen(seen) => Some(seen.clone()),
        _ => None,
    }
}

/// Row: C1
/// Row: S13
#[tokio::test(flavor = "multi_thread")]
async fn money_is_final_at_the_depth_of_its_amount_and_not_before() {
    let rig = Rig::new().await;
    for (amount, depth) in [(milli_ether(100), 3), (milli_ether(2000), 6)] {
        let asked = rig.prepare(amount).await;
        rig.anvil.set_automine(false).await;
        rig.pay(&asked.address, amount).await;
        rig.watch().await;
        assert_eq!(rig.journal(asked.payment_id).await, ["prepared"], "a mempool is no block");

        let in_block = ["prepared", "transfer_seen", "seen_changed"];
        for confirmations in 1..depth {
            rig.anvil.mine(1).await;
            rig.watch().await;
            assert_eq!(rig.journal(asked.payment_id).await, in_block, "at depth {confirmations}");
        }
        let told = rig.hear(asked.payment_id, seen).await;
        assert!(told.complete && told.received == units(amount), "{told:?}");

        for _more in 0..3 {
            rig.anvil.mine(1).await;
            rig.watch().await;
            let settled = [in_block.as_slice(), &["finalised", "settled"]].concat();
            assert_eq!(rig.journal(asked.payment_id).await, settled);
        }
        assert_eq!(rig.settled(asked.payment_id).await.received, units(amount));
        rig.anvil.set_automine(true).await;
    }
    rig.end().await;
}

/// Row: C6
#[tokio::test(flavor = "multi_thread")]
async fn two_requests_of_the_same_amount_each_get_only_their_own() {
    let rig = Rig::new().await;
    let amount = milli_ether(50);
    let (first, second) = (rig.prepare(amount).await, rig.prepare(amount).await);
    assert_ne!(first.address, second.address);

    rig.pay(&second.address, amount).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(second.payment_id).await;
    assert_eq!(rig.journal(first.payment_id).await, ["prepared"]);

    rig.pay(&first.address, amount).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(first.payment_id).await;
    assert_eq!(rig.journal(second.payment_id).await.len(), 5, "nothing more came to the second");
    rig.end().await;
}

/// Row: C7
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_counts_once_however_many_watch() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(40)).await;
    let others = rig.app.watchers(&rig.config).unwrap().remove(0);
    for _part in 0..4 {
        rig.pay(&asked.address, milli_ether(10)).await;
        // Both read the same blocks; one of them finds the cursor moved and drops what it read.
        let (one, other) = tokio::join!(rig.watcher.step(), others.step());
        one.unwrap();
        other.unwrap();
    }
    rig.anvil.mine(3).await;
    let (one, other) = tokio::join!(rig.watcher.step(), others.step());
    one.unwrap();
    other.unwrap();
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(milli_ether(40)));
    let journal = rig.journal(asked.payment_id).await;
    assert_eq!(journal.iter().filter(|kind| *kind == "transfer_seen").count(), 4);

    // The blocks once more, as after a restore of the cursor alone.
    let back = "update watch set (height, block_hash) =
        (select height, block_hash from block order by height limit 1)";
    sqlx::query(back).execute(&mut rig.service.database.admin().await).await.unwrap();
    rig.watch().await;
    let received = "select sum(units) from ledger_entry where account = 'received'";
    assert_eq!(rig.ask_database(received).await, format!("-{}", milli_ether(40)));
    assert_eq!(rig.ask_database("select count(*) from transfer").await, "4");
    assert_eq!(
        rig.said(asked.payment_id).iter().filter(|h| matches!(h, Heard::Settled(_))).count(),
        1
    );
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_block_is_one_transaction() {
    let rig = Rig::new().await;
    let mut asked = vec![];
    for _n in 0..40 {
        asked.push(rig.prepare(milli_ether(1)).await);
    }
    rig.anvil.set_automine(false).await;
    for each in &asked {
        rig.pay(&each.address, milli_ether(1)).await;
    }
    rig.anvil.mine(1).await;
    let before: i64 = rig.ask_database("select look from watch").await.parse().unwrap();
    rig.watch().await;
    let after: i64 = rig.ask_database("select look from watch").await.parse().unwrap();
    assert_eq!(after - before, 1, "one block, one look");
    let transactions =
        "select count(distinct xmin::text) from payment_event where kind = 'transfer_seen'";
    assert_eq!(rig.ask_database(transactions).await, "1");
    assert_eq!(rig.ask_database("select count(*) from transfer where stands").await, "40");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_pays_by_its_log_and_other_assets_are_strays() {
    let rig = Rig::new().await;
    let dollars = rig.prepare_in("usdc", 6, 5_000_000).await;
    let ether = rig.prepare(milli_ether(5)).await;
    rig.pay_token(0, &dollars.address, 5_000_000).await;
    rig.pay_token(0, &ether.address, 5_000_000).await;
    rig.pay(&dollars.address, milli_ether(5)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(rig.settled(dollars.payment_id).await.received, units(5_000_000));
    assert_eq!(rig.journal(ether.payment_id).await, ["prepared"]);
    let strays = "select string_agg(reason || ' ' || units, ', ' order by units) from payment_case";
    let expected = format!("other_asset 5000000, other_asset {}", milli_ether(5));
    assert_eq!(rig.ask_database(strays).await, expected);
    let position = "select position from transfer";
    assert_eq!(rig.ask_database(position).await, "0", "the place in the receipt");
    rig.end().await;
}
