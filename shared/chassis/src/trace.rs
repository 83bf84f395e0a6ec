//! The W3C trace context: across HTTP headers, message headers and rows, in and out of spans.
//!
//! Garbage from outside is no error: a context that cannot be read is as good as none.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::TextMapPropagator as _,
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header and row column that names the parent span.
pub const TRACEPARENT: &str = "traceparent";
/// The header and row column that carries what tracing vendors add.
pub const TRACESTATE: &str = "tracestate";

/// A place in a trace, as text that survives a queue or a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// Version, trace id, span id and flags, as W3C writes them.
    pub traceparent: String,
    /// What tracing vendors add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// Gives the trace id, 32 hex digits, or none when the context is garbage.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        self.span_context().map(|context| context.trace_id().to_string())
    }

    fn span_context(&self) -> Option<SpanContext> {
        let context = self.to_otel();
        let span = context.span();
        let span_context = span.span_context();
        span_context.is_valid().then(|| span_context.clone())
    }

    fn to_otel(&self) -> Context {
        let mut carrier = Carrier::default();
        carrier.0.insert(TRACEPARENT, self.traceparent.clone());
        if let Some(tracestate) = &self.tracestate {
            carrier.0.insert(TRACESTATE, tracestate.clone());
        }
        TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
    }

    fn of_otel(context: &Context) -> Option<Self> {
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut carrier = Carrier::default();
        TraceContextPropagator::new().inject_context(context, &mut carrier);
        let traceparent = carrier.0.remove(TRACEPARENT)?;
        let tracestate = carrier.0.remove(TRACESTATE).filter(|state| !state.is_empty());
        Some(Self { traceparent, tracestate })
    }
}

/// Says where in a trace the caller is, if it is in one.
#[must_use]
pub fn current() -> Option<TraceContext> {
    of(&Span::current())
}

/// Says where in a trace a span is.
#[must_use]
pub fn of(span: &Span) -> Option<TraceContext> {
    TraceContext::of_otel(&span.context())
}

/// Gives a span's trace id, 32 hex digits.
#[must_use]
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_valid().then(|| span_context.trace_id().to_string())
}

/// Makes a span a child of what came from outside. Call it before the span is entered.
///
/// A garbage context leaves the span the root of a trace of its own.
pub fn set_parent(span: &Span, parent: &TraceContext) {
    if parent.span_context().is_some() {
        // A span that is switched off has no parent to set.
        drop(span.set_parent(parent.to_otel()));
    }
}

/// Links a span to another one that is not its parent: timers, sweeps, batches, replays.
pub fn link(span: &Span, other: &TraceContext) {
    if let Some(context) = other.span_context() {
        span.add_link(context);
    }
}

/// Puts the current context into the headers of a request that goes out.
pub fn inject(headers: &mut HeaderMap) {
    let Some(context) = current() else { return };
    put(headers, TRACEPARENT, Some(context.traceparent));
    put(headers, TRACESTATE, context.tracestate);
}

/// Reads the context of a request that came in; none when it is absent or garbage.
#[must_use]
pub fn extract(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let context = TraceContext { traceparent: text(TRACEPARENT)?, tracestate: text(TRACESTATE) };
    context.span_context().is_some().then_some(context)
}

fn put(headers: &mut HeaderMap, name: &'static str, value: Option<String>) {
    if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

#[derive(Default)]
struct Carrier(BTreeMap<&'static str, String>);

impl opentelemetry::propagation::Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => drop(self.0.insert(TRACEPARENT, value)),
            TRACESTATE => drop(self.0.insert(TRACESTATE, value)),
            _ => {}
        }
    }
}

impl opentelemetry::propagation::Extractor for Carrier {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
