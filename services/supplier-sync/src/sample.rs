//! What is kept of an answer that is not as documented: its structure, and of its texts and numbers
//! only the shape. Whoever breaks a contract may have put a name where none belongs.

use contracts::supplier::Supplier;
use serde_json::{Value, json};
use supplier_sync_core::DriftKind;
use suppliers::{Odd, Operation, SeenReservation};

use crate::store::NewCase;

/// A sample is cut here; a shape of a megabyte helps nobody.
const KEPT_MAX: usize = 4_096;
/// Deeper than this only the fact is kept.
const DEPTH_MAX: usize = 12;
/// Of a list so many are kept: the others have the same shape.
const ITEMS_MAX: usize = 3;
/// A documented word is short; longer ones are masked whole.
const NAME_MAX: usize = 40;

/// An answer that breaks its supplier's contract.
pub(crate) fn contract(
    supplier: Supplier,
    operation: Operation,
    what: &str,
    body: &[u8],
) -> NewCase {
    let what = without_places(what);
    NewCase {
        supplier: supplier.word(),
        kind: "contract",
        subject: format!("{}: {what}", operation.word()),
        leg: None,
        ours: json!({ "documented": what }),
        theirs: sample(body),
    }
}

/// What is wrong with how a reservation is shown.
pub(crate) fn odd(
    supplier: Supplier,
    operation: Operation,
    seen: &SeenReservation,
    body: &[u8],
) -> Option<NewCase> {
    Some(match seen.odd.as_ref()? {
        Odd::Contract { what } => contract(supplier, operation, what, body),
        Odd::Names { ours, theirs } => {
            let digests = (json!({ "digest": ours }), json!({ "digest": theirs }));
            differs(supplier, DriftKind::Names, seen, digests)
        }
        Odd::Status { ours, theirs } => {
            let words = (json!({ "status": ours }), json!({ "status": theirs }));
            differs(supplier, DriftKind::Status, seen, words)
        }
    })
}

/// A case of one reservation, with our side and theirs.
fn differs(
    supplier: Supplier,
    kind: DriftKind,
    seen: &SeenReservation,
    (ours, theirs): (Value, Value),
) -> NewCase {
    let subject = seen.reference.clone();
    NewCase { supplier: supplier.word(), kind: kind.word(), subject, leg: None, ours, theirs }
}

/// Whatever place of a list it was, it is the same fault.
fn without_places(what: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for c in what.chars().filter(|c| *c != '\0') {
        inside = match c {
            '[' => true,
            ']' => false,
            c if inside && c.is_ascii_digit() => continue,
            _ => inside,
        };
        kept.push(c);
    }
    kept
}

fn sample(body: &[u8]) -> Value {
    let shape = match serde_json::from_slice::<Value>(body) {
        Ok(json) => masked(&json, 0),
        Err(_no_json) => {
            let text: String = String::from_utf8_lossy(body).chars().take(KEPT_MAX / 4).collect();
            json!({ "no_json": shape(&text), "bytes": body.len() })
        }
    };
    if shape.to_string().len() <= KEPT_MAX {
        return shape;
    }
    let text: String = shape.to_string().chars().take(KEPT_MAX / 2).collect();
    json!({ "cut": text, "bytes": body.len() })
}

fn masked(value: &Value, depth: usize) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(number) => json!({ "number": shape(&number.to_string()) }),
        Value::String(text) => shape(text).into(),
        Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => "…".into(),
        Value::Array(items) => {
            items.iter().take(ITEMS_MAX).map(|item| masked(item, depth + 1)).collect()
        }
        Value::Object(fields) => {
            let field = |(name, held): (&String, &Value)| (key(name), masked(held, depth + 1));
            fields.iter().map(field).collect()
        }
    }
}

/// The name of a field; one that is no name may be somebody's.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphabetic() || "_-.$".contains(c);
    let is_name = name.len() <= NAME_MAX && name.chars().all(plain);
    if is_name { name.to_owned() } else { shape(name) }
}

/// Letters become `x`, digits `9`; the rest stays.
pub(crate) fn shape(text: &str) -> String {
    let masked = |c: char| match c {
        c if c.is_alphabetic() => 'x',
        c if c.is_numeric() => '9',
        c => c,
    };
    text.chars().take(NAME_MAX * 2).map(masked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row: B10
    #[test]
    fn a_sample_shows_the_structure_and_no_value() {
        let body = br#"{"given_name":"Ada","Lovelace 1815":{"card":4111111111111111},"ok":true,"l":[1,2,3,4]}"#;
        let case = contract(Supplier::Etg, Operation::Lookup, "orders[17].amount at `x`", body);
        assert_eq!(case.subject, "lookup: orders[].amount at `x`");
        // A path of theirs may have what no column takes.
        let odd = contract(Supplier::Etg, Operation::Lookup, "order at `a\0b`", body);
        assert_eq!(odd.subject, "lookup: order at `ab`");
        let text = case.theirs.to_string();
        for secret in ["Ada", "Lovelace", "1815", "4111"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(case.theirs["given_name"], "xxx");
        assert_eq!(case.theirs["ok"], true);
        assert_eq!(case.theirs["l"].as_array().map(Vec::len), Some(3));
    }

    /// Row: B10
    #[test]
    fn no_body_is_too_large_or_too_odd_for_a_sample() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let wide: Value = (0..9_999)
            .map(|n| (format!("field{n}x"), json!("y")))
            .collect::<serde_json::Map<_, _>>()
            .into();
        for body in [vec![0xff; 9_999], deep.into_bytes(), wide.to_string().into_bytes(), vec![]] {
            let case = contract(Supplier::Rapid, Operation::Search, "x", &body);
            assert!(case.theirs.to_string().len() <= 2 * KEPT_MAX);
        }
    }
}
