//! Logs of the servers inside this process: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging at a level of `LOG_LEVEL`, or else at the given filter. Calling it again changes nothing.
pub fn init(otherwise: &str) {
    let filter = EnvFilter::try_from_env("LOG_LEVEL").unwrap_or_else(|_| EnvFilter::new(otherwise));
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if terminal {
        builder.with_target(false).with_ansi(crate::screen::colour_wanted()).compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false).try_init()
    };
}
