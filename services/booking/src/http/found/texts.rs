//! The texts of the newest answers, so that what many ask is written once.
//!
//! Redis is still asked each time whether the answer is the same one: what was forgotten there is
//! forgotten here.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, PoisonError},
};

use contracts::shown::Stamp;

use super::{Page, Text};

/// How many bytes of bodies one half keeps; there are two.
const HALF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Texts by answer and page. Two halves: when the newer one is full, the older one is dropped.
#[derive(Default)]
pub(super) struct Texts {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    newer: BTreeMap<Key, Text>,
    newer_bytes: usize,
    older: BTreeMap<Key, Text>,
}

type Key = ([u8; 16], String);

impl Texts {
    /// The text of a page of an answer, if it was written before.
    pub(super) fn of(&self, stamp: &Stamp, page: &Page) -> Option<Text> {
        let key = (stamp.id, page.key());
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = halves.newer.get(&key) {
            return Some(text.clone());
        }
        let text = halves.older.remove(&key)?;
        halves.keep(key, text.clone());
        Some(text)
    }

    /// Keeps a text for the next who asks.
    pub(super) fn keep(&self, stamp: &Stamp, page: &Page, text: Text) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.keep((stamp.id, page.key()), text);
    }
}

impl Halves {
    fn keep(&mut self, key: Key, text: Text) {
        if self.newer_bytes + text.body.len() > HALF_BYTES_MAX {
            self.older = mem::take(&mut self.newer);
            self.newer_bytes = 0;
        }
        self.newer_bytes += text.body.len();
        self.newer.insert(key, text);
    }
}
