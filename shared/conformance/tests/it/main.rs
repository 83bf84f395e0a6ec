//! The kit against our own doubles: every dialect passes, and each fault is found by the check it
//! is for.
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

mod answers;
mod breaking;
mod command;
mod left;

use std::time::Duration;

use conformance::{Outcome, Report, Subject};
use contracts::supplier::Supplier;
use doubles::{Config, Doubles, NeutralConfig, RapidConfig};
use serde_json::{Value, json};

/// The kit, and a double to try it on.
struct Trial {
    doubles: Doubles,
    supplier: Supplier,
}

impl Trial {
    async fn of(supplier: Supplier, config: Config) -> Self {
        let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
        Self { doubles, supplier }
    }

    fn subject(&self) -> Subject {
        let supplier = self.supplier;
        let Config { rapid, etg, hotelbeds, duffel, neutral, .. } = Config::default();
        let (key, secret) = match supplier {
            Supplier::Rapid => (rapid.key, rapid.secret),
            Supplier::Etg => (etg.key, etg.secret),
            Supplier::Hotelbeds => (hotelbeds.key, hotelbeds.secret),
            Supplier::Duffel => (duffel.key, duffel.secret),
            Supplier::Neutral => (neutral.key, neutral.secret),
        };
        Subject {
            url: format!("{}/{supplier}", self.doubles.base_url()),
            dialect: supplier,
            key,
            secret: secret.into(),
            what: None,
            days_ahead: 45,
            visible_within: Duration::from_millis(600),
            patience: Duration::from_secs(3),
        }
    }

    async fn run(&self) -> Report {
        conformance::run(&self.subject()).await.unwrap()
    }

    async fn arm(&self, operation: &str, fault: &str, times: u32) {
        let url = format!("{}/{}/faults", self.doubles.base_url(), self.supplier);
        let body = json!({ "operation": operation, "fault": fault, "times": times });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let armed = client.post(url).json(&body).send().await.unwrap();
        assert!(armed.status().is_success(), "{body}");
    }

    async fn truth(&self) -> Value {
        let url = format!("{}/{}/truth", self.doubles.base_url(), self.supplier);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(url).send().await.unwrap().json().await.unwrap()
    }
}

fn said(report: &Report) -> String {
    let each = report.checks.iter().map(|it| format!("{} {:?}: {}", it.name, it.outcome, it.seen));
    each.collect::<Vec<_>>().join("\n")
}

/// Row: L8
#[tokio::test]
async fn a_double_that_keeps_the_rules_passes_and_nothing_of_the_kit_is_left_standing() {
    for supplier in Supplier::ALL {
        let trial = Trial::of(supplier, Config::default()).await;
        let report = trial.run().await;
        assert!(report.passed(), "{supplier}\n{}", said(&report));
        assert_eq!(report.checks.len(), 17);
        // Hotelbeds alone does not say what a second request under one reference comes to.
        let skips = supplier == Supplier::Hotelbeds;
        let repeat = if skips { Outcome::Skipped } else { Outcome::Passed };
        assert_eq!(report.outcome("repeat"), Some(repeat), "{}", said(&report));
        assert!(report.count(Outcome::Skipped) <= 5, "{supplier}\n{}", said(&report));
        let truth = trial.truth().await;
        let left = truth["reservations"].as_array().unwrap();
        assert!(left.len() >= 3, "{left:?}");
        assert!(left.iter().all(|it| it["state"] == "cancelled"), "{left:?}");
        let line: Value = serde_json::from_str(&report.line()).unwrap();
        assert_eq!(line["failed"], json!([]));
        assert_eq!(line["dialect"], supplier.word());
    }
}

/// Row: L8
#[tokio::test]
async fn each_fault_is_found_by_the_check_it_is_for() {
    // (fault, at which operation, how often, the checks that find it)
    let cases: [(&str, &str, u32, &[&str]); 9] = [
        // Twice: the broken request takes one.
        ("created_twice", "reserve", 2, &["look_up"]),
        ("wrong_dates", "lookup", 40, &["look_up"]),
        ("wrong_price", "lookup", 40, &["look_up"]),
        ("wrong_room", "lookup", 40, &["look_up"]),
        ("lookup_empty", "lookup", 60, &["look_up", "lost_answer"]),
        ("confirm_refused", "confirm", 1, &["confirm"]),
        ("cancel_refused", "cancel", 9, &["cancel"]),
        ("html_200", "search", 9, &["search"]),
        ("http_503", "price_check", 9, &["price_check"]),
    ];
    let tried = [Supplier::Rapid, Supplier::Hotelbeds, Supplier::Neutral];
    let each = tried.into_iter().flat_map(|supplier| cases.map(|case| (supplier, case)));
    // The others hold and cancel in their own ways; what is looked up, sought and checked is alike.
    let alike = ["lookup_empty", "html_200", "http_503"];
    let others = [Supplier::Etg, Supplier::Duffel].into_iter().flat_map(|supplier| {
        let of = cases.into_iter().filter(move |case| alike.contains(&case.0));
        of.map(move |case| (supplier, case))
    });
    let each = each.chain(others);
    let trials = each.map(|(supplier, (fault, operation, times, found_by))| async move {
        let trial = Trial::of(supplier, Config::default()).await;
        trial.arm(operation, fault, times).await;
        let report = trial.run().await;
        for check in found_by {
            let outcome = report.outcome(check);
            let context = format!("{supplier} {fault} {check}\n{}", said(&report));
            assert_eq!(outcome, Some(Outcome::Failed), "{context}");
        }
        assert!(!report.passed());
    });
    futures::future::join_all(trials).await;
}

