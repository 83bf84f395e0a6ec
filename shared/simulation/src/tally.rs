//! Many runs, side by side, and what came of them together.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Counters, Mix, Report, Run};

/// The sums of many runs.
#[derive(Debug, Default)]
pub struct Tally {
    pub seeds: u64,
    pub bookings: u64,
    pub confirmed: u64,
    pub steps: u64,
    pub violations: u64,
    pub sometimes: Counters,
    /// Bookings and confirmed ones, by mix.
    pub by_mix: BTreeMap<Mix, (u64, u64)>,
    /// The runs that broke something, smallest seed first.
    pub failed: BTreeMap<u64, Run>,
}

impl Tally {
    /// Makes `count` runs from seed `from` on, on `threads` threads; `progress` hears of each that
    /// ended.
    pub fn of(
        from: u64,
        count: u64,
        threads: usize,
        run: impl Fn(u64) -> Run + Sync,
        progress: impl Fn() + Sync,
    ) -> Self {
        let next = AtomicU64::new(from);
        let tally = Mutex::new(Self::default());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= from + count {
                            return;
                        }
                        let report = run(seed).run();
                        tally.lock().unwrap().add(&report);
                        progress();
                    }
                });
            }
        });
        tally.into_inner().unwrap()
    }

    pub fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.bookings += report.bookings;
        self.confirmed += report.confirmed;
        self.steps += report.steps;
        self.violations += u64::try_from(report.violations.len()).unwrap();
        self.sometimes.add(&report.sometimes);
        let (bookings, confirmed) = self.by_mix.entry(report.mix).or_default();
        *bookings += report.bookings;
        *confirmed += report.confirmed;
        if !report.violations.is_empty() {
            self.failed.insert(report.run.seed, report.run.clone());
        }
    }

    /// The share of bookings that were confirmed; nothing where there were none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn share(&self, mix: Option<Mix>) -> Option<f64> {
        let (bookings, confirmed) = match mix {
            None => (self.bookings, self.confirmed),
            Some(mix) => *self.by_mix.get(&mix)?,
        };
        (bookings > 0).then(|| confirmed as f64 / bookings as f64)
    }
}
