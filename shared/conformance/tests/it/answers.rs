//! The answers themselves are judged, also where what is looked up afterwards is right.

use std::iter;

use conformance::{Outcome, Subject};
use contracts::supplier::Supplier;
use doubles::Config;

use crate::{Trial, breaking, said};

/// What an answer is spoilt by after its deed was done.
const SPOILT: [&str; 6] = [
    "html_200",
    "truncated_body",
    "malformed_body",
    "reset_after_commit",
    "http_500_after",
    "http_504_after",
];

/// Tries a supplier with a fault at every call of an operation: these checks find it, and say what
/// was expected where it is an answer that cannot be read.
async fn found_by(supplier: Supplier, operation: &str, fault: &str, checks: &[&str]) {
    let trial = Trial::of(supplier, Config::default()).await;
    trial.arm(operation, fault, 99).await;
    let report = trial.run().await;
    for name in checks {
        let check = report.checks.iter().find(|it| it.name == *name).unwrap();
        let context = format!("{supplier} {operation} {fault} {name}\n{}", said(&report));
        assert_eq!(check.outcome, Outcome::Failed, "{context}");
        let says = check.seen.contains("expected") || check.seen.contains("than");
        assert!(says, "{context}");
    }
}

/// Row: L8
#[tokio::test]
async fn an_answer_that_is_not_as_published_fails_its_check_whatever_a_look_up_says() {
    use Supplier::{Duffel, Etg, Hotelbeds, Neutral, Rapid};
    let mut trials = Vec::new();
    for fault in SPOILT {
        for supplier in [Rapid, Hotelbeds, Duffel, Neutral] {
            // What Rapid answers there has no body.
            if supplier != Rapid || !["truncated_body", "malformed_body"].contains(&fault) {
                // What is gone at Duffel or Hotelbeds is refused, and no fault spoils that.
                let twice = [Rapid, Neutral].contains(&supplier).then_some("cancel_twice");
                let checks = iter::once("cancel").chain(twice).collect();
                trials.push((supplier, "confirm", fault, vec!["confirm"]));
                trials.push((supplier, "cancel", fault, checks));
            }
            trials.push((supplier, "reserve", fault, vec!["hold"]));
        }
        trials.push((Etg, "cancel", fault, vec!["cancel", "cancel_twice"]));
    }
    // 202 says to wait at Rapid and Duffel, and nothing at the others.
    for supplier in [Hotelbeds, Neutral] {
        trials.push((supplier, "reserve", "accepted_202", vec!["hold"]));
        trials.push((supplier, "confirm", "accepted_202", vec!["confirm"]));
        trials.push((supplier, "cancel", "accepted_202", vec!["cancel"]));
    }
    let trials = trials.into_iter().map(|(supplier, operation, fault, checks)| async move {
        found_by(supplier, operation, fault, &checks).await;
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn who_is_told_to_wait_waits_and_whoever_was_never_served_is_found() {
    let each = [Supplier::Rapid, Supplier::Duffel].into_iter().flat_map(|supplier| {
        ["reserve", "confirm", "cancel"].map(|operation| (supplier, operation))
    });
    let trials = each.map(|(supplier, operation)| async move {
        for (fault, passes) in [("accepted_202", true), ("commit_late", false)] {
            let trial = Trial::of(supplier, Config::default()).await;
            trial.arm(operation, fault, 99).await;
            let report = trial.run().await;
            let context = format!("{supplier} {operation} {fault}\n{}", said(&report));
            assert_eq!(report.passed(), passes, "{context}");
        }
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn what_an_answer_shows_is_held_against_what_was_ordered() {
    use Supplier::{Duffel, Etg, Hotelbeds, Neutral, Rapid};
    let mut trials = Vec::new();
    for fault in ["wrong_dates", "wrong_price", "wrong_guest"] {
        for supplier in [Hotelbeds, Duffel, Neutral] {
            trials.push((supplier, "reserve", fault, "hold"));
        }
        for supplier in [Rapid, Etg, Hotelbeds, Duffel, Neutral] {
            trials.push((supplier, "lookup", fault, "look_up"));
        }
    }
    trials.push((Neutral, "reserve", "wrong_room", "hold"));
    for supplier in [Rapid, Etg, Hotelbeds] {
        trials.push((supplier, "lookup", "wrong_currency", "look_up"));
    }
    let trials = trials.into_iter().map(|(supplier, operation, fault, check)| async move {
        found_by(supplier, operation, fault, &[check]).await;
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn whatever_our_own_document_says_of_every_answer_is_held_against_a_partner() {
    let cases = [
        ("no_limits_told", "limits"),
        ("repeat_409", "repeat"),
        ("repeat_500", "repeat"),
        ("taken_200", "reference_taken"),
        ("cancel_twice_409", "cancel_twice"),
        ("cancel_twice_500", "cancel_twice"),
    ];
    let trials = cases.map(|(rule, found_by)| async move {
        let trial = Trial::of(Supplier::Neutral, Config::default()).await;
        let front = breaking::front(&trial.doubles.base_url(), rule).await;
        let subject = Subject { url: format!("{front}/neutral"), ..trial.subject() };
        let report = conformance::run(&subject).await.unwrap();
        let failed = report.checks.iter().filter(|it| it.outcome == Outcome::Failed);
        let failed: Vec<_> = failed.map(|it| it.name).collect();
        assert_eq!(failed, [found_by], "{rule}\n{}", said(&report));
        let check = report.checks.iter().find(|it| it.name == found_by).unwrap();
        assert!(check.seen.starts_with("expected "), "{}", check.seen);
    });
    futures::future::join_all(trials).await;
}
