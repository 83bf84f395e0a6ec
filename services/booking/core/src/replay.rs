//! A booking made again from its journal.

use crate::{Recorded, State, evolve};

/// Folds a journal; the row it gives is the one that was written with its last entry.
#[must_use]
pub fn replay<'a>(journal: impl IntoIterator<Item = &'a Recorded>) -> State {
    journal.into_iter().fold(None, evolve)
}
