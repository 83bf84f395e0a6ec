//! The command as a partner types it.

use std::{process::Output, time::Duration};

use conformance::StandIn;
use contracts::supplier::Supplier;
use doubles::{Config, Doubles, EtgConfig};
use tokio::process::Command;

async fn conformance(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(arguments).env_remove("CONFORMANCE_SECRET").output().await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Row: L8
#[tokio::test]
async fn what_is_no_base_url_or_no_dialect_is_refused_before_anything_is_asked() {
    let urls = ["127.0.0.1:31877/neutral", "ftp://x/y", "not-a-url", "http://", "http://x/?y"];
    for url in urls {
        let refused = conformance(&[url, "--dialect", "neutral"]).await;
        assert_eq!(refused.status.code(), Some(2), "{url} {}", text(&refused.stdout));
        assert!(text(&refused.stderr).contains("this is no base URL"), "{url}");
    }
    let refused = conformance(&["http://127.0.0.1:9/x", "--dialect", "sabre"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(said.contains("rapid, etg, hotelbeds, duffel, neutral"), "{said}");
}

/// Row: L8
#[tokio::test]
async fn every_stand_in_passes_as_it_starts_without_any_option() {
    // As the process starts: a booking takes it a moment.
    let etg = EtgConfig { booking_takes: Duration::from_millis(300), ..EtgConfig::default() };
    let config = Config { etg, ..Config::default() };
    let doubles = Doubles::start("127.0.0.1:0".parse().unwrap(), config).await.unwrap();
    let help = text(&conformance(&["--help"]).await.stdout);
    let trials = Supplier::ALL.map(|supplier| {
        let (url, help) = (format!("{}/{supplier}", doubles.base_url()), &help);
        async move {
            let tried = conformance(&[&url, "--dialect", supplier.word()]).await;
            assert!(tried.status.success(), "{supplier}\n{}", text(&tried.stdout));
            let StandIn { key, secret, what } = StandIn::of(supplier);
            for word in [supplier.word(), key, secret, what] {
                assert!(help.contains(word), "{word}: {help}");
            }
        }
    });
    futures::future::join_all(trials).await;
}
