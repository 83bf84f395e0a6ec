//! What is recorded, and where it goes.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    time::{Duration, Instant},
};

use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt as _;

use super::{Guard, TelemetryConfig, check_filter, provider, spans};

fn sending_to(addr: std::net::SocketAddr) -> TelemetryConfig {
    TelemetryConfig { otlp_url: Some(format!("http://{addr}/")), ..TelemetryConfig::default() }
}

/// Makes one span and takes telemetry down; says how long that took.
fn one_span(config: &TelemetryConfig) -> Duration {
    let provider = provider("inn", config).unwrap();
    let subscriber = tracing_subscriber::registry().with(spans("inn", &provider));
    tracing::subscriber::with_default(subscriber, || drop(info_span!("the only span")));
    let begun = Instant::now();
    Guard { provider }.flush();
    begun.elapsed()
}

#[test]
fn the_last_span_leaves_before_the_process_does() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = sending_to(collector.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let (mut stream, _) = collector.accept().unwrap();
        let mut request = vec![0; 64 * 1024];
        let mut length = 0;
        while !String::from_utf8_lossy(&request[..length]).contains("the only span") {
            length += stream.read(&mut request[length..]).unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    one_span(&config);
    let request = received.join().unwrap();
    assert!(request.starts_with("POST /v1/traces HTTP/1.1"), "{request}");
    assert!(request.contains("service.name") && request.contains("inn"), "{request}");
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let took = one_span(&sending_to(silent.local_addr().unwrap()));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_collector_that_is_away_does_not_hold_up_the_end() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let took = one_span(&sending_to(addr));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn filters_are_checked_before_they_are_used() {
    for good in ["info", "warn,booking=debug", "off", "lapin::channel=trace"] {
        assert_eq!(check_filter(good), Ok(()), "{good}");
    }
    assert!(check_filter("booking=loud").is_err());
}

#[test]
fn the_line_that_prints_message_bodies_stays_off() {
    use tracing::Level;
    let targets = super::parse_filter("trace,lapin=trace,lapin::returned_messages=trace").unwrap();
    assert!(targets.would_enable("lapin::channel", &Level::TRACE));
    assert!(!targets.would_enable("lapin::returned_messages", &Level::ERROR));
}
