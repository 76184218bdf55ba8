//! Configuration from environment variables: settings, endpoints of the stores, and what is wrong with them.

mod sdk;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use chrono::TimeDelta;
use snapshots::Limits;

use crate::visitor_ids::{LEAST_SECRET, VisitorIds};

pub use sdk::{Timeouts, http_client, sdk_config};

/// The largest snapshot that is trained on within the call, where nothing else is said: a quarter of a gibibyte is read and
/// counted well within the 30 s that the gateway waits.
pub const SYNCHRONOUS_BYTES: u64 = 256 * 1024 * 1024;

/// The most that a list or a policy may take in one answer: the gateway carries 6 MB, with the envelope and all.
pub const ANSWER_BYTES: usize = 4_500_000;

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing.
    #[error("the environment variable {0} is not set; docs/configuration.md lists them all")]
    Missing(&'static str),
    /// A variable has a value that is none.
    #[error("the environment variable {name} is {value:?}, which is not {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A secret that is too short to be one. It is not shown.
    #[error("the environment variable {name} has {characters} characters; a secret has at least {LEAST_SECRET}")]
    ShortSecret {
        /// The variable.
        name: &'static str,
        /// How many it has.
        characters: usize,
    },
    /// A variable has a number that is out of its range, or no number.
    #[error(
        "the environment variable {name} is {value:?}, which is not a whole number of {} to {}",
        range.start(), range.end()
    )]
    OutOfRange {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        range: RangeInclusive<i64>,
    },
}

/// Where the stores are, if not where AWS has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// URL of `DynamoDB`.
    pub dynamodb: Option<String>,
    /// URL of S3.
    pub s3: Option<String>,
}

impl Endpoints {
    /// As the SDK's own variables say: `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_S3`, or `AWS_ENDPOINT_URL` for both.
    #[must_use]
    pub fn from_env() -> Self {
        let url = |name: &str| {
            let set = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
            set(name).or_else(|| set("AWS_ENDPOINT_URL"))
        };
        Self { dynamodb: url("AWS_ENDPOINT_URL_DYNAMODB"), s3: url("AWS_ENDPOINT_URL_S3") }
    }

    /// The same, if they are URLs of servers.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for one that is not.
    pub fn checked(self) -> Result<Self, ConfigError> {
        for (name, url) in [("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb), ("AWS_ENDPOINT_URL_S3", &self.s3)] {
            let Some(value) = url else { continue };
            let parsed = url::Url::parse(value).ok();
            if !parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
                let expected = "the URL of a server, such as http://127.0.0.1:8000";
                return Err(ConfigError::Invalid { name, value: value.clone(), expected });
            }
        }
        Ok(self)
    }
}

/// The settings of a function, from environment variables; docs/configuration.md describes them.
#[derive(Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) table: String,
    pub(crate) bucket: String,
    pub(crate) lease: TimeDelta,
    pub(crate) cache: TimeDelta,
    pub(crate) synchronous_bytes: u64,
    pub(crate) snapshot_limits: Limits,
    pub(crate) organization_runs: Option<NonZeroUsize>,
    pub(crate) stage: Option<String>,
    pub(crate) idempotency: TimeDelta,
    pub(crate) event_retention: Option<TimeDelta>,
    pub(crate) visitor_ids: VisitorIds,
}

impl Settings {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name| set(name).ok_or(ConfigError::Missing(name));
        let number = |name, default, range: RangeInclusive<i64>| {
            let Some(value) = set(name) else { return Ok(default) };
            let parsed = value.parse().ok().filter(|n| range.contains(n));
            parsed.ok_or(ConfigError::OutOfRange { name, value, range })
        };
        let synchronous = number("SYNCHRONOUS_SNAPSHOT_BYTES", SYNCHRONOUS_BYTES.cast_signed(), 0..=i64::MAX)?;
        let limits = |name| {
            let Some(value) = set(name) else { return Ok(Limits::default()) };
            let expected = "a list of limits with whole numbers of at least 1, such as fields=20000,nesting=100";
            value.parse().map_err(|_| ConfigError::Invalid { name, value, expected })
        };
        let concurrency = number("RETRAIN_CONCURRENCY", 0, 2..=1_000)?;
        let retention = number("EVENT_RETENTION_DAYS", 0, 0..=36_500)?;
        Ok(Self {
            table: required("TABLE_NAME")?,
            bucket: required("BUCKET_NAME")?,
            lease: TimeDelta::seconds(number("TRAINING_LEASE_SECONDS", 60, 1..=3600)?),
            cache: TimeDelta::seconds(number("SERVING_CACHE_SECONDS", 30, 0..=3600)?),
            synchronous_bytes: synchronous.unsigned_abs(),
            snapshot_limits: limits("SNAPSHOT_LIMITS")?,
            // One fewer than there can be: whatever an organization asks for, there is one for another.
            organization_runs: usize::try_from(concurrency - 1).ok().and_then(NonZeroUsize::new),
            stage: set("STAGE"),
            idempotency: TimeDelta::days(number("IDEMPOTENCY_DAYS", 7, 1..=90)?),
            event_retention: (retention > 0).then(|| TimeDelta::days(retention)),
            visitor_ids: visitor_ids(set("HASH_IDS").as_deref())?,
        })
    }
}

