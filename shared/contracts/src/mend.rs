//! What of a message may be mended by hand when nobody can read it.
//!
//! What could be read stays. Only an instant or a counter that could not be read may be given
//! anew, and a field that no such message has may be left out. Ids, money, states and everything
//! else are locked: whoever said the message has to say it again.

use chrono::DateTime;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    message::Message,
    messages::{
        BookingCancelled, BookingCompleted, BookingConfirmed, BookingFailed, BookingLegCancelled,
        BookingLegReplaced, BookingMoneyReversed, BookingMoved, CallbackReceived, LegChanged,
        LegGuestsSettled, LegGuestsWanted, LegWanted, PaymentClose, PaymentClosed, PaymentPrepare,
        PaymentPrepared, PaymentRefund, PaymentRefundChanged, PaymentReversed, PaymentSeen,
        PaymentSettled, PointsChanged, PointsWanted,
    },
};

/// A body that its type can be read from, and what is new in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The bytes to send.
    pub body: Vec<u8>,
    /// JSON pointers to what differs from the original.
    pub changed: Vec<String>,
}

/// Why a body was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer into the body; empty for the whole.
    pub pointer: String,
    /// What kind.
    pub kind: FaultKind,
    /// One line for a person.
    pub detail: String,
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not what the type says.
    Unreadable,
    /// It may not be changed.
    Locked,
    /// Nothing differs.
    Unchanged,
}

/// Instants, by the names they have in messages.
const INSTANTS: [&str; 8] =
    ["at", "from", "over_at", "pay_by", "received_at", "seen_at", "since", "until"];
/// Versions, by the names they have in messages.
const COUNTERS: [&str; 3] = ["seq", "version", "wanted_version"];

/// What a body is, as its type reads it: its subject, and its bytes as we write them.
type Read = fn(&[u8]) -> Result<(Uuid, Vec<u8>), serde_json::Error>;

const TYPES: [(&str, Read); 24] = [
    readable::<LegWanted>(),
    readable::<LegChanged>(),
    readable::<LegGuestsWanted>(),
    readable::<LegGuestsSettled>(),
    readable::<CallbackReceived>(),
    readable::<PaymentPrepare>(),
    readable::<PaymentPrepared>(),
    readable::<PaymentSeen>(),
    readable::<PaymentSettled>(),
    readable::<PaymentReversed>(),
    readable::<PaymentClose>(),
    readable::<PaymentClosed>(),
    readable::<PaymentRefund>(),
    readable::<PaymentRefundChanged>(),
    readable::<PointsWanted>(),
    readable::<PointsChanged>(),
    readable::<BookingConfirmed>(),
    readable::<BookingFailed>(),
    readable::<BookingCancelled>(),
    readable::<BookingLegCancelled>(),
    readable::<BookingLegReplaced>(),
    readable::<BookingMoneyReversed>(),
    readable::<BookingMoved>(),
    readable::<BookingCompleted>(),
];

const fn readable<M: Message>() -> (&'static str, Read) {
    (M::TYPE, |body| {
        let message: M = serde_json::from_slice(body)?;
        Ok((message.subject(), serde_json::to_vec(&message)?))
    })
}

/// Whether a body is what its type says; `false` for a type that is not known here.
#[must_use]
pub fn is_readable(r#type: &str, body: &[u8]) -> bool {
    reader(r#type).is_some_and(|read| read(body).is_ok())
}

/// Takes `mended` in the place of `original`, if nothing that is locked differs.
///
/// # Errors
/// Everything that is wrong with it.
pub fn mend(
    r#type: &str,
    subject: Uuid,
    original: &[u8],
    mended: &Value,
) -> Result<Mended, Vec<Fault>> {
    let whole = |kind, detail: String| vec![Fault { pointer: String::new(), kind, detail }];
    let read = reader(r#type).ok_or_else(|| {
        whole(FaultKind::Unreadable, format!("messages of type `{type}` are not known here"))
    })?;
    let (about, body) = read(mended.to_string().as_bytes())
        .map_err(|error| whole(FaultKind::Unreadable, error.to_string()))?;
    if about != subject {
        let detail = "it must be about what the message is about".to_owned();
        return Err(whole(FaultKind::Locked, detail));
    }
    let original = serde_json::from_slice(original).unwrap_or(Value::Null);
    let mut found = Comparison { read, whole: mended, changed: Vec::new(), faults: Vec::new() };
    found.compare("", "", Some(&original), mended);
    let Comparison { changed, faults, .. } = found;
    if !faults.is_empty() {
        return Err(faults);
    }
    if changed.is_empty() {
        return Err(whole(FaultKind::Unchanged, "it is what it was".to_owned()));
    }
    Ok(Mended { body, changed })
}

fn reader(r#type: &str) -> Option<Read> {
    TYPES.iter().find_map(|(name, read)| (*name == r#type).then_some(*read))
}

struct Comparison<'a> {
    read: Read,
    whole: &'a Value,
    changed: Vec<String>,
    faults: Vec<Fault>,
}

impl Comparison<'_> {
    fn compare(&mut self, pointer: &str, key: &str, original: Option<&Value>, mended: &Value) {
        match (original, mended) {
            (Some(Value::Object(before)), Value::Object(fields)) => {
                for (name, value) in fields {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    self.compare(&pointer, name, before.get(name), value);
                }
                self.left_out(pointer, before, fields);
            }
            (Some(Value::Array(before)), Value::Array(items)) if before.len() == items.len() => {
                for (n, (before, item)) in before.iter().zip(items).enumerate() {
                    self.compare(&format!("{pointer}/{n}"), key, Some(before), item);
                }
            }
            (Some(original), mended) if original == mended => {}
            (None, Value::Null) => {}
            (original, mended) if is_mendable(key, original, mended) => {
                self.changed.push(pointer.to_owned());
            }
            (_, _) => self.lock(pointer),
        }
    }

    /// What the original has and the mended has not: fine, if no such message has it.
    fn left_out(&mut self, pointer: &str, before: &Map<String, Value>, now: &Map<String, Value>) {
        let gone = before.iter().filter(|(name, _)| !now.contains_key(*name));
        for (name, value) in gone {
            let at = format!("{pointer}/{}", escaped(name));
            let mut with_it = self.whole.clone();
            let parent = with_it.pointer_mut(pointer).and_then(Value::as_object_mut);
            let put = parent.map(|parent| parent.insert(name.clone(), value.clone()));
            // A field that the type knows and could not be read is not one that it does not know.
            let unknown = format!("unknown field `{name}`");
            let read = put.map(|_| (self.read)(with_it.to_string().as_bytes()));
            match read {
                Some(Err(error)) if error.to_string().starts_with(&unknown) => {
                    self.changed.push(at);
                }
                Some(Ok(_) | Err(_)) | None => self.lock(&at),
            }
        }
    }

    fn lock(&mut self, pointer: &str) {
        let detail = "may not be changed".to_owned();
        self.faults.push(Fault { pointer: pointer.to_owned(), kind: FaultKind::Locked, detail });
    }
}

/// Whether a field could not be read, and is one that decides no id, no money and no state.
fn is_mendable(key: &str, original: Option<&Value>, mended: &Value) -> bool {
    let instant = |value: &Value| {
        value.as_str().is_some_and(|text| DateTime::parse_from_rfc3339(text).is_ok())
    };
    if INSTANTS.contains(&key) {
        return !original.is_some_and(instant) && instant(mended);
    }
    COUNTERS.contains(&key) && !original.is_some_and(Value::is_u64) && mended.is_u64()
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
