//! Refunds: granted, handed to a treasury that may misbehave, proven on the chain.

use std::collections::BTreeMap;

use chassis::{HttpClient, HttpClientConfig, HttpRequest};
use chrono::TimeDelta;
use contracts::messages::{PaymentRefund, PaymentRefundChanged, RefundState};
use doubles::Doubles;
use messaging::Step;
use payment_verification::treasury::Treasury;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rig::{Asked, Heard, Rig, TOKEN, doubles_on, milli_ether, refund_message, text};

/// An address that nothing was ever sent to.
pub(crate) fn new_wallet() -> String {
    format!("0x{:040x}", Uuid::new_v4().as_u128())
}

pub(crate) fn treasury(rig: &Rig) -> Treasury {
    rig.app.treasury(&rig.config).unwrap()
}

pub(crate) async fn double(
    rig: &Rig,
    method: http::Method,
    path: &str,
    body: Option<Value>,
) -> Value {
    let http = HttpClient::new(HttpClientConfig::default()).unwrap();
    let url = format!("{}/treasury{path}", rig.doubles.base_url());
    let mut request = HttpRequest::new(method, url);
    if let Some(body) = body {
        request = request.json(body.to_string());
    }
    let reply = http.send(request).await.unwrap();
    assert!(reply.status.is_success(), "{path}: {}", reply.status);
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

pub(crate) async fn arm(rig: &Rig, fault: &str) {
    let body = json!({ "operation": "payout", "fault": fault, "after_ms": 400 });
    double(rig, http::Method::POST, "/faults", Some(body)).await;
}

/// What the treasury really did for a refund: the transactions it sent.
pub(crate) async fn sent(rig: &Rig, refund_id: Uuid) -> Vec<String> {
    let truth = double(rig, http::Method::GET, "/truth", None).await;
    let payouts = truth["payouts"].as_array().unwrap().clone();
    let mut own = payouts.into_iter().filter(|payout| payout["id"] == refund_id.to_string());
    let Some(payout) = own.next() else { return vec![] };
    assert!(own.next().is_none());
    payout["transactions"].as_array().unwrap().iter().map(text).collect()
}

/// How many payouts the treasury made to an address, under whatever id.
pub(crate) async fn sent_to(rig: &Rig, wallet: &str) -> usize {
    let truth = double(rig, http::Method::GET, "/truth", None).await;
    let payouts = truth["payouts"].as_array().unwrap().iter();
    payouts
        .filter(|payout| payout["to"].as_str().is_some_and(|to| to.eq_ignore_ascii_case(wallet)))
        .count()
}

/// Asks the treasury now about every refund that is open.
pub(crate) async fn ask(rig: &Rig, treasury: &Treasury) {
    let due = "update refund set next_ask_at = holdfast_now() where next_ask_at is not null";
    sqlx::query(due).execute(&rig.pool).await.unwrap();
    while let Step::Did(_) = treasury.step().await.unwrap() {}
}

/// Moves the database's clock past the day that a refund may take.
pub(crate) async fn a_day_later(rig: &Rig) {
    rig.service.database.offset_clock(TimeDelta::hours(25)).await;
}

/// A payment that is final.
pub(crate) async fn paid(rig: &Rig, units: u128) -> Asked {
    let asked = rig.prepare(units).await;
    rig.pay(&asked.address, units).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    asked
}

/// Grants a refund of all of a payment, to a wallet.
pub(crate) async fn granted(rig: &Rig, asked: &Asked, units: u128, wallet: &str) -> Uuid {
    let refund_id = Uuid::now_v7();
    let to = Some(wallet.to_owned());
    rig.say(&PaymentRefund { to, ..refund_message(asked, refund_id, units) }).await;
    news(rig, asked, RefundState::Granted).await;
    refund_id
}

/// Waits until it is said that a refund of the payment is that far.
pub(crate) async fn news(rig: &Rig, asked: &Asked, state: RefundState) -> PaymentRefundChanged {
    rig.hear(asked.payment_id, |heard| match heard {
        Heard::Refund(changed) if changed.state == state => Some(changed.clone()),
        _ => None,
    })
    .await
}

pub(crate) async fn state(rig: &Rig, refund_id: Uuid) -> String {
    rig.ask_database(&format!("select state from refund where refund_id = '{refund_id}'")).await
}

/// The reasons of the cases that a payment has.
pub(crate) async fn cases(rig: &Rig, asked: &Asked) -> String {
    let payment = asked.payment_id;
    rig.ask_database(&format!(
        "select string_agg(reason, ', ' order by reason) from payment_case
         where payment_id = '{payment}'"
    ))
    .await
}

/// What lies in each account of a payment.
pub(crate) async fn ledger(rig: &Rig, asked: &Asked) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select account, sum(units)::text from ledger_entry where payment_id = $1
         group by account having sum(units) <> 0",
    )
    .bind(asked.payment_id.0)
    .fetch_all(&rig.pool)
    .await
    .unwrap();
    rows.into_iter().collect()
}

