//! Logs and metrics.

use crate::exit::Failure;
use infrastructure::config::Log;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Upper bounds of durations, in seconds: from a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 16] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of batch sizes.
const UNITS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// A metric: its name, type, labels, and description.
pub struct Metric {
    pub name: &'static str,
    pub kind: &'static str,
    pub labels: &'static str,
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: &'static str, labels: &'static str, help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

/// Every metric. `docs/METRICS.md` is made from this list, and a check compares it with the code.
pub const METRICS: &[Metric] = &[
    metric("milepost_api_connections", "gauge", "", "Client connections."),
    metric("milepost_api_held_bytes", "gauge", "", "Memory in bytes for bodies, rows and responses of requests."),
    metric("milepost_api_internal_errors_total", "counter", "", "Requests that failed with an internal error."),
    metric("milepost_api_overloads_total", "counter", "`limit`", "Requests rejected because of overload."),
    metric("milepost_api_request_duration_seconds", "histogram", "", "Time to execute a GraphQL request."),
    metric("milepost_api_requests", "gauge", "", "Requests in progress, until their responses are written."),
    metric("milepost_api_write_timeouts_total", "counter", "", "Connections closed because the client did not read its response."),
    metric("milepost_append_batch_units", "histogram", "", "Commands that one statement appended."),
    metric("milepost_append_duration_seconds", "histogram", "", "Time of one append statement."),
    metric("milepost_append_events_total", "counter", "", "Events that this node appended."),
    metric("milepost_append_lost_total", "counter", "", "Append statements whose response was lost; they are retried."),
    metric("milepost_append_overloaded_total", "counter", "", "Commands rejected because too many were waiting."),
    metric("milepost_command_duration_seconds", "histogram", "`command`, `outcome`", "Time to execute a command, by result."),
    metric(
        "milepost_database_renewals_total",
        "counter",
        "",
        "Number of times PostgreSQL was restarted or replaced, so that this node read its state again.",
    ),
    metric(
        "milepost_leases_released_total",
        "counter",
        "",
        "Leases that this node released because it made no progress although there \
        was work.",
    ),
    metric("milepost_log_looks_total", "counter", "", "Number of times this node read the head of the log."),
    metric("milepost_log_position_events", "gauge", "", "Head of the log as known to this node."),
    metric(
        "milepost_notice",
        "gauge",
        "`name`",
        "Number of problems and notices in this node's `/readyz`, by name; updated every 5 seconds. `docs/FAILURES.md` explains each name.",
    ),
    metric("milepost_projection_batch_duration_seconds", "histogram", "`projection`", "Time to apply a batch of events to a read model."),
    metric("milepost_projection_events_total", "counter", "`projection`", "Events that this node applied to a read model."),
    metric(
        "milepost_projection_lag_events",
        "gauge",
        "`projection`",
        "Number of events by which a read model is behind the log, on the node that maintains it.",
    ),
    metric(
        "milepost_projection_parked_events_total",
        "counter",
        "`projection`",
        "Parked events of a read model: those that could not be applied, and those that wait behind them.",
    ),
    metric(
        "milepost_reaction_lag_events",
        "gauge",
        "`reaction`",
        "Number of events by which a reaction is behind the log, on the node \
        that runs it.",
    ),
    metric(
        "milepost_reaction_parked_events",
        "gauge",
        "`reaction`",
        "Parked events of a reaction: those that could not be processed, and those of the same aggregate that wait behind them.",
    ),
    metric("milepost_relay_events_total", "counter", "", "Events that this node published to Kafka."),
    metric(
        "milepost_relay_lag_events",
        "gauge",
        "",
        "Number of events by which Kafka is behind the log, on the node that runs the relay; NaN on other nodes and if unknown.",
    ),
    metric(
        "milepost_relay_refused",
        "gauge",
        "`reason`",
        "1 if the relay of this node has stopped for this reason: its record on Kafka does not match the log.",
    ),
    metric("milepost_relay_transaction_duration_seconds", "histogram", "", "Time of one transaction on Kafka."),
    metric("milepost_relay_troubles_total", "counter", "", "Number of times the relay to Kafka was stuck."),
    metric(
        "milepost_scheduler_aside_schedules",
        "gauge",
        "",
        "Schedules that were ticked but are still listed as due; they are ignored until their rows change.",
    ),
    metric(
        "milepost_scheduler_failed_ticks_total",
        "counter",
        "",
        "Ticks that failed although the log accepted other commands; they are retried with increasing delays.",
    ),
    metric("milepost_scheduler_firings_total", "counter", "", "Deadline events that this node fired."),
    metric("milepost_scheduler_lateness_seconds", "histogram", "", "Delay between the due time of a deadline event and its firing."),
];

/// Starts writing log lines to standard error. Only the first call counts.
pub fn start_log(log: &Log) -> Result<(), Failure> {
    let unreadable = |error| {
        let filter = &log.filter;
        Failure::wrong_use(format!("MILEPOST_LOG is {filter:?}: expected levels by place, such as info,sqlx=warn: {error}"))
    };
    EnvFilter::try_new(&log.filter).map_err(unreadable)?;
    // librdkafka logs its own retries; the relay reports their consequences.
    let filter = format!("{},rdkafka=error,librdkafka=error", log.filter);
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match log.format.as_str() {
        "json" => lines.json().flatten_event(true).try_init(),
        _ => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
    Ok(())
}

/// The metrics of this process.
pub fn metrics() -> &'static PrometheusHandle {
    static METRICS_HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS_HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_units".to_owned()), &UNITS))
            .map(PrometheusBuilder::build_recorder)
            .expect("the buckets are not empty");
        let handle = recorder.handle();
        // A second recorder would be a second process.
        let _ = metrics::set_global_recorder(recorder);
        for metric in METRICS {
            match metric.kind {
                "counter" => metrics::describe_counter!(metric.name, metric.help),
                "gauge" => metrics::describe_gauge!(metric.name, metric.help),
                _ => metrics::describe_histogram!(metric.name, metric.help),
            }
        }
        handle
    })
}
