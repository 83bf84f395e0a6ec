//! Blocks as nodes send them, read into transfers.

use super::*;

const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";

fn node() -> Node {
    Node::new(31337, "http://127.0.0.1:1".into(), [TOKEN.to_owned()]).unwrap()
}

fn hash(n: u8) -> String {
    Hash32([n; 32]).to_string()
}

fn block(transactions: Value) -> RawBlock {
    let head = json!({
        "number": "0xa", "hash": hash(10), "parentHash": hash(9), "timestamp": "0x6b49d200",
        "extra": { "any": 1 }, "transactions": transactions,
    });
    serde_json::from_value(head).unwrap()
}

fn receipts(receipts: Value) -> Vec<RawReceipt> {
    serde_json::from_value(receipts).unwrap()
}

fn log(address: &str, topics: &[String], units: &str) -> Value {
    let data = format!("0x{units:0>64}");
    json!({ "address": address, "topics": topics, "data": data, "logIndex": "0x63" })
}

fn transfer_topics(to: &str) -> Vec<String> {
    vec![TRANSFER.to_owned(), hash(0), format!("0x000000000000000000000000{to}")]
}

#[test]
fn a_transaction_moves_its_value_if_it_did_not_fail() {
    let to = "0x00000000000000000000000000000000000000aa";
    let block = block(json!([
        { "hash": hash(1), "to": to, "value": "0xde0b6b3a7640000" },
        { "hash": hash(2), "to": to, "value": "0x1" },
        { "hash": hash(3), "to": to, "value": "0x0" },
        { "hash": hash(4), "to": null, "value": "0x5" },
    ]));
    let receipt = |n, status| {
        let (of, within) = (hash(n), hash(10));
        json!({ "transactionHash": of, "blockHash": within, "status": status, "logs": [] })
    };
    let all = receipts(json!([
        receipt(4, "0x1"),
        receipt(2, "0x0"),
        receipt(1, "0x1"),
        receipt(3, "0x1")
    ]));
    let (transfers, oddities) = node().transfers(&block, &all).unwrap();
    let why: Vec<_> = oddities.iter().map(|odd| (odd.transfer.key.transaction, odd.why)).collect();
    assert_eq!(why, [(Hash32([2; 32]), "failed_receipt"), (Hash32([3; 32]), "zero_value")]);
    let [only] = transfers.as_slice() else { panic!("{transfers:?}") };
    assert_eq!(only.key.to_string(), format!("{}#", hash(1)));
    assert_eq!(only.units.to_string(), "1000000000000000000");
    assert_eq!(only.to.last(), Some(&0xaa));
}

#[test]
fn a_token_moves_by_its_own_log_at_its_place_in_the_receipt() {
    let (to_token, input) = (TOKEN.to_lowercase(), "0xa9059cbb");
    let called = json!([{ "hash": hash(1), "to": to_token, "value": "0x0", "input": input }]);
    let block = block(called);
    let to = "00000000000000000000000000000000000000bb";
    let approval = vec![hash(7), hash(0), hash(1)];
    let nft = [transfer_topics(to), vec![hash(5)]].concat();
    let all = receipts(json!([{
        "transactionHash": hash(1), "blockHash": hash(10), "status": "0x1",
        "logs": [
            log("0x00000000000000000000000000000000000000cc", &transfer_topics(to), "1"),
            log(TOKEN, &approval, "2"),
            log(&TOKEN.to_lowercase(), &transfer_topics(to), "ff"),
            log(TOKEN, &nft, "4"),
            { "address": TOKEN, "topics": transfer_topics(to), "data": "0x05" },
        ],
    }]));
    let (transfers, oddities) = node().transfers(&block, &all).unwrap();
    let [odd] = oddities.as_slice() else { panic!("{oddities:?}") };
    assert_eq!((odd.why, odd.transfer.key.position.as_str()), ("look_alike_token", "0"));
    let [only] = transfers.as_slice() else { panic!("{transfers:?}") };
    assert_eq!(only.key.position, "2", "the place in the receipt, not the block's log index");
    assert_eq!((only.units.to_string(), only.contract.as_deref()), ("255".to_owned(), Some(TOKEN)));
    assert_eq!(only.to.last(), Some(&0xbb));
}

