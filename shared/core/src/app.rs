//! The app: what a function is made of, which is clients, settings and clock. Built once per cold start.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::events::Limits;
use aws_config::SdkConfig;
use chrono::TimeDelta;
use lambda_http::http::HeaderMap;

use crate::auth::{Caller, Issuer, authenticate};
use crate::clock::{Clock, SystemClock};
use crate::config::{ANSWER_BYTES, ConfigError, Endpoints, SYNCHRONOUS_BYTES, Settings, Timeouts, sdk_config};
use crate::domain::{Actor, Scope};
use crate::error::ApiError;
use crate::ingest_cache::IngestCache;
use crate::metrics::Metrics;
use crate::notifications::{EventBridge, Notifications};
use crate::serving_cache::ServingCache;
use crate::storage_calls::CountStorageCalls;
use crate::store::{Bucket, Table};
use crate::visitor_ids::VisitorIds;

/// What a gateway waits for an answer, less the time to give one.
const WAIT: Duration = Duration::from_secs(28);

/// What a function is made of.
#[derive(Clone)]
pub struct App {
    /// Records.
    pub table: Table,
    /// Snapshots and posteriors.
    pub bucket: Bucket,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long a training run may go without a sign of life before its lease on the model expires.
    pub lease: TimeDelta,
    /// The optimizations that this process serves.
    pub serving: ServingCache,
    /// The optimizations that this process takes events for.
    pub ingest_cache: IngestCache,
    /// How ids of visitors are kept.
    pub visitor_ids: VisitorIds,
    /// How compaction proceeds, and for how long it keeps what.
    pub event_limits: Limits,
    /// Threads that a training run may use.
    pub threads: usize,
    /// The largest snapshot that is trained on within the call that asks for it, in bytes.
    pub synchronous_bytes: u64,
    /// How much a snapshot may come to.
    pub snapshot_limits: snapshots::Limits,
    /// Training runs of one organization behind the queue at a time, at most; as many as there are where absent.
    pub organization_runs: Option<NonZeroUsize>,
    /// The most that a list or a policy may take in one answer, in bytes.
    pub answer_bytes: usize,
    /// How long a call waits for another one that does what it is to do, before it says so.
    pub wait: Duration,
    /// When a training run gives up, where the platform ends its function soon after.
    pub deadline: Option<Instant>,
    /// Where metrics go.
    pub metrics: Metrics,
    /// Who is told of training runs.
    pub notifications: Notifications,
    /// The issuer whose JWTs are accepted beside API keys.
    pub issuer: Option<Issuer>,
    /// In whose name records are changed.
    pub actor: Actor,
}

impl App {
    /// The app that the environment describes.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::read_env().await?.0)
    }

    /// The same, which tells of training runs on the bus of `EventBridge` that `EVENT_BUS` names, where it names one: for functions that
    /// train. The others are built without.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn from_env_with_events() -> Result<Self, ConfigError> {
        let (app, config) = Self::read_env().await?;
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(bus) = set("EVENT_BUS") else { return Ok(app) };
        let bus = EventBridge::new(&config, &bus, set("AWS_ENDPOINT_URL_EVENTBRIDGE"))?;
        Ok(Self { notifications: Notifications::to(Arc::new(bus)), ..app })
    }

    async fn read_env() -> Result<(Self, SdkConfig), ConfigError> {
        let settings = Settings::read(|name| std::env::var(name).ok())?;
        let (endpoints, issuer) = (Endpoints::from_env().checked()?, Issuer::from_env()?);
        let config = sdk_config(Timeouts::FUNCTION).await;
        Ok((Self { issuer, ..Self::described(&settings, &config, &endpoints) }, config))
    }

    fn described(settings: &Settings, config: &SdkConfig, endpoints: &Endpoints) -> Self {
        Self {
            synchronous_bytes: settings.synchronous_bytes,
            snapshot_limits: settings.snapshot_limits,
            organization_runs: settings.organization_runs,
            metrics: Metrics::on_stdout(settings.stage.as_deref().unwrap_or("none")),
            lease: settings.lease,
            serving: ServingCache::new(settings.cache),
            visitor_ids: settings.visitor_ids.clone(),
            event_limits: Limits {
                idempotency: settings.idempotency,
                retention: settings.event_retention,
                ..Limits::default()
            },
            ..Self::new(config, endpoints, &settings.table, &settings.bucket)
        }
    }

    /// An app over the given table and bucket, at the given endpoints.
    #[must_use]
    pub fn new(config: &SdkConfig, endpoints: &Endpoints, table: &str, bucket: &str) -> Self {
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(config).interceptor(CountStorageCalls);
        dynamodb.set_endpoint_url(endpoints.dynamodb.clone());
        // A custom endpoint has rarely a host name of its own for every bucket.
        let mut s3 = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(endpoints.s3.is_some())
            .interceptor(CountStorageCalls);
        s3.set_endpoint_url(endpoints.s3.clone());
        Self {
            table: Table::new(aws_sdk_dynamodb::Client::from_conf(dynamodb.build()), table),
            bucket: Bucket::new(aws_sdk_s3::Client::from_conf(s3.build()), bucket),
            clock: Arc::new(SystemClock),
            lease: TimeDelta::seconds(60),
            serving: ServingCache::new(TimeDelta::seconds(30)),
            ingest_cache: IngestCache::new(TimeDelta::seconds(30)),
            visitor_ids: VisitorIds::default(),
            event_limits: Limits::default(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            synchronous_bytes: SYNCHRONOUS_BYTES,
            snapshot_limits: snapshots::Limits::default(),
            organization_runs: None,
            answer_bytes: ANSWER_BYTES,
            wait: WAIT,
            deadline: None,
            metrics: Metrics::off(),
            notifications: Notifications::default(),
            issuer: None,
            actor: Actor::Service,
        }
    }

    /// The same app, which changes records in the name of who calls.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &Caller) -> Self {
        Self { actor: caller.actor.clone(), ..self.clone() }
    }

    /// Who sent a request with these headers, if the token is good and covers `scope`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`], [`ApiError::Forbidden`], [`ApiError::IssuerUnavailable`], and storage errors.
    pub async fn authenticate(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, ApiError> {
        authenticate(&self.table, self.issuer.as_ref(), headers, scope, self.clock.now()).await
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
    use tokio::net::TcpListener;

    use super::*;

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
    fn settings_reach_the_app() {
        let variable = |name: &str| {
            let value = match name {
                "TABLE_NAME" => "t",
                "BUCKET_NAME" => "b",
                "SERVING_CACHE_SECONDS" => "0",
                "TRAINING_LEASE_SECONDS" => "5",
                "SYNCHRONOUS_SNAPSHOT_BYTES" => "7",
                "HASH_IDS" => "a secret of thirty-two characters",
                "RETRAIN_CONCURRENCY" => "6",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let settings = Settings::read(variable).unwrap();
        let app = App::described(&settings, &config(Timeouts::FUNCTION), &Endpoints::default());
        assert!(app.visitor_ids.are_hashed());
        assert_eq!((app.serving.seconds(), app.lease, app.synchronous_bytes), (0, TimeDelta::seconds(5), 7));
        assert_eq!(app.organization_runs, NonZeroUsize::new(5));
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
