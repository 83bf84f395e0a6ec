//! Nothing is left standing, however a run ends.

use std::time::Duration;

use conformance::Outcome;
use contracts::supplier::Supplier;
use doubles::Config;

use crate::{Trial, said};

impl Trial {
    /// What stands although the kit is done.
    async fn standing(&self) -> Vec<String> {
        let truth = self.truth().await;
        let all = truth["reservations"].as_array().unwrap();
        assert!(!all.is_empty(), "{truth}");
        let standing = all.iter().filter(|it| it["state"] != "cancelled");
        standing.map(ToString::to_string).collect()
    }
}

/// Row: L8
#[tokio::test]
async fn what_a_failed_check_made_is_given_back_all_the_same() {
    use Supplier::{Duffel, Etg, Hotelbeds, Neutral, Rapid};
    let at_reserve = [
        "html_200",
        "http_500_after",
        "http_504_after",
        "malformed_body",
        "truncated_body",
        "reset_after_commit",
        "created_twice",
    ];
    let mut trials = Vec::new();
    for supplier in [Rapid, Etg, Hotelbeds, Duffel, Neutral] {
        trials.extend(at_reserve.map(|fault| (supplier, "reserve", fault)));
        if supplier != Etg {
            trials.push((supplier, "reserve", "accepted_202"));
        }
        for fault in ["wrong_price", "wrong_dates", "lookup_empty"] {
            trials.push((supplier, "lookup", fault));
        }
    }
    let trials = trials.into_iter().map(|(supplier, operation, fault)| async move {
        let trial = Trial::of(supplier, Config::default()).await;
        trial.arm(operation, fault, 99).await;
        let report = trial.run().await;
        let left = trial.standing().await;
        assert!(left.is_empty(), "{supplier} {operation} {fault} {left:?}\n{}", said(&report));
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn what_cannot_be_given_back_is_named() {
    let suppliers = [Supplier::Rapid, Supplier::Hotelbeds, Supplier::Neutral];
    let trials = suppliers.map(|supplier| async move {
        let trial = Trial::of(supplier, Config::default()).await;
        trial.arm("cancel", "cancel_refused", 999).await;
        let report = trial.run().await;
        let check = report.checks.iter().find(|it| it.name == "given_back").unwrap();
        assert_eq!(check.outcome, Outcome::Failed, "{}", said(&report));
        let truth = trial.truth().await;
        for left in truth["reservations"].as_array().unwrap() {
            let reference = left["client_reference"].as_str().unwrap();
            assert!(check.seen.contains(reference), "{supplier} {left}\n{}", check.seen);
        }
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn a_run_that_is_stopped_gives_back_what_it_made() {
    let trial = Trial::of(Supplier::Neutral, Config::default()).await;
    // Long after something is held, and before it is found.
    trial.arm("lookup", "lookup_empty", 9).await;
    let stop = async {
        while trial.truth().await["reservations"].as_array().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let report = conformance::run_until(&trial.subject(), stop).await.unwrap();
    assert_eq!(report.outcome("stopped"), Some(Outcome::NotTested), "{}", said(&report));
    assert_eq!(report.outcome("confirm"), None);
    assert!(!report.passed());
    let left = trial.standing().await;
    assert!(left.is_empty(), "{left:?}\n{}", said(&report));
}
