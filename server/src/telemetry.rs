//! Logs and figures.

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

/// A figure: its name, what kind it is, its labels, and what it says.
pub struct Metric {
    pub name: &'static str,
    pub kind: &'static str,
    pub labels: &'static str,
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: &'static str, labels: &'static str, help: &'static str) -> Metric {
    Metric { name, kind, labels, help }
}

/// Every figure. `docs/METRICS.md` is made from this list, and a check compares it with the code.
pub const METRICS: &[Metric] = &[
    metric("milepost_api_connections", "gauge", "", "Connections of clients."),
    metric("milepost_api_held_bytes", "gauge", "", "Bytes of bodies, rows and answers that are in memory for requests."),
    metric("milepost_api_internal_errors_total", "counter", "", "Requests that met something the service cannot handle."),
    metric("milepost_api_overloads_total", "counter", "`limit`", "Requests turned away because too much was under way."),
    metric("milepost_api_request_duration_seconds", "histogram", "", "Time to execute a GraphQL request."),
    metric("milepost_api_requests", "gauge", "", "Requests under way, until their answers are written."),
    metric("milepost_api_write_timeouts_total", "counter", "", "Connections closed because the client did not take its answer."),
    metric("milepost_append_batch_units", "histogram", "", "Commands that one statement appended."),
    metric("milepost_append_duration_seconds", "histogram", "", "Time of one append statement."),
    metric("milepost_append_events_total", "counter", "", "Events that this node appended."),
    metric("milepost_append_lost_total", "counter", "", "Append statements whose answer was lost; they are sent again."),
    metric("milepost_append_overloaded_total", "counter", "", "Commands turned away because too many were waiting."),
    metric("milepost_command_duration_seconds", "histogram", "`command`, `outcome`", "Time to carry out a command, by what came of it."),
    metric(
        "milepost_database_renewals_total",
        "counter",
        "",
        "How often PostgreSQL was found to be restarted or replaced, so that this node read again what it held in memory.",
    ),
    metric("milepost_leases_released_total", "counter", "", "Leases that this node released because there was work and no progress."),
    metric("milepost_log_looks_total", "counter", "", "How often this node read where the log ends."),
    metric("milepost_log_position_events", "gauge", "", "Where the log ends, as far as this node knows."),
    metric(
        "milepost_notice",
        "gauge",
        "`name`",
        "How many notices of a name this node's `/readyz` has, as problems or notices; looked at every 5 seconds. `docs/FAILURES.md` explains each name.",
    ),
    metric("milepost_projection_batch_duration_seconds", "histogram", "`projection`", "Time to take a batch of events into a read model."),
    metric("milepost_projection_events_total", "counter", "`projection`", "Events that this node took into a read model."),
    metric(
        "milepost_projection_lag_events",
        "gauge",
        "`projection`",
        "How many events a read model is behind the log, on the node that keeps it.",
    ),
    metric(
        "milepost_projection_parked_events_total",
        "counter",
        "`projection`",
        "Events that a read model could not take in, and those that wait behind them.",
    ),
    metric("milepost_reaction_lag_events", "gauge", "`reaction`", "How many events a reaction is behind the log, on the node that reacts."),
    metric(
        "milepost_reaction_parked_events",
        "gauge",
        "`reaction`",
        "Events that a reaction could not deal with, and those that wait behind them in their aggregate.",
    ),
    metric("milepost_relay_events_total", "counter", "", "Events that this node brought to Kafka."),
    metric(
        "milepost_relay_lag_events",
        "gauge",
        "",
        "How many events Kafka is behind the log, on the node that relays; NaN on the others, and where it is not known.",
    ),
    metric(
        "milepost_relay_refused",
        "gauge",
        "`reason`",
        "1 where the relay of this node refuses to send for this reason: its record on Kafka and the log do not agree.",
    ),
    metric("milepost_relay_transaction_duration_seconds", "histogram", "", "Time of one transaction on Kafka."),
    metric("milepost_relay_troubles_total", "counter", "", "How often the relay to Kafka could not get on."),
    metric(
        "milepost_scheduler_aside_schedules",
        "gauge",
        "",
        "Schedules that were ticked, are still listed as due and wait for their row to change.",
    ),
    metric(
        "milepost_scheduler_failed_ticks_total",
        "counter",
        "",
        "Ticks that failed although the log took other commands; each is sent again, later and later.",
    ),
    metric("milepost_scheduler_firings_total", "counter", "", "Deadline events that this node fired."),
    metric("milepost_scheduler_lateness_seconds", "histogram", "", "Time from the moment of a deadline event to its firing."),
];

/// Starts writing log lines to standard error. Only the first call counts.
pub fn start_log(log: &Log) -> Result<(), Failure> {
    let unreadable = |error| {
        let filter = &log.filter;
        Failure::wrong_use(format!("MILEPOST_LOG is {filter:?}: expected levels by place, such as info,sqlx=warn: {error}"))
    };
    EnvFilter::try_new(&log.filter).map_err(unreadable)?;
    // librdkafka speaks of its own retries; what they mean is said by the relay.
    let filter = format!("{},rdkafka=error,librdkafka=error", log.filter);
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match log.format.as_str() {
        "json" => lines.json().flatten_event(true).try_init(),
        _ => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
    Ok(())
}

/// The figures of this process.
pub fn figures() -> &'static PrometheusHandle {
    static FIGURES: OnceLock<PrometheusHandle> = OnceLock::new();
    FIGURES.get_or_init(|| {
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
