//! Every piece of work that the service does, as one call of it.

use std::sync::Arc;

use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::App;
use serde_json::{Value, json};

use super::world::{Outcome, World, optimization_body};
use crate::data;
use crate::harness::{Reply, request};

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    ListModels,
    GetModel,
    ModelState,
    ListVersions,
    ListOptimizations,
    GetOptimization,
    Results,
    History,
    Policy,
    Serve,
    BestVariant,
    CreateOptimization,
    CreateModel,
    CreateModelForOptimization,
    DeleteModel,
    Train,
    TrainLater,
    RollBack,
    Rename,
    Complete,
    Archive,
    IngestExposures,
    IngestRewards,
    Flush,
    DeleteUser,
    RetrainOnSnapshot,
    RetrainForRequest,
    RetrainBySchedule,
    CompactByFlush,
    CompactBySchedule,
}

/// What settles by itself afterwards, since others are at work in the service too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    Nothing,
    Runs,
    Events,
}

impl Work {
    pub const ALL: [Self; 30] = [
        Self::ListModels,
        Self::GetModel,
        Self::ModelState,
        Self::ListVersions,
        Self::ListOptimizations,
        Self::GetOptimization,
        Self::Results,
        Self::History,
        Self::Policy,
        Self::Serve,
        Self::BestVariant,
        Self::CreateOptimization,
        Self::CreateModel,
        Self::CreateModelForOptimization,
        Self::DeleteModel,
        Self::Train,
        Self::TrainLater,
        Self::RollBack,
        Self::Rename,
        Self::Complete,
        Self::Archive,
        Self::IngestExposures,
        Self::IngestRewards,
        Self::Flush,
        Self::DeleteUser,
        Self::RetrainOnSnapshot,
        Self::RetrainForRequest,
        Self::RetrainBySchedule,
        Self::CompactByFlush,
        Self::CompactBySchedule,
    ];

