//! Refunds that go back by value: they wait for a rate, say so, and are proven by what that comes
//! to.

use chrono::TimeDelta;
use contracts::messages::{PaymentRefund, RefundBasis, RefundState};
use messaging::Step;
use serde_json::json;
use uuid::Uuid;

use crate::{
    approvals::read,
    cases::{SENDER_CODE, pairs},
    refunds::{arm, ask, cases, ledger, new_wallet, news, paid, sent, state, treasury},
    rig::{Rig, milli_ether, refund_message, text, units},
    shown::rates,
};

/// Paid for 250 euro with 0.1 ether, at 2,500 euro an ether.
///
/// Row: C10
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn a_refund_by_value_waits_for_a_rate_that_can_be_believed_and_is_proven_by_what_it_buys() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let (then, now, fiat) = (
        paid(&rig, milli_ether(100)).await,
        paid(&rig, milli_ether(100)).await,
        paid(&rig, milli_ether(100)).await,
    );
    let wallet = new_wallet();
    let refund = async |asked, basis| {
        let refund_id = Uuid::now_v7();
        let to = Some(wallet.clone()).filter(|_| basis != RefundBasis::Fiat);
        let refund = refund_message(asked, refund_id, milli_ether(100));
        let refund = PaymentRefund { to, basis, ..refund };
        rig.say(&refund).await;
        (refund_id, refund, news(&rig, asked, RefundState::Granted).await)
    };
    let (then_id, _, told) = refund(&then, RefundBasis::Then).await;
    assert_eq!(told.value, None);
    let (now_id, _, told) = refund(&now, RefundBasis::Now).await;
    let value = told.value.unwrap();
    assert_eq!((value.worth.minor, value.priced), (25_000, None));
    let (fiat_id, in_fiat, _) = refund(&fiat, RefundBasis::Fiat).await;

    // Nobody has read a rate so far: only what needs none is handed over, and a person is told.
    ask(&rig, &treasury).await;
    let handed = "select string_agg(refund_id::text, ',') from refund where handed_at is not null";
    assert_eq!(rig.ask_database(handed).await, then_id.to_string());
    rig.service.database.offset_clock(TimeDelta::minutes(2)).await;
    let (_, attention) = read(&rig, "/internal/attention").await;
    let waits = |told: &serde_json::Value| {
        let items = told["items"].as_array().unwrap().iter();
        items.filter(|item| item["what"] == "a refund waits for a rate").count()
    };
    assert_eq!(waits(&attention), 1, "{attention}");

    // An ether costs twice as much by now; one that jumps by much more is not believed.
    rates(&rig, "/set", json!({ "id": "eth", "vs": "eur", "price": "5000" })).await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    while let Step::Did(_) = treasury.step().await.unwrap() {}
    let sends = async |id: Uuid| {
        rig.ask_database(&format!("select sends from refund where refund_id = '{id}'")).await
    };
    assert_eq!(sends(now_id).await, milli_ether(50).to_string());
    assert_eq!(sends(fiat_id).await, "", "nobody knows where to");
    rates(&rig, "/set", json!({ "id": "eth", "vs": "eur", "price": "5000000" })).await;
    drop(payment_verification::read_rates(&rig.app).await);
    rig.service.database.offset_clock(TimeDelta::minutes(4)).await;
    let to = Some(wallet.clone());
    rig.say(&PaymentRefund { to, ..in_fiat }).await;
    rig.until_journal(fiat.payment_id, "refund_address_given").await;
    ask(&rig, &treasury).await;
    assert_eq!(sends(fiat_id).await, "", "the last rate that was believed is too old");
    rates(&rig, "/set", json!({ "id": "eth", "vs": "eur", "price": "4000" })).await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    ask(&rig, &treasury).await;
    assert_eq!(sends(fiat_id).await, (milli_ether(125) / 2).to_string());
    assert_eq!(sends(now_id).await, milli_ether(50).to_string(), "priced once");

    testkit::until("all to be confirmed", async || {
        ask(&rig, &treasury).await;
        rig.anvil.mine(3).await;
        rig.watch().await;
        let confirmed = rig.ask_database("select count(*) from refund where state = 'confirmed'");
        (confirmed.await == "3").then_some(())
    })
    .await;
    for (asked, id, amount, gained) in [
        (&then, then_id, milli_ether(100), 0),
        (&now, now_id, milli_ether(50), milli_ether(50)),
        (&fiat, fiat_id, milli_ether(125) / 2, milli_ether(75) / 2),
    ] {
        assert_eq!((sent(&rig, id).await.len(), state(&rig, id).await.as_str()), (1, "confirmed"));
        assert_eq!(cases(&rig, asked).await, "");
        let accounts = ledger(&rig, asked).await;
        let of = |account: &str| accounts.get(account).cloned().unwrap_or("0".to_owned());
        assert_eq!(of("paid_out"), amount.to_string());
        assert_eq!(of("exchange_difference"), gained.to_string());
        assert_eq!((of("customer"), of("refund_granted")), ("0".to_owned(), "0".to_owned()));
    }
    let told = news(&rig, &now, RefundState::Confirmed).await;
    assert_eq!(told.units, units(milli_ether(100)), "what it was granted of");
    assert_eq!(told.value.and_then(|value| value.priced).unwrap().units, units(milli_ether(50)));
    let (_, attention) = read(&rig, "/internal/attention").await;
    assert_eq!(waits(&attention), 0, "{attention}");
    rig.end().await;
}

