//! A run that failed, made as small as it goes: fewer bookings, fewer kinds of faults, fewer steps.
//!
//! What a booking meets is drawn from itself and its own turns, so leaving out another booking or a
//! kind of fault leaves it nearly as it was. Blocks and sweeps are everybody's, so each smaller run
//! is tried with a few other draws as well. One counts when the same predicate breaks.

use std::collections::BTreeSet;

use crate::{Part, Report, Run};

/// How often a smaller run is drawn anew before it counts as sound.
const DRAWS: u64 = 3;
/// More for the smallest that there could be.
const DRAWS_ALONE: u64 = 30;
/// Of so many small runs the one with the fewest steps is told.
const DRAWS_AT_LAST: u64 = 20;

/// The smallest run that was found, and what it was made of.
#[derive(Debug)]
pub struct Shrunk {
    pub run: Run,
    pub report: Report,
    /// How many kinds of faults there were before.
    pub faults_before: usize,
    /// How many runs it took.
    pub tried: u64,
}

/// Makes a run that breaks something smaller; nothing when it breaks nothing.
#[must_use]
pub fn shrink(failed: &Run) -> Option<Shrunk> {
    let report = failed.run();
    let predicate = report.violations.first()?.predicate;
    let faults_before = report.faults.len();
    let mut shrinking = Shrinking { smallest: failed.clone(), report, predicate, tried: 1 };
    shrinking.bookings();
    shrinking.faults();
    shrinking.steps();
    let Shrinking { smallest, report, tried, .. } = shrinking;
    Some(Shrunk { run: smallest, report, faults_before, tried })
}

struct Shrinking {
    smallest: Run,
    report: Report,
    predicate: &'static str,
    tried: u64,
}

impl Shrinking {
    /// The booking that it is about alone; else one after the other is left out.
    fn bookings(&mut self) {
        if let Some(about) = self.report.about
            && self.goes_with(self.of(BTreeSet::from([about])), DRAWS_ALONE)
        {
            return;
        }
        let mut left: BTreeSet<u32> = match &self.smallest.part.bookings {
            Some(some) => some.clone(),
            None => (0..self.smallest.bookings).collect(),
        };
        for one in left.clone() {
            let fewer: BTreeSet<u32> = left.iter().copied().filter(|kept| *kept != one).collect();
            if !fewer.is_empty() && self.goes_with(self.of(fewer.clone()), DRAWS) {
                left = fewer;
            }
        }
    }

    /// One kind after the other is left out.
    fn faults(&mut self) {
        for kind in self.report.faults.clone() {
            let kept = self.report.faults.iter().filter(|other| **other != kind);
            let kept: BTreeSet<String> = kept.map(|kind| (*kind).to_owned()).collect();
            self.goes_with(Part { faults: Some(kept), ..self.smallest.part.clone() }, DRAWS);
        }
    }

    /// The shortest of many draws.
    fn steps(&mut self) {
        for salt in 1..=DRAWS_AT_LAST {
            let part = Part { salt, ..self.smallest.part.clone() };
            let run = Run { part, ..self.smallest.clone() };
            if let Some(report) = self.breaks(&run)
                && report.steps < self.report.steps
            {
                (self.smallest, self.report) = (run, report);
            }
        }
    }

    fn of(&self, bookings: BTreeSet<u32>) -> Part {
        Part { bookings: Some(bookings), ..self.smallest.part.clone() }
    }

    /// Takes a part of the run for the run if it breaks the same, as it is or drawn anew.
    fn goes_with(&mut self, part: Part, draws: u64) -> bool {
        let before = part.salt;
        for salt in std::iter::once(before).chain(0..draws) {
            let run = Run { part: Part { salt, ..part.clone() }, ..self.smallest.clone() };
            if let Some(report) = self.breaks(&run) {
                (self.smallest, self.report) = (run, report);
                return true;
            }
        }
        false
    }

    fn breaks(&mut self, run: &Run) -> Option<Report> {
        self.tried += 1;
        let report = run.run();
        let same = report.violations.first().is_some_and(|v| v.predicate == self.predicate);
        same.then_some(report)
    }
}
