//! What happened, in words, for a seed that failed; and a number that two equal runs have in common.

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
