//! Log lines as they are written.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing::{info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::JsonLines;
use crate::{
    telemetry::{TelemetryConfig, provider, spans},
    trace,
};

/// Runs some work and gives back the lines it logged.
fn lines(work: impl FnOnce()) -> Vec<Value> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&written);
    let layer = JsonLines::new("inn", move |line| out.lock().unwrap().extend_from_slice(line));
    let provider = provider("inn", &TelemetryConfig::default()).unwrap();
    let subscriber = tracing_subscriber::registry().with(spans("inn", &provider)).with(layer);
    tracing::subscriber::with_default(subscriber, work);
    let bytes = written.lock().unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_has_its_fields_those_of_its_spans_and_the_trace() {
    let mut trace_id = None;
    let lines = lines(|| {
        let outer = info_span!("request", otel.name = "GET /", booking.id = "b-1", attempt = 1);
        let _outer = outer.enter();
        let inner = info_span!("step", attempt = 2, late = tracing::field::Empty);
        inner.record("late", true);
        let _inner = inner.enter();
        info!(supplier = "rapid", took_ms = 12_u64, "the supplier answered");
        trace_id = trace::trace_id(&inner);
    });
    let line = &lines[0];
    assert_eq!(line["message"], "the supplier answered");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["service"], "inn");
    assert_eq!(line["trace_id"].as_str(), trace_id.as_deref());
    assert_eq!(line["booking.id"], "b-1");
    assert_eq!(line["attempt"], 2);
    assert_eq!(line["late"], true);
    assert_eq!(line["supplier"], "rapid");
    assert_eq!(line["took_ms"], 12);
    assert_eq!(line.get("otel.name"), None);
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
}

#[test]
fn a_line_outside_a_span_has_no_trace() {
    let lines = lines(|| info!("up"));
    assert_eq!(lines[0].get("trace_id"), None);
}

#[test]
fn nothing_a_stranger_sends_breaks_out_of_its_field() {
    let evil = "\"}\n{\"level\":\"ERROR\",\"message\":\"forged\u{2028}\u{0}";
    let lines = lines(|| warn!(name = evil, "an odd name: {evil}"));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["name"], evil);
}

#[test]
fn errors_are_written_with_all_their_causes() {
    let lines = lines(|| {
        let cause = std::io::Error::other("connection refused");
        let error = crate::telemetry::TelemetryError::Filter("x".to_owned());
        warn!(error = &error as &(dyn std::error::Error + 'static), "odd");
        warn!(error = &cause as &(dyn std::error::Error + 'static), "odder");
    });
    assert_eq!(lines[0]["error"], "the log filter `x` is not one");
    assert_eq!(lines[1]["error"], "connection refused");
}
