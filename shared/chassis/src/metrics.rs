//! The closed list of what is counted and measured, shown at `GET /metrics` in Prometheus' text.
//!
//! Names are an enum, so a board or an alert can be checked against the code. Labels are few and of
//! few values (a supplier, a queue, an outcome): never an id, an address or a path as it came in.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// A label's name and value.
pub type Label<'a> = (&'static str, &'a str);

/// Declares the metrics of one kind with their names and what they say.
macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident = $name:literal, $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $(#[doc = $help] $variant,)*
        }

        impl $kind {
            /// All of them, for tests of boards and alerts.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that Prometheus sees.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it says, in one sentence.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$variant => $help,)*
                }
            }
        }
    };
}

names! {
    /// What only grows.
    Counter {
        HttpRequests = "holdfast_http_requests_total", "Requests answered, by method, route and status.";
        TasksPanicked = "holdfast_tasks_panicked_total", "Tasks and requests that panicked.";
        MessagesPublished = "holdfast_messages_published_total", "Messages the broker confirmed, by type.";
        MessagesHandled = "holdfast_messages_handled_total", "Deliveries handled, by consumer and verdict.";
        MessagesRetried = "holdfast_messages_retried_total", "Deliveries scheduled again, by consumer.";
        MessagesDead = "holdfast_messages_dead_total", "Deliveries given up, by consumer and cause.";
        MessagesReplayed = "holdfast_messages_replayed_total", "Dead letters sent again by staff.";
        Bookings = "holdfast_bookings_total", "Bookings that entered a phase, by phase.";
        SupplierCalls = "holdfast_supplier_calls_total", "Calls to suppliers, by supplier, operation and outcome.";
        SupplierUnknowns = "holdfast_supplier_unknowns_total", "Calls whose outcome is unknown, by supplier and operation.";
        DriftCases = "holdfast_drift_cases_total", "Differences found between us and a supplier, by supplier and kind.";
        CallbacksReceived = "holdfast_callbacks_received_total", "Webhooks received, by supplier and verdict.";
        CacheReads = "holdfast_cache_reads_total", "Reads of the availability cache, by supplier and result.";
        PaymentsSeen = "holdfast_payments_seen_total", "Transfers credited, by chain and asset.";
        BlocksLeft = "holdfast_blocks_left_total", "Blocks that left a chain, by chain.";
        JobsDone = "holdfast_jobs_done_total", "Things done by periodic jobs, by job.";
        JobsFailed = "holdfast_jobs_failed_total", "Steps of periodic jobs that failed, by job.";
        NotificationsSent = "holdfast_notifications_sent_total", "Notifications sent, by channel and outcome.";
    }
}

names! {
    /// What goes up and down.
    Gauge {
        OutboxWaiting = "holdfast_outbox_waiting", "Messages written and not yet confirmed by the broker.";
        OutboxOldest = "holdfast_outbox_oldest_seconds", "Age of the oldest message not yet confirmed.";
        RetriesWaiting = "holdfast_retries_waiting", "Deliveries that wait for their next attempt, by consumer.";
        DeadLettersParked = "holdfast_dead_letters_parked", "Dead letters that wait for a person, by queue.";
        QueueDepth = "holdfast_queue_depth", "Messages ready in a queue.";
        BrokerConnected = "holdfast_broker_connected", "1 while connected to the broker, by direction.";
        TimersDue = "holdfast_timers_due", "Timers that are due and not yet fired.";
        IntentsWaiting = "holdfast_intents_waiting", "Calls to suppliers that wait, by supplier and lane.";
        BreakerOpen = "holdfast_breaker_open", "1 while a circuit breaker is open, by supplier and what it guards.";
        ReviewsOpen = "holdfast_reviews_open", "Bookings that need a person, by reason.";
        StreamsOpen = "holdfast_streams_open", "Live event streams that are open.";
        ChainHeadAge = "holdfast_chain_head_age_seconds", "Age of the newest block known, by chain.";
        RateAge = "holdfast_rate_age_seconds", "Age of the newest rate, by asset.";
        PoolConnections = "holdfast_pool_connections", "Database connections, by state.";
        ClockOffset = "holdfast_clock_offset_seconds", "What is added to the database's clock; 0 outside tests.";
    }
}

