//! What comes to an address of ours in another way than a plain payment: credited where it is the
//! right asset, a case with its own reason where it is not.

use std::time::Duration;

use contracts::internal::{CasesReply, PaymentCase};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::Anvil;
use tower::ServiceExt as _;

use crate::{
    approvals::{act, read},
    front::Manner,
    rig::{Heard, Rig, TOKEN, TOKEN_CODE, milli_ether, units},
};

/// Calls `transfer(to, amount)` of the token for each pair of words it is called with, as an
/// exchange pays many customers at once.
const BATCH_CODE: &str = concat!(
    "0x604580600b6000396000f3",
    "63a9059cbb60e01b60005260005b8036111560435760408160043760006000604460006000",
    "73",
    "5fbdb2315678afecb367f032d93f642f64180aa3",
    "5af150604001600d565b00",
);
const SERVICE: &str = "payment-verification";
/// Sends ether to each address, amount pair of words it is called with.
pub(crate) const SENDER_CODE: &str = concat!(
    "0x602480600b6000396000f3",
    "60005b80361115602257600060006000600084602001358535",
    "5af150604001600256",
    "5b00",
);

/// Words of 32 bytes, in hex: an address and an amount each.
pub(crate) fn pairs(pairs: &[(&str, u128)]) -> String {
    let words = pairs.iter().map(|(to, n)| format!("{:0>64}{n:064x}", to.trim_start_matches("0x")));
    words.collect()
}

pub(crate) async fn call(rig: &Rig, account: usize, to: &str, value: u128, data: &str) {
    let (from, value) = (&rig.accounts[account], format!("{value:#x}"));
    let call = json!([{ "from": from, "to": to, "value": value, "data": data, "gas": "0x100000" }]);
    rig.anvil.rpc("eth_sendTransaction", call).await;
}

/// The cases, as support is told of them.
pub(crate) async fn cases(rig: &Rig) -> Vec<PaymentCase> {
    let router = payment_verification::http::router(&rig.config, rig.app.clone()).unwrap();
    let token = rig.signer.token("console", &[], "internal", Duration::from_secs(60)).unwrap();
    let request = http::Request::get("/internal/cases")
        .header("authorization", format!("Bearer {}", token.expose_secret()))
        .body(axum::body::Body::empty())
        .unwrap();
    let reply = router.oneshot(request).await.unwrap();
    assert_eq!(reply.status(), 200);
    let body = axum::body::to_bytes(reply.into_body(), 1 << 20).await.unwrap();
    serde_json::from_slice::<CasesReply>(&body).unwrap().cases
}

