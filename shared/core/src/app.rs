//! What a function is made of: clients, configuration, clock. Built once per cold start.

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use chrono::TimeDelta;

use crate::auth::Issuer;
use crate::storage_calls::CountStorageCalls;
use crate::clock::{Clock, SystemClock};
use crate::metrics::Metrics;
use crate::store::{Bucket, Table};
use crate::usecases::ServingCache;

/// What a function is made of.
#[derive(Clone)]
pub struct App {
    /// Records.
    pub table: Table,
    /// Snapshots and posteriors.
    pub bucket: Bucket,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long a training run may go without a sign of life before its hold on the model lapses.
    pub lease: TimeDelta,
    /// The optimizations that this process serves.
    pub serving: ServingCache,
    /// Threads that a training run may use.
    pub threads: usize,
    /// The largest snapshot that is trained on within the call that asks for it, in bytes.
    pub synchronous_bytes: u64,
    /// The most that a list or a policy may take in one answer, in bytes.
    pub answer_bytes: usize,
    /// When a training run gives up, where the platform ends its function soon after.
    pub deadline: Option<Instant>,
    /// Where metrics go.
    pub metrics: Metrics,
    /// The issuer whose JWTs are accepted beside API keys.
    pub issuer: Option<Issuer>,
}

/// [`App::synchronous_bytes`] where nothing else is said: a quarter of a gibibyte is read and counted well within the 30 s
/// that the gateway waits.
pub const SYNCHRONOUS_BYTES: u64 = 256 * 1024 * 1024;

/// [`App::answer_bytes`] where nothing else is said: the gateway carries 6 MB, with the envelope and all.
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

/// What the environment says of an app.
#[derive(Debug, PartialEq)]
struct Settings {
    table: String,
    bucket: String,
    lease: TimeDelta,
    cache: TimeDelta,
    synchronous_bytes: u64,
    stage: Option<String>,
}

impl Settings {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name| set(name).ok_or(ConfigError::Missing(name));
        let number = |name, default, range: RangeInclusive<i64>| {
            let Some(value) = set(name) else { return Ok(default) };
            let parsed = value.parse().ok().filter(|n| range.contains(n));
            parsed.ok_or(ConfigError::OutOfRange { name, value, range })
        };
        let synchronous = number("SYNCHRONOUS_SNAPSHOT_BYTES", SYNCHRONOUS_BYTES.cast_signed(), 0..=i64::MAX)?;
        Ok(Self {
            table: required("TABLE_NAME")?,
            bucket: required("BUCKET_NAME")?,
            lease: TimeDelta::seconds(number("TRAINING_LEASE_SECONDS", 60, 1..=3600)?),
            cache: TimeDelta::seconds(number("SERVING_CACHE_SECONDS", 30, 0..=3600)?),
            synchronous_bytes: synchronous.unsigned_abs(),
            stage: set("STAGE"),
        })
    }
}

impl App {
    /// The app that the environment describes.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn from_env() -> Result<Self, ConfigError> {
        let settings = Settings::read(|name| std::env::var(name).ok())?;
        let (endpoints, issuer) = (Endpoints::from_env().checked()?, Issuer::from_env()?);
        let config = sdk_config(Timeouts::FUNCTION).await;
        Ok(Self { issuer, ..Self::described(&settings, &config, &endpoints) })
    }

    fn described(settings: &Settings, config: &SdkConfig, endpoints: &Endpoints) -> Self {
        Self {
            synchronous_bytes: settings.synchronous_bytes,
            metrics: Metrics::on_stdout(settings.stage.as_deref().unwrap_or("none")),
            lease: settings.lease,
            serving: ServingCache::new(settings.cache),
            ..Self::new(config, endpoints, &settings.table, &settings.bucket)
        }
    }

    /// An app over the given table and bucket, at the given endpoints.
    #[must_use]
    pub fn new(config: &SdkConfig, endpoints: &Endpoints, table: &str, bucket: &str) -> Self {
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(config).interceptor(CountStorageCalls);
        dynamodb.set_endpoint_url(endpoints.dynamodb.clone());
        // A custom endpoint has rarely a host name of its own for every bucket.
        let mut s3 =
            aws_sdk_s3::config::Builder::from(config).force_path_style(endpoints.s3.is_some()).interceptor(CountStorageCalls);
        s3.set_endpoint_url(endpoints.s3.clone());
        Self {
            table: Table::new(aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), table),
            bucket: Bucket::new(aws_sdk_s3::Client::from_conf(s3.build()), bucket),
            clock: Arc::new(SystemClock),
            lease: TimeDelta::seconds(60),
            serving: ServingCache::new(TimeDelta::seconds(30)),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            synchronous_bytes: SYNCHRONOUS_BYTES,
            answer_bytes: ANSWER_BYTES,
            deadline: None,
            metrics: Metrics::off(),
            issuer: None,
        }
    }
}

/// How long a client waits for the stores, uploads aside: those take what their bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For the answer to one attempt of a call. The content of an object may take longer.
    pub attempt: Duration,
    /// For a call with all its attempts.
    pub call: Duration,
}

