//! The demo on a stack of its own: it tells hostile journeys, compares, and says so in one line.

use e2e::{Options, Profile, Stack};

/// Row: K3
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_meets_a_hostile_supplier_a_reorg_and_a_kill_and_reports_that_nothing_is_wrong() {
    let options = Options { profile: Profile::Demo, coins: true, ..Options::test("k3") };
    let stack = Stack::start(options).await.unwrap();
    let mut demo = tokio::process::Command::new(stack.bin().join("demo"));
    demo.args(["--once", "--json", "--stack", "k3"]).kill_on_drop(true);
    // One of each kind; those that wait for long, or have a test of their own, are left out.
    let journeys = [
        "card",
        "Bitcoin",
        "a flight",
        "times out",
        "contradicts",
        "refuses",
        "a payment undone",
        "a settled payment",
        "spoilt",
        "killed",
    ];
    for journey in journeys {
        demo.args(["--only", journey]);
    }
    let demo = demo.output().await.unwrap();
    let said = String::from_utf8_lossy(&demo.stdout).into_owned();
    let progress = String::from_utf8_lossy(&demo.stderr).into_owned();
    assert!(demo.status.success(), "{progress}\n{said}");
    let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(summary["bookings"], journeys.len(), "{said}");
    assert_eq!(summary["confirmed"], journeys.len() - 1, "{said}");
    assert_eq!(summary["undone"], 1, "{said}");
    assert_eq!(summary["traces_complete"], journeys.len(), "{said}");
    for wrong in ["review", "lost", "double", "orphaned", "overcharged"] {
        assert_eq!(summary[wrong], 0, "{said}");
    }
    // Who was asked how often, and what the cache saved: of each that sells stays.
    for supplier in ["rapid", "etg", "neutral"] {
        let line = said.lines().find(|line| line.trim_start().starts_with(supplier)).unwrap();
        let figures: Vec<u64> =
            line.split_whitespace().skip(1).map_while(|figure| figure.parse().ok()).collect();
        let [searches, asked, saved, ..] = figures[..] else { panic!("{line}") };
        assert!(asked > 0 && searches == asked + saved && saved >= 15, "{line}");
    }
    assert!(progress.matches('✓').count() == journeys.len(), "{progress}");
    stack.stop().await.unwrap();
}
