//! The lease rule: who owns an outbox row, and until when.
//!
//! A row is free from its `available_at` on. A fresh one is given to the memory path by an instant
//! in the near future; a sweep takes a row by moving that instant forward; a retry is a row whose
//! instant is when it is due. Nobody has to say that he is gone.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::mutants::mutant;

/// How long a sweep owns the rows that it took.
///
/// Longer than a broker's confirmation is waited for, so that two sweeps do not publish the same
/// row while the first still waits; short enough that rows of a killed process go out soon.
pub const LEASE_FOR: TimeDelta = TimeDelta::seconds(15);
/// Longer than anything runs.
const FOR_EVER: TimeDelta = TimeDelta::days(36_500);

/// How long a sweep that takes rows now owns them.
#[must_use]
pub fn lease_for() -> TimeDelta {
    if mutant("leased_for_ever") { FOR_EVER } else { LEASE_FOR }
}

/// Says whether a row may be taken.
#[must_use]
pub fn is_due(available_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    available_at <= now
}

/// The instant to which a row's `available_at` is moved when it is taken.
#[must_use]
pub fn leased_until(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_add_signed(lease_for()).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