/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn refunds_of_what_has_no_rate_hold_up_no_others_however_many_they_are() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let asked = paid(&rig, milli_ether(100)).await;
    let refund_id = Uuid::now_v7();
    let refund = refund_message(&asked, refund_id, milli_ether(100));
    rig.say(&PaymentRefund { basis: RefundBasis::Now, ..refund }).await;
    news(&rig, &asked, RefundState::Granted).await;
    let without = "insert into refund (refund_id, payment_id, booking_id, units, state, chain,
             asset, decimals, confirmations, basis, worth_minor, worth_currency, granted_at,
             rate_wanted_at)
         select gen_random_uuid(), gen_random_uuid(), booking_id, units, state, chain, 'gone',
             decimals, confirmations, basis, worth_minor, worth_currency, granted_at,
             rate_wanted_at - interval '1 day'
         from refund, generate_series(1, 250)";
    sqlx::query(without).execute(&rig.pool).await.unwrap();
    payment_verification::read_rates(&rig.app).await.unwrap();
    ask(&rig, &treasury).await;
    let sends = format!("select sends is not null from refund where refund_id = '{refund_id}'");
    assert_eq!(rig.ask_database(&sends).await, "true");
    rig.end().await;
}

/// The smaller one is worth half, as of now; what it was paid in units is what the other one sends.
///
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn of_two_refunds_in_one_transaction_each_is_proven_by_what_was_sent_for_it() {
    let rig = Rig::new().await;
    let treasury = treasury(&rig);
    let (half, whole) = (paid(&rig, milli_ether(100)).await, paid(&rig, milli_ether(100)).await);
    let sender = rig.deploy(2, SENDER_CODE).await;
    rates(&rig, "/set", json!({ "id": "eth", "vs": "eur", "price": "5000" })).await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    let wallet = new_wallet();
    for (asked, units) in [(&half, milli_ether(50)), (&whole, milli_ether(100))] {
        arm(&rig, "never").await;
        let refund = refund_message(asked, Uuid::now_v7(), units);
        let to = Some(wallet.clone());
        rig.say(&PaymentRefund { to, basis: RefundBasis::Now, ..refund }).await;
        news(&rig, asked, RefundState::Granted).await;
        ask(&rig, &treasury).await;
    }
    let sends = "select string_agg(sends::text, ' ' order by granted_at) from refund";
    let both = format!("{} {}", milli_ether(25), milli_ether(50));
    assert_eq!(rig.ask_database(sends).await, both);

    let data = pairs(&[(&wallet, milli_ether(50)), (&wallet, milli_ether(25))]);
    let call = json!([{
        "from": rig.accounts[3], "to": sender, "value": format!("{:#x}", milli_ether(75)),
        "data": format!("0x{data}"), "gas": "0x100000",
    }]);
    let transaction = text(&rig.anvil.rpc("eth_sendTransaction", call).await);
    let told = "insert into refund_transaction (refund_id, transaction_hash, told_at)
        select refund_id, decode($1, 'hex'), holdfast_now() from refund";
    let told = sqlx::query(told).bind(transaction.trim_start_matches("0x").to_owned());
    told.execute(&rig.pool).await.unwrap();
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!((cases(&rig, &half).await, cases(&rig, &whole).await), Default::default());
    let confirmed = "select count(*) from refund where state = 'confirmed'";
    assert_eq!(rig.ask_database(confirmed).await, "2");
    let claimed = "select string_agg(p.units::text, ' ' order by r.granted_at)
        from payout p join refund r using (refund_id)";
    assert_eq!(rig.ask_database(claimed).await, both);
    rig.end().await;
}
