//! Every mistake on purpose is found, and every one that is listed stands in code that ships.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::disallowed_methods,
    reason = "a panic is a failed test"
)]

use simulation::{STREAM, hunt::Hunt, mutants::MUTANTS};

/// Some take more seeds: `./scripts/simulate --mutants` gives each two thousand.
const SEEDS: u64 = 100;
const FOUND_MIN: usize = 40;

fn hunt() -> Hunt {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Hunt { stream: STREAM.to_owned(), from: 0, seeds: SEEDS, bookings: 6, threads }
}

#[test]
fn mistakes_on_purpose_are_found() {
    let results = hunt().all(MUTANTS, |_, _| ());
    let found = results.iter().filter(|(_, found)| found.is_some()).count();
    let missed: Vec<_> =
        results.iter().filter(|(_, found)| found.is_none()).map(|(m, _)| m.name).collect();
    assert!(found >= FOUND_MIN, "{found} of {} were found, not {missed:?}", results.len());
}

#[test]
fn something_that_nobody_ordered_is_noticed() {
    assert!(hunt().canary_failed());
}