/// Row: L8
#[tokio::test]
async fn a_hold_that_ends_soon_is_waited_for_and_a_secret_that_is_wrong_fails_everything_signed() {
    let config = Config {
        rapid: RapidConfig { hold_for: Duration::from_millis(1_500), ..RapidConfig::default() },
        ..Config::default()
    };
    let trial = Trial::of(Supplier::Rapid, config).await;
    let report = trial.run().await;
    assert_eq!(report.outcome("expiry"), Some(Outcome::Passed), "{}", said(&report));

    let wrong = Subject { secret: "another".to_owned().into(), ..trial.subject() };
    let report = conformance::run(&wrong).await.unwrap();
    assert_eq!(report.outcome("search"), Some(Outcome::Failed));
    for check in ["signature", "limits", "hold", "cancel"] {
        assert_eq!(report.outcome(check), Some(Outcome::NotTested), "{check}");
    }
}

/// Row: L8
#[tokio::test]
async fn what_nobody_answered_or_let_in_is_not_tested_and_does_not_pass() {
    for supplier in Supplier::ALL {
        let trial = Trial::of(supplier, Config::default()).await;
        let wrong = Subject { secret: "another".to_owned().into(), ..trial.subject() };
        let nobody = Subject { url: "http://127.0.0.1:9".to_owned(), ..trial.subject() };
        for subject in [wrong, nobody] {
            let report = conformance::run(&subject).await.unwrap();
            let passed = report.checks.iter().filter(|it| it.outcome == Outcome::Passed);
            let passed: Vec<_> = passed.map(|it| it.name).collect();
            assert!(passed.is_empty(), "{supplier} {passed:?}\n{}", said(&report));
            assert!(!report.passed());
        }
    }
}

/// Row: L8
#[tokio::test]
async fn what_cannot_be_tried_after_a_search_failed_says_so_and_does_not_repeat_it() {
    let trial = Trial::of(Supplier::Neutral, Config::default()).await;
    trial.arm("search", "html_200", 99).await;
    let report = trial.run().await;
    assert_eq!(report.outcome("search"), Some(Outcome::Failed));
    let after = ["price_check", "broken_request", "hold", "look_up", "cancel", "lost_answer"];
    for check in after {
        let seen = &report.checks.iter().find(|it| it.name == check).unwrap().seen;
        assert_eq!(seen, "not tested: see search", "{check}\n{}", said(&report));
    }
    assert!(!report.passed());
}

/// Row: L8
#[tokio::test]
async fn a_limit_that_nobody_met_is_not_shown() {
    let cases = [
        (None, "none", Outcome::Skipped),
        (None, "busy", Outcome::Passed),
        // Of those that are all turned away nobody sees whether any is answered.
        (Some("http_429"), "none", Outcome::NotTested),
        (Some("html_200"), "none", Outcome::Failed),
    ];
    for (fault, rule, outcome) in cases {
        let trial = Trial::of(Supplier::Neutral, Config::default()).await;
        if let Some(fault) = fault {
            trial.arm("lookup", fault, 500).await;
        }
        let front = breaking::front(&trial.doubles.base_url(), rule).await;
        let subject = Subject { url: format!("{front}/neutral"), ..trial.subject() };
        let report = conformance::run(&subject).await.unwrap();
        assert_eq!(report.outcome("limits"), Some(outcome), "{fault:?}\n{}", said(&report));
    }
}

/// Row: L8
#[tokio::test]
async fn each_rule_that_a_partner_breaks_is_found_by_the_check_it_is_for() {
    let trials = breaking::RULES.map(|rule| async move {
        let neutral =
            NeutralConfig { hold_for: Duration::from_secs(4), ..NeutralConfig::default() };
        let config = Config { neutral, ..Config::default() };
        let trial = Trial::of(Supplier::Neutral, config).await;
        let subject = |front: &str| Subject {
            url: format!("{front}/neutral"),
            patience: Duration::from_secs(10),
            ..trial.subject()
        };
        let front = breaking::front(&trial.doubles.base_url(), rule).await;
        let report = conformance::run(&subject(&front)).await.unwrap();
        for check in report.checks.iter().take_while(|check| check.name != rule) {
            assert_ne!(check.outcome, Outcome::Failed, "{rule}\n{}", said(&report));
        }
        assert_eq!(report.outcome(rule), Some(Outcome::Failed), "{}", said(&report));
        // Whoever keeps the rules passes through the same way.
        let front = breaking::front(&trial.doubles.base_url(), "none").await;
        let report = conformance::run(&subject(&front)).await.unwrap();
        assert!(report.passed(), "{}", said(&report));
    });
    futures::future::join_all(trials).await;
}

#[tokio::test]
async fn nobody_there_is_said_and_what_an_endpoint_says_is_text_on_the_page() {
    let trial = Trial::of(Supplier::Hotelbeds, Config::default()).await;
    let nobody = Subject { url: "http://127.0.0.1:9/<b>".to_owned(), ..trial.subject() };
    let report = conformance::run(&nobody).await.unwrap();
    assert!(!report.passed());
    let page = report.page();
    assert!(page.contains("nobody listens there"));
    assert!(page.contains("http://127.0.0.1:9/&lt;b&gt;") && !page.contains("<b>"), "{page}");
}