async fn balance(rig: &Rig, wallet: &str) -> u128 {
    let units = text(&rig.anvil.rpc("eth_getBalance", json!([wallet, "latest"])).await);
    u128::from_str_radix(units.trim_start_matches("0x"), 16).unwrap()
}

/// Row: C10
/// Row: C11
/// Row: S7
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_waits_for_its_address_is_sent_once_and_confirmed_at_its_depth() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let units = milli_ether(30);
    let asked = paid(&rig, units).await;
    let refund_id = Uuid::now_v7();
    let nowhere = PaymentRefund { to: None, ..refund_message(&asked, refund_id, units) };
    rig.say(&nowhere).await;
    news(&rig, &asked, RefundState::Granted).await;
    assert_eq!(treasury.step().await.unwrap(), Step::Idle, "it waits for an address");

    // Two clicks, and a third one with another address, which comes too late.
    let wallet = new_wallet();
    for to in [wallet.clone(), wallet.to_uppercase().replace("0X", "0x"), new_wallet()] {
        rig.say(&PaymentRefund { to: Some(to), ..nowhere.clone() }).await;
    }
    testkit::until("all three to be handled", async || {
        let journal = rig.journal(asked.payment_id).await;
        let refused = journal.iter().any(|kind| kind == "refused");
        (refused && journal.iter().any(|kind| kind == "refund_address_given")).then_some(())
    })
    .await;
    testkit::until("the payout to be named", async || {
        ask(&rig, &treasury).await;
        (rig.ask_database("select count(*) from refund_transaction").await == "1").then_some(())
    })
    .await;
    rig.watch().await;
    let sent_in = sent(&rig, refund_id).await;
    assert_eq!(news(&rig, &asked, RefundState::Sent).await.transaction.as_ref(), sent_in.first());
    assert_eq!(state(&rig, refund_id).await, "sent");

    rig.anvil.mine(1).await;
    rig.watch().await;
    assert_eq!(state(&rig, refund_id).await, "sent", "one block short of its depth");
    rig.anvil.mine(1).await;
    rig.watch().await;
    let confirmed = news(&rig, &asked, RefundState::Confirmed).await;
    assert_eq!((confirmed.refund_id, confirmed.units), (refund_id, nowhere.units));
    assert_eq!(confirmed.transaction.as_ref(), sent_in.first());
    ask(&rig, &treasury).await;
    assert_eq!(sent(&rig, refund_id).await.len(), 1);
    assert_eq!(balance(&rig, &wallet).await, units);
    assert_eq!(cases(&rig, &asked).await, "");
    let amount = units.to_string();
    let expected = [("paid_out", amount.clone()), ("received", format!("-{amount}"))];
    let expected = expected.map(|(account, units)| (account.to_owned(), units));
    assert_eq!(ledger(&rig, &asked).await, BTreeMap::from(expected));

    // Nothing is asked any more once it would have been late.
    a_day_later(&rig).await;
    ask(&rig, &treasury).await;
    assert_eq!(rig.ask_database("select next_ask_at from refund").await, "");
    rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_of_a_token_is_proven_by_its_log() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let asked = rig.prepare_in("usdc", 6, 5_000_000).await;
    rig.pay_token(0, &asked.address, 5_000_000).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let wallet = new_wallet();
    // The same units in the wrong asset, and of the right asset from somebody else, prove nothing.
    rig.pay(&wallet, 5_000_000).await;
    let refund_id = granted(&rig, &asked, 5_000_000, &wallet).await;
    rig.pay_token(3, &wallet, 5_000_000).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    assert_eq!(state(&rig, refund_id).await, "granted");

    testkit::until("the payout to be sent", async || {
        ask(&rig, &treasury).await;
        rig.watch().await;
        (state(&rig, refund_id).await == "sent").then_some(())
    })
    .await;
    rig.anvil.mine(1).await;
    rig.watch().await;
    let confirmed = news(&rig, &asked, RefundState::Confirmed).await;
    let transaction = confirmed.transaction.unwrap();
    assert_eq!(sent(&rig, refund_id).await, std::slice::from_ref(&transaction));
    let receipt = rig.anvil.rpc("eth_getTransactionReceipt", json!([transaction])).await;
    assert_eq!(text(&receipt["to"]).to_lowercase(), TOKEN);
    assert_eq!(cases(&rig, &asked).await, "");
    rig.end().await;
}

