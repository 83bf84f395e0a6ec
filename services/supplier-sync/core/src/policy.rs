//! What the core needs of the policy: one supplier's times.

use chrono::TimeDelta;
use contracts::{
    messages::UndoFailedWhy, mutants::mutant, policy::SupplierPolicy, supplier::Supplier,
};

use crate::state::Doing;

/// A callback waits this long for the ones that come with it, so that they cause one look-up.
const HINT_SETTLES_FOR: TimeDelta = TimeDelta::seconds(1);
/// Callbacks that keep coming delay the look-up no longer than this.
const HINT_WAITS_MAX: TimeDelta = TimeDelta::seconds(10);
/// Attempts of one leg; more than a few proven dead in a row means that the supplier is not
/// selling.
const ATTEMPTS_MAX: usize = 5;

/// Tries at one pace to give back what nobody refused.
const UNDO_STEADY: usize = 24;

/// One supplier's times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// After this long no answer comes any more, and nothing is done any more.
    pub answer_within_max: TimeDelta,
    /// After this long a reservation shows in look-ups, if there is one.
    pub visible_after_max: TimeDelta,
    /// Waits between look-ups of what is in doubt; the last one repeats.
    pub ladder: Vec<TimeDelta>,
    /// Waits between look-ups of what is not proven gone; the last one repeats.
    pub sweep: Vec<TimeDelta>,
    /// How long a reservation that surely was not sent is tried again.
    pub retry_not_sent_for: TimeDelta,
    /// How long a callback waits for others.
    pub hint_settles_for: TimeDelta,
    /// How long a callback waits at most.
    pub hint_waits_max: TimeDelta,
    /// How many attempts a leg gets.
    pub attempts_max: usize,
}

impl Policy {
    /// The core's part of a supplier's policy.
    #[must_use]
    pub fn of(policy: &SupplierPolicy) -> Self {
        let delta = |d: &std::time::Duration| TimeDelta::from_std(*d).unwrap_or(TimeDelta::MAX);
        Self {
            answer_within_max: delta(&policy.answer_within_max),
            visible_after_max: delta(&policy.visible_after_max),
            ladder: policy.ladder.iter().map(delta).collect(),
            sweep: policy.sweep.iter().map(delta).collect(),
            retry_not_sent_for: delta(&policy.retry_not_sent_for),
            hint_settles_for: HINT_SETTLES_FOR,
            hint_waits_max: HINT_WAITS_MAX,
            attempts_max: ATTEMPTS_MAX,
        }
    }

    /// The core's part of every supplier's policy, by supplier.
    #[must_use]
    pub fn all(policy: &contracts::policy::Policy) -> std::collections::BTreeMap<Supplier, Self> {
        Supplier::ALL.into_iter().map(|s| (s, Self::of(policy.of(s)))).collect()
    }

    /// How long an exchange belongs to the process that began it.
    ///
    /// As long as an answer can come. A look-up changes nothing and holds the leg up, so it gets
    /// half.
    #[must_use]
    pub fn lease_for(&self, doing: Doing) -> TimeDelta {
        match doing {
            Doing::Reserve { .. } | Doing::Confirm | Doing::Cancel | Doing::Amend => {
                self.answer_within_max
            }
            Doing::LookUp { .. } => self.answer_within_max / 2,
        }
    }

    /// From the end of sending until "not found" means something.
    #[must_use]
    pub fn window(&self) -> TimeDelta {
        if mutant("window_without_visibility") {
            return self.answer_within_max;
        }
        self.answer_within_max + self.visible_after_max
    }

    /// The wait before look-up number `done` (0 for the first) of what is in doubt.
    #[must_use]
    pub(crate) fn ladder_wait(&self, done: u32) -> TimeDelta {
        step(&self.ladder, done)
    }

    /// The wait after try number `tries` (1 for the first) to give back what the supplier kept: as
    /// between look-ups of what is in doubt, and then ever more slowly, as in the sweep.
    ///
    /// What the supplier did not refuse is held up by something that ends: it is tried at the
    /// sweep's first pace for a while, since later it may cost more.
    #[must_use]
    pub(crate) fn undo_wait(&self, tries: u32, why: UndoFailedWhy) -> TimeDelta {
        let index = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let steady = match why {
            UndoFailedWhy::Refused => 0,
            UndoFailedWhy::Unknown | UndoFailedWhy::NotSent => UNDO_STEADY,
        };
        let steady = self.sweep.first().into_iter().cycle().take(steady);
        let mut waits = self.ladder.iter().chain(steady).chain(&self.sweep);
        waits.nth(index).or_else(|| self.sweep.last()).copied().unwrap_or(TimeDelta::days(1))
    }

    /// The longest wait between look-ups that could not be sent.
    #[must_use]
    pub(crate) fn ladder_wait_max(&self) -> TimeDelta {
        self.ladder_wait(u32::MAX)
    }

    /// The wait after sweep number `done` (1 for the first).
    #[must_use]
    pub(crate) fn sweep_wait(&self, done: u32) -> TimeDelta {
        step(&self.sweep, done.saturating_sub(1))
    }
}

/// The wait at `index`; the last one repeats.
fn step(waits: &[TimeDelta], index: u32) -> TimeDelta {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let wait = waits.get(index).or_else(|| waits.last());
    wait.copied().unwrap_or(TimeDelta::minutes(10))
}
