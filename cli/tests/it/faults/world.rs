//! One organization with a bucket of its own, a clock that moves when it is told to, and a process that is replaced for each call.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum::local::{StoreOptions, Stores, new_key};
use fulcrum_core::App;
use fulcrum_core::auth::Scope;
use fulcrum_core::clock::ManualClock;
use fulcrum_core::config::{Endpoints, Timeouts};
use fulcrum_core::queue::Batch;
use fulcrum_core::store::REQUESTS;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::data;
use crate::harness::{Reply, request};
use crate::proxy::{Proxy, Upstream};

pub const TABLE: &str = "table";
const START: &str = "2026-11-28T06:00:00Z";
/// A lease's time, and a little more.
const AFTER_A_LEASE: TimeDelta = TimeDelta::seconds(61);
/// How often work that is to come again comes again.
const MOST_TIMES: usize = 12;

/// The stores that all worlds share.
pub struct Stage {
    pub stores: Stores,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub upstream: Upstream,
    worlds: AtomicUsize,
}

/// What came of a piece of work.
#[derive(Debug)]
pub enum Outcome {
    /// An answer to a request.
    Answered(Reply),
    /// A message or an event that is done with, or is to come again.
    Processed(bool),
}

impl Outcome {
    pub fn is_done(&self) -> bool {
        match self {
            Self::Answered(reply) => (200..300).contains(&reply.status),
            Self::Processed(done) => *done,
        }
    }

    /// Whether somebody is told to come again, and when: what a store that is away comes to.
    pub fn is_put_off(&self) -> bool {
        match self {
            Self::Answered(reply) => {
                let seconds = reply.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
                reply.status == 503 && reply.body["error"]["code"] == "unavailable" && seconds.is_some_and(|s| s > 0)
            }
            Self::Processed(done) => !done,
        }
    }
}

/// How the SDK of a process goes on after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// It does not: the first failure is the call's.
    One,
    /// As in the cloud, with shorter pauses.
    Three,
}

pub struct World {
    pub stage: Arc<Stage>,
    pub table: String,
    /// A process whose stores are well.
    pub app: App,
    pub clock: Arc<ManualClock>,
    pub organization: String,
    pub key: String,
    pub optimization: Uuid,
    pub known: Mutex<Known>,
}

/// What is known of a world.
#[derive(Clone, Default)]
pub struct Known {
    /// The optimization's model; that of the last one, where it has none.
    pub model: Uuid,
    /// Visitors whose events were sent and have to count, once.
    pub visitors: BTreeSet<String>,
    /// Visitors whose events have to be gone.
    pub deleted: BTreeSet<String>,
    /// Objects that are never written twice and were found whole.
    pub whole: BTreeMap<String, Vec<String>>,
}

impl Stage {
    pub async fn set() -> Arc<Self> {
        let options = StoreOptions {
            folder: None,
            address: [127, 0, 0, 1].into(),
            hosts: Vec::new(),
            port: 0,
            endpoints: Endpoints::default(),
            created: None,
        };
        let stores = Stores::start(options, None).await.unwrap();
        let (dynamodb, s3) = (stores.endpoints().dynamodb.clone().unwrap(), stores.endpoints().s3.clone().unwrap());
        let config = aws_sdk_dynamodb::config::Builder::from(stores.sdk()).endpoint_url(&dynamodb).build();
        App::new(stores.sdk(), stores.endpoints(), TABLE, "none").table.create_if_missing().await.unwrap();
        let (upstream, dynamodb) = (Upstream::new(&dynamodb, &s3), aws_sdk_dynamodb::Client::from_conf(config));
        Arc::new(Self { stores, dynamodb, upstream, worlds: AtomicUsize::new(0) })
    }

    /// A new organization, with an optimization whose model has two versions of its posterior.
    pub async fn world(self: &Arc<Self>) -> World {
        let name = format!("w{:05}", self.worlds.fetch_add(1, Ordering::Relaxed));
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        let organization = format!("org_{name}");
        // Who looks waits longer than who is attacked: many are at work on few processors.
        let sdk = self.stores.sdk().clone().into_builder();
        let sdk = sdk.timeout_config(Timeouts::COMMAND.timeout_config()).build();
        let app = adjusted(App::new(&sdk, self.stores.endpoints(), TABLE, &name), &clock);
        app.bucket.create_if_missing().await.unwrap();
        let (_, secret) = new_key(&app, &organization, "test", Scope::ALL.to_vec()).await.unwrap();
        let key = secret.expose().to_owned();
        let (stage, known) = (Arc::clone(self), Mutex::default());
        let table = TABLE.to_owned();
        let mut world = World { stage, table, app, clock, organization, key, optimization: Uuid::nil(), known };
        let made = world.call("POST", "/api/v2/optimizations", Some(&optimization_body("before"))).await;
        world.optimization = made.text("/id").parse().unwrap();
        world.known().model = made.text("/model_id").parse().unwrap();
        for snapshot in ["a1", "a2"] {
            world.snapshot(snapshot).await;
            world.call("POST", &format!("/api/v2/models/{}/train", world.model()), None).await;
            world.clock.advance(TimeDelta::seconds(60));
        }
        world
    }
}

/// The body that makes an optimization of this name. Two versions are kept, so that runs have old ones to remove.
pub fn optimization_body(name: &str) -> Value {
    let mut body = data::mab();
    body["name"] = json!(name);
    body["training_data_config"]["posterior_versions"] = json!(2);
    body["training_data_config"]["allow_no_rewards"] = json!(true);
    body
}

