//! Logs and metrics. Logs carry the request's id.
//!
//! **Invariant.** A log never has a secret in it, whatever `REKOMI_LOG` says. Ours are `SecretString`s, which print as
//! `[REDACTED]`, and of a URL only the path is logged. Libraries do not know what is secret (some tell of every header,
//! message and value that passes through them), so of theirs only [`MOST_OF_OTHERS`] and what is graver is let through.

use std::{io::IsTerminal, sync::OnceLock};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, ConfigError, LogFormat};

/// Seconds.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The least grave of a library's messages that may be logged.
const MOST_OF_OTHERS: Level = Level::INFO;
/// It tells of statements, whose values are bound and not in their text.
const TELLS_OF_STATEMENTS: &str = "sqlx::query";
/// It warns of options in `DATABASE_URL` that it does not know, with their values: they may be passwords.
const TELLS_OF_OPTIONS: &str = "sqlx_postgres::options";

/// Starts logging to standard error, as the settings say.
///
/// # Errors
/// A malformed `REKOMI_LOG`.
pub fn start_logs(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| ConfigError::new("REKOMI_LOG", format!("is no filter: {error}")))?;
    let lines = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .with(filter_fn(may_be_logged))
        .try_init();
    if let Err(error) = started {
        tracing::debug!(%error, "logs were started already");
    }
    Ok(())
}

/// Whether a message or a span may be logged at all. Targets begin with the crate's name.
fn may_be_logged(what: &Metadata<'_>) -> bool {
    let (target, level) = (what.target(), *what.level());
    if target.starts_with(TELLS_OF_OPTIONS) {
        return level <= Level::ERROR;
    }
    let ours = target.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    ours || target == TELLS_OF_STATEMENTS || level <= MOST_OF_OTHERS
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
    describe_counter!("rekomi_inbox_set_aside_total", "Events that were parked, by reason");
    describe_counter!(
        "rekomi_inbox_replayed_total",
        "Events that owners put back into the inbox"
    );
    describe_gauge!("rekomi_inbox_pending", "Events that wait in the inbox");
    describe_gauge!("rekomi_inbox_oldest_seconds", "How long the oldest of them has waited");
    describe_gauge!("rekomi_inbox_parked", "Events that were set aside");
    describe_gauge!("rekomi_operations_pending", "Calls that are owed to Stripe");
    describe_counter!("rekomi_stripe_calls_total", "Calls to Stripe, by outcome");
    describe_gauge!("rekomi_sockets", "Open WebSockets");
    describe_gauge!("rekomi_subscribers", "Running subscriptions");
}
