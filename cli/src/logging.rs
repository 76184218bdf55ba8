//! Logs of the servers inside this process: standard error, for people on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use fulcrum_core::app::ConfigError;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

const VARIABLE: &str = "LOG_LEVEL";

/// Starts logging by the filter of `LOG_LEVEL`, or else by the given one. Calling it again changes nothing.
///
/// # Errors
/// [`ConfigError::Invalid`] for a filter that is none.
pub fn init(otherwise: &str) -> Result<(), ConfigError> {
    let filter = filter(std::env::var(VARIABLE).ok(), otherwise)?;
    let terminal = std::io::stderr().is_terminal();
    let _ = subscriber(filter, terminal, terminal && crate::screen::colour_wanted()).try_init();
    Ok(())
}

fn filter(wanted: Option<String>, otherwise: &str) -> Result<EnvFilter, ConfigError> {
    let Some(value) = wanted.filter(|value| !value.is_empty()) else { return Ok(EnvFilter::new(otherwise)) };
    // A word that is no level would be taken as the name of a crate.
    let level_or_rule = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    let filter = EnvFilter::try_new(&value).ok().filter(|_| value.split(',').all(level_or_rule));
    let expected = "error, warn, info, debug, trace, or a filter such as info,retrain=debug";
    filter.ok_or(ConfigError::Invalid { name: VARIABLE, value, expected })
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

    #[test]
    fn a_filter_that_is_none_is_told() {
        let of = |wanted: Option<&str>| filter(wanted.map(str::to_owned), "warn").map(|filter| filter.to_string());
        assert_eq!((of(None).unwrap(), of(Some("")).unwrap()), ("warn".to_owned(), "warn".to_owned()));
        assert_eq!(of(Some("info,retrain=debug")).unwrap(), "retrain=debug,info");
        for bad in ["loud", "retrain=loud", "info,loud"] {
            let error = of(Some(bad)).unwrap_err().to_string();
            assert!(error.contains(&format!("LOG_LEVEL is {bad:?}")), "{error}");
        }
    }

    /// Colour needs a feature of tracing-subscriber, which panics without it.
    #[test]
    fn every_form_of_the_log_can_be_had() {
        for (for_people, colour) in [(true, true), (true, false), (false, false)] {
            let log = subscriber(EnvFilter::new("info"), for_people, colour);
            tracing::subscriber::with_default(log, || tracing::info!(for_people, colour, "a line"));
        }
    }
}