impl Timeouts {
    /// A function's, which is to say itself that a store is away before the platform ends it: at 25 s, most of them.
    pub const FUNCTION: Self =
        Self { connect: Duration::from_secs(2), attempt: Duration::from_secs(5), call: Duration::from_secs(15) };
    /// A command's, which nobody ends and whose line may be slow.
    pub const COMMAND: Self =
        Self { connect: Duration::from_secs(5), attempt: Duration::from_secs(20), call: Duration::from_mins(1) };

    /// As the SDK has it.
    #[must_use]
    pub fn timeout_config(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build()
    }
}

/// The HTTP client of all clients.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// The SDK's configuration from the environment, with our HTTP client and time-outs. Boxed here, so that the providers of
/// credentials are not compiled with every function.
#[must_use]
pub fn sdk_config(timeouts: Timeouts) -> Pin<Box<dyn Future<Output = SdkConfig> + Send>> {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    Box::pin(loader.http_client(http_client()).timeout_config(timeouts.timeout_config()).load())
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
    use tokio::net::TcpListener;

    use super::*;
    use crate::error::ApiError;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let named = [("TABLE_NAME", "t"), ("BUCKET_NAME", "b")];
        let find = |name: &str| variables.iter().chain(&named).find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Settings::read(find)
    }

    fn config(timeouts: Timeouts) -> SdkConfig {
        let credentials = Credentials::new("a", "b", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .timeout_config(timeouts.timeout_config())
            .build()
    }

    #[test]
    fn variables_become_settings() {
        let defaults = read(&[("SERVING_CACHE_SECONDS", "")]).unwrap();
        assert_eq!((defaults.lease, defaults.cache), (TimeDelta::seconds(60), TimeDelta::seconds(30)));
        assert_eq!((defaults.synchronous_bytes, defaults.stage), (SYNCHRONOUS_BYTES, None));
        let given =
            [("SERVING_CACHE_SECONDS", "0"), ("TRAINING_LEASE_SECONDS", "5"), ("SYNCHRONOUS_SNAPSHOT_BYTES", "7")];
        let app = App::described(&read(&given).unwrap(), &config(Timeouts::FUNCTION), &Endpoints::default());
        assert_eq!((app.serving.seconds(), app.lease, app.synchronous_bytes), (0, TimeDelta::seconds(5), 7));
    }

    #[test]
    fn a_variable_that_is_wrong_is_named_with_what_would_be_right() {
        let missing = Settings::read(|_| None).unwrap_err();
        assert!(missing.to_string().contains("TABLE_NAME"), "{missing}");
        for value in ["-1", "3601", "soon"] {
            let error = read(&[("SERVING_CACHE_SECONDS", value)]).unwrap_err();
            let expected = format!(
                "the environment variable SERVING_CACHE_SECONDS is {value:?}, which is not a whole number of 0 to 3600"
            );
            assert_eq!(error.to_string(), expected);
        }
        for url in ["127.0.0.1:8000", "localhost", "s3://bucket", "http://"] {
            let error = Endpoints { s3: Some(url.into()), dynamodb: None }.checked().unwrap_err();
            assert!(error.to_string().contains("AWS_ENDPOINT_URL_S3"), "{error}");
        }
        let good = Endpoints { s3: Some("http://127.0.0.1:1".into()), dynamodb: Some("https://d.example".into()) };
        assert_eq!(good.clone().checked().unwrap(), good);
    }

    /// A server that takes connections and never answers.
    async fn silent() -> (String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                held.push(connection);
            }
        });
        (url, held)
    }

    #[tokio::test]
    async fn a_store_that_never_answers_is_unavailable_within_the_time_of_a_call() {
        let (url, server) = silent().await;
        let endpoints = Endpoints { dynamodb: Some(url.clone()), s3: Some(url) };
        // One attempt alone would wait for ever.
        let attempt = Duration::from_hours(1);
        let timeouts = Timeouts { connect: attempt, attempt, call: Duration::from_millis(50) };
        let app = App::new(&config(timeouts), &endpoints, "table", "bucket");
        let away = |answer: Result<(), ApiError>| {
            let error = answer.unwrap_err();
            assert!(matches!(error, ApiError::Unavailable { .. }), "{error:?}");
        };
        away(app.table.serving(uuid::Uuid::nil()).await.map(drop).map_err(Into::into));
        away(app.bucket.read_if_there("posteriors/-").await.map(drop).map_err(Into::into));
        away(app.bucket.is_complete("snapshots/-/", "-").await.map(drop).map_err(Into::into));
        // An upload takes what its bytes take.
        let put = app.bucket.put("snapshots/-", Vec::new().into());
        assert!(tokio::time::timeout(timeouts.call * 6, put).await.is_err(), "an upload was cut off");
        // An attempt has its own time.
        let timeouts = Timeouts { connect: attempt, attempt: Duration::from_millis(5), call: attempt };
        let app = App::new(&config(timeouts), &endpoints, "table", "bucket");
        away(app.table.serving(uuid::Uuid::nil()).await.map(drop).map_err(Into::into));
        server.abort();
    }
}
