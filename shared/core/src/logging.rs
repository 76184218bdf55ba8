//! Logging: one JSON line per event, on standard output, where the platform collects it.

use tracing_subscriber::EnvFilter;

use crate::config::ConfigError;

/// What `LOG_LEVEL` may be.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
/// The place of the most detailed level that crates of others may log at: beyond it the runtime logs whole events and the SDK
/// whole requests, tokens and all.
const OTHERS: usize = 2;
/// How the names of the crates begin that may log at any level.
const OURS: [&str; 4] = ["fulcrum", "retrain", "snapshots", "embedded"];

/// Starts logging, at the level of `LOG_LEVEL` (`info` where it is not set). Calling it again changes nothing.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn init() -> Result<(), ConfigError> {
    let filter = from_env()?.unwrap_or_else(|| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
    Ok(())
}

/// What `LOG_LEVEL` lets through; `None` where it is not set.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn from_env() -> Result<Option<EnvFilter>, ConfigError> {
    let level = std::env::var("LOG_LEVEL").ok().filter(|level| !level.is_empty());
    level.map(|level| at(&level)).transpose()
}

/// What a level lets through: all of it from our own crates, and nothing more detailed than `info` from others.
fn at(level: &str) -> Result<EnvFilter, ConfigError> {
    let Some(place) = LEVELS.iter().position(|known| known.eq_ignore_ascii_case(level)) else {
        let expected = "error, warn, info, debug or trace";
        return Err(ConfigError::Invalid { name: "LOG_LEVEL", value: level.to_owned(), expected });
    };
    let others = LEVELS[place.min(OTHERS)].to_owned();
    let ours = OURS.iter().map(|name| format!("{name}={}", LEVELS[place]));
    Ok(EnvFilter::new(std::iter::once(others).chain(ours).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled};

    use super::*;

    fn with<T>(level: &str, look: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::fmt().with_env_filter(at(level).unwrap()).finish();
        tracing::subscriber::with_default(subscriber, look)
    }

    #[test]
    fn nobody_elses_crate_logs_in_more_detail_than_info() {
        for level in ["debug", "trace", "TRACE"] {
            with(level, || {
                assert!(enabled!(target: "fulcrum_core::http::serve", Level::DEBUG), "{level}");
                assert!(enabled!(target: "retrain", Level::DEBUG), "{level}");
                assert!(enabled!(target: "lambda_runtime", Level::INFO), "{level}");
                assert!(!enabled!(target: "lambda_runtime::layers::api_response", Level::TRACE), "{level}");
                assert!(!enabled!(target: "lambda_runtime::layers::api_response", Level::DEBUG), "{level}");
                assert!(!enabled!(target: "aws_smithy_runtime::client::orchestrator", Level::TRACE), "{level}");
                assert!(!enabled!(target: "aws_smithy_runtime::client::orchestrator", Level::DEBUG), "{level}");
                assert!(!enabled!(target: "hyper_util::client", Level::DEBUG), "{level}");
            });
        }
        with("trace", || assert!(enabled!(target: "fulcrum_core::usecases", Level::TRACE)));
    }

    #[test]
    fn a_level_holds_for_all() {
        with("error", || {
            assert!(enabled!(target: "fulcrum_core", Level::ERROR) && enabled!(target: "lambda_runtime", Level::ERROR));
            assert!(!enabled!(target: "fulcrum_core", Level::WARN) && !enabled!(target: "lambda_runtime", Level::WARN));
        });
    }

    #[test]
    fn what_is_no_level_is_refused_by_name() {
        for bad in ["verbose", "info,lambda_runtime=trace", "off", " info"] {
            let error = at(bad).unwrap_err().to_string();
            assert!(error.contains("LOG_LEVEL") && error.contains(&format!("{bad:?}")), "{error}");
        }
    }
}
