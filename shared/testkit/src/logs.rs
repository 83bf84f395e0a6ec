//! A watched log: an ERROR line says that a person must look, so a test that logged one it did not
//! announce fails.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, OnceLock, PoisonError},
};

pub use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::{Event, Level, Subscriber, field::Visit, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, filter::Targets, layer::Context, layer::SubscriberExt as _, registry::LookupSpan,
};

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static SPANS: OnceLock<InMemorySpanExporter> = OnceLock::new();

/// Watches the log until it is dropped.
#[derive(Debug, Default)]
pub struct Logs {
    expected: Mutex<Vec<String>>,
}

/// Puts the watcher in place, once a process. Lines go to the test's output at `HOLDFAST_TEST_LOG`
/// (a filter; WARN without it); finished spans are kept in memory.
pub fn install() {
    SPANS.get_or_init(|| {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let filter =
            std::env::var("HOLDFAST_TEST_LOG").unwrap_or_else(|_| "warn,lapin=off".to_owned());
        let filter: Targets = filter.parse().expect("HOLDFAST_TEST_LOG is a filter");
        let lines = tracing_subscriber::fmt::layer().with_test_writer().with_filter(filter);
        let watched =
            Targets::new().with_default(LevelFilter::ERROR).with_target("lapin", LevelFilter::OFF);
        let subscriber = tracing_subscriber::registry()
            .with(chassis::telemetry::spans("test", &provider))
            .with(lines)
            .with(Watcher.with_filter(watched));
        // A test that made a subscriber of its own keeps it.
        drop(tracing::subscriber::set_global_default(subscriber));
        exporter
    });
}

impl Logs {
    /// Watches from now on.
    #[must_use]
    pub fn watch() -> Self {
        install();
        Self::default()
    }

    /// Announces ERROR lines that have this in them.
    pub fn expect(&self, part: &str) {
        self.expected.lock().unwrap().push(part.to_owned());
    }

    /// The ERROR lines so far.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans that have ended.
    ///
    /// # Panics
    /// Never: the exporter is in memory.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        SPANS.get().map(|exporter| exporter.get_finished_spans().unwrap()).unwrap_or_default()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let expected = std::mem::take(&mut *self.expected.lock().unwrap());
        let mut errors =
            std::mem::take(&mut *ERRORS.lock().unwrap_or_else(PoisonError::into_inner));
        errors.retain(|line| !expected.iter().any(|part| line.contains(part)));
        assert!(errors.is_empty(), "ERROR lines that the test did not announce: {errors:#?}");
    }
}

struct Watcher;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watcher {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?} ").unwrap();
        } else {
            write!(self.0, "{}={value:?} ", field.name()).unwrap();
        }
    }
}
