//! Brings tracing up and flushes it down: JSON log lines on stdout, spans to an OTLP collector.
//!
//! Every span has a trace id whether a collector is configured or not, because log lines and
//! messages carry it. A collector that is away, slow or wrong never holds up the work: spans wait
//! in a bounded queue and are dropped beyond it.

use std::{panic::PanicHookInfo, str::FromStr, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer,
    filter::{FilterExt as _, Targets, filter_fn},
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

mod json_lines;

/// Where traces go and what is logged.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// The base address of an OTLP/HTTP collector; without one, spans are made but not sent.
    pub otlp_url: Option<String>,
    /// The share of traces that is sent, chosen by trace id and so alike in all services.
    pub share: f64,
    /// `level` or `target=level`, separated by commas.
    pub log_filter: String,
    /// What a line looks like.
    pub log_format: LogFormat,
}

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Pretty,
}

/// Keeps telemetry up; flushes it when it is dropped.
#[derive(Debug)]
#[must_use = "telemetry goes down with its guard"]
pub struct Guard {
    provider: SdkTracerProvider,
}

/// Telemetry could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("the log filter `{0}` is not one")]
    Filter(String),
    /// The exporter refuses its address.
    #[error("cannot send spans to the configured collector")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The client that would send the spans cannot be made.
    #[error("cannot make the client of the collector")]
    Client(#[source] Option<reqwest::Error>),
    /// Somebody was first.
    #[error("telemetry is up already")]
    UpAlready(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// How many ended spans wait for the collector; some ten seconds of a busy service.
const SPANS_WAITING_MAX: usize = 16 * 1024;
/// How long the last spans may take to leave, because somebody waits for the process to end.
const FLUSH_FOR: Duration = Duration::from_secs(3);
/// Lines of libraries that tell an operator nothing, or print whole messages.
const QUIET: &str = "hyper=warn,h2=warn,lapin=error,sqlx=warn,rustls=warn,opentelemetry=warn";
/// Prints the body of a message that no queue took, so it stays off whatever the filter says.
const NEVER_LOGGED: &str = "lapin::returned_messages";

/// Brings up logging and tracing for the whole process.
///
/// # Errors
///
/// [`TelemetryError`] when the filter or the address is wrong, or when it is up already.
pub fn init(name: &'static str, config: &TelemetryConfig) -> Result<Guard, TelemetryError> {
    let provider = provider(name, config)?;
    let subscriber =
        tracing_subscriber::registry().with(spans(name, &provider)).with(lines(name, config)?);
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::UpAlready)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(Guard { provider })
}

/// Makes what turns spans into ids and, with an address configured, sends them.
///
/// # Errors
///
/// [`TelemetryError::Exporter`] when the address is wrong.
pub fn provider(
    name: &'static str,
    config: &TelemetryConfig,
) -> Result<SdkTracerProvider, TelemetryError> {
    let builder = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(name).build());
    let Some(url) = &config.otlp_url else {
        // Ids are made for spans that are not recorded, too; recording them would be for nobody.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(collector_client()?)
        .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
        .with_timeout(FLUSH_FOR)
        .build()
        .map_err(TelemetryError::Exporter)?;
    let batch = BatchConfigBuilder::default()
        .with_max_queue_size(SPANS_WAITING_MAX)
        .with_scheduled_delay(Duration::from_secs(1))
        .build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batch).build();
    // By trace id alone: a caller's flag cannot switch our traces off, and all services agree.
    let sampler = Sampler::TraceIdRatioBased(config.share);
    Ok(builder.with_sampler(sampler).with_span_processor(processor).build())
}

/// Makes the layer that gives spans their ids; tests put it into a subscriber of their own.
pub fn spans<S>(name: &'static str, provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // Libraries below HTTP and AMQP make spans of their own; with them the exporter would trace
    // itself, and every trace would be ten times as long.
    let wanted = Targets::new().with_default(LevelFilter::INFO).with_targets(
        [
            "hyper",
            "hyper_util",
            "h2",
            "reqwest",
            "lapin",
            "sqlx",
            "rustls",
            "tower",
            "opentelemetry",
        ]
        .map(|target| (target, LevelFilter::OFF)),
    );
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        .with_threads(false)
        .with_location(false)
        .with_tracked_inactivity(false)
        // A span's parent is the span around it; nothing here asks for OpenTelemetry's "current".
        .with_context_activation(false)
        .with_filter(wanted)
}

/// Says whether a text is a log filter.
///
/// # Errors
///
/// A sentence that says it is not.
pub fn check_filter(filter: &str) -> Result<(), String> {
    parse_filter(filter).map(drop).map_err(|error| error.to_string())
}

impl Guard {
    /// Sends the spans that wait, for at most three seconds.
    pub fn flush(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A collector that is away is no reason to end with a failure; its absence was logged.
        drop(self.provider.shutdown_with_timeout(FLUSH_FOR));
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_url: None,
            share: 1.0,
            log_filter: "info".to_owned(),
            log_format: LogFormat::Json,
        }
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err("wanted json or pretty"),
        }
    }
}

fn lines<S>(
    name: &'static str,
    config: &TelemetryConfig,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // The filter is for lines. Spans pass whatever it says, or lines would lose their fields.
    let spans_too = filter_fn(|meta| meta.is_span() && *meta.level() <= tracing::Level::INFO);
    let filter =
        parse_filter(&config.log_filter)?.or(spans_too.with_max_level_hint(LevelFilter::INFO));
    Ok(match config.log_format {
        LogFormat::Json => json_lines::JsonLines::to_stdout(name).with_filter(filter).boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().with_filter(filter).boxed(),
    })
}

fn parse_filter(filter: &str) -> Result<Targets, TelemetryError> {
    format!("{QUIET},{filter}")
        .parse::<Targets>()
        .map(|targets| targets.with_target(NEVER_LOGGED, LevelFilter::OFF))
        .map_err(|_parse| TelemetryError::Filter(filter.to_owned()))
}

/// Makes the exporter's client: without the environment's proxies, and on a thread of its own,
/// because a blocking client may not be made inside a runtime.
fn collector_client() -> Result<reqwest::blocking::Client, TelemetryError> {
    let builder = reqwest::blocking::Client::builder().no_proxy();
    let made = std::thread::spawn(|| builder.build()).join();
    let made = made.map_err(|_panic| TelemetryError::Client(None))?;
    made.map_err(|error| TelemetryError::Client(Some(error)))
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let what = info.payload_as_str().unwrap_or("a panic without a text");
    tracing::error!(panic.place = place, panic.what = what, "a task panicked");
}

#[cfg(test)]
mod tests;
