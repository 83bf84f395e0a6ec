//! How many callbacks of each supplier are let in, decided before anything is asked of the
//! database. What no secret of ours signed has places of its own, and what is stored already takes
//! these as well: whoever forges, or sends again what was caught on its way, takes none of the
//! supplier's.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contracts::{policy::Policy, supplier::Supplier};

/// What comes in a burst, in seconds of what may come all the time.
const BURST_S: u32 = 10;
/// Forged callbacks of one supplier that are kept in an hour; those beyond are counted.
pub(crate) const FORGED_KEPT: u32 = 100;
/// Ids of stored callbacks that are remembered, of each supplier, by this process.
const REMEMBERED: usize = 5_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// The doors of all suppliers, for one process.
pub(crate) struct Doors(BTreeMap<Supplier, Door>);

struct Door {
    signed: Places,
    forged: Places,
    /// Of the forged ones those that are written down.
    kept: Places,
    stored: Mutex<Remembered>,
}

/// The ids of what was stored last.
#[derive(Default)]
struct Remembered {
    ids: BTreeSet<String>,
    in_order: VecDeque<String>,
}

impl Doors {
    pub(crate) fn new(policy: &Policy) -> Self {
        let door = |supplier| {
            let per_second = policy.of(supplier).callbacks_per_second_max.max(1);
            let places = || Places::new(Duration::from_secs(1) / per_second, per_second * BURST_S);
            let kept = Places::new(HOUR / FORGED_KEPT, FORGED_KEPT);
            (supplier, Door { signed: places(), forged: places(), kept, stored: Mutex::default() })
        };
        Self(Supplier::ALL.into_iter().map(door).collect())
    }

    /// A place for a callback that is signed, by its id.
    ///
    /// # Errors
    /// With the time after which there is a place.
    pub(crate) fn signed(&self, supplier: Supplier, id: &str) -> Result<(), Duration> {
        if self.is_stored(supplier, id) {
            return self.forged(supplier);
        }
        self.take(supplier, |door| &door.signed)
    }

    fn is_stored(&self, supplier: Supplier, id: &str) -> bool {
        self.0.get(&supplier).is_some_and(|door| {
            let stored = door.stored.lock().unwrap_or_else(PoisonError::into_inner);
            stored.ids.contains(id)
        })
    }

    /// Remembers that a callback is stored.
    pub(crate) fn remember(&self, supplier: Supplier, id: String) {
        let Some(door) = self.0.get(&supplier) else { return };
        let mut stored = door.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.ids.insert(id.clone()) {
            stored.in_order.push_back(id);
        }
        if stored.in_order.len() > REMEMBERED
            && let Some(oldest) = stored.in_order.pop_front()
        {
            stored.ids.remove(&oldest);
        }
    }

    /// # Errors
    /// With the time after which there is a place.
    pub(crate) fn forged(&self, supplier: Supplier) -> Result<(), Duration> {
        self.take(supplier, |door| &door.forged)
    }

    /// Whether a forged one is written down.
    pub(crate) fn keeps(&self, supplier: Supplier) -> bool {
        self.take(supplier, |door| &door.kept).is_ok()
    }

    fn take(&self, supplier: Supplier, of: impl Fn(&Door) -> &Places) -> Result<(), Duration> {
        self.0.get(&supplier).map_or(Ok(()), |door| of(door).take(Instant::now()))
    }
}

/// Places that come back one by one.
struct Places {
    every: Duration,
    most: Duration,
    /// When all of them are back.
    full_at: Mutex<Option<Instant>>,
}

impl Places {
    fn new(every: Duration, most: u32) -> Self {
        Self { every, most: every * most, full_at: Mutex::default() }
    }

    fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = full_at.map_or(now, |at| at.max(now)) + self.every;
        let out = after.duration_since(now);
        if out > self.most {
            return Err(out.saturating_sub(self.most));
        }
        *full_at = Some(after);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_at_once_and_come_back_one_by_one() {
        let places = Places::new(Duration::from_millis(100), 3);
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        assert!((0..3).all(|_| places.take(at(0)).is_ok()));
        assert_eq!(places.take(at(40)), Err(Duration::from_millis(60)));
        assert_eq!(places.take(at(100)), Ok(()));
        assert!(places.take(at(150)).is_err());
        assert!((0..3).all(|_| places.take(at(5_000)).is_ok()), "no more than they are");
        assert!(places.take(at(5_000)).is_err());
    }
}
