//! An export without what is about a person or opens something: who, where the money went, under
//! which reference the supplier has it, what staff noted.
//!
//! Equal texts get equal masks, so that the masked journal goes the same way as the real one, and
//! the masked row is its fold. What is masked already stays as it is.

use std::collections::BTreeMap;

use anyhow::Context as _;
use booking_core::Recorded;
use contracts::{
    instruction::CARD,
    internal::{ExportReply, ExportedEvent},
};
use serde_json::Value;

use crate::store;

/// Fields whose text is masked wherever they stand.
const MASKED: [&str; 9] = [
    "account_id",
    "address",
    "book_key",
    "client_reference",
    "reference",
    "refund_to",
    "signature",
    "to",
    "transaction",
];
/// What staff did themselves, as against what followed from it.
const STAFF_DID: [&str; 4] =
    ["review_taken", "review_released", "leg_left_there", "leg_given_back"];
/// Fields that are masked in what staff did; elsewhere they are instants and words.
const BY_STAFF: [&str; 2] = ["by", "why"];
/// Where refunds go; a word of ours where it is a card.
const WHERE_TO: [&str; 2] = ["refund_to", "to"];
/// Before the number of a masked text.
const MASK: &str = "masked-";

/// Masks an export.
///
/// # Errors
/// When its journal cannot be read.
pub(crate) fn masked(export: &ExportReply) -> anyhow::Result<ExportReply> {
    let mut masks = Masks::of(export)?;
    let journal: Vec<ExportedEvent> =
        export.journal.iter().map(|entry| masks.entry(entry)).collect::<anyhow::Result<_>>()?;
    let bodies = journal.iter().map(|entry| entry.body.as_str());
    let row = store::folded(export.booking_id.0, bodies).context("folding the masked journal")?;
    Ok(ExportReply { booking_id: export.booking_id, row, journal })
}

/// The mask of every text that was masked.
struct Masks {
    account: String,
    known: BTreeMap<String, String>,
}

impl Masks {
    fn of(export: &ExportReply) -> anyhow::Result<Self> {
        let first = export.journal.first().context("the journal is empty")?;
        let accepted: Value = serde_json::from_str(&first.body).context("reading the journal")?;
        let account = accepted.pointer("/event/account_id").and_then(Value::as_str);
        let account = account.context("the journal does not begin with its booking")?.to_owned();
        Ok(Self { account, known: BTreeMap::new() })
    }

    fn entry(&mut self, entry: &ExportedEvent) -> anyhow::Result<ExportedEvent> {
        let mut body: Value = serde_json::from_str(&entry.body).context("reading the journal")?;
        let staff = entry.source == "staff";
        let kind = body.pointer("/event/is").and_then(Value::as_str);
        let did = staff && kind.is_some_and(|kind| STAFF_DID.contains(&kind));
        self.walk(&mut body, did);
        // Back through the type, so that its bytes are those that would have been written.
        let recorded: Recorded =
            serde_json::from_value(body).context("reading the masked journal")?;
        let named = staff || entry.actor == self.account || entry.actor.starts_with(MASK);
        Ok(ExportedEvent {
            body: store::json(&recorded)?,
            actor: if named { self.mask(&entry.actor) } else { entry.actor.clone() },
            trace_id: None,
            ..entry.clone()
        })
    }

    fn walk(&mut self, value: &mut Value, staff: bool) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let name = name.as_str();
                    let hidden = MASKED.contains(&name) || staff && BY_STAFF.contains(&name);
                    match field {
                        Value::String(text) if text == CARD && WHERE_TO.contains(&name) => {}
                        Value::String(text) if hidden => *text = self.mask(text),
                        field => self.walk(field, staff),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, staff)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn mask(&mut self, text: &str) -> String {
        if text.starts_with(MASK) {
            return text.to_owned();
        }
        let number = self.known.len().saturating_add(1);
        let mask = self.known.entry(text.to_owned()).or_insert_with(|| format!("{MASK}{number}"));
        mask.clone()
    }
}