/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_treasury_does_wrong_ends_in_its_state_and_its_case() {
    let rig = Rig::new().await;
    rig.service.logs.expect("refund_");
    let treasury = treasury(&rig);
    let units = milli_ether(10);
    let mut refunds = BTreeMap::new();
    for fault in ["never", "twice", "wrong_amount", "wrong_address", "late", "dropped"] {
        let asked = paid(&rig, units).await;
        let wallet = new_wallet();
        let refund_id = granted(&rig, &asked, units, &wallet).await;
        arm(&rig, fault).await;
        ask(&rig, &treasury).await;
        refunds.insert(fault, (asked, refund_id, wallet));
    }
    let transactions = |fault: &str| match fault {
        "never" => 0,
        "twice" => 2,
        _ => 1,
    };
    testkit::until("the treasury to have done all of it", async || {
        for (fault, (_, refund_id, _)) in &refunds {
            if sent(&rig, *refund_id).await.len() < transactions(fault) {
                return None;
            }
        }
        Some(())
    })
    .await;
    ask(&rig, &treasury).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    ask(&rig, &treasury).await;
    a_day_later(&rig).await;
    ask(&rig, &treasury).await;
    ask(&rig, &treasury).await;

    for (fault, expected_state, expected_cases, arrived, wasted) in [
        ("never", "granted", "refund_overdue", 0, 0),
        ("twice", "confirmed", "refund_sent_twice", 2 * units, units),
        ("wrong_amount", "granted", "refund_overdue, refund_wrong_amount", units / 2, units / 2),
        ("wrong_address", "granted", "refund_astray, refund_overdue", 0, 0),
        ("late", "confirmed", "", units, 0),
        ("dropped", "granted", "refund_overdue", 0, 0),
    ] {
        let (asked, refund_id, wallet) = &refunds[fault];
        assert_eq!(state(&rig, *refund_id).await, expected_state, "{fault}");
        assert_eq!(cases(&rig, asked).await, expected_cases, "{fault}");
        assert_eq!(balance(&rig, wallet).await, arrived, "{fault}");
        assert_eq!(sent(&rig, *refund_id).await.len(), transactions(fault), "{fault}");
        let accounts = ledger(&rig, asked).await;
        let of = |account: &str| accounts.get(account).cloned().unwrap_or("0".to_owned());
        let due = if expected_state == "confirmed" { 0 } else { units };
        assert_eq!(of("customer"), "0", "{fault}");
        assert_eq!(of("refund_granted"), due.to_string(), "{fault}");
        assert_eq!(of("misspent").trim_start_matches('-'), wasted.to_string(), "{fault}");
        assert_eq!(of("paid_out"), (units - due + wasted).to_string(), "{fault}");
    }
    rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_block_left_is_confirmed_once_it_is_mined_again_and_is_not_sent_twice() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let units = milli_ether(20);
    let asked = paid(&rig, units).await;
    let wallet = new_wallet();
    let refund_id = granted(&rig, &asked, units, &wallet).await;
    testkit::until("the payout to be sent", async || {
        ask(&rig, &treasury).await;
        rig.watch().await;
        (state(&rig, refund_id).await == "sent").then_some(())
    })
    .await;
    let transaction = sent(&rig, refund_id).await.remove(0);
    let bytes = rig.anvil.rpc("eth_getRawTransactionByHash", json!([transaction])).await;

    rig.anvil.reorg(1).await;
    rig.watch().await;
    assert_eq!(state(&rig, refund_id).await, "granted");
    rig.anvil.mine(6).await;
    ask(&rig, &treasury).await;
    rig.watch().await;
    assert_eq!(state(&rig, refund_id).await, "granted", "what left does not become final");
    assert_eq!(balance(&rig, &wallet).await, 0);

    rig.anvil.rpc("eth_sendRawTransaction", json!([bytes])).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    news(&rig, &asked, RefundState::Confirmed).await;
    let mut said: Vec<_> = rig
        .said(asked.payment_id)
        .into_iter()
        .filter_map(|heard| match heard {
            Heard::Refund(changed) => Some((changed.seq, changed.state)),
            _ => None,
        })
        .collect();
    said.sort_unstable();
    let states: Vec<_> = said.iter().map(|(_, state)| format!("{state:?}")).collect();
    assert_eq!(states, ["Granted", "Sent", "Granted", "Sent", "Confirmed"]);
    ask(&rig, &treasury).await;
    assert_eq!(sent(&rig, refund_id).await, [transaction]);
    assert_eq!(balance(&rig, &wallet).await, units);
    assert_eq!(cases(&rig, &asked).await, "");
    rig.end().await;
}

