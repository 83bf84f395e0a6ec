//! Refunds on a chain of the Bitcoin family, on a real node: proven by the output that pays them.

use std::collections::BTreeMap;

use contracts::messages::RefundState;
use payment_verification::treasury::Treasury;
use payment_verification_core::address::witness_of_key_hash;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    outputs::{COIN, World},
    refunds::{a_day_later, arm, ask, cases, granted, ledger, news, sent, state, treasury},
    rig::{Asked, units},
};

/// An address of the test chain that nothing was ever sent to, and nobody has a key of.
fn new_wallet() -> String {
    let mut hash = [7; 20];
    hash[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    witness_of_key_hash("rltc", hash).unwrap()
}

/// A payment of whole coins that is final.
async fn paid(world: &World, coins: u128) -> Asked {
    let asked = world.rig.prepare_in("ltc", 8, coins * COIN).await;
    world.node.pay(&asked.address, &coins.to_string()).await;
    world.mine(2).await;
    world.rig.settled(asked.payment_id).await;
    asked
}

/// How much an address holds, in the smallest unit.
async fn balance(world: &World, wallet: &str) -> String {
    let found = world.node.rpc("scantxoutset", json!(["start", [format!("addr({wallet})")]])).await;
    let Value::Number(coins) = &found["total_amount"] else { panic!("{found}") };
    let coins = coins.to_string();
    let (whole, part) = coins.split_once('.').unwrap_or((&coins, ""));
    let text = format!("{whole}{part:0<8}");
    let digits = text.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
}

async fn until_sent(world: &World, treasury: &Treasury, refund_id: Uuid, times: usize) {
    testkit::until("the treasury to have sent it", async || {
        (sent(&world.rig, refund_id).await.len() >= times).then_some(())
    })
    .await;
    ask(&world.rig, treasury).await;
}

/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_treasury_does_with_coins_ends_in_its_state_and_its_case() {
    let world = World::new().await;
    world.rig.service.logs.expect("refund_");
    let treasury = treasury(&world.rig);
    let amount = 2 * COIN;
    let expected = [
        ("never", 0, "granted", "refund_overdue", 0, 0),
        ("twice", 2, "confirmed", "refund_sent_twice", 2 * amount, amount),
        ("wrong_amount", 1, "granted", "refund_overdue, refund_wrong_amount", COIN, COIN),
        ("wrong_address", 1, "granted", "refund_astray, refund_overdue", 0, 0),
        ("late", 1, "confirmed", "", amount, 0),
        ("dropped", 1, "granted", "refund_overdue", 0, 0),
        // The fee was raised, so of two transactions that were named only one is mined.
        ("replaced", 2, "confirmed", "", amount, 0),
    ];
    let mut refunds = BTreeMap::new();
    for (fault, ..) in expected {
        let asked = paid(&world, 2).await;
        let wallet = new_wallet();
        let refund_id = granted(&world.rig, &asked, amount, &wallet).await;
        arm(&world.rig, fault).await;
        ask(&world.rig, &treasury).await;
        refunds.insert(fault, (asked, refund_id, wallet));
    }
    for (fault, transactions, ..) in expected {
        until_sent(&world, &treasury, refunds[fault].1, transactions).await;
    }
    world.mine(3).await;
    ask(&world.rig, &treasury).await;
    a_day_later(&world.rig).await;
    ask(&world.rig, &treasury).await;
    ask(&world.rig, &treasury).await;

    for (fault, transactions, expected_state, expected_cases, arrived, wasted) in expected {
        let (asked, refund_id, wallet) = &refunds[fault];
        assert_eq!(state(&world.rig, *refund_id).await, expected_state, "{fault}");
        assert_eq!(cases(&world.rig, asked).await, expected_cases, "{fault}");
        assert_eq!(balance(&world, wallet).await, arrived.to_string(), "{fault}");
        assert_eq!(sent(&world.rig, *refund_id).await.len(), transactions, "{fault}");
        let accounts = ledger(&world.rig, asked).await;
        let of = |account: &str| accounts.get(account).cloned().unwrap_or("0".to_owned());
        let due = if expected_state == "confirmed" { 0 } else { amount };
        assert_eq!(of("refund_granted"), due.to_string(), "{fault}");
        assert_eq!(of("misspent").trim_start_matches('-'), wasted.to_string(), "{fault}");
        assert_eq!(of("paid_out"), (amount - due + wasted).to_string(), "{fault}");
    }
    // Told as whoever looks for it on that chain writes it.
    let (asked, refund_id, _) = &refunds["late"];
    let told = news(&world.rig, asked, RefundState::Confirmed).await.transaction;
    assert_eq!(told.as_ref(), sent(&world.rig, *refund_id).await.first());
    world.rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_proves_each_refund_by_an_output_of_its_own_while_its_block_stands() {
    let world = World::new().await;
    world.rig.service.logs.expect("refund_astray");
    let treasury = treasury(&world.rig);
    let mut refunds = vec![];
    for _one in 0..3 {
        let asked = paid(&world, 1).await;
        let wallet = new_wallet();
        let refund_id = granted(&world.rig, &asked, COIN, &wallet).await;
        arm(&world.rig, "never").await;
        ask(&world.rig, &treasury).await;
        refunds.push((refund_id, asked, wallet));
    }
    // The treasury pays two of them at once, and names the transaction for all three.
    let many = json!({ &refunds[0].2: "1", &refunds[1].2: "1" });
    let transaction = world.node.text("sendmany", json!(["", many])).await;
    let told = "insert into refund_transaction (refund_id, transaction_hash, told_at)
        select refund_id, decode($1, 'hex'), holdfast_now() from refund";
    sqlx::query(told).bind(&transaction).execute(&world.rig.pool).await.unwrap();
    world.mine(1).await;
    let states = async || {
        let mut states = vec![];
        for (refund_id, ..) in &refunds {
            states.push(state(&world.rig, *refund_id).await);
        }
        states
    };
    assert_eq!(states().await, ["sent", "sent", "granted"]);

    world.node.reorg(1).await;
    world.watch().await;
    assert_eq!(states().await, ["sent", "sent", "granted"], "no other block came yet");
    world.node.rpc("generateblock", json!([new_wallet(), []])).await;
    world.node.rpc("generateblock", json!([new_wallet(), []])).await;
    world.watch().await;
    assert_eq!(states().await, ["granted", "granted", "granted"], "its block left without it");
    world.mine(1).await;
    assert_eq!(states().await, ["sent", "sent", "granted"]);
    world.mine(1).await;
    ask(&world.rig, &treasury).await;
    assert_eq!(states().await, ["confirmed", "confirmed", "granted"]);
    assert_eq!(cases(&world.rig, &refunds[0].1).await, "");
    assert_eq!(cases(&world.rig, &refunds[2].1).await, "refund_astray");
    let outputs = "select count(distinct position) || ' ' || count(distinct transaction_hash)
        from payout where final";
    assert_eq!(world.rig.ask_database(outputs).await, "2 1");
    let confirmed = news(&world.rig, &refunds[1].1, RefundState::Confirmed).await;
    assert_eq!(confirmed.units, units(COIN));
    world.rig.end().await;
}
