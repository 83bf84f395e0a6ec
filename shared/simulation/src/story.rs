//! What happened, in words, for a seed that failed; and a number that two equal runs have in
//! common.

use chrono::{DateTime, Utc};
use contracts::ids::BookingId;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: DateTime<Utc>,
    /// Which booking it is about; nothing where it is about all of them.
    pub booking_id: Option<BookingId>,
    pub text: String,
}

/// The longest text of one value in a line.
const CHARACTERS_MAX: usize = 240;

/// A value as one reads it: names of newtypes and most of each id left out.
pub(crate) fn brief(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let mut brief = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let id = word.len() > 36 && word.matches('-').count() == 4;
        match (id, word) {
            (true, _) => brief.extend(word.chars().take(8).chain(word.chars().last())),
            (
                false,
                "LegId(" | "BookingId(" | "PaymentId(" | "QuoteId(" | "AssetId(" | "Units(",
            ) => {
                brief.push('(');
            }
            (false, _) => brief.push_str(word),
        }
    }
    match brief.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &brief[..end]),
        None => brief,
    }
}

/// The lines, where somebody wants them.
#[derive(Debug)]
pub(crate) enum Story {
    Untold,
    Told(Vec<Line>),
}

impl Story {
    pub(crate) fn tell(
        &mut self,
        at: DateTime<Utc>,
        booking_id: Option<BookingId>,
        text: impl FnOnce() -> String,
    ) {
        if let Self::Told(lines) = self {
            lines.push(Line { at, booking_id, text: text() });
        }
    }

    pub(crate) fn lines(self) -> Vec<Line> {
        match self {
            Self::Untold => Vec::new(),
            Self::Told(lines) => lines,
        }
    }
}
