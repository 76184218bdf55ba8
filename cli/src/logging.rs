//! Logs of the servers inside this process: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use fulcrum_core::config::ConfigError;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts logging at a level of `LOG_LEVEL`, or else at the given filter. Calling it again changes nothing.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn init(otherwise: Targets) -> Result<(), ConfigError> {
    let filter = fulcrum_core::logging::from_env()?.unwrap_or(otherwise);
    let terminal = std::io::stderr().is_terminal();
    let _ = subscriber(filter, terminal, terminal && crate::screen::colour_wanted()).try_init();
    Ok(())
}

/// What is worth a warning. The table's server warns of every refused condition, which is daily business.
#[must_use]
pub fn warnings() -> Targets {
    Targets::new().with_default(Level::WARN).with_target("dynoxide", Level::ERROR)
}

fn subscriber(filter: Targets, for_people: bool, colour: bool) -> Box<dyn Subscriber + Send + Sync> {
    let lines = fmt::layer().with_target(false).with_writer(std::io::stderr);
    if for_people {
        Box::new(tracing_subscriber::registry().with(lines.compact().with_ansi(colour)).with(filter))
    } else {
        let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
        Box::new(tracing_subscriber::registry().with(lines).with(filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colour needs a feature of tracing-subscriber, which panics without it.
    #[test]
    fn every_form_of_the_log_can_be_had() {
        for (for_people, colour) in [(true, true), (true, false), (false, false)] {
            let log = subscriber(Targets::new().with_default(Level::INFO), for_people, colour);
            tracing::subscriber::with_default(log, || tracing::info!(for_people, colour, "a line"));
        }
    }
}
