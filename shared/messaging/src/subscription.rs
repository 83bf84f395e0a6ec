//! What a role hears: message types, and what each becomes inside the service.

use std::collections::{BTreeMap, BTreeSet};

use contracts::message::{Kind, Message};

type Decode<I> = Box<dyn Fn(&[u8]) -> Result<I, serde_json::Error> + Send + Sync>;

/// Everything one consumer role hears. Queue, bindings and dead-letter queue follow from it.
pub struct Consumers<I> {
    role: &'static str,
    heard: BTreeMap<&'static str, Heard<I>>,
    twice: Vec<&'static str>,
}

struct Heard<I> {
    kind: Kind,
    decode: Decode<I>,
}

/// Why a body did not become something the service understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// The type, or this version of it, is not in the list.
    #[error("{role} does not know the type `{name}`")]
    UnknownType {
        /// Who was asked.
        role: &'static str,
        /// The type on the wire, where it is like ours.
        name: String,
    },
    /// The body is not what its type says. The text says where, and nothing of what is there: that
    /// may be personal.
    #[error("the body cannot be decoded: {kind} at line {line}, column {column}")]
    Undecodable {
        /// Syntax, data, or end of input.
        kind: &'static str,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
}

impl<I> Consumers<I> {
    /// An empty list for a role; the role is the queue's name.
    #[must_use]
    pub fn new(role: &'static str) -> Self {
        Self { role, heard: BTreeMap::new(), twice: Vec::new() }
    }

    /// Hears messages of type `M`. The same type twice is an error when the consumer starts.
    #[must_use]
    pub fn on<M: Message>(mut self, f: impl Fn(M) -> I + Send + Sync + 'static) -> Self {
        let decode: Decode<I> = Box::new(move |body| serde_json::from_slice::<M>(body).map(&f));
        if self.heard.insert(M::TYPE, Heard { kind: M::KIND, decode }).is_some() {
            self.twice.push(M::TYPE);
        }
        self
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Whether no type is in the list twice, and the list is what `contracts::routing` says that
    /// the role hears, if it says anything of it: whoever speaks declares the queue from there.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn check(&self) -> Result<(), String> {
        let role = self.role;
        if let Some(twice) = self.twice.first() {
            return Err(format!("{role} hears `{twice}` twice"));
        }
        let Some(listed) = contracts::routing::heard_by(role) else { return Ok(()) };
        let here: BTreeSet<_> = self.heard.keys().copied().collect();
        let there: BTreeSet<_> = listed.iter().map(|(_, name)| *name).collect();
        match here.symmetric_difference(&there).next() {
            Some(name) => Err(format!("{role} and contracts::routing disagree about `{name}`")),
            None => Ok(()),
        }
    }

    /// Turns a body into what the service understands; also what a preview asks.
    ///
    /// # Errors
    /// When the type is not heard here, or the body is not what the type says.
    pub fn decode(&self, r#type: &str, body: &[u8]) -> Result<I, NotHeard> {
        let heard = self.heard.get(r#type).ok_or_else(|| NotHeard::UnknownType {
            role: self.role,
            name: shown(r#type).to_owned(),
        })?;
        (heard.decode)(body).map_err(|error| NotHeard::Undecodable {
            kind: match error.classify() {
                serde_json::error::Category::Io | serde_json::error::Category::Eof => {
                    "end of input"
                }
                serde_json::error::Category::Syntax => "no JSON",
                serde_json::error::Category::Data => "other data than expected",
            },
            line: error.line(),
            column: error.column(),
        })
    }

    /// What the role's queue is bound to.
    pub(crate) fn bindings(&self) -> Vec<(Kind, &'static str)> {
        self.heard.iter().map(|(name, heard)| (heard.kind, *name)).collect()
    }
}

impl<I> std::fmt::Debug for Consumers<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Consumers({}: {:?})", self.role, self.heard.keys())
    }
}

/// A type that is like ours; of any other nothing is told: that may be personal.
fn shown(r#type: &str) -> &str {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let ours = r#type.starts_with("holdfast.") && r#type.len() <= 100 && r#type.chars().all(plain);
    if ours { r#type } else { "none of ours" }
}

#[cfg(test)]
mod tests {
    use contracts::messages::{BookingCancelled, BookingFailed};

    use super::*;

    #[test]
    fn a_type_that_is_there_twice_is_an_error() {
        let list = Consumers::new("tests").on(|_: BookingFailed| ()).on(|_: BookingFailed| ());
        assert!(list.check().unwrap_err().contains(BookingFailed::TYPE));
        let list = Consumers::new("tests").on(|_: BookingFailed| ()).on(|_: BookingCancelled| ());
        assert_eq!(list.check(), Ok(()));
    }

    #[test]
    fn a_listed_role_hears_what_is_listed() {
        let list = Consumers::new("rewards").on(|_: BookingFailed| ());
        assert!(list.check().unwrap_err().contains("contracts::routing"));
    }

    #[test]
    fn says_where_a_body_is_wrong_and_nothing_of_what_is_in_it() {
        let list = Consumers::new("rewards").on(|_: BookingFailed| ());
        let body = br#"{"booking_id":"Ada Lovelace"}"#;
        let error = list.decode(BookingFailed::TYPE, body).unwrap_err().to_string();
        assert!(error.contains("line 1, column"), "{error}");
        assert!(!error.contains("Ada"), "{error}");
    }

    #[test]
    fn another_version_of_a_type_is_unknown() {
        let list = Consumers::new("rewards").on(|_: BookingFailed| ());
        let other = BookingFailed::TYPE.replace(".v1", ".v2");
        let told = list.decode(&other, b"{}").unwrap_err().to_string();
        assert!(told.contains(&other), "{told}");
        let told = list.decode("Ada Lovelace", b"{}").unwrap_err().to_string();
        assert!(!told.contains("Ada"), "{told}");
    }
}