names! {
    /// How long things take, or how large they are.
    Histogram {
        HttpSeconds = "holdfast_http_request_seconds", "Time to answer a request, by method and route.";
        HttpClientSeconds = "holdfast_http_client_seconds", "Time of a call to another service, by host.";
        SupplierSeconds = "holdfast_supplier_call_seconds", "Time of a call to a supplier, by supplier and operation.";
        HandleSeconds = "holdfast_handle_batch_seconds", "Time of one batch of deliveries, by consumer.";
        BatchSize = "holdfast_handle_batch_size", "Deliveries in one batch, by consumer.";
        PublishSeconds = "holdfast_publish_seconds", "Time from committed to confirmed.";
        BookingSeconds = "holdfast_booking_seconds", "Time from accepted to a phase, by phase.";
    }
}

const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0];
const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Adds to a counter.
pub fn add(counter: Counter, labels: &[Label<'_>], count: u64) {
    recorder();
    metrics::counter!(counter.name(), owned(labels)).increment(count);
}

/// Sets a gauge.
pub fn set(gauge: Gauge, labels: &[Label<'_>], value: f64) {
    recorder();
    metrics::gauge!(gauge.name(), owned(labels)).set(value);
}

/// Notes how long something took.
pub fn observe(histogram: Histogram, labels: &[Label<'_>], took: Duration) {
    observe_value(histogram, labels, took.as_secs_f64());
}

/// Notes how large something was.
pub fn observe_value(histogram: Histogram, labels: &[Label<'_>], value: f64) {
    recorder();
    metrics::histogram!(histogram.name(), owned(labels)).record(value);
}

/// Prints everything in Prometheus' text form.
#[must_use]
pub fn render() -> String {
    recorder().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds what histograms have gathered, so that they do not grow while nobody asks.
pub fn upkeep() {
    if let Some(handle) = recorder() {
        handle.run_upkeep();
    }
}

fn recorder() -> Option<&'static PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER.get_or_init(install).as_ref()
}

fn install() -> Option<PrometheusHandle> {
    let sizes = Matcher::Full(Histogram::BatchSize.name().to_owned());
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS).ok()?;
    let handle = builder.set_buckets_for_metric(sizes, &SIZES).ok()?.install_recorder().ok()?;
    for counter in Counter::ALL {
        metrics::describe_counter!(counter.name(), counter.help());
    }
    for gauge in Gauge::ALL {
        metrics::describe_gauge!(gauge.name(), gauge.help());
    }
    for histogram in Histogram::ALL {
        metrics::describe_histogram!(histogram.name(), histogram.help());
    }
    Some(handle)
}

fn owned(labels: &[Label<'_>]) -> Vec<metrics::Label> {
    labels.iter().map(|(name, value)| metrics::Label::new(*name, (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_was_counted_with_its_labels() {
        add(Counter::JobsDone, &[("job", "relay \"a\"")], 2);
        add(Counter::JobsDone, &[("job", "relay \"a\"")], 3);
        set(Gauge::TimersDue, &[], 7.0);
        observe(Histogram::PublishSeconds, &[], Duration::from_millis(7));
        let text = render();
        assert!(text.contains("holdfast_jobs_done_total{job=\"relay \\\"a\\\"\"} 5\n"), "{text}");
        assert!(text.contains("# TYPE holdfast_jobs_done_total counter"), "{text}");
        assert!(text.contains("holdfast_timers_due 7\n"), "{text}");
        assert!(text.contains("holdfast_publish_seconds_bucket{le=\"0.01\"} 1\n"), "{text}");
    }

    #[test]
    fn no_two_metrics_share_a_name() {
        let counters = Counter::ALL.iter().map(|metric| metric.name());
        let gauges = Gauge::ALL.iter().map(|metric| metric.name());
        let mut names: Vec<_> = counters.chain(gauges).collect();
        names.extend(Histogram::ALL.iter().map(|metric| metric.name()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
