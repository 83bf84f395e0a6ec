//! Runs seeds with one mistake at a time until the mistake is found.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{Run, Sabotage, mutants::Mutant};

/// How one mistake was found.
#[derive(Debug, Clone)]
pub struct Found {
    pub seed: u64,
    /// The predicate that it broke, or that the code gave up.
    pub by: String,
    pub what: String,
}

/// What a hunt looks through.
#[derive(Debug, Clone)]
pub struct Hunt {
    pub stream: String,
    pub from: u64,
    /// How many seeds each mistake may take.
    pub seeds: u64,
    pub bookings: u32,
    pub threads: usize,
}

impl Hunt {
    /// Hunts every mistake; `progress` hears of each that is over.
    pub fn all(
        &self,
        mutants: &[Mutant],
        progress: impl Fn(&Mutant, Option<&Found>) + Sync,
    ) -> Vec<(Mutant, Option<Found>)> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let found = self.one(mutant);
                        progress(mutant, found.as_ref());
                        results.lock().unwrap().push((*mutant, found));
                    }
                });
            }
        });
        let place = |mutant: &Mutant| mutants.iter().position(|one| one == mutant);
        let mut results = results.into_inner().unwrap();
        results.sort_by_key(|(mutant, _)| place(mutant));
        results
    }

    /// The first seed that finds it, and that finds nothing without it.
    fn one(&self, mutant: &Mutant) -> Option<Found> {
        (self.from..self.from + self.seeds).find_map(|seed| {
            let run = Run::new(&self.stream, seed, self.bookings);
            let found = broken(&Run { mutant: Some(mutant.name), ..run.clone() })?;
            assert!(broken(&run).is_none(), "seed {seed} breaks something without a mistake");
            Some(found)
        })
    }

    /// Whether something that nobody ordered is noticed: if not, nothing here proves anything.
    #[must_use]
    pub fn canary_failed(&self) -> bool {
        let run = Run::new(&self.stream, self.from, self.bookings);
        broken(&Run { sabotage: Sabotage::Orphan, ..run }).is_some_and(|found| found.by == "Q2")
    }
}

/// What a run breaks first. Code that gives up under a mistake has found it, too.
fn broken(run: &Run) -> Option<Found> {
    let seed = run.seed;
    match catch_unwind(AssertUnwindSafe(|| run.run())) {
        Ok(report) => report.violations.into_iter().next().map(|violation| Found {
            seed,
            by: violation.predicate.to_owned(),
            what: violation.what,
        }),
        Err(_) => Some(Found { seed, by: "panic".to_owned(), what: String::new() }),
    }
}
