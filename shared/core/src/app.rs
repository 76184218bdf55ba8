//! What a function is made of: clients, configuration, clock. Built once per cold start.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use chrono::TimeDelta;

use crate::auth::Issuer;
use crate::calls::CountCalls;
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
}

fn required(name: &'static str) -> Result<String, ConfigError> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(ConfigError::Missing(name))
}

fn number(name: &'static str, default: i64, range: std::ops::RangeInclusive<i64>) -> Result<i64, ConfigError> {
    let Some(value) = std::env::var(name).ok().filter(|value| !value.is_empty()) else { return Ok(default) };
    let parsed = value.parse().ok().filter(|n| range.contains(n));
    parsed.ok_or(ConfigError::Invalid { name, value, expected: "a whole number in its range" })
}

impl App {
    /// The app that the environment describes.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn from_env() -> Result<Self, ConfigError> {
        let (table, bucket) = (required("TABLE_NAME")?, required("BUCKET_NAME")?);
        let lease = number("TRAINING_LEASE_SECONDS", 60, 1..=3600)?;
        let cache = number("SERVING_CACHE_SECONDS", 30, 0..=3600)?;
        let synchronous = number("SYNCHRONOUS_SNAPSHOT_BYTES", SYNCHRONOUS_BYTES.cast_signed(), 0..=i64::MAX)?;
        let stage = std::env::var("STAGE").ok().filter(|stage| !stage.is_empty());
        let issuer = Issuer::from_env()?;
        let config = sdk_config().await;
        Ok(Self {
            synchronous_bytes: synchronous.unsigned_abs(),
            metrics: Metrics::on_stdout(stage.as_deref().unwrap_or("none")),
            issuer,
            lease: TimeDelta::seconds(lease),
            serving: ServingCache::new(TimeDelta::seconds(cache)),
            ..Self::new(&config, &Endpoints::from_env(), &table, &bucket)
        })
    }

    /// An app over the given table and bucket, at the given endpoints.
    #[must_use]
    pub fn new(config: &SdkConfig, endpoints: &Endpoints, table: &str, bucket: &str) -> Self {
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(config).interceptor(CountCalls);
        dynamodb.set_endpoint_url(endpoints.dynamodb.clone());
        // A custom endpoint has rarely a host name of its own for every bucket.
        let mut s3 =
            aws_sdk_s3::config::Builder::from(config).force_path_style(endpoints.s3.is_some()).interceptor(CountCalls);
        s3.set_endpoint_url(endpoints.s3.clone());
        Self {
            table: Table::new(aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), table),
            bucket: Bucket::new(aws_sdk_s3::Client::from_conf(s3.build()), bucket),
            clock: Arc::new(SystemClock),
            lease: TimeDelta::seconds(60),
            serving: ServingCache::new(TimeDelta::seconds(30)),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            synchronous_bytes: SYNCHRONOUS_BYTES,
            deadline: None,
            metrics: Metrics::off(),
            issuer: None,
        }
    }
}

/// The SDK's configuration from the environment, with our HTTP client and time-outs. Boxed here, so that the providers of
/// credentials are not compiled with every function.
#[must_use]
pub fn sdk_config() -> Pin<Box<dyn Future<Output = SdkConfig> + Send>> {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_secs(10))
        .operation_attempt_timeout(Duration::from_secs(20))
        .build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http).timeout_config(timeouts);
    Box::pin(loader.load())
}
