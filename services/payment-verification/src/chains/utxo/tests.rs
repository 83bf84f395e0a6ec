//! Blocks as nodes of the family send them, read into outputs.

use super::*;

fn hash(n: u8) -> String {
    hex::encode([n; 32])
}

fn block(transactions: &str) -> Result<RawBlock, serde_json::Error> {
    serde_json::from_str(&format!(
        r#"{{ "hash": "{}", "confirmations": 1, "height": 7, "time": 1800000000, "extra": [1.5],
             "previousblockhash": "{}", "tx": [{transactions}] }}"#,
        hash(7),
        hash(6),
    ))
}

#[test]
fn every_output_is_a_transfer_at_its_place_and_none_is_read_as_a_float() {
    let script = |n: u8| format!("0014{}", hex::encode([n; 20]));
    let transactions = format!(
        r#"{{ "txid": "{}", "vin": [{{ "coinbase": "00" }}],
              "vout": [{{ "value": 12.50000001, "n": 0, "scriptPubKey": {{ "hex": "{}" }} }}] }},
           {{ "txid": "{}", "vin": [{{ "txid": "{}", "vout": 0 }}],
              "vout": [
                {{ "value": 0.00000001, "n": 0, "scriptPubKey": {{ "hex": "{}" }} }},
                {{ "value": 20999999.97690000, "n": 1, "scriptPubKey": {{ "hex": "{}" }} }},
                {{ "value": 0.00000000, "n": 2, "scriptPubKey": {{ "hex": "6a00" }} }},
                {{ "ismweb": true, "output_id": "00" }} ] }}"#,
        hash(1),
        script(1),
        hash(2),
        hash(1),
        script(2),
        script(2),
    );
    let block = block(&transactions).unwrap();
    let transfers = block.transfers(100).unwrap();
    let told: Vec<_> = transfers
        .iter()
        .map(|t| (t.key.to_string(), t.units.to_string(), t.rests, t.to.len()))
        .collect();
    let key = |n, place| format!("0x{}#{place}", hash(n));
    assert_eq!(
        told,
        [
            (key(1, 0), "1250000001".to_owned(), 100, 22),
            (key(2, 0), "1".to_owned(), 0, 22),
            (key(2, 1), "2099999997690000".to_owned(), 0, 22),
        ]
    );
    assert_eq!(head_of(&block.head).unwrap().parent, Hash32([6; 32]));
}

/// Row: C9
#[test]
fn an_output_that_cannot_be_read_is_an_error_and_never_left_out() {
    let right = (r#""value": 1.5"#, r#""n": 3"#, r#""scriptPubKey": { "hex": "0014aa" }"#);
    let read = |(value, n, script): (&str, &str, &str)| {
        let parts: Vec<_> = [value, n, script].into_iter().filter(|p| !p.is_empty()).collect();
        let (id, parts) = (hash(1), parts.join(", "));
        let transaction = format!(r#"{{ "txid": "{id}", "vin": [], "vout": [{{ {parts} }}] }}"#);
        block(&transaction)?.transfers(100)
    };
    assert_eq!(read(right).unwrap().len(), 1);
    let (value, n, script) = right;
    for wrong in [
        (r#""value": 1e3"#, n, script),
        (r#""value": -1.5"#, n, script),
        (r#""value": "1.5""#, n, script),
        (r#""value": 0.000000001"#, n, script),
        (value, n, r#""scriptPubKey": { "hex": "0x14" }"#),
        (value, n, r#""scriptPubKey": { "hex": "001" }"#),
        (value, n, r#""scriptPubKey": { "asm": "0" }"#),
        (value, r#""n": -1"#, script),
        ("", n, script),
        (value, "", script),
        (value, n, ""),
    ] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn an_amount_is_a_plain_decimal_number_or_nothing() {
    for bad in ["1e8", "-1", "+1", ".5", "0.000000001", "NaN", "\"1\"", "1_0", ""] {
        assert_eq!(wire::units(bad), None, "{bad}");
    }
    assert_eq!(wire::units("21000000").unwrap().to_string(), "2100000000000000");
}

#[test]
fn a_block_that_is_not_of_the_active_chain_is_none() {
    let mut block = block("").unwrap();
    block.head.confirmations = -1;
    assert!(head_of(&block.head).is_err());
    for bad in ["\"0x00\"", "\"00\"", "7", "null"] {
        assert!(serde_json::from_str::<Digits>(bad).is_err(), "{bad}");
    }
}
