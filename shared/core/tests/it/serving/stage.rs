//! A service over stores inside the process, and what tests do with it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use chrono::{TimeDelta, TimeZone, Utc};
use embedded::{ObjectCreated, Server, Storage, start_dynamodb, start_s3};
use fulcrum_core::clock::ManualClock;
use fulcrum_core::config::Endpoints;
use fulcrum_core::domain::{NewOptimization, Served, Serving, Visitor};
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::store::ListOptions;
use fulcrum_core::usecases::{Decision, WithModel};
use fulcrum_core::{ApiError, App};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

pub const ORGANIZATION: &str = "org_test";
const TABLE: &str = "fulcrum-test";
const BUCKET: &str = "fulcrum-test";

/// A service with a clock that moves only when told to.
pub struct Stage {
    pub app: App,
    pub clock: Arc<ManualClock>,
    config: SdkConfig,
    endpoints: Endpoints,
    dynamodb: aws_sdk_dynamodb::Client,
    objects: Mutex<UnboundedReceiver<ObjectCreated>>,
    _servers: [Server; 2],
}

impl Stage {
    pub async fn new() -> Self {
        let (created, objects) = unbounded_channel();
        let pair = embedded::Credentials { access_key_id: "local".into(), secret_access_key: "secret".into() };
        let dynamodb = start_dynamodb(&Storage::Ephemeral, 0, &pair).await.unwrap();
        let s3 = start_s3(&Storage::Ephemeral, 0, &pair, Some(created)).await.unwrap();
        let credentials = Credentials::new(pair.access_key_id, pair.secret_access_key, None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let endpoints = Endpoints { dynamodb: Some(dynamodb.url().into()), s3: Some(s3.url().into()) };
        let mut app = App::new(&config, &endpoints, TABLE, BUCKET);
        app.table.create_if_missing().await.unwrap();
        app.bucket.create_if_missing().await.unwrap();
        let clock = Arc::new(ManualClock::new(Utc.with_ymd_and_hms(2026, 1, 15, 10, 30, 0).unwrap()));
        app.clock = clock.clone();
        let raw = aws_sdk_dynamodb::config::Builder::from(&config).endpoint_url(dynamodb.url()).build();
        let client = aws_sdk_dynamodb::Client::from_conf(raw);
        Self { app, clock, config, endpoints, dynamodb: client, objects: Mutex::new(objects), _servers: [dynamodb, s3] }
    }

    /// The same service, whose storage calls end as they are fated to.
    pub fn fated(
        &self,
        fates: impl Fn(Called) -> Pin<Box<dyn Future<Output = Fate> + Send>> + Send + Sync + 'static,
    ) -> App {
        let fates: Arc<Fates> = Arc::new(fates);
        let calls = Arc::new(AtomicUsize::new(0));
        let inner = self.config.http_client().unwrap();
        let client = http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Fated { inner, calls: Arc::clone(&calls), fates: Arc::clone(&fates) })
        });
        let config =
            self.config.clone().into_builder().http_client(client).retry_config(RetryConfig::disabled()).build();
        let App { table, bucket, .. } = App::new(&config, &self.endpoints, TABLE, BUCKET);
        App { table, bucket, ..self.app.clone() }
    }

    /// The same service, and the bytes that its stores have answered so far.
    pub fn counted(&self) -> (App, Arc<AtomicUsize>) {
        let bytes = Arc::new(AtomicUsize::new(0));
        let (inner, counter) = (self.config.http_client().unwrap(), Arc::clone(&bytes));
        let client = http_client_fn(move |settings, components| {
            let inner = inner.http_connector(settings, components);
            SharedHttpConnector::new(Counted { inner, bytes: Arc::clone(&counter) })
        });
        let config = self.config.clone().into_builder().http_client(client).build();
        let App { table, bucket, .. } = App::new(&config, &self.endpoints, TABLE, BUCKET);
        (App { table, bucket, ..self.app.clone() }, bytes)
    }

    /// The keys of the objects that were written since this was asked last.
    pub fn written(&self) -> Vec<String> {
        let mut objects = self.objects.lock().unwrap();
        std::iter::from_fn(|| objects.try_recv().ok()).map(|object| object.key).collect()
    }

    /// The same service, whose stores are away.
    pub fn away(&self) -> App {
        self.fated(|_| Box::pin(async { Fate::Fails }))
    }

    pub async fn create(&self, body: Value) -> WithModel {
        let new: NewOptimization = serde_json::from_value(body).unwrap();
        self.app.create_optimization(ORGANIZATION, new).await.unwrap()
    }

    /// Puts a record for serving into the table as it is, under its optimization's id.
    pub async fn put_serving(&self, serving: &Serving) {
        let mut item: std::collections::HashMap<String, AttributeValue> = serde_dynamo::to_item(serving).unwrap();
        item.insert("pk".into(), AttributeValue::S(format!("SERVING#{}", serving.optimization_id)));
        item.insert("sk".into(), AttributeValue::S("SERVING".into()));
        self.dynamodb.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }

    /// All items of partitions whose key begins so.
    pub async fn items(&self, prefix: &str) -> Vec<Value> {
        let scan = self.dynamodb.scan().table_name(TABLE).filter_expression("begins_with(pk, :prefix)");
        let found = scan.expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned())).send().await;
        found.unwrap().items.unwrap().into_iter().map(|item| serde_dynamo::from_item(item).unwrap()).collect()
    }

    /// Puts another version of what an optimization serves into the table.
    pub async fn put_version(&self, optimization: Uuid, version: u64, policy: Vec<u8>) {
        let mut serving = self.app.table.serving(optimization).await.unwrap().unwrap();
        let served = serving.served.take().unwrap();
        serving.served = Some(Served { posterior_version: version, policy: Some(policy), ..served });
        self.put_serving(&serving).await;
    }

    /// Puts a complete snapshot of cells into the bucket.
    pub async fn snapshot(&self, optimization: Uuid, id: &str, cells: &[Value]) {
        let prefix = format!("snapshots/{ORGANIZATION}/{optimization}/{id}/");
        let lines: String = cells.iter().flat_map(|cell| [cell.to_string(), "\n".to_owned()]).collect();
        self.app.bucket.put(&format!("{prefix}cells/part-0.jsonl"), lines.into_bytes().into()).await.unwrap();
        self.app.bucket.put(&format!("{prefix}_SUCCESS"), Vec::new().into()).await.unwrap();
    }

    pub async fn serve(&self, optimization: Uuid, user: &str, context: Value) -> Result<Decision, ApiError> {
        self.app.serve(optimization, &visitor(user, context)).await
    }

    /// The state of a model, whole.
    pub async fn state(&self, model: Uuid) -> Result<serde_json::Map<String, Value>, ApiError> {
        Ok(self.app.model_state(ORGANIZATION, model, &ListOptions::ALL).await?.0)
    }

    /// What a call costs.
    pub async fn calls(&self, optimization: Uuid, user: &str, context: Value) -> BTreeMap<String, u64> {
        let calls = StorageCalls::default();
        calls.count(self.serve(optimization, user, context)).await.unwrap();
        calls.so_far()
    }

    /// Lets the cache time pass.
    pub fn wait(&self) {
        self.clock.advance(TimeDelta::seconds(30));
    }
}