/// Row: C10
/// Row: S7
#[tokio::test(flavor = "multi_thread")]
async fn one_transfer_proves_one_refund_however_many_reach_for_it_at_once() {
    let rig = Rig::new().await;
    rig.service.logs.expect("refund_astray");
    let (treasury, other) = (treasury(&rig), treasury(&rig));
    let (units, wallet) = (milli_ether(10), new_wallet());
    let mut refunds = vec![];
    for _twin in 0..4 {
        let asked = paid(&rig, units).await;
        refunds.push((granted(&rig, &asked, units, &wallet).await, asked));
        // Only the first is sent; the treasury claims its transaction for all of them.
        ask(&rig, &treasury).await;
        arm(&rig, "never").await;
    }
    let first = refunds[0].0;
    let transaction = testkit::until("the payout to be sent", async || {
        ask(&rig, &treasury).await;
        sent(&rig, first).await.pop()
    })
    .await;
    let told = "insert into refund_transaction (refund_id, transaction_hash, told_at)
        select refund_id, decode($1, 'hex'), holdfast_now() from refund on conflict do nothing";
    let told = sqlx::query(told).bind(transaction.trim_start_matches("0x").to_owned());
    told.execute(&rig.pool).await.unwrap();
    rig.anvil.mine(3).await;
    let due = "update refund set next_ask_at = holdfast_now()";
    sqlx::query(due).execute(&rig.pool).await.unwrap();
    let others = rig.app.watchers(&rig.config).unwrap().remove(0);
    let (one, two, three, four) =
        tokio::join!(rig.watcher.step(), others.step(), treasury.step(), other.step());
    one.unwrap();
    two.unwrap();
    three.unwrap();
    four.unwrap();
    rig.watch().await;
    ask(&rig, &treasury).await;

    let mut confirmed = 0;
    for (refund_id, asked) in &refunds {
        match state(&rig, *refund_id).await.as_str() {
            "confirmed" => confirmed += 1,
            "granted" => assert_eq!(cases(&rig, asked).await, "refund_astray"),
            state => panic!("{state}"),
        }
    }
    assert_eq!(confirmed, 1);
    assert_eq!(rig.ask_database("select count(*) from payout where final").await, "1");
    rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn a_treasury_that_is_away_is_asked_again_and_one_that_forgot_is_never_told_twice() {
    let mut rig = Rig::new().await;
    rig.service.logs.expect("refund_disputed");
    let treasury = treasury(&rig);
    let units = milli_ether(10);
    let asked = paid(&rig, units).await;
    let refund_id = granted(&rig, &asked, units, &new_wallet()).await;
    let address = rig.doubles.local_addr();
    let doubles_anew = async |rig: &mut Rig| {
        let doubles = Doubles::start(address, doubles_on(&rig.anvil)).await.unwrap();
        std::mem::replace(&mut rig.doubles, doubles).shutdown().await;
    };
    let elsewhere = Doubles::start(([127, 0, 0, 1], 0).into(), doubles::Config::default());
    let gone = std::mem::replace(&mut rig.doubles, elsewhere.await.unwrap());
    gone.shutdown().await;
    ask(&rig, &treasury).await;
    let asks = "select asks || ' ' || (next_ask_at > holdfast_now())::text || ' ' || state
        from refund";
    assert_eq!(rig.ask_database(asks).await, "1 true granted", "an answer that never came");

    doubles_anew(&mut rig).await;
    arm(&rig, "never").await;
    ask(&rig, &treasury).await;
    assert_eq!(rig.ask_database("select count(handed_at) from refund").await, "1");

    // It lost what it had, and would pay if it were told.
    let gone = Doubles::start(([127, 0, 0, 1], 0).into(), doubles::Config::default());
    std::mem::replace(&mut rig.doubles, gone.await.unwrap()).shutdown().await;
    doubles_anew(&mut rig).await;
    ask(&rig, &treasury).await;
    ask(&rig, &treasury).await;
    assert_eq!(cases(&rig, &asked).await, "refund_disputed");
    assert_eq!(state(&rig, refund_id).await, "granted");
    let truth = double(&rig, http::Method::GET, "/truth", None).await;
    assert_eq!(truth["payouts"], json!([]));
    rig.end().await;
}

/// What is sent to a place that a booking is paid to comes in again, and would go back again.
///
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn no_refund_goes_to_where_bookings_are_paid_to() {
    let rig = Rig::new().await;
    let (asked, other) = (paid(&rig, milli_ether(80)).await, rig.prepare(milli_ether(5)).await);
    for place in [&asked.address, &other.address] {
        let refund_id = Uuid::now_v7();
        let to = Some(place.clone());
        let wish = PaymentRefund { to, ..refund_message(&asked, refund_id, milli_ether(80)) };
        rig.say(&wish).await;
        let failed = rig.hear(asked.payment_id, |heard| match heard {
            Heard::Refund(changed) if changed.refund_id == refund_id => Some(changed.state),
            _ => None,
        });
        assert_eq!(failed.await, RefundState::Failed, "{place}");
    }
    granted(&rig, &asked, milli_ether(80), &new_wallet()).await;
    rig.end().await;
}
