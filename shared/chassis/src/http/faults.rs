//! Everything that is wrong with a body or a query, in our words.
//!
//! A reader stops at the first field that is wrong. That one is noted and taken out, or something
//! harmless is put where one is missing, and the rest is read again.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::extract::{json_fault, query_fault};
use crate::api_error::FieldError;

/// More than one request has honestly; reading again and again costs something.
const FAULTS_MAX: usize = 20;

/// What a caller sent, from which parts can be taken and into which some can be put.
pub(super) trait Document {
    /// What is wrong first.
    fn fault<T: DeserializeOwned>(&self) -> Option<FieldError>;
    /// Takes a field out; whether it was there.
    fn take_out(&mut self, pointer: &str) -> bool;
    /// Puts something where a field belongs; whether that can be.
    fn put(&mut self, pointer: &str, value: &Value) -> bool;
}

/// All that is wrong for a `T`.
pub(super) fn all<T: DeserializeOwned>(mut document: impl Document) -> Vec<FieldError> {
    let mut found: Vec<FieldError> = Vec::new();
    // A round notes something, or mends what was noted before.
    for _ in 0..2 * FAULTS_MAX {
        let Some(fault) = document.fault::<T>() else { break };
        let place = fault.pointer.clone();
        let missing = fault.code == "missing";
        let noted = |one: &FieldError| {
            holds(&one.pointer, &place) || (missing && holds(&place, &one.pointer))
        };
        if !found.iter().any(noted) {
            if found.len() == FAULTS_MAX {
                break;
            }
            found.push(in_our_words(fault));
        }
        let mended = (!missing && document.take_out(&place))
            || fill::<T>(&mut document, &place)
            || list_of(&place).is_some_and(|list| document.take_out(list));
        if !mended {
            break;
        }
    }
    found
}

/// Puts the first harmless thing at a place that can be read there.
fn fill<T: DeserializeOwned>(document: &mut impl Document, place: &str) -> bool {
    let harmless = [
        json!(""),
        json!("x"),
        json!(1),
        json!(false),
        json!([]),
        json!({}),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("2000-01-01T00:00:00Z"),
        json!("2000-01-01"),
    ];
    harmless.iter().any(|value| {
        document.put(place, value)
            && document.fault::<T>().is_none_or(|fault| fault.pointer != place)
    })
}

/// Whether a place is another one, or within it.
fn holds(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The list that an entry is in.
fn list_of(pointer: &str) -> Option<&str> {
    let (list, entry) = pointer.rsplit_once('/')?;
    entry.parse::<usize>().is_ok().then_some(list)
}

impl Document for Value {
    fn fault<T: DeserializeOwned>(&self) -> Option<FieldError> {
        serde_path_to_error::deserialize::<_, T>(self).err().map(|error| json_fault(&error))
    }

    fn take_out(&mut self, pointer: &str) -> bool {
        let parts = pointer.rsplit_once('/');
        let fields = parts.and_then(|(parent, _)| self.pointer_mut(parent)?.as_object_mut());
        fields.zip(parts).is_some_and(|(fields, (_, name))| fields.remove(&plain(name)).is_some())
    }

    fn put(&mut self, pointer: &str, value: &Value) -> bool {
        let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
        match self.pointer_mut(parent) {
            Some(Self::Object(fields)) => {
                fields.insert(plain(name), value.clone());
                true
            }
            Some(Self::Array(entries)) => {
                let entry = name.parse().ok().and_then(|at: usize| entries.get_mut(at));
                entry.map(|entry| *entry = value.clone()).is_some()
            }
            _ => false,
        }
    }
}

/// The name of a field as it is, not as a pointer writes it.
fn plain(name: &str) -> String {
    name.replace("~1", "/").replace("~0", "~")
}

/// The names and values of a query.
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Document for Pairs {
    fn fault<T: DeserializeOwned>(&self) -> Option<FieldError> {
        query_fault::<T>(&self.0).err()
    }

    fn take_out(&mut self, pointer: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, _)| Some(name.as_str()) != pointer.strip_prefix('?'));
        self.0.len() < before
    }

    fn put(&mut self, pointer: &str, value: &Value) -> bool {
        let Some(name) = pointer.strip_prefix('?').filter(|name| !name.is_empty()) else {
            return false;
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.take_out(pointer);
        self.0.push((name.to_owned(), text));
        true
    }
}

/// What is wrong without what the caller sent and without the names of our types.
fn in_our_words(fault: FieldError) -> FieldError {
    let detail = match &*fault.code {
        "missing" => "must be given".to_owned(),
        "unknown" => "is not known here".to_owned(),
        _ => ours(&fault.detail).unwrap_or_else(|| fault.detail.clone()),
    };
    FieldError { detail, ..fault }
}

/// The words for what a reader says; nothing where they are those of a type of ours.
fn ours(message: &str) -> Option<String> {
    let starts = |words: &[&str]| words.iter().any(|word| message.starts_with(word));
    let said = if let Some((_, wanted)) = message.split_once(", expected ") {
        return Some(wants(wanted));
    } else if starts(&["UUID parsing failed", "invalid UUID"]) {
        "must be an id"
    } else if starts(&["invalid digit found", "cannot parse integer"]) {
        "must be a whole number"
    } else if starts(&["number too large"]) {
        "is too large a number"
    } else if starts(&["number too small"]) {
        "is too small a number"
    } else if starts(&["provided string was not"]) {
        "must be true or false"
    } else if starts(&["duplicate field"]) {
        "is given twice"
    } else if starts(&["input ", "premature end of input", "trailing input"]) {
        "must be an instant or a day, such as 2026-01-31T12:00:00Z or 2026-01-31"
    } else {
        return None;
    };
    Some(said.to_owned())
}

/// What serde says that it expected, as a caller understands it.
fn wants(wanted: &str) -> String {
    let starts = |words: &[&str]| words.iter().any(|word| wanted.starts_with(word));
    let said = match wanted {
        "u8" => "must be a whole number from 0 to 255",
        "u16" => "must be a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "must be a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "must be a whole number",
        "a boolean" => "must be true or false",
        _ if starts(&["a string", "a borrowed string"]) => "must be a text",
        _ if starts(&["a sequence", "a tuple", "an array"]) => "must be a list",
        _ if starts(&["a map", "struct ", "internally tagged", "adjacently tagged"]) => {
            "must be an object"
        }
        _ if starts(&["a UUID", "a formatted UUID"]) => "must be an id",
        _ if starts(&["`", "one of `"]) => {
            let words = wanted.trim_start_matches("one of ").replace('`', "");
            return format!("must be one of {words}");
        }
        _ => return format!("must be {wanted}"),
    };
    said.to_owned()
}