/// How ids of visitors are kept, by the value of `HASH_IDS`.
///
/// # Errors
/// [`ConfigError::ShortSecret`].
pub fn visitor_ids(secret: Option<&str>) -> Result<VisitorIds, ConfigError> {
    match secret.filter(|secret| !secret.is_empty()) {
        None => Ok(VisitorIds::default()),
        Some(secret) if secret.chars().count() >= LEAST_SECRET => Ok(VisitorIds::hashed(secret)),
        Some(secret) => Err(ConfigError::ShortSecret { name: "HASH_IDS", characters: secret.chars().count() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let named = [("TABLE_NAME", "t"), ("BUCKET_NAME", "b")];
        let find = |name: &str| variables.iter().chain(&named).find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::read(find)
    }

    #[test]
    fn variables_become_settings() {
        let defaults = read(&[("SERVING_CACHE_SECONDS", "")]).unwrap();
        assert_eq!((defaults.lease, defaults.cache), (TimeDelta::seconds(60), TimeDelta::seconds(30)));
        assert_eq!((defaults.synchronous_bytes, defaults.stage), (SYNCHRONOUS_BYTES, None));
        assert!(!defaults.visitor_ids.are_hashed());
        assert!(read(&[("HASH_IDS", &"s".repeat(32))]).unwrap().visitor_ids.are_hashed());
        assert_eq!((defaults.organization_runs, defaults.snapshot_limits), (None, Limits::default()));
        let set = read(&[("SNAPSHOT_LIMITS", "fields=20000"), ("RETRAIN_CONCURRENCY", "2")]).unwrap();
        assert_eq!((set.organization_runs, set.snapshot_limits.fields), (NonZeroUsize::new(1), 20_000));
    }

    #[test]
    fn a_variable_that_is_wrong_is_named_with_what_would_be_right() {
        let limits = read(&[("SNAPSHOT_LIMITS", "rows=5")]).unwrap_err().to_string();
        assert!(
            limits.starts_with("the environment variable SNAPSHOT_LIMITS is \"rows=5\", which is not a list"),
            "{limits}"
        );
        let missing = Settings::read(|_| None).unwrap_err();
        assert!(missing.to_string().contains("TABLE_NAME"), "{missing}");
        for value in ["-1", "3601", "soon"] {
            let error = read(&[("SERVING_CACHE_SECONDS", value)]).unwrap_err();
            let expected = format!(
                "the environment variable SERVING_CACHE_SECONDS is {value:?}, which is not a whole number of 0 to 3600"
            );
            assert_eq!(error.to_string(), expected);
        }
        let error = read(&[("HASH_IDS", "yes")]).unwrap_err();
        let expected = "the environment variable HASH_IDS has 3 characters; a secret has at least 32";
        assert_eq!(error.to_string(), expected);
        for url in ["127.0.0.1:8000", "localhost", "s3://bucket", "http://"] {
            let error = Endpoints { s3: Some(url.into()), dynamodb: None }.checked().unwrap_err();
            assert!(error.to_string().contains("AWS_ENDPOINT_URL_S3"), "{error}");
        }
        let good = Endpoints { s3: Some("http://127.0.0.1:1".into()), dynamodb: Some("https://d.example".into()) };
        assert_eq!(good.clone().checked().unwrap(), good);
    }
}