/// A token that keeps a part for itself moves two sums, and says so of each.
///
/// Row: C8
/// Row: C2
#[tokio::test(flavor = "multi_thread")]
async fn of_a_token_that_takes_a_fee_what_arrived_counts_and_not_what_was_sent() {
    let rig = Rig::new().await;
    let asked = rig.prepare_in("usdc", 6, 5_000_000).await;
    let (batch, keeper) =
        (rig.deploy(2, BATCH_CODE).await, "0x00000000000000000000000000000000000000fe");
    let to = pairs(&[(&asked.address, 4_900_000), (keeper, 100_000)]);
    call(&rig, 3, &batch, 0, &format!("0x{to}")).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    let part = |heard: &Heard| match heard {
        Heard::Seen(seen) => (seen.received == units(4_900_000)).then_some(seen.complete),
        _ => None,
    };
    assert!(!rig.hear(asked.payment_id, part).await, "the rest is still to pay");
    assert!(!rig.journal(asked.payment_id).await.contains(&"settled".to_owned()));
    let to = pairs(&[(&asked.address, 100_000), (keeper, 2_000)]);
    call(&rig, 3, &batch, 0, &format!("0x{to}")).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    assert_eq!(rig.settled(asked.payment_id).await.received, units(5_000_000));
    rig.end().await;
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_pays_many_at_once_is_credited_to_each() {
    let rig = Rig::new().await;
    let (one, other) =
        (rig.prepare_in("usdc", 6, 7_000_000).await, rig.prepare_in("usdc", 6, 2_000_000).await);
    let batch = rig.deploy(2, BATCH_CODE).await;
    let stranger = "0x00000000000000000000000000000000000000ee";
    let to = pairs(&[(stranger, 1), (&one.address, 7_000_000), (&other.address, 2_000_000)]);
    call(&rig, 3, &batch, 0, &format!("0x{to}")).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    assert_eq!(rig.settled(one.payment_id).await.received, units(7_000_000));
    assert_eq!(rig.settled(other.payment_id).await.received, units(2_000_000));
    assert_eq!(cases(&rig).await, []);
    rig.end().await;
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn ether_that_a_contract_sends_is_credited_by_its_trace() {
    let rig = Rig::new().await;
    let (one, other) = (rig.prepare(milli_ether(50)).await, rig.prepare(milli_ether(60)).await);
    let sender = rig.deploy(2, SENDER_CODE).await;
    let to = pairs(&[(&one.address, milli_ether(50)), (&other.address, milli_ether(60))]);
    call(&rig, 3, &sender, milli_ether(110), &format!("0x{to}")).await;
    rig.anvil.mine(2).await;
    rig.watch().await;
    assert_eq!(rig.settled(one.payment_id).await.received, units(milli_ether(50)));
    assert_eq!(rig.settled(other.payment_id).await.received, units(milli_ether(60)));
    let places = "select string_agg(position, ' ' order by position) from transfer";
    assert_eq!(rig.ask_database(places).await, "/0 /1");
    assert_eq!(cases(&rig).await, []);
    rig.end().await;
}

/// Row: C8
/// Row: S13
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pay_is_a_case_with_its_own_reason() {
    let elsewhere = Anvil::of_chain(31_338);
    let rig = Rig::beside(&[format!("eip155:31338={}", elsewhere.url())]).await;
    let watchers = rig.app.watchers(&rig.config).unwrap();
    for watcher in &watchers {
        watcher.begin().await.unwrap();
    }
    let dollars = rig.prepare_in("usdc", 6, 3_000_000).await;
    let ether = rig.prepare(milli_ether(5)).await;

    let look_alike = rig.deploy(4, TOKEN_CODE).await;
    let transfer = |units: u128| format!("0xa9059cbb{}", pairs(&[(&dollars.address, units)]));
    call(&rig, 4, &look_alike, 0, &transfer(3_000_000)).await;
    rig.pay_token(4, &dollars.address, 0).await;
    rig.pay(&dollars.address, milli_ether(1)).await;
    rig.pay(&ether.address, 0).await;
    // Too little gas to come to its end.
    let failing = json!([{
        "from": rig.accounts[4], "to": TOKEN, "data": transfer(3_000_000), "gas": "0x5a00",
    }]);
    rig.anvil.rpc("eth_sendTransaction", failing).await;
    let there = elsewhere.accounts().await.remove(0);
    let wrong_chain = json!([{
        "from": there, "to": ether.address, "value": format!("{:#x}", milli_ether(5)),
    }]);
    elsewhere.rpc("eth_sendTransaction", wrong_chain).await;
    rig.anvil.mine(5).await;
    elsewhere.mine(5).await;
    for _round in 0..2 {
        for watcher in &watchers {
            while let messaging::Step::Did(_) = watcher.step().await.unwrap() {}
        }
    }

    let mut found: Vec<_> = cases(&rig).await;
    found.sort_by(|a, b| (&a.reason, &a.subject).cmp(&(&b.reason, &b.subject)));
    let told = found.iter().map(|case| {
        let units = case.units.map(|units| units.to_string()).unwrap_or_default();
        (case.payment_id, case.reason.as_str(), units)
    });
    let mut expected = vec![
        (dollars.payment_id, "failed_receipt", "3000000".to_owned()),
        (dollars.payment_id, "look_alike_token", "3000000".to_owned()),
        (dollars.payment_id, "other_asset", milli_ether(1).to_string()),
        (ether.payment_id, "other_chain", milli_ether(5).to_string()),
        (dollars.payment_id, "zero_value", "0".to_owned()),
        (ether.payment_id, "zero_value", "0".to_owned()),
    ];
    let mut told: Vec<_> = told.collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    assert!(found.iter().all(|case| case.transaction.is_some() && case.closed_at.is_none()));
    for asked in [&dollars, &ether] {
        assert_eq!(rig.journal(asked.payment_id).await, ["prepared"], "nothing was credited");
    }
    rig.end().await;
}

/// Row: C8
#[tokio::test(flavor = "multi_thread")]
async fn a_stray_transfer_is_on_its_bookings_timeline_and_closed_by_a_person_who_says_why() {
    let rig = Rig::new().await;
    let dollars = rig.prepare_in("usdc", 6, 3_000_000).await;
    let transaction = rig.pay(&dollars.address, milli_ether(1)).await;
    rig.anvil.mine(1).await;
    rig.watch().await;

    let (_, listed) = read(&rig, "/internal/cases?open=true").await;
    let [case] = listed["cases"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&listed["open"], &case["reason"]), (&json!(1), &json!("other_asset")));
    let (asset, amount) = (&case["asset"], &case["amount_decimal"]);
    assert_eq!((asset, amount), (&json!("eth"), &json!("0.001000000000000000")), "as people say");
    let timeline = format!("/internal/timeline/{}", dollars.booking_id);
    let told = async || {
        let (_, told) = read(&rig, &timeline).await;
        let entries = told["entries"].as_array().unwrap().clone();
        entries.into_iter().filter(|e| e["what"].as_str().unwrap().starts_with("case")).collect()
    };
    let [opened]: [Value; 1] = Vec::try_into(told().await).unwrap();
    assert_eq!((&opened["what"], &opened["actor"]), (&json!("case: other asset"), &json!(SERVICE)));
    assert_eq!(opened["reference"], json!(transaction));
    assert_eq!(opened["detail"]["units"], json!(milli_ether(1).to_string()));

    let path = format!("/internal/cases/{}", case["case_id"].as_str().unwrap());
    let close = format!("{path}/close");
    for (staff, why) in [("ada", " "), ("", "seen")] {
        let (status, _) = act(&rig, &close, staff, why).await;
        assert_eq!(status, http::StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (status, closed) = act(&rig, &close, "ada", "sent back by hand").await;
    assert_eq!(status, http::StatusCode::OK, "{closed}");
    let (by, why) = (&closed["closed_by"], &closed["closed_because"]);
    assert_eq!((by, why), (&json!("ada"), &json!("sent back by hand")));
    // Told again, by whomever, it stays as it was.
    assert_eq!(act(&rig, &close, "bo", "me too").await.1, closed);
    assert_eq!(read(&rig, &path).await.1, closed);
    assert_eq!(read(&rig, "/internal/cases?open=true").await.1["open"], json!(0));
    let kept = "select string_agg(staff || ': ' || why, ',') from payment_case_closing";
    assert_eq!(rig.ask_database(kept).await, "ada: sent back by hand");
    let [_, ended]: [Value; 2] = Vec::try_into(told().await).unwrap();
    assert_eq!(ended["what"], json!("case closed: other asset: sent back by hand"));
    assert_eq!(ended["actor"], json!("staff:ada"));
    let nobodys = format!("/internal/cases/{}", uuid::Uuid::nil());
    assert_eq!(read(&rig, &nobodys).await.0, http::StatusCode::NOT_FOUND);
    let (status, _) = act(&rig, &format!("{nobodys}/close"), "ada", "seen").await;
    assert_eq!(status, http::StatusCode::NOT_FOUND);
    rig.end().await;
}

/// A deposit address is the same on every chain, so anybody can make another chain speak of it.
///
/// Row: C1
/// Row: C9
#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_another_chain_say_nothing_of_how_deep_money_is() {
    let elsewhere = Anvil::of_chain(31_338);
    let rig = Rig::beside(&[format!("eip155:31338={}", elsewhere.url())]).await;
    let watchers = rig.app.watchers(&rig.config).unwrap();
    for watcher in &watchers {
        watcher.begin().await.unwrap();
    }
    let ether = rig.prepare(milli_ether(5)).await;
    rig.pay(&ether.address, milli_ether(5)).await;
    let there = elsewhere.accounts().await.remove(0);
    for _transfer in 0..2 {
        elsewhere.mine(30).await;
        let dust = json!([{ "from": there, "to": ether.address, "value": "0x1" }]);
        elsewhere.rpc("eth_sendTransaction", dust).await;
        for watcher in &watchers {
            while let messaging::Step::Did(_) = watcher.step().await.unwrap() {}
        }
    }
    let in_block = ["prepared", "transfer_seen", "seen_changed"];
    assert_eq!(rig.journal(ether.payment_id).await, in_block, "it is one block deep");
    rig.anvil.mine(5).await;
    for watcher in &watchers {
        while let messaging::Step::Did(_) = watcher.step().await.unwrap() {}
    }
    assert_eq!(rig.journal(ether.payment_id).await.last().unwrap(), "settled");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_are_asked_for_only_where_code_ran_and_missed_once() {
    let rig = Rig::new().await;
    let asked = rig.prepare(milli_ether(5)).await;
    let before = rig.front.asked("trace_block");
    rig.pay(&asked.address, milli_ether(5)).await;
    rig.watch().await;
    assert_eq!(rig.front.asked("trace_block"), before, "a plain payment has no inside");
    rig.front.behave(Manner { unknown: Some("trace_block"), ..Manner::default() });
    for _block in 0..3 {
        rig.pay_token(0, &asked.address, 1).await;
        rig.watch().await;
    }
    assert_eq!(rig.front.asked("trace_block"), before + 1, "a node without traces is asked once");
    rig.end().await;
}
