//! What is wrong with a letter, in words that are the same for the same fault, and what that means
//! in plain words. Pure.

use contracts::routing::{CONSUMERS, heard_by};
use serde_json::Value;

use messaging::Cause;

use crate::mask;

const ERROR_MAX: usize = 160;
const SUPPLIER_MAX: usize = 40;

/// What letters are grouped by, beside who gave them up and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fault {
    /// Which supplier has to do with it; empty for none.
    pub supplier: String,
    /// The message that was being handled; empty for one that nobody here knows.
    pub step: String,
    /// The error without what differs from letter to letter.
    pub error: String,
}

impl Fault {
    /// Reads it from what a letter says and from its body.
    #[must_use]
    pub fn of(message_type: Option<&str>, detail: Option<&str>, body: &[u8]) -> Self {
        // Whoever sends garbage could make as many groups as letters.
        let known = |name: &&str| {
            let mut heard = CONSUMERS.iter().filter_map(|role| heard_by(role)).flatten();
            heard.any(|(_, heard)| heard == name)
        };
        let step = message_type.filter(known).unwrap_or_default().to_owned();
        let supplier = if step.is_empty() { None } else { supplier(body) };
        Self {
            supplier: supplier.unwrap_or_default(),
            step,
            error: detail.map(alike).unwrap_or_default(),
        }
    }
}

/// The supplier that a message of ours names.
fn supplier(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let named = |value: &Value| Some(value.get("supplier")?.as_str()?.to_owned());
    let inside = ["order", "leg", "wanted"];
    let name = named(&body).or_else(|| inside.iter().find_map(|key| named(body.get(key)?)))?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (name.len() <= SUPPLIER_MAX && name.chars().all(plain)).then_some(name)
}

/// A sentence with what it quotes and counts left out.
fn alike(detail: &str) -> String {
    let mut said = String::new();
    for (n, part) in mask::sentence(detail).split('`').enumerate() {
        match (n % 2 == 1, is_name(part)) {
            (true, true) => said.push_str(&format!("`{part}`")),
            (true, false) => said.push('…'),
            (false, _) => said.push_str(part),
        }
    }
    let mut alike = String::new();
    for c in said.chars() {
        let c = if c.is_numeric() { '#' } else { c };
        let repeated = c == '#' && alike.ends_with('#');
        if !repeated && !c.is_control() {
            alike.push(c);
        }
    }
    alike.chars().take(ERROR_MAX).collect()
}

/// A field or a type of ours.
fn is_name(text: &str) -> bool {
    text.len() <= 60 && text.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c))
}

/// What a cause means, for a person who is no engineer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) title: &'static str,
    pub(crate) explained: &'static str,
    /// What usually helps.
    pub(crate) advice: &'static str,
}

/// What a cause means.
pub(crate) fn meaning(cause: &str) -> Meaning {
    match cause {
        "undecodable" => Meaning {
            title: "It could not be read",
            explained: "The message is not what its type says: a field is missing or spoilt. \
                        Nothing of it took effect.",
            advice: "Edit what is spoilt and replay it. Fields that could be read are locked.",
        },
        "unknown_type" => Meaning {
            title: "Nobody here knows this kind of message",
            explained: "Its type, or this version of it, has no handler at the service that got \
                        it. Nothing of it took effect.",
            advice: "If a newer version of the service is being rolled out, wait for it and \
                     replay. Otherwise discard it.",
        },
        "exhausted" => Meaning {
            title: "It failed again and again",
            explained: "It was tried as often as the policy allows; each try was taken back.",
            advice: "Mend what it needs (the error says what), then replay it.",
        },
        "rejected" => Meaning {
            title: "It was refused for good",
            explained: "The service that got it says that trying again is of no use as things are.",
            advice: "Look at the preview: if it would change something now, replay it; otherwise \
                     discard it.",
        },
        "crash" => Meaning {
            title: "It may have killed the service that handled it",
            explained: "The process ended several times while it handled this message. It was set \
                        aside so that others go on.",
            advice: "Tell the engineers before anything else. Replay one of them, alone.",
        },
        "unroutable" => Meaning {
            title: "No queue took it",
            explained: "It was sent to a service whose queue did not exist.",
            advice: "When the service runs again, replay it.",
        },
        "delivery_limit" => Meaning {
            title: "The broker gave it up",
            explained: "It was delivered as often as the broker allows and never acknowledged: its \
                        service may have ended each time.",
            advice: "See whether its service runs well, then replay one of them, alone.",
        },
        _ => Meaning {
            title: "It could not be handled",
            explained: "Why is not known more exactly; the error below may say more.",
            advice: "Look at the preview before you do anything.",
        },
    }
}

/// Whether a letter with this cause may have ended its consumer. The broker's own limit says no
/// more than that nobody lived to acknowledge it.
pub(crate) fn may_have_killed(cause: &str) -> bool {
    cause == Cause::Crash.as_str() || cause == "delivery_limit"
}

#[cfg(test)]
mod tests {
    use contracts::{message::Message as _, messages::LegWanted};
    use serde_json::json;

    use super::*;

    /// Row: G2
    #[test]
    fn letters_with_the_same_fault_have_the_same_words_and_others_have_not() {
        let of = |detail: &str| Fault::of(Some(LegWanted::TYPE), Some(detail), b"{}").error;
        let one = of("missing field `price` at line 1 column 2071");
        assert_eq!(one, "missing field `price` at line # column #");
        assert_eq!(one, of("missing field `price` at line 1 column 7"));
        assert_ne!(one, of("missing field `from` at line 1 column 7"));
        let quoted = of("does not know `Ada Lovelace 4111111111111111`");
        assert_eq!(quoted, "does not know …");
        assert!(of(&"x".repeat(1000)).chars().count() <= ERROR_MAX);
    }

    #[test]
    fn a_supplier_is_read_from_messages_of_ours_only() {
        let body = json!({ "order": { "supplier": "rapid" } }).to_string();
        let of = |name: &str| Fault::of(Some(name), None, body.as_bytes());
        assert_eq!(of(LegWanted::TYPE).supplier, "rapid");
        assert_eq!(of("anything.else"), Fault::default());
        let body = json!({ "supplier": "<script>" }).to_string();
        assert_eq!(Fault::of(Some(LegWanted::TYPE), None, body.as_bytes()).supplier, "");
    }
}
