//! One JSON line per event, on standard output, where the platform collects it.

use tracing_subscriber::EnvFilter;

/// Starts logging, at the level of `LOG_LEVEL` (`info` where it is not set). Calling it again changes nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
}
