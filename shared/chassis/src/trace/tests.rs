//! Contexts that travel, and garbage that does not.

use http::HeaderMap;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::{Subscriber, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

use super::{TraceContext, current, extract, inject, link, of, set_parent, trace_id};
use crate::telemetry::{TelemetryConfig, provider, spans};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn outside() -> TraceContext {
    TraceContext { traceparent: PARENT.to_owned(), tracestate: Some("vendor=1".to_owned()) }
}

fn unsent() -> impl Subscriber {
    let provider = provider("inn", &TelemetryConfig::default()).unwrap();
    tracing_subscriber::registry().with(spans("inn", &provider))
}

/// The provider must outlive what it keeps: the exporter forgets everything when that is dropped.
fn kept() -> (impl Subscriber, InMemorySpanExporter, SdkTracerProvider) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    (tracing_subscriber::registry().with(spans("inn", &provider)), exporter, provider)
}

#[test]
fn ids_are_there_without_a_collector_and_go_through_headers() {
    tracing::subscriber::with_default(unsent(), || {
        let span = info_span!("outer");
        let _entered = span.enter();
        let here = current().expect("a span has a context");
        assert_eq!(here.trace_id(), trace_id(&span));

        let mut headers = HeaderMap::new();
        inject(&mut headers);
        assert_eq!(extract(&headers).unwrap().traceparent, here.traceparent);

        let child = info_span!("inner");
        assert_eq!(trace_id(&child), trace_id(&span));
        assert_ne!(of(&child), of(&span));
    });
}

#[test]
fn a_span_continues_the_trace_it_was_called_from() {
    for subscriber in [Box::new(unsent()) as Box<dyn Subscriber + Send + Sync>, Box::new(kept().0)]
    {
        tracing::subscriber::with_default(subscriber, || {
            let span = info_span!("request");
            set_parent(&span, &outside());
            assert_eq!(trace_id(&span).as_deref(), Some(TRACE));
        });
    }
}

#[test]
fn the_vendors_state_travels_along() {
    let (subscriber, ..) = kept();
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("request");
        set_parent(&span, &outside());
        let context = of(&span).unwrap();
        assert!(context.traceparent.starts_with(&format!("00-{TRACE}-")));
        assert!(!context.traceparent.contains("00f067aa0ba902b7"), "it has a span id of its own");
    });
}

#[test]
fn a_context_survives_a_row() {
    let text = serde_json::to_string(&outside()).unwrap();
    assert_eq!(serde_json::from_str::<TraceContext>(&text).unwrap(), outside());
    let short: TraceContext =
        serde_json::from_str(&format!("{{\"traceparent\":\"{PARENT}\"}}")).unwrap();
    assert_eq!(short.tracestate, None);
    assert_eq!(short.trace_id().as_deref(), Some(TRACE));
}

#[test]
fn garbage_is_no_context_and_no_error() {
    let zeros = "00-00000000000000000000000000000000-0000000000000000-01";
    let cut = PARENT.get(..40).unwrap();
    for garbage in ["", "00", "----", zeros, cut, "ff-x-y-z", "\u{1F3E8}", &"9".repeat(10_000)] {
        let context = TraceContext { traceparent: garbage.to_owned(), tracestate: None };
        assert_eq!(context.trace_id(), None, "{garbage}");
        tracing::subscriber::with_default(unsent(), || {
            let span = info_span!("request");
            set_parent(&span, &context);
            link(&span, &context);
            assert!(trace_id(&span).is_some_and(|id| id != TRACE), "{garbage}");
        });
    }
    let odd_state = TraceContext { tracestate: Some("=,=;\n".to_owned()), ..outside() };
    assert_eq!(odd_state.trace_id().as_deref(), Some(TRACE));
}

#[test]
fn garbage_in_headers_is_as_good_as_nothing() {
    let mut headers = HeaderMap::new();
    assert_eq!(extract(&headers), None);
    headers.insert("traceparent", "not one".parse().unwrap());
    assert_eq!(extract(&headers), None);
    headers.insert("traceparent", http::HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(extract(&headers), None);
}

#[test]
fn a_link_points_at_another_trace_and_does_not_join_it() {
    let (subscriber, exporter, _provider) = kept();
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("sweep");
        link(&span, &outside());
        assert_ne!(trace_id(&span).as_deref(), Some(TRACE));
    });
    let spans = exporter.get_finished_spans().unwrap();
    let links: Vec<_> = spans[0].links.iter().map(|link| link.span_context.trace_id()).collect();
    assert_eq!(links.iter().map(ToString::to_string).collect::<Vec<_>>(), [TRACE]);
}

#[test]
fn outside_a_span_there_is_nothing_to_send() {
    let mut headers = HeaderMap::new();
    tracing::subscriber::with_default(unsent(), || inject(&mut headers));
    assert!(headers.is_empty());
    assert_eq!(current(), None);
}
