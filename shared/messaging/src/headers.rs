//! Headers of a message between the wire and JSON, with nothing lost on the way.
//!
//! Text, whole numbers, booleans, lists and tables are what they are in JSON. What JSON has no form
//! for becomes an object with one key that starts with `$`, so that a dead letter can be sent again
//! as it came.

use chrono::{DateTime, Utc};
use lapin::types::{AMQPValue, ByteArray, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Value, json};

const BYTES: &str = "$bytes";
/// Text that is not UTF-8, or has a zero byte in it: PostgreSQL's JSON takes neither.
const TEXT: &str = "$text";
const TIMESTAMP: &str = "$timestamp";
const DECIMAL: &str = "$decimal";

/// Reads the headers of a delivery.
pub(crate) fn from_wire(table: &FieldTable) -> Map<String, Value> {
    let named = |(name, value): (&ShortString, &AMQPValue)| {
        (storable(name.as_str()), value_from_wire(value))
    };
    table.inner().iter().map(named).collect()
}

/// Writes headers for a publication. Names longer than the wire allows are left out; none that came
/// over it is.
pub(crate) fn to_wire(headers: &Value) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers.as_object().into_iter().flatten() {
        if let Ok(name) = ShortString::try_new(name.as_str()) {
            table.insert(name, value_to_wire(value));
        }
    }
    table
}

/// Text as PostgreSQL takes it: without the zero character, which no name of ours has.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Reads a header as text.
pub(crate) fn text<'a>(headers: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(Value::as_str)
}

/// Reads a header as an instant.
pub(crate) fn instant(headers: &Map<String, Value>, name: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text(headers, name)?).ok()?;
    Some(at.with_timezone(&Utc))
}

fn value_from_wire(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(v) => json!(v),
        AMQPValue::ShortShortInt(v) => json!(v),
        AMQPValue::ShortShortUInt(v) => json!(v),
        AMQPValue::ShortInt(v) => json!(v),
        AMQPValue::ShortUInt(v) => json!(v),
        AMQPValue::LongInt(v) => json!(v),
        AMQPValue::LongUInt(v) => json!(v),
        AMQPValue::LongLongInt(v) => json!(v),
        AMQPValue::Float(v) => json!(v),
        AMQPValue::Double(v) => json!(v),
        AMQPValue::DecimalValue(v) => json!({ DECIMAL: [v.scale, v.value] }),
        AMQPValue::ShortString(v) => json!(v.as_str()),
        AMQPValue::LongString(v) => text_from_wire(v.as_bytes()),
        AMQPValue::FieldArray(v) => v.as_slice().iter().map(value_from_wire).collect(),
        AMQPValue::Timestamp(v) => json!({ TIMESTAMP: v }),
        AMQPValue::FieldTable(v) => Value::Object(from_wire(v)),
        AMQPValue::ByteArray(v) => bytes(v.as_slice()),
        AMQPValue::Void => Value::Null,
    }
}

fn text_from_wire(text: &[u8]) -> Value {
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\0') => text.into(),
        Ok(_) | Err(_) => json!({ TEXT: text }),
    }
}

fn value_to_wire(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(v) => AMQPValue::Boolean(*v),
        Value::Number(v) => v.as_i64().map_or_else(
            || AMQPValue::Double(v.as_f64().unwrap_or_default()),
            AMQPValue::LongLongInt,
        ),
        Value::String(v) => AMQPValue::LongString(LongString::from(v.as_bytes())),
        Value::Array(v) => {
            AMQPValue::FieldArray(FieldArray::from(v.iter().map(value_to_wire).collect::<Vec<_>>()))
        }
        Value::Object(v) => special(v).unwrap_or_else(|| AMQPValue::FieldTable(to_wire(value))),
    }
}

/// The value behind an object whose one key starts with `$`.
fn special(object: &Map<String, Value>) -> Option<AMQPValue> {
    if object.len() != 1 {
        return None;
    }
    if let Some(bytes) = object.get(BYTES) {
        return Some(AMQPValue::ByteArray(ByteArray::from(bytes_of(bytes)?)));
    }
    if let Some(bytes) = object.get(TEXT) {
        return Some(AMQPValue::LongString(LongString::from(bytes_of(bytes)?)));
    }
    if let Some(seconds) = object.get(TIMESTAMP).and_then(Value::as_u64) {
        return Some(AMQPValue::Timestamp(seconds));
    }
    let [scale, value] = object.get(DECIMAL)?.as_array()?.as_slice() else { return None };
    Some(AMQPValue::DecimalValue(lapin::types::DecimalValue {
        scale: u8::try_from(scale.as_u64()?).ok()?,
        value: u32::try_from(value.as_u64()?).ok()?,
    }))
}

fn bytes_of(list: &Value) -> Option<Vec<u8>> {
    let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
    list.as_array()?.iter().map(byte).collect()
}

fn bytes(bytes: &[u8]) -> Value {
    json!({ BYTES: bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_over_the_wire_goes_over_it_again() {
        let mut inner = FieldTable::default();
        inner.insert("count".into(), AMQPValue::LongLongInt(3));
        inner.insert("time".into(), AMQPValue::Timestamp(1_800_000_000));
        let mut table = FieldTable::default();
        table.insert("text".into(), AMQPValue::LongString("ä".into()));
        table.insert("zero".into(), AMQPValue::LongString("a\0b".into()));
        table.insert("latin".into(), AMQPValue::LongString(vec![0xe4_u8].into()));
        table.insert("flag".into(), AMQPValue::Boolean(true));
        table.insert("void".into(), AMQPValue::Void);
        table.insert("bytes".into(), AMQPValue::ByteArray(ByteArray::from(vec![0, 255])));
        let price = lapin::types::DecimalValue { scale: 2, value: 1234 };
        table.insert("price".into(), AMQPValue::DecimalValue(price));
        let deaths = vec![AMQPValue::FieldTable(inner)];
        table.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(deaths)));
        let stored = Value::Object(from_wire(&table));
        assert_eq!(to_wire(&stored), table);
        assert!(!stored.to_string().contains("\\u0000"), "PostgreSQL takes it: {stored}");
    }
}
