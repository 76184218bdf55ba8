//! Logging: one JSON line per event, on standard output, where the platform collects it.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::ConfigError;

/// What `LOG_LEVEL` may be.
const LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];
/// The most detailed level that crates of others may log at: beyond it the runtime logs whole events and the SDK whole
/// requests, tokens and all.
const OTHERS: Level = Level::INFO;
/// How the names of the crates begin that may log at any level.
const OURS: [&str; 4] = ["fulcrum", "retrain", "snapshots", "embedded"];

/// Starts logging, at the level of `LOG_LEVEL` (`info` where it is not set). Calling it again changes nothing.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn init() -> Result<(), ConfigError> {
    let filter = from_env()?.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    let lines =
        fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false).with_target(false);
    let _ = tracing_subscriber::registry().with(lines).with(filter).try_init();
    Ok(())
}

/// What `LOG_LEVEL` lets through; `None` where it is not set.
///
/// # Errors
/// [`ConfigError::Invalid`] for a level that is none.
pub fn from_env() -> Result<Option<Targets>, ConfigError> {
    let level = std::env::var("LOG_LEVEL").ok().filter(|level| !level.is_empty());
    level.map(|level| at(&level)).transpose()
}

/// What a level lets through: all of it from our own crates, and nothing more detailed than `info` from others.
fn at(level: &str) -> Result<Targets, ConfigError> {
    let Some((_, level)) = LEVELS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(level)) else {
        let expected = "error, warn, info, debug or trace";
        return Err(ConfigError::Invalid { name: "LOG_LEVEL", value: level.to_owned(), expected });
    };
    Ok(Targets::new().with_default(level.min(OTHERS)).with_targets(OURS.map(|name| (name, level))))
}

#[cfg(test)]
mod tests {
    use tracing::enabled;

    use super::*;

    fn with<T>(level: &str, look: impl FnOnce() -> T) -> T {
        let subscriber = tracing_subscriber::registry().with(fmt::layer()).with(at(level).unwrap());
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
