//! One JSON object a line: when, how bad, what, the trace, then the fields of the event and of the
//! spans around it (the inner one wins).

use std::{fmt, io::Write as _, sync::OnceLock};

use opentelemetry::trace::TraceContextExt as _;
use serde_json::{Map, Value};
use tracing::{
    Dispatch, Event, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    Layer,
    fmt::{format::Writer, time::FormatTime as _},
    layer::Context,
    registry::LookupSpan,
};

/// Where finished lines go.
type Out = Box<dyn Fn(&[u8]) + Send + Sync>;

/// The layer that writes the lines.
pub(super) struct JsonLines {
    service: &'static str,
    out: Out,
    dispatch: OnceLock<WeakDispatch>,
}

/// The fields of a span, kept beside it until an event wants them, which is seldom: so a list is
/// enough, and what no line shows is not kept.
struct SpanFields(Vec<(&'static str, Value)>);

/// What only steers the tracer, or repeats under the names of a convention what has a short one,
/// says nothing on a line.
const FOR_TRACES_ALONE: [&str; 3] = ["otel.", "messaging.", "url.full"];

impl JsonLines {
    pub(super) fn to_stdout(service: &'static str) -> Self {
        Self::new(service, |line| {
            // Nobody to tell when stdout is gone.
            drop(std::io::stdout().lock().write_all(line));
        })
    }

    pub(super) fn new(service: &'static str, out: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self { service, out: Box::new(out), dispatch: OnceLock::new() }
    }

    fn trace_of(&self, id: &span::Id) -> Option<(String, String)> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        let context = tracing_opentelemetry::get_otel_context(id, &dispatch)?;
        let span = context.span().span_context().clone();
        span.is_valid().then(|| (span.trace_id().to_string(), span.span_id().to_string()))
    }

    fn line(
        &self,
        event: &Event<'_>,
        fields: Map<String, Value>,
        id: Option<&span::Id>,
    ) -> Vec<u8> {
        let meta = event.metadata();
        let mut fields = fields;
        let mut line = String::from("{");
        let mut put = |key: &str, value: Value| {
            let comma = if line.len() == 1 { "" } else { "," };
            line += &format!("{comma}{}:{value}", Value::from(key));
        };
        put("time", now().into());
        put("level", meta.level().as_str().into());
        put("service", self.service.into());
        put("message", fields.remove("message").unwrap_or_default());
        if let Some((trace_id, span_id)) = id.and_then(|id| self.trace_of(id)) {
            put("trace_id", trace_id.into());
            put("span_id", span_id.into());
        }
        put("target", meta.target().into());
        for (key, value) in fields {
            put(&key, value);
        }
        line += "}\n";
        line.into_bytes()
    }
}

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        // The first one stays: a layer belongs to one subscriber.
        drop(self.dispatch.set(dispatch.downgrade()));
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut fields = SpanFields(Vec::new());
        attributes.record(&mut fields);
        span.extensions_mut().replace(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<SpanFields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Map::new();
        let innermost = ctx.event_span(event).map(|span| span.id());
        for span in ctx.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<SpanFields>() {
                let of_span = of_span.0.iter();
                fields.extend(of_span.map(|(key, value)| ((*key).to_owned(), value.clone())));
            }
        }
        let mut own = SpanFields(Vec::new());
        event.record(&mut own);
        fields.extend(own.0.into_iter().map(|(key, value)| (key.to_owned(), value)));
        (self.out)(&self.line(event, fields, innermost.as_ref()));
    }
}

impl SpanFields {
    /// Keeps a field; made only if it is kept. A later value is found behind an earlier one, and
    /// counts.
    fn put<V: Into<Value>>(&mut self, field: &Field, value: impl FnOnce() -> V) {
        let name = field.name();
        if FOR_TRACES_ALONE.iter().all(|prefix| !name.starts_with(prefix)) {
            self.0.push((name, value().into()));
        }
    }
}

impl Visit for SpanFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, || value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, || value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, || value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, || value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, || crate::chain::chain(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, || format!("{value:?}"));
    }
}

fn now() -> String {
    let mut text = String::new();
    match tracing_subscriber::fmt::time::SystemTime.format_time(&mut Writer::new(&mut text)) {
        Ok(()) => text,
        Err(fmt::Error) => String::new(),
    }
}

#[cfg(test)]
mod tests;