    /// The function that does it.
    pub fn function(self) -> &'static str {
        match self {
            Self::ListModels => "list-models",
            Self::GetModel => "get-model",
            Self::ModelState => "model-state",
            Self::ListVersions => "list-posteriors",
            Self::ListOptimizations => "list-optimizations",
            Self::GetOptimization => "get-optimization",
            Self::Results => "optimization-results",
            Self::History => "optimization-history",
            Self::Policy => "optimization-policy",
            Self::Serve => "serve-variant",
            Self::BestVariant => "best-variant",
            Self::CreateOptimization => "create-optimization",
            Self::CreateModel | Self::CreateModelForOptimization => "create-model",
            Self::DeleteModel => "delete-model",
            Self::Train | Self::TrainLater => "train-model",
            Self::RollBack => "rollback-model",
            Self::Rename | Self::Complete | Self::Archive => "update-optimization",
            Self::IngestExposures => "ingest-exposures",
            Self::IngestRewards => "ingest-rewards",
            Self::Flush => "flush-events",
            Self::DeleteUser => "delete-user-events",
            Self::RetrainOnSnapshot | Self::RetrainForRequest | Self::RetrainBySchedule => "retrain",
            Self::CompactByFlush | Self::CompactBySchedule => "compact-events",
        }
    }

    /// Whether a second time that succeeds is another change: it has no `Idempotency-Key`, and no need of one.
    pub fn repeats(self) -> bool {
        matches!(self, Self::RollBack | Self::Rename | Self::Complete | Self::Archive)
    }

    pub fn settles(self) -> Settles {
        match self {
            Self::TrainLater | Self::RetrainOnSnapshot | Self::RetrainForRequest | Self::RetrainBySchedule => {
                Settles::Runs
            }
            Self::IngestExposures
            | Self::IngestRewards
            | Self::DeleteUser
            | Self::CompactByFlush
            | Self::CompactBySchedule => Settles::Events,
            _ => Settles::Nothing,
        }
    }

    /// Brings a world to where it can be done for the nth time.
    pub async fn prepare(self, world: &World, n: usize) {
        world.clock.advance(TimeDelta::seconds(61));
        match self {
            Self::CreateModelForOptimization => {
                if let Some(model) = world.look_for_model().await {
                    world.call("DELETE", &format!("/api/v2/models/{model}"), None).await;
                }
            }
            Self::DeleteModel => {
                if let Some(model) = world.look_for_model().await {
                    world.call("DELETE", &format!("/api/v2/models/{model}"), None).await;
                }
                world.call("POST", "/api/v2/models", Some(&model_body(world))).await;
                world.look_for_model().await;
            }
            Self::RollBack => {
                let (newest, ..) = versions(world).await;
                world
                    .call("POST", &path_of_model(world, "/rollback"), Some(&json!({"posterior_version": newest})))
                    .await;
            }
            Self::Rename => set(world, &json!({"name": "before"})).await,
            Self::Flush => world.app.bucket.delete(&format!("flushes/{}", world.organization)).await.unwrap(),
            Self::Complete | Self::Archive => set(world, &json!({"status": "live"})).await,
            Self::DeleteUser => {
                let visitor = format!("gone-{n}");
                world.known().deleted.insert(visitor.clone());
                world.call("POST", "/api/v2/ingest/exposures", Some(&exposures(world, [visitor]))).await;
                world.settle_events().await;
                world.clock.advance(TimeDelta::seconds(1));
            }
            Self::RetrainOnSnapshot | Self::RetrainBySchedule => world.snapshot(&format!("b{n:05}")).await,
            Self::RetrainForRequest => {
                let train = prefer_later(request("POST", &path_of_model(world, "/train"), &world.key, None));
                let reply = Reply::of(dispatch(&world.app, train).await);
                assert_eq!(reply.status, 202, "{}", reply.body);
            }
            Self::CompactByFlush | Self::CompactBySchedule => {
                for (object, kind) in [(1, Kind::Exposures), (2, Kind::Exposures), (3, Kind::Rewards)] {
                    let body = kind.body(world, (0..3).map(|i| format!("{n}-{object}-{i}")).collect());
                    world.call("POST", kind.path(), Some(&body)).await;
                    world.clock.advance(TimeDelta::milliseconds(5));
                }
            }
            _ => {}
        }
    }

    /// Has a process do it.
    pub async fn go(self, world: Arc<World>, app: App, n: usize, receive: usize) -> Outcome {
        let world = &*world;
        match self {
            Self::RetrainOnSnapshot => {
                let event = world.created(&format!("{}_SUCCESS", world.snapshot_prefix(&format!("b{n:05}"))));
                world.deliver(&app, &event, receive).await
            }
            Self::RetrainForRequest => {
                let waiting = world.app.bucket.list("requests/").await.unwrap();
                let key = waiting
                    .first()
                    .map_or_else(|| "requests/o/m/gone.json".to_owned(), |(name, _)| format!("requests/{name}"));
                world.deliver(&app, &world.created(&key), receive).await
            }
            Self::RetrainBySchedule => world.deliver(&app, &schedule(), receive).await,
            Self::CompactByFlush => world.compact(&app, world.flush()).await,
            Self::CompactBySchedule => world.compact(&app, schedule()).await,
            _ => {
                let (method, path, body) = self.request(world, n).await;
                let mut asked = request(method, &path, &world.key, body.as_ref());
                let key = format!("{self:?}-{n}").parse().unwrap();
                if matches!(
                    self,
                    Self::CreateOptimization
                        | Self::CreateModel
                        | Self::CreateModelForOptimization
                        | Self::Train
                        | Self::TrainLater
                ) {
                    asked.headers_mut().insert("idempotency-key", key);
                }
                if self == Self::TrainLater {
                    asked = prefer_later(asked);
                }
                Outcome::Answered(Reply::of(dispatch(&app, asked).await))
            }
        }
    }

    async fn request(self, world: &World, n: usize) -> (&'static str, String, Option<Value>) {
        let of_model = |rest: &str| path_of_model(world, rest);
        let of_optimization = |rest: &str| format!("/api/v2/optimizations/{}{rest}", world.optimization);
        let visitor = json!({"anonymous_id": "visitor"});
        match self {
            Self::ListModels => ("GET", "/api/v2/models?include_archived=true".to_owned(), None),
            Self::GetModel => ("GET", of_model(""), None),
            Self::ModelState => ("GET", of_model("/state"), None),
            Self::ListVersions => ("GET", of_model("/posteriors"), None),
            Self::ListOptimizations => ("GET", "/api/v2/optimizations".to_owned(), None),
            Self::GetOptimization => ("GET", of_optimization(""), None),
            Self::Results => ("GET", of_optimization("/results"), None),
            Self::History => ("GET", of_optimization("/history"), None),
            Self::Policy => ("GET", of_optimization("/policy"), None),
            Self::Serve => ("POST", of_optimization("/serve"), Some(visitor)),
            Self::BestVariant => {
                let body = json!({"anonymous_id": "visitor", "optimization_id": world.optimization});
                ("POST", "/api/v2/optimizations/best-variant".to_owned(), Some(body))
            }
            Self::CreateOptimization => {
                ("POST", "/api/v2/optimizations".to_owned(), Some(optimization_body("another")))
            }
            Self::CreateModel => ("POST", "/api/v2/models".to_owned(), Some(data::mab())),
            Self::CreateModelForOptimization => ("POST", "/api/v2/models".to_owned(), Some(model_body(world))),
            Self::DeleteModel => ("DELETE", of_model(""), None),
            Self::Train | Self::TrainLater => ("POST", of_model("/train"), None),
            Self::RollBack => {
                let (_, before) = versions(world).await;
                ("POST", of_model("/rollback"), Some(json!({"posterior_version": before})))
            }
            Self::Rename => ("PATCH", of_optimization(""), Some(json!({"name": "after"}))),
            Self::Complete => ("PATCH", of_optimization(""), Some(json!({"status": "completed"}))),
            Self::Archive => ("PATCH", of_optimization(""), Some(json!({"status": "archived"}))),
            Self::IngestExposures | Self::IngestRewards => {
                let kind = if self == Self::IngestExposures { Kind::Exposures } else { Kind::Rewards };
                let body = kind.body(world, (0..3).map(|i| format!("{n}-{i}")).collect());
                ("POST", kind.path().to_owned(), Some(body))
            }
            Self::Flush => ("POST", "/api/v2/ingest/flush".to_owned(), None),
            Self::DeleteUser => ("DELETE", format!("/api/v2/ingest/users/gone-{n}"), None),
            Self::RetrainOnSnapshot
            | Self::RetrainForRequest
            | Self::RetrainBySchedule
            | Self::CompactByFlush
            | Self::CompactBySchedule => unreachable!("{self:?} is no request"),
        }
    }
}

