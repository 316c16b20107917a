//! Logs and figures.

use infrastructure::config::Log;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Upper bounds of durations, in seconds: from a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 16] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of batch sizes.
const UNITS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Starts writing log lines to standard error. Only the first call counts.
pub fn start_log(log: &Log) {
    // librdkafka speaks of its own retries; what they mean is said by the relay.
    let filter = format!("{},rdkafka=error,librdkafka=error", log.filter);
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match log.format.as_str() {
        "json" => lines.json().flatten_event(true).try_init(),
        _ => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
    };
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
        handle
    })
}