/// A process as in the cloud, which does not wait for others and computes on one thread.
pub fn adjusted(app: App, clock: &Arc<ManualClock>) -> App {
    App {
        clock: Arc::<ManualClock>::clone(clock),
        wait: Duration::ZERO,
        threads: 1,
        organization_runs: NonZeroUsize::new(1),
        ..app
    }
}

impl World {
    pub fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    pub fn model(&self) -> Uuid {
        self.known().model
    }

    /// A fresh process whose calls pass a proxy.
    pub fn through(&self, proxy: &Proxy, attempts: Attempts) -> App {
        let retries = match attempts {
            Attempts::One => RetryConfig::disabled(),
            Attempts::Three => RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)),
        };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(2))
            .operation_attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(4))
            .build();
        let sdk = self.stage.stores.sdk().clone().into_builder().retry_config(retries).timeout_config(timeouts).build();
        adjusted(App::new(&sdk, &proxy.endpoints(), &self.table, self.app.bucket.name()), &self.clock)
    }

    /// A request to a process whose stores are well. It has to succeed.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = Reply::of(dispatch(&self.app, request(method, path, &self.key, body)).await);
        assert!((200..300).contains(&reply.status), "{method} {path}: {} {}", reply.status, reply.body);
        reply
    }

    pub fn snapshot_prefix(&self, id: &str) -> String {
        format!("snapshots/{}/{}/{id}/", self.organization, self.optimization)
    }

    /// Writes a complete snapshot.
    pub async fn snapshot(&self, id: &str) {
        let prefix = self.snapshot_prefix(id);
        for (name, text) in data::cells() {
            self.app.bucket.put(&format!("{prefix}{name}"), Bytes::from(text).into()).await.unwrap();
        }
        self.app.bucket.put(&format!("{prefix}_SUCCESS"), Bytes::new().into()).await.unwrap();
    }

    /// Asks for the model that the optimization has now.
    pub async fn look_for_model(&self) -> Option<Uuid> {
        let found = self.app.table.optimization(&self.organization, self.optimization).await.unwrap();
        let model = found.unwrap().model_id;
        if let Some(model) = model {
            self.known().model = model;
        }
        model
    }

    /// The event of an object.
    pub fn created(&self, key: &str) -> Value {
        json!({
            "version": "0", "id": Uuid::new_v4(), "detail-type": "Object Created", "source": "aws.s3",
            "detail": {"bucket": {"name": self.app.bucket.name()}, "object": {"key": key, "size": 0}},
        })
    }

    /// Hands a message to a process; whether it is done with.
    pub async fn deliver(&self, app: &App, event: &Value, receive: usize) -> Outcome {
        let record = json!({
            "messageId": "1", "body": event.to_string(), "attributes": {"ApproximateReceiveCount": receive.to_string()},
        });
        let batch: Batch = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        let until = Instant::now() + Duration::from_mins(15);
        Outcome::Processed(retrain::handle(app, batch, until).await.batch_item_failures.is_empty())
    }

    /// Has a process compact the events; whether it did.
    pub async fn compact(&self, app: &App, event: Value) -> Outcome {
        let until = Instant::now() + Duration::from_mins(15);
        let done = match compact_events::handle(app, event, until).await {
            Ok(outcome) => outcome["failed"] == 0 && outcome["busy"] == 0,
            Err(_) => false,
        };
        Outcome::Processed(done)
    }

    pub fn flush(&self) -> Value {
        self.created(&format!("flushes/{}", self.organization))
    }

    /// Has all events compacted that wait, whatever lease somebody left behind.
    pub async fn settle_events(&self) {
        for _ in 0..MOST_TIMES {
            if self.compact(&self.app, self.flush()).await.is_done() {
                return;
            }
            self.clock.advance(AFTER_A_LEASE);
        }
        panic!("the events of {} cannot be compacted any more", self.organization);
    }

    /// What the queue and the schedule do until no run waits any more.
    pub async fn settle_runs(&self) {
        for _ in 0..MOST_TIMES {
            let mut waiting = Vec::new();
            for prefix in [REQUESTS.to_owned(), "waiting/".to_owned()] {
                let all = self.app.bucket.list(&prefix).await.unwrap();
                waiting.extend(all.into_iter().map(|(name, _)| format!("{prefix}{name}")));
            }
            if waiting.is_empty() {
                return;
            }
            self.clock.advance(AFTER_A_LEASE);
            let schedule = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
            self.deliver(&self.app, &schedule, 1).await;
            for key in waiting.iter().filter(|key| key.starts_with(REQUESTS)) {
                self.deliver(&self.app, &self.created(key), 1).await;
            }
        }
        panic!("a request to train of {} waits for ever", self.organization);
    }

    /// Does a piece of work until it is done, as whoever was put off does it: after the time that it was told, or after that of a
    /// lease. Gives up when leases must have expired.
    pub async fn again<F, A>(&self, mut work: F) -> Result<Outcome, String>
    where
        F: FnMut(usize) -> A,
        A: Future<Output = Outcome>,
    {
        let mut said = String::new();
        for receive in 2..2 + MOST_TIMES {
            match work(receive).await {
                done if done.is_done() => return Ok(done),
                Outcome::Answered(reply) => {
                    let Some(after) = reply.header("retry-after").and_then(|seconds| seconds.parse().ok()) else {
                        return Err(format!("a retry answers {} {}", reply.status, reply.body));
                    };
                    said = format!("{} {}", reply.status, reply.body);
                    self.clock.advance(TimeDelta::seconds(after));
                }
                Outcome::Processed(_) => {
                    "it is to come again".clone_into(&mut said);
                    self.clock.advance(AFTER_A_LEASE);
                }
            }
        }
        Err(format!("{MOST_TIMES} retries do not succeed; the last one: {said}"))
    }
}

/// How often each thing is there.
pub type Counts = HashMap<String, i64>;
