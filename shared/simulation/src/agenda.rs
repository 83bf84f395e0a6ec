//! What is to happen when: the only clock there is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Things to happen, in the order of their time; of one time, in the order they were put in.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    queue: BTreeMap<(DateTime<Utc>, u64), T>,
    put_in: u64,
}

impl<T> Agenda<T> {
    pub(crate) const fn new() -> Self {
        Self { queue: BTreeMap::new(), put_in: 0 }
    }

    pub(crate) fn put(&mut self, at: DateTime<Utc>, what: T) {
        self.put_in += 1;
        self.queue.insert((at, self.put_in), what);
    }

    pub(crate) fn take(&mut self) -> Option<(DateTime<Utc>, T)> {
        self.queue.pop_first().map(|((at, _), what)| (at, what))
    }
}
