//! A stay paid in a coin of the Bitcoin family, on a real node of one.

use std::collections::BTreeMap;

use e2e::{
    Options, Profile, Stack,
    gateway::Shown,
    traveller::{Traveller, some_stay},
};
use serde_json::{Value, json};
use testkit::Litecoin;

use crate::stage::{SOON, until};

/// Public: the account's key that deposit addresses are the children of.
const XPUB: &str = concat!(
    "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuq",
    "pK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt",
);

async fn stack(name: &str, node: &Litecoin) -> Stack {
    let of_chain = |value: &str| format!("{}={value}", Litecoin::CHAIN);
    let rate = ["--rate", "ltc/eur=80.00", "--utxo-rpc", &node.url()].map(str::to_owned);
    let options = Options {
        profile: Profile::Demo,
        doubles_args: rate.to_vec(),
        changes: BTreeMap::from([
            ("PAYMENT_VERIFICATION_UTXO_RPC_URLS".to_owned(), of_chain(&node.url())),
            ("PAYMENT_VERIFICATION_UTXO_XPUBS".to_owned(), of_chain(XPUB)),
        ]),
        ..Options::test(name)
    };
    Stack::start(options).await.unwrap()
}

/// Row: L3
/// Row: C1
#[tokio::test(flavor = "multi_thread")]
async fn a_stay_is_paid_in_a_coin_of_the_bitcoin_family() {
    let node = Litecoin::start().await;
    let stack = stack("l3", &node).await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let quote = traveller.gateway.quote_in(&some_stay(), "ltc").await.unwrap();
    let trip = traveller.book_quote(quote, |_| {}).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    let asked = &payable.0["payment"];
    let (address, coins) = (payable.address().unwrap(), asked["amount_decimal"].as_str().unwrap());
    assert!(address.starts_with("rltc1q"), "{address}");
    assert_eq!(asked["uri"], format!("litecoin:{address}?amount={coins}"));
    assert_eq!(asked["confirmations_needed"], 2);
    let picture = format!("/v1/bookings/{}/qr", trip.booking_id);
    let code = traveller.gateway.get(&picture).await.unwrap();
    assert_eq!((code.status.as_u16(), code.header("content-type")), (200, "image/svg+xml"));

    node.pay(address, coins).await;
    node.mine(1).await;
    let in_block = |shown: &Shown| shown.0["payment"]["confirmations"] == json!(1);
    let shown = traveller.until(&trip, "in a block", SOON, in_block).await.unwrap();
    assert_eq!(shown.status(), "confirming_payment", "{}", shown.0);
    node.mine(1).await;
    let shown = traveller.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(shown.status(), "confirmed");
    stack.stop().await.unwrap();
}

/// Row: C10
/// Row: L3
#[tokio::test(flavor = "multi_thread")]
async fn coins_for_what_is_not_sold_go_back_on_their_chain() {
    let node = Litecoin::start().await;
    let stack = stack("l3_back", &node).await;
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let quote = traveller.gateway.quote_in(&some_stay(), "ltc").await.unwrap();
    let wallet = node.text("getnewaddress", json!(["", "bech32"])).await;
    stack.double().arm("confirm", "confirm_refused", 1, None).await.unwrap();
    let wanted = |body: &mut Value| body["refund_to"] = json!(wallet);
    let trip = traveller.book_quote(quote, wanted).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    let coins = payable.0["payment"]["amount_decimal"].as_str().unwrap();
    node.pay(payable.address().unwrap(), coins).await;
    node.mine(2).await;

    let refunded = until("refunded", async || {
        // What the treasury sends has to be mined by somebody.
        node.mine(1).await;
        let shown = traveller.gateway.booking(&trip.booking_id).await.unwrap();
        (shown.status() == "failed" && shown.is_refunded()).then_some(shown)
    })
    .await;
    assert_eq!(refunded.refunds(), payable.amount().unwrap().units, "{}", refunded.0);
    let received = node.rpc("getreceivedbyaddress", json!([wallet, 1])).await;
    let paid: f64 = coins.parse().unwrap();
    assert!((received.as_f64().unwrap() - paid).abs() < 1e-9, "{received} of {coins}");
    let told = refunded.0["payment"]["refunds"][0]["transaction"].as_str().unwrap();
    let sent = node.rpc("gettransaction", json!([told])).await;
    assert!(sent["confirmations"].as_u64() >= Some(2), "{sent}");
    stack.stop().await.unwrap();
}
