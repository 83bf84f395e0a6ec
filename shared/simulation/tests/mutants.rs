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

use simulation::{
    STREAM,
    hunt::Hunt,
    model::{Asked, Bounds},
    mutants::MUTANTS,
};

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

/// Each is found on the shortest way to it, so none takes long.
#[test]
fn going_every_way_finds_mistakes_on_purpose() {
    let calm = Bounds { payments: 1, ..Bounds::default() };
    let cancelled = Bounds { cancellations: 1, ..calm };
    let failing = Bounds { faults: 1, ..calm };
    let alone = Bounds { faults: 1, repeats: 1, ..Bounds::default() };
    let mut missed = Vec::new();
    for (mutant, legs, bounds) in [
        ("never_too_late_to_pay", 1, calm),
        ("one_leg_not_released", 1, calm),
        ("paid_on_sight", 1, calm),
        ("refund_not_asked", 1, cancelled),
        ("refund_asked_again", 1, cancelled),
        ("fee_forgotten", 1, cancelled),
        ("purchase_assumed", 1, failing),
        ("late_evidence_ignored", 0, alone),
        ("lease_means_not_sent", 0, alone),
        ("not_found_trusted_early", 0, alone),
    ] {
        let asked = Asked { name: mutant, legs, bounds };
        let seen = asked.explore(Some(mutant), 1);
        println!("{mutant}: {:?} after {} states", seen.wrong, seen.states);
        if seen.wrong.is_none() {
            missed.push(mutant);
        }
    }
    assert!(missed.is_empty(), "{missed:?} are not found");
}
