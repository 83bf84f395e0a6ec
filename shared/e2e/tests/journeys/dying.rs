//! What a system is made of dies, stands still and is cut off while customers book; afterwards
//! everything is compared with the supplier, the chain and the points. The same as `./scripts/chaos`
//! does for as long as it is told.

use std::time::Duration;

use e2e::{
    SERVICES,
    chaos::{
        self, Asked, Report,
        outages::{Away, outages},
        steps::{Fault, Step, steps},
    },
};

/// What a run tells while it runs is read when it fails.
fn tell(what: &str) {
    println!("{what}");
}

fn assert_well(report: &Report) {
    assert!(report.is_well(true), "{:?} of {report:?}", report.wrong);
}

/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_at_whatever_step_each_booking_comes_to_its_end() {
    let all = steps(&SERVICES, &[Fault::Kill], &Step::ALL, tell).await.unwrap();
    assert_well(&all.report);
    // Of eight steps, five end confirmed.
    assert_eq!(all.report.bookings, Step::ALL.len() * SERVICES.len());
    assert_eq!(all.report.confirmed, 5 * SERVICES.len());
    assert_eq!(all.report.kills.values().sum::<u32>() as usize, all.report.bookings);
}

/// Row: A4
/// Row: K3
#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_stands_still_or_comes_twice_at_whatever_step_each_booking_ends_once() {
    let faults = [Fault::Delay, Fault::Repeat, Fault::Fail];
    // Those that differ most; `./scripts/chaos --steps` has all of them.
    let at = [Step::Asked, Step::Left, Step::Cancelled];
    let all = steps(&["supplier-sync"], &faults, &at, tell).await.unwrap();
    assert_well(&all.report);
    assert_eq!(all.matrix.len(), faults.len() * at.len());
    for cell in &all.matrix {
        assert_eq!((cell.bookings, cell.ended), (1, 1), "{cell:?}");
    }
    assert!(all.repeated > 0, "{all:?}");
}

/// Row: K2
#[tokio::test(flavor = "multi_thread")]
async fn what_is_away_for_a_while_is_named_and_comes_back_without_hands() {
    let all = outages(Duration::from_secs(8), 2, tell).await.unwrap();
    assert_well(&all.report);
    assert_eq!(all.report.parked, 0, "nothing was given up meanwhile");
    assert!(all.repeated > 0, "the database went with every queue full");
    assert_eq!(all.outages.len(), Away::ALL.len());
    for (away, outage) in &all.outages {
        assert!(!outage.told.is_empty(), "readiness said nothing of {away}: {all:?}");
    }
}

/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn customers_book_while_everything_fails_and_nobody_loses_anything() {
    let asked = Asked { lasts: Duration::from_secs(20), seed: 3, per_second: 2, faults: true };
    let report = chaos::run(asked, tell).await.unwrap();
    assert_well(&report);
    assert!(report.kills.values().sum::<u32>() > 0, "{report:?}");
}
