//! What every service's database has besides its own rows: inbox and outbox, written in its
//! transactions.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::MessageId;
use messaging_core::{Seen, State, is_due, leased_until};

use crate::parcel::Parcel;

/// Inbox and outbox of one service.
#[derive(Debug, Default)]
pub(crate) struct Database {
    inbox: BTreeMap<MessageId, Seen>,
    outbox: BTreeMap<u64, Row>,
    rows: u64,
    /// How often each message took effect here; not in the real database, for the check alone.
    pub(crate) effects: BTreeMap<MessageId, u32>,
    /// For when the next sweep of the outbox is on the agenda.
    pub(crate) sweep_at: Option<DateTime<Utc>>,
}

#[derive(Debug)]
struct Row {
    parcel: Parcel,
    available_at: DateTime<Utc>,
}

impl Database {
    pub(crate) fn seen(&self, id: MessageId) -> Option<Seen> {
        self.inbox.get(&id).copied()
    }

    pub(crate) fn remember(&mut self, id: MessageId, attempt: u32, state: State, marks: u32) {
        self.inbox.insert(id, Seen { attempt: Some(attempt), state, marks });
    }

    /// One more mark of a redelivered message.
    pub(crate) fn mark(&mut self, id: MessageId) {
        let row =
            self.inbox.entry(id).or_insert(Seen { attempt: None, state: State::Waiting, marks: 0 });
        if row.state != State::Done {
            row.marks += 1;
        }
    }

    /// Writes a message into the outbox, for the sweep to find from `available_at` on.
    pub(crate) fn enqueue(&mut self, parcel: Parcel, available_at: DateTime<Utc>) -> u64 {
        self.rows += 1;
        self.outbox.insert(self.rows, Row { parcel, available_at });
        self.rows
    }

    pub(crate) fn row(&self, row: u64) -> Option<&Parcel> {
        self.outbox.get(&row).map(|row| &row.parcel)
    }

    /// Forgets a message that the broker confirmed.
    pub(crate) fn confirmed(&mut self, row: u64) {
        self.outbox.remove(&row);
    }

    /// Takes the rows that are due, and leases them.
    pub(crate) fn take_due(&mut self, now: DateTime<Utc>) -> Vec<u64> {
        let mut due = Vec::new();
        for (number, row) in &mut self.outbox {
            if is_due(row.available_at, now) {
                row.available_at = leased_until(now);
                due.push(*number);
            }
        }
        due
    }

    /// When the next row is due.
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.outbox.values().map(|row| row.available_at).min()
    }

    pub(crate) fn unsent(&self) -> Vec<String> {
        self.outbox.values().map(|row| format!("{} {}", row.parcel.name(), row.parcel.id)).collect()
    }

    pub(crate) fn is_done(&self, id: MessageId) -> bool {
        self.inbox.get(&id).is_some_and(|seen| seen.state == State::Done)
    }

    pub(crate) fn unfinished(&self) -> impl Iterator<Item = MessageId> {
        self.inbox.iter().filter(|(_, seen)| seen.state != State::Done).map(|(id, _)| *id)
    }
}

/// `std` time to the calendar's.
pub(crate) fn delta(time: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap()
}
