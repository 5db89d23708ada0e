//! Logs and metrics. Logs carry the request's id and never a secret: secrets are `SecretString`s, which print as
//! `[REDACTED]`, and of a URL only the path is logged.

use std::{io::IsTerminal, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError, LogFormat};

/// Seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Starts logging to standard error, as the settings say.
///
/// # Errors
/// A malformed `REKOMI_LOG`.
pub fn start_logs(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| ConfigError::new("REKOMI_LOG", format!("is no filter: {error}")))?;
    let logs = tracing_subscriber::fmt()
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Pretty => logs.try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logs were started already");
    }
    Ok(())
}

/// The process's metrics, in Prometheus's text format once rendered.
pub fn metrics() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(install).as_ref()
}

fn install() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .ok()?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    describe();
    Some(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("rekomi_http_requests_total", "HTTP requests, by route and status");
    describe_histogram!("rekomi_http_request_seconds", "How long requests took, by route");
    describe_counter!(
        "rekomi_inbox_acknowledged_total",
        "Deliveries answered after the commit, by outcome"
    );
    describe_counter!(
        "rekomi_inbox_processed_total",
        "Events taken out of the inbox, by outcome"
    );
    describe_gauge!("rekomi_inbox_pending", "Events that wait in the inbox");
    describe_gauge!("rekomi_inbox_oldest_seconds", "How long the oldest of them has waited");
    describe_gauge!("rekomi_inbox_parked", "Events that were set aside");
    describe_gauge!("rekomi_operations_pending", "Calls that are owed to Stripe");
    describe_counter!("rekomi_stripe_calls_total", "Calls to Stripe, by outcome");
    describe_gauge!("rekomi_sockets", "Open WebSockets");
    describe_gauge!("rekomi_subscribers", "Running subscriptions");
}
