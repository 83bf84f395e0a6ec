//! A payment that cannot be read, or not be told what was kept for it, holds up no other.

use crate::rig::{Asked, Rig, milli_ether, units};

async fn execute(rig: &Rig, statement: &str) {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::query(statement).execute(&rig.pool).await.unwrap();
}

/// Somebody else pays, and that settles.
async fn another_is_paid(rig: &Rig) {
    let other = rig.prepare(milli_ether(10)).await;
    rig.pay(&other.address, milli_ether(10)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(other.payment_id).await;
}

async fn state(rig: &Rig, asked: &Asked) -> String {
    let id = asked.payment_id;
    rig.ask_database(&format!("select state from payment where payment_id = '{id}'")).await
}

const OPEN: &str = "select coalesce(string_agg(reason, ',' order by reason), 'none')
    from payment_case where closed_at is null";

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_mended_to_an_older_state_holds_up_no_other() {
    let rig = Rig::new().await;
    let spoilt = rig.prepare(milli_ether(20)).await;
    let (id, old) = (spoilt.payment_id, state(&rig, &spoilt).await);
    rig.pay(&spoilt.address, milli_ether(5)).await;
    rig.watch().await;
    let right = state(&rig, &spoilt).await;
    rig.service.logs.expect("a payment is put aside");
    let quoted = old.replace('\'', "''");
    // The state alone is older, and the row with it: neither could ever be written again.
    for mended in [format!("state = '{quoted}'"), format!("state = '{quoted}', seq = 1")] {
        execute(&rig, &format!("update payment set {mended} where payment_id = '{id}'")).await;
        rig.pay(&spoilt.address, milli_ether(5)).await;
        another_is_paid(&rig).await;
        assert_eq!(rig.ask_database(OPEN).await, "payment_unreadable", "{mended}");
    }
    let right = right.replace('\'', "''");
    let seq = "(select max(seq) from payment_event e where e.payment_id = p.payment_id)";
    let mended = format!("state = '{right}', seq = {seq}");
    execute(&rig, &format!("update payment p set {mended} where payment_id = '{id}'")).await;
    rig.pay(&spoilt.address, milli_ether(5)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(rig.settled(id).await.received, units(milli_ether(20)));
    assert_eq!(rig.ask_database(OPEN).await, "none");
    rig.end().await;
}

/// A watcher of the version before meets what a newer one wrote.
///
/// Row: K1
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_a_newer_version_is_put_aside_and_not_written_back_without_what_is_new() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(20)).await;
    let (id, right) = (asked.payment_id, state(&rig, &asked).await);
    rig.service.logs.expect("a payment is put aside");
    // Of a part of the payment, where it is easily overlooked.
    let newer = right.replacen("\"dust\"", "\"surcharge\":1,\"dust\"", 1);
    assert_ne!(newer, right);
    let set = |state: &str| {
        let state = state.replace('\'', "''");
        format!("update payment set state = '{state}' where payment_id = '{id}'")
    };
    execute(&rig, &set(&newer)).await;
    rig.pay(&asked.address, milli_ether(20)).await;
    another_is_paid(&rig).await;
    assert_eq!(rig.ask_database(OPEN).await, "payment_unreadable");
    assert_eq!(state(&rig, &asked).await, newer);
    // By one that reads it, it is told what happened meanwhile.
    execute(&rig, &set(&right)).await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    assert_eq!(rig.settled(id).await.received, units(milli_ether(20)));
    assert_eq!(rig.ask_database(OPEN).await, "none");
    rig.end().await;
}

/// Row: C5
#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_cannot_be_read_holds_up_no_other_and_loses_nothing() {
    let rig = Rig::new().await;
    let spoilt = rig.prepare(milli_ether(20)).await;
    let (id, right) = (spoilt.payment_id, state(&rig, &spoilt).await);
    rig.service.logs.expect("a payment is put aside");
    execute(&rig, &format!("update payment set state = '{{}}' where payment_id = '{id}'")).await;
    rig.pay(&spoilt.address, milli_ether(20)).await;
    another_is_paid(&rig).await;
    let came = "from untold where fact ->> 'is' = 'came'";
    let kept = rig.ask_database(&format!("select fact {came}")).await;
    let came_id = rig.ask_database(&format!("select untold_id {came}")).await;
    // Nobody but a person writes here, and a person may err: the row is mended, the fact is not.
    let mut admin = rig.service.database.admin().await;
    let broken = "update untold set fact = '{\"is\": \"nonsense\"}' where untold_id = $1::bigint";
    sqlx::query(broken).bind(came_id.parse::<i64>().unwrap()).execute(&mut admin).await.unwrap();
    let right = right.replace('\'', "''");
    execute(&rig, &format!("update payment set state = '{right}' where payment_id = '{id}'")).await;
    another_is_paid(&rig).await;
    assert_eq!(rig.ask_database(OPEN).await, "payment_unreadable", "it says so still");

    let mended = "update untold set fact = $2::json where untold_id = $1::bigint";
    let mended = sqlx::query(mended).bind(came_id.parse::<i64>().unwrap()).bind(kept);
    mended.execute(&mut admin).await.unwrap();
    rig.anvil.mine(1).await;
    rig.watch().await;
    assert_eq!(rig.settled(id).await.received, units(milli_ether(20)));
    assert_eq!(rig.ask_database(OPEN).await, "none");
    assert_eq!(rig.ask_database("select count(*) from untold").await, "0");
    rig.end().await;
}
