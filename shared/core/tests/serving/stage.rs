//! A service over stores inside the process, and what tests do with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{TimeDelta, TimeZone, Utc};
use embedded::{Server, Storage, start_dynamodb, start_s3};
use fulcrum_core::app::Endpoints;
use fulcrum_core::calls::Calls;
use fulcrum_core::clock::ManualClock;
use fulcrum_core::domain::{Served, Serving};
use fulcrum_core::usecases::{Decision, NewOptimization, Visitor, WithModel};
use fulcrum_core::{ApiError, App};
use serde_json::{Value, json};
use uuid::Uuid;

pub const ORGANIZATION: &str = "org_test";
const TABLE: &str = "fulcrum-test";
const BUCKET: &str = "fulcrum-test";

/// A service with a clock that moves only when told to.
pub struct Stage {
    pub app: App,
    pub clock: Arc<ManualClock>,
    dynamodb: aws_sdk_dynamodb::Client,
    _servers: [Server; 2],
}

impl Stage {
    pub async fn new() -> Self {
        let pair = embedded::Credentials { access_key_id: "local".into(), secret_access_key: "secret".into() };
        let dynamodb = start_dynamodb(&Storage::Ephemeral, 0).await.unwrap();
        let s3 = start_s3(&Storage::Ephemeral, 0, &pair, None).await.unwrap();
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
        Self { app, clock, dynamodb: client, _servers: [dynamodb, s3] }
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

    /// What a call costs.
    pub async fn calls(&self, optimization: Uuid, user: &str, context: Value) -> BTreeMap<String, u64> {
        let calls = Calls::default();
        calls.count(self.serve(optimization, user, context)).await.unwrap();
        calls.so_far()
    }

    /// Lets the cache time pass.
    pub fn wait(&self) {
        self.clock.advance(TimeDelta::seconds(30));
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