/// A storage call: the how manieth it is, from 0, and what for: the operation of `DynamoDB`, or method and path of S3.
pub struct Called {
    pub number: usize,
    pub operation: String,
}

/// How a storage call ends.
pub enum Fate {
    /// As the store answers.
    Passes,
    /// Before it reaches the store.
    Fails,
    /// In the store, whose answer is lost.
    IsLost,
}

type Fates = dyn Fn(Called) -> Pin<Box<dyn Future<Output = Fate> + Send>> + Send + Sync;

struct Fated {
    inner: SharedHttpConnector,
    calls: Arc<AtomicUsize>,
    fates: Arc<Fates>,
}

impl std::fmt::Debug for Fated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fated")
    }
}

impl HttpConnector for Fated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").map(str::to_owned);
        let operation = target.unwrap_or_else(|| format!("{} {}", request.method(), request.uri()));
        let called = Called { number: self.calls.fetch_add(1, Ordering::Relaxed), operation };
        let (fate, inner) = ((self.fates)(called), self.inner.clone());
        HttpConnectorFuture::new(async move {
            let gone = || Err(ConnectorError::io("the connection is gone".into()));
            match fate.await {
                Fate::Passes => inner.call(request).await,
                Fate::Fails => gone(),
                Fate::IsLost => inner.call(request).await.and_then(|_| gone()),
            }
        })
    }
}

#[derive(Debug)]
struct Counted {
    inner: SharedHttpConnector,
    bytes: Arc<AtomicUsize>,
}

impl HttpConnector for Counted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (call, bytes) = (self.inner.call(request), Arc::clone(&self.bytes));
        HttpConnectorFuture::new(async move {
            let answer = call.await?;
            let length = answer.headers().get("content-length").and_then(|length| length.parse().ok());
            bytes.fetch_add(length.expect("the embedded stores say how long an answer is"), Ordering::Relaxed);
            Ok(answer)
        })
    }
}

fn visitor(user: &str, context: Value) -> Visitor {
    let Value::Object(context) = context else { panic!("{context} is no context") };
    Visitor { anonymous_id: user.to_owned(), context, dry_run: false }
}

/// A configuration over factors given as `[name, [levels]]`.
pub fn config(design: &Value, context: &Value) -> Value {
    let factors = |factors: &Value| {
        let factor = |f: &Value| {
            let dtype = if f[1][0].is_boolean() { "bool" } else { "str" };
            json!({"name": f[0], "dtype": dtype, "levels": f[1]})
        };
        factors.as_array().unwrap().iter().map(factor).collect::<Vec<_>>()
    };
    json!({
        "design_factors": factors(design),
        "context_factors": factors(context),
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    })
}

/// An optimization of one design factor with the given levels and no context.
pub fn mab(levels: &[&str]) -> Value {
    let config = config(&json!([["headline", levels]]), &json!([]));
    json!({"name": "Headlines", "model_type": "mab", "training_data_config": config})
}
