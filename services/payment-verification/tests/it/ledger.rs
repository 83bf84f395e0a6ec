//! The ledger of money, to the last wei.

use sqlx::PgPool;

use crate::rig::{Rig, close_message, refund_message};

/// A number with all 18 decimals in use.
const AMOUNT: u128 = 123_456_789_012_345_679;

async fn balance(rig: &Rig, account: &str) -> String {
    rig.ask_database(&format!(
        "select coalesce(sum(units), 0) from ledger_entry where account = '{account}'"
    ))
    .await
}

/// Row: C11
/// Row: S7
#[tokio::test(flavor = "multi_thread")]
async fn the_customers_account_ends_at_nothing_and_every_transaction_sums_to_zero() {
    let rig = Rig::new().await;
    let asked = rig.prepare(AMOUNT).await;
    rig.pay(&asked.address, AMOUNT - 1).await;
    rig.anvil.mine(5).await;
    rig.watch().await;
    assert!(!rig.journal(asked.payment_id).await.contains(&"settled".to_owned()), "one wei short");
    rig.pay(&asked.address, 3).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    assert_eq!(balance(&rig, "price").await, AMOUNT.to_string());
    assert_eq!(balance(&rig, "excess").await, "2");
    assert_eq!(balance(&rig, "received").await, format!("-{}", AMOUNT + 2));

    rig.say(&close_message(&asked)).await;
    rig.say(&refund_message(&asked, uuid::Uuid::now_v7(), AMOUNT - 5)).await;
    testkit::until("the refund", async || {
        (rig.ask_database("select count(*) from refund").await == "1").then_some(())
    })
    .await;
    for (account, expected) in [
        ("customer", "0".to_owned()),
        ("excess", "0".to_owned()),
        ("price", "7".to_owned()),
        ("refund_granted", (AMOUNT - 5).to_string()),
    ] {
        assert_eq!(balance(&rig, account).await, expected, "{account}");
    }
    let uneven = "select count(*) from (
        select from ledger_entry group by payment_id, seq having sum(units) <> 0
    ) as uneven";
    assert_eq!(rig.ask_database(uneven).await, "0");
    rig.end().await;
}

async fn refused(pool: &PgPool, statement: &'static str) -> String {
    sqlx::query(statement).execute(pool).await.unwrap_err().to_string()
}

/// Row: C11
/// Row: S7
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_cannot_be_changed_and_cannot_be_out_of_balance() {
    let rig = Rig::new().await;
    let asked = rig.prepare(AMOUNT).await;
    rig.pay(&asked.address, AMOUNT).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let before = rig.everything().await;
    for statement in [
        "update ledger_entry set units = units * 2",
        "delete from ledger_entry",
        "truncate ledger_entry",
        "update payment_event set kind = 'settled'",
        "delete from payment_event",
        "delete from address",
        "update address set address_key = '\\x00'",
    ] {
        let why = refused(&rig.pool, statement).await;
        assert!(why.contains("permission denied"), "{statement}: {why}");
    }
    let why = refused(
        &rig.pool,
        "insert into ledger_entry (payment_id, seq, line, at, reason, account, asset, units)
         select payment_id, 99, 0, now(), 'settled', 'price', 'eth', 1 from payment",
    )
    .await;
    assert!(why.contains("does not sum to zero"), "{why}");
    assert_eq!(rig.everything().await, before);
    rig.end().await;
}
