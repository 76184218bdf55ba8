//! Logs of the servers inside this process: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use fulcrum_core::config::ConfigError;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging at a level of `LOG_LEVEL`, or else at the given filter. Calling it again changes nothing.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn init(otherwise: &str) -> Result<(), ConfigError> {
    let filter = fulcrum_core::logging::from_env()?.unwrap_or_else(|| EnvFilter::new(otherwise));
    let terminal = std::io::stderr().is_terminal();
    let _ = subscriber(filter, terminal, terminal && crate::screen::colour_wanted()).try_init();
    Ok(())
}

fn subscriber(filter: EnvFilter, for_people: bool, colour: bool) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    if for_people {
        Box::new(builder.compact().with_ansi(colour).finish())
    } else {
        Box::new(builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colour needs a feature of tracing-subscriber, which panics without it.
    #[test]
    fn every_form_of_the_log_can_be_had() {
        for (for_people, colour) in [(true, true), (true, false), (false, false)] {
            let log = subscriber(EnvFilter::new("info"), for_people, colour);
            tracing::subscriber::with_default(log, || tracing::info!(for_people, colour, "a line"));
        }
    }
}