/// The call says one amount, and the log of what came another one.
///
/// Row: C8
#[test]
fn a_token_that_keeps_a_fee_is_credited_with_what_its_log_says_came() {
    let (to, collector) = ("00000000000000000000000000000000000000bb", "0".repeat(38) + "fe");
    let input = format!("0xa9059cbb{to:0>64}{:0>64}", "64");
    let called = json!([{ "hash": hash(1), "to": TOKEN, "value": "0x0", "input": input }]);
    let all = receipts(json!([{
        "transactionHash": hash(1), "blockHash": hash(10), "status": "0x1",
        "logs": [
            log(TOKEN, &transfer_topics(&collector), "3"),
            log(TOKEN, &transfer_topics(to), "61"),
        ],
    }]));
    let (transfers, oddities) = node().transfers(&block(called), &all).unwrap();
    assert!(oddities.is_empty(), "{oddities:?}");
    let ours = transfers.iter().filter(|transfer| transfer.to.last() == Some(&0xbb));
    let came: Vec<_> = ours.map(|transfer| transfer.units.to_string()).collect();
    assert_eq!(came, ["97"], "not the hundred that were sent");
}

#[test]
fn a_call_that_failed_moves_nothing_and_neither_does_what_it_called() {
    let to = "0x00000000000000000000000000000000000000dd";
    let step = |path: &[u32], kind: &str, error: Option<&str>| {
        json!({
            "blockHash": hash(10), "transactionHash": hash(1), "traceAddress": path, "error": error,
            "type": "call", "action": { "callType": kind, "to": to, "value": "0x5", "gas": "0x1" },
        })
    };
    let destroyed = json!({
        "blockHash": hash(10), "transactionHash": hash(1), "traceAddress": [4], "type": "suicide",
        "action": { "address": to, "refundAddress": to, "balance": "0x7" },
    });
    let reward = json!({
        "blockHash": hash(10), "traceAddress": [], "type": "reward", "action": { "value": "0x9" },
    });
    let traces: Vec<RawTrace> = serde_json::from_value(json!([
        step(&[], "call", None),
        step(&[0], "call", None),
        step(&[1], "call", Some("Reverted")),
        step(&[1, 0], "call", None),
        step(&[1, 0, 3], "call", None),
        step(&[2], "delegatecall", None),
        step(&[2, 1], "call", None),
        destroyed,
        reward,
    ]))
    .unwrap();
    let moved = traces::moved(&traces);
    let told: Vec<_> = moved.iter().map(|m| (m.key.position.as_str(), m.units)).collect();
    let units = |n: &str| Units::parse(n).unwrap();
    assert_eq!(told, [("/0", units("5")), ("/2/1", units("5")), ("/4", units("7"))]);
}

#[test]
fn receipts_of_another_block_are_not_taken_for_this_ones() {
    let block = block(json!([{ "hash": hash(1), "to": TOKEN, "value": "0x1" }]));
    let receipt = |of, within| {
        receipts(
            json!([{ "transactionHash": of, "blockHash": within, "status": "0x1", "logs": [] }]),
        )
    };
    assert!(node().transfers(&block, &receipt(hash(1), hash(10))).is_some());
    assert!(node().transfers(&block, &receipt(hash(1), hash(11))).is_none());
    assert!(node().transfers(&block, &receipt(hash(2), hash(10))).is_none());
    assert!(node().transfers(&block, &[]).is_none());
}

#[test]
fn numbers_are_hex_texts_and_nothing_else() {
    for bad in ["10", "\"10\"", "\"0x\"", "\"0xg\"", "\"0x-1\"", "\"0x10000000000000000\"", "null"]
    {
        assert!(serde_json::from_str::<Quantity>(bad).is_err(), "{bad}");
    }
    for bad in ["1e18", "\"0x\"", &format!("\"0x1{}\"", "0".repeat(64))] {
        assert!(serde_json::from_str::<wire::Amount>(bad).is_err(), "{bad}");
    }
    assert!("0x12".parse::<Account>().is_err() && "00".repeat(20).parse::<Account>().is_err());
    assert!(wire::word(&format!("0x{}", "f".repeat(64))).is_some());
    assert!(wire::word(&"f".repeat(66)).is_none());
}