fn schedule() -> Value {
    json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
}

fn prefer_later(mut request: lambda_http::http::Request<bytes::Bytes>) -> lambda_http::http::Request<bytes::Bytes> {
    request.headers_mut().insert("prefer", "respond-async".parse().unwrap());
    request
}

fn path_of_model(world: &World, rest: &str) -> String {
    format!("/api/v2/models/{}{rest}", world.model())
}

/// The body of another model for the world's optimization.
fn model_body(world: &World) -> Value {
    let mut body = optimization_body("");
    body.as_object_mut().unwrap().remove("name");
    body["optimization_id"] = json!(world.optimization);
    body
}

async fn set(world: &World, body: &Value) {
    world.call("PATCH", &format!("/api/v2/optimizations/{}", world.optimization), Some(body)).await;
}

/// The newest version of the model and the one before.
async fn versions(world: &World) -> (u64, u64) {
    let reply = world.call("GET", &path_of_model(world, "/posteriors"), None).await;
    let version = |i: usize| reply.body["posteriors"][i]["posterior_version"].as_u64().unwrap();
    (version(0), version(1))
}

#[derive(Clone, Copy)]
enum Kind {
    Exposures,
    Rewards,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Exposures => "/api/v2/ingest/exposures",
            Self::Rewards => "/api/v2/ingest/rewards",
        }
    }

    /// Events of these visitors, which have to count from here on.
    fn body(self, world: &World, visitors: Vec<String>) -> Value {
        let visitors = match self {
            Self::Exposures => visitors,
            Self::Rewards => visitors.into_iter().map(|visitor| format!("r{visitor}")).collect(),
        };
        world.known().visitors.extend(visitors.iter().cloned());
        match self {
            Self::Exposures => exposures(world, visitors),
            Self::Rewards => {
                let event = |id: &String| json!({"anonymous_id": id, "name": "signup", "idempotency_key": id});
                json!({"events": visitors.iter().map(event).collect::<Vec<_>>()})
            }
        }
    }
}

fn exposures(world: &World, visitors: impl IntoIterator<Item = String>) -> Value {
    let event = |id: String| {
        json!({
            "anonymous_id": id, "optimization_id": world.optimization, "variant": {"headline": "A"}, "idempotency_key": id,
        })
    };
    json!({"events": visitors.into_iter().map(event).collect::<Vec<_>>()})
}
