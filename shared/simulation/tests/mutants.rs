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

use std::{collections::BTreeSet, path::Path};

use simulation::{
    STREAM,
    hunt::Hunt,
    model::{Asked, Bounds},
    mutants::MUTANTS,
};

/// One takes more bookings: `./scripts/simulate --mutants` gives each two thousand seeds of ten.
const SEEDS: u64 = 600;
/// The mistakes that so few seeds do not find, and nobody looks for here.
const RARE: [&str; 1] = ["any_change_accepted"];
/// Where the cores and what they know are, and no test of theirs.
const SOURCES: [&str; 7] = [
    "services/booking/core/src",
    "services/payment-verification/core/src",
    "services/rewards/core/src",
    "services/supplier-sync/core/src",
    "shared/contracts/src",
    "shared/messaging/core/src",
    "shared/suppliers/src",
];

fn hunt() -> Hunt {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Hunt { stream: STREAM.to_owned(), from: 0, seeds: SEEDS, bookings: 6, threads }
}

#[test]
fn mistakes_on_purpose_are_found() {
    let common = MUTANTS.iter().filter(|one| !RARE.contains(&one.name)).copied();
    let results = hunt().all(&common.collect::<Vec<_>>(), |_, _| ());
    let missed = results.iter().filter(|(_, found)| found.is_none());
    let missed: Vec<_> = missed.map(|(mutant, _)| mutant.name).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_mistake_that_stands_in_the_sources_is_listed_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut named = BTreeSet::new();
    for folder in SOURCES {
        names(&root.join(folder), &mut named);
    }
    let listed: BTreeSet<String> = MUTANTS.iter().map(|one| one.name.to_owned()).collect();
    assert_eq!(listed.len(), MUTANTS.len(), "one is listed twice");
    assert_eq!(named, listed);
    let rare = RARE.iter().all(|name| listed.contains(*name));
    assert!(rare, "one of the rare is not listed");
}

/// Gathers what stands as `mutant("...")` in the sources of a folder.
fn names(folder: &Path, named: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names(&path, named);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let quoted = text.split("mutant(\"").skip(1).filter_map(|rest| rest.split_once('"'));
            named.extend(quoted.map(|(name, _)| name.to_owned()));
        }
    }
}

/// Whoever reads of them reads how many there are.
#[test]
fn the_readme_says_how_many_mistakes_there_are() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    assert!(text.contains(&format!("one of {} at a time", MUTANTS.len())), "{}", MUTANTS.len());
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
