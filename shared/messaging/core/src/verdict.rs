//! What a delivery is, given what its consumer remembers of the message.

use contracts::mutants::mutant;
use serde::{Deserialize, Serialize};

/// How far a consumer came with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It took effect; nothing about it is handled again.
    Done,
    /// It has not taken effect, and another attempt is on its way.
    Waiting,
    /// It was given up, and only a replay brings it back.
    Dead,
}

impl State {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
        }
    }

    /// Reads the word in the table.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Done, Self::Waiting, Self::Dead].into_iter().find(|state| state.as_str() == text)
    }
}

/// What a consumer remembers of a message: its inbox row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The last attempt that ended; none while a first attempt was only marked.
    pub attempt: Option<u32>,
    /// How that attempt ended.
    pub state: State,
    /// Redelivered tries since then that did not end, or ended in a panic.
    pub marks: u32,
}

/// What a delivery says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How often the message was tried before.
    pub attempt: u32,
    /// Whether the broker gave it to a consumer before.
    pub redelivered: bool,
}

/// What to do with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Handle it, in a batch with others.
    Handle,
    /// Acknowledge it; it has no effect.
    Repeat,
    /// Commit a mark, then handle it with no other beside it: it may be what killed the consumer.
    Alone,
    /// Give it up as a crash, without handling it.
    Quarantine,
}

/// Decides what to do with a delivery.
///
/// A delivery is handled when its message has not taken effect and its attempt is later than the
/// last one that ended here. An attempt may be later by more than one, and the first one seen may
/// be another than 0, because a message can be given up and replayed on its way, before it comes
/// here.
#[must_use]
pub fn verdict(delivery: Delivery, seen: Option<Seen>, marks_max: u32) -> Verdict {
    let seen = seen.filter(|_| !mutant("inbox_skipped"));
    let marks = match seen {
        None => 0,
        Some(row) => match (row.state, row.attempt) {
            (State::Done, Some(ended))
                if mutant("replayed_when_done") && delivery.attempt > ended =>
            {
                0
            }
            (State::Done, _) => return Verdict::Repeat,
            (State::Waiting | State::Dead, Some(ended)) if delivery.attempt <= ended => {
                return Verdict::Repeat;
            }
            (State::Waiting | State::Dead, _) => row.marks,
        },
    };
    match delivery.redelivered {
        false => Verdict::Handle,
        true if marks >= marks_max => Verdict::Quarantine,
        true => Verdict::Alone,
    }
}
