//! JSON Schema in few words.

use serde_json::{Map, Value, json};

/// An object with these fields and no others; one whose name ends in `?` may be absent or null.
pub(super) fn object(fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, shape) in fields {
        match name.strip_suffix('?') {
            Some(name) => {
                let either = json!({ "anyOf": [shape, { "type": "null" }] });
                properties.insert(name.to_owned(), either);
            }
            None => {
                required.push(*name);
                properties.insert((*name).to_owned(), shape.clone());
            }
        }
    }
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

pub(super) fn many(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

pub(super) fn of(shape: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

pub(super) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn count() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn truth() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn anything() -> Value {
    json!({ "type": "object" })
}
