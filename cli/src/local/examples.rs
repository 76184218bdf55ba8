//! The examples: the models and the keys that the files of `events/` name, under ids that never change.
//!
//! Their secrets are in the repository. They belong into the stores of this process alone, and the start of the service sees to it.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use fulcrum_core::auth::{ApiKey, Scope, Secret};
use fulcrum_core::domain::{
    Actor, Aspects, Change, ChangeKind, Checked, Lease, Model, Optimization, OptimizationStatus, PatchOptimization,
    Served, ServedVersion, Serving, rfc3339,
};
use fulcrum_core::store::{StoreError, request_key, snapshots_prefix};
use fulcrum_core::{ApiError, App, Body};
use lambda_http::http::Request;
use serde_json::{Value, json};
use uuid::Uuid;

use super::gateway::dispatch;
use crate::error::CliError;

/// Whose the examples are.
pub const ORGANIZATION: &str = "org_example";
/// Whose one of them is instead, so that there is something that nobody may see.
pub const OTHER_ORGANIZATION: &str = "org_other";
/// May do everything in [`ORGANIZATION`].
pub const KEY: &str = "flk_ZXhhbXBsZSBrZXksIGxvY2FsIHN0b3JlcyBvbmx5ISE";
/// May only read there.
pub const READ_ONLY_KEY: &str = "flk_ZXhhbXBsZSBrZXksIG1heSBvbmx5IHJlYWQuLi4uLi4";
/// Revoked.
pub const REVOKED_KEY: &str = "flk_ZXhhbXBsZSBrZXkgdGhhdCB3YXMgcmV2b2tlZC4uLi4";

/// One model with its optimization.
struct Example {
    number: u128,
    name: &'static str,
    organization: &'static str,
    snapshots: &'static [Snapshot],
    then: Then,
}

/// What a snapshot's one file holds.
#[derive(Clone, Copy)]
enum Snapshot {
    /// 400 exposures of [`small`].
    First,
    /// Twice as many.
    Second,
    /// A line that is not JSON.
    Broken,
    /// Some contexts of [`large`].
    Large,
    /// Exposures that the untrained model decided, and rewards.
    Logged,
}

/// What happens to it.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    /// Two training requests for it are queued.
    Request,
    /// It is trained on each of its snapshots.
    Train,
    Archive,
    /// A run that never ends has its lease.
    Lease,
    /// Its optimization is completed.
    Complete,
}

impl Snapshot {
    fn id(self) -> &'static str {
        match self {
            Self::First | Self::Broken | Self::Large | Self::Logged => "2026-11-01T00-00-00Z",
            Self::Second => "2026-11-02T00-00-00Z",
        }
    }

    /// Its files, of the optimization of an example.
    async fn files(self, app: &App, optimization: Uuid) -> Result<Vec<(&'static str, String)>, CliError> {
        match self {
            Self::Logged => logged(app, optimization).await,
            _ => Ok(vec![("cells/part-0.jsonl", self.cells())]),
        }
    }

    fn cells(self) -> String {
        let line = |headline: &str, device: &str, n: u32, rewards: u32| {
            let cell = json!({
                "variant": {"headline": headline}, "context": {"device": device}, "n": n, "reward_sum": rewards,
            });
            format!("{cell}\n")
        };
        let small = |times: u32| {
            let cells =
                [("A", "desktop", 120, 6), ("A", "mobile", 80, 4), ("B", "desktop", 110, 22), ("B", "mobile", 90, 18)];
            cells.map(|(headline, device, n, rewards)| line(headline, device, times * n, times * rewards)).concat()
        };
        match self {
            Self::First => small(1),
            Self::Second => small(2),
            Self::Broken => "{\"variant\": {\"headline\": \"A\"}, \"n\": 12\n".to_owned(),
            Self::Large => {
                let cell = |i: u32| {
                    let cell = json!({
                        "variant": {"headline": i % 10, "image": i % 7 % 5},
                        "context": {"country": i % 16, "hour": i / 16 % 16, "source": i / 256},
                        "n": 20, "reward_sum": i % 17 % 3,
                    });
                    format!("{cell}\n")
                };
                (0..2_000).map(cell).collect::<Vec<_>>().concat()
            }
            Self::Logged => String::new(),
        }
    }
}

/// Visitors who came ten minutes apart within the last week, saw what they are served, and signed up more often for B.
async fn logged(app: &App, optimization: Uuid) -> Result<Vec<(&'static str, String)>, CliError> {
    let (mut exposures, mut rewards) = (Vec::new(), Vec::new());
    let began = app.clock.now() - TimeDelta::days(6);
    for number in 0..600_u32 {
        let anonymous_id = format!("visitor-{number}");
        let device = if number % 3 == 0 { "mobile" } else { "desktop" };
        let context = json!({"device": device});
        let known = json!({"anonymous_id": anonymous_id, "context": context});
        let visitor = serde_json::from_value(known).map_err(ApiError::internal)?;
        let variant = app.serve(optimization, &visitor).await?.variant;
        let at = began + TimeDelta::minutes(10 * i64::from(number));
        let is_b = variant.get("headline").is_some_and(|headline| headline == "B");
        let exposure = json!({"anonymous_id": anonymous_id, "timestamp": at, "variant": variant, "context": context});
        exposures.push(format!("{exposure}\n"));
        if number % 10 < if is_b { 3 } else { 1 } {
            let reward =
                json!({"anonymous_id": anonymous_id, "timestamp": at + TimeDelta::minutes(1), "name": "signup"});
            rewards.push(format!("{reward}\n"));
        }
    }
    Ok(vec![("exposures/part-0.jsonl", exposures.concat()), ("rewards/part-0.jsonl", rewards.concat())])
}

/// Two headlines on two devices.
fn small() -> Value {
    json!({
        "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
        "context_factors": [{"name": "device", "dtype": "str", "levels": ["desktop", "mobile"]}],
        "reward": {"name": "signup", "type": "bool"},
        "attribution": {"type": "last_touch", "conversion_window_hours": 24},
    })
}

/// The same, of which two versions are kept.
fn keeping_two() -> Value {
    let mut config = small();
    config["posterior_versions"] = json!(2);
    config
}

/// Fifty variants in so many contexts that only those that were seen are compiled, and that their policy is an object.
fn large() -> Value {
    let levels = |n: u32| (0..n).map(|level| level.to_string()).collect::<Vec<_>>();
    let factor = |name: &str, n| json!({"name": name, "dtype": "str", "levels": levels(n)});
    let mut config = small();
    config["design_factors"] = json!([factor("headline", 10), factor("image", 5)]);
    config["context_factors"] = json!([factor("country", 16), factor("hour", 16), factor("source", 16)]);
    config
}

const EXAMPLES: [Example; 16] = [
    example(1, "trained twice", &[Snapshot::First, Snapshot::Second], Then::Train),
    example(2, "trained twice, to roll back", &[Snapshot::First, Snapshot::Second], Then::Train),
    example(3, "to train", &[Snapshot::First], Then::Nothing),
    example(4, "to delete", &[], Then::Nothing),
    example(5, "deleted", &[Snapshot::First], Then::Archive),
    example(6, "without a snapshot", &[], Then::Nothing),
    example(7, "with a broken snapshot", &[Snapshot::Broken], Then::Nothing),
    example(8, "leased by a run", &[Snapshot::First], Then::Lease),
    example(9, "to retrain", &[Snapshot::First], Then::Request),
    Example {
        number: 10,
        name: "of another organization",
        organization: OTHER_ORGANIZATION,
        snapshots: &[Snapshot::First],
        then: Then::Nothing,
    },
    example(11, "to rename", &[], Then::Nothing),
    example(12, "completed", &[], Then::Complete),
    example(13, "deleted, to be followed", &[], Then::Archive),
    example(14, "large", &[Snapshot::Large], Then::Train),
    example(15, "to train later", &[Snapshot::First], Then::Nothing),
    example(16, "logged", &[Snapshot::Logged], Then::Train),
];

const fn example(number: u128, name: &'static str, snapshots: &'static [Snapshot], then: Then) -> Example {
    Example { number, name, organization: ORGANIZATION, snapshots, then }
}

/// The id of an example's model: 00000001-0000-4000-8000-00000000000a is the first.
#[must_use]
pub fn model_id(number: u128) -> Uuid {
    Uuid::from_u128((number << 96) | 0x4000_8000_0000_0000_000a)
}

/// The id of an example's optimization: 00000001-0000-4000-8000-00000000000b is the first.
#[must_use]
pub fn optimization_id(number: u128) -> Uuid {
    Uuid::from_u128((number << 96) | 0x4000_8000_0000_0000_000b)
}

/// Puts the examples into the stores of `app`. What is there already stays as it is.
///
/// # Errors
/// [`CliError`] of storage or of a training run.
pub async fn put(app: &App) -> Result<(), CliError> {
    key(app, 1, KEY, &Scope::ALL, None).await?;
    key(app, 2, READ_ONLY_KEY, &[Scope::ModelsRead], None).await?;
    key(app, 3, REVOKED_KEY, &Scope::ALL, Some(app.clock.now())).await?;
    for example in &EXAMPLES {
        example.put(app).await?;
    }
    events(app).await
}

/// Two visitors of the eleventh example who saw one headline each, one of whom signed up, and one who comes so late that the
/// windows of the others are closed. They wait to be compacted; a second start sends them again, with the same keys.
async fn events(app: &App) -> Result<(), CliError> {
    let exposure = |visitor: &str, headline: &str, timestamp: &str| {
        json!({
            "anonymous_id": visitor, "optimization_id": optimization_id(11), "variant": {"headline": headline},
            "context": {"device": "mobile"}, "timestamp": timestamp, "idempotency_key": visitor,
        })
    };
    let days_ago = |days| rfc3339(app.clock.now() - TimeDelta::days(days));
    let exposures = json!({"events": [
        exposure("example-1", "A", &days_ago(9)),
        exposure("example-2", "B", &days_ago(9)),
        exposure("example-3", "A", &days_ago(1)),
    ]});
    let reward = json!({
        "anonymous_id": "example-2", "name": "signup", "timestamp": days_ago(9), "idempotency_key": "example-2",
    });
    let rewards = json!({"events": [reward]});
    app.ingest_exposures(ORGANIZATION, "req_example", exposures.to_string().as_bytes()).await?;
    app.ingest_rewards(ORGANIZATION, "req_example", rewards.to_string().as_bytes()).await?;
    Ok(())
}

async fn key(
    app: &App,
    number: u128,
    secret: &str,
    scopes: &[Scope],
    revoked_at: Option<DateTime<Utc>>,
) -> Result<(), CliError> {
    let secret = Secret::parse(secret).ok_or_else(|| ApiError::internal("an example's secret is none"))?;
    let key = ApiKey {
        id: Uuid::from_u128((number << 96) | 0x4000_8000_0000_0000_000c),
        hash: secret.hash(),
        organization_id: ORGANIZATION.to_owned(),
        name: "example".to_owned(),
        scopes: scopes.to_vec(),
        created_at: app.clock.now(),
        revoked_at,
    };
    unless_there(app.table.create_key(&key).await)
}

/// A condition that does not hold says that the example is there from an earlier start.
fn unless_there(done: Result<(), StoreError>) -> Result<(), CliError> {
    match done {
        Ok(()) | Err(StoreError::Condition { .. }) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

impl Example {
    async fn put(&self, app: &App) -> Result<(), CliError> {
        self.create(app).await?;
        let (id, organization) = (model_id(self.number), self.organization);
        let version = app.model(organization, id).await?.highest_version;
        for (round, snapshot) in (1..).zip(self.snapshots) {
            // What a trained model would be served is not what was logged before.
            if matches!(snapshot, Snapshot::Logged) && version >= round {
                continue;
            }
            let prefix = snapshots_prefix(organization, &optimization_id(self.number).to_string());
            let object = |name: &str| format!("{prefix}{}/{name}", snapshot.id());
            for (name, text) in snapshot.files(app, optimization_id(self.number)).await? {
                app.bucket.put(&object(name), Bytes::from(text).into()).await?;
            }
            app.bucket.put(&object("_SUCCESS"), Bytes::new().into()).await?;
            if matches!(self.then, Then::Train) && version < round {
                train(app, id).await?;
            }
        }
        match self.then {
            Then::Nothing | Then::Train => Ok(()),
            Then::Request => {
                for (name, bias) in [("example", 0.1), ("example-2", 0.2)] {
                    let key = request_key(organization, &id.to_string(), name);
                    let request = json!({"ask": "train", "bias": {"headline": bias}}).to_string();
                    app.bucket.put(&key, Bytes::from(request).into()).await?;
                }
                Ok(())
            }
            Then::Archive => Ok(app.delete_model(organization, id).await?),
            Then::Lease => {
                let expires_at = DateTime::from_timestamp(32_472_144_000, 0).unwrap_or_default();
                let lease = Lease { owner: "example".to_owned(), expires_at };
                app.table.acquire_lease(organization, id, &lease, app.clock.now()).await?;
                Ok(())
            }
            Then::Complete => {
                let patch = PatchOptimization { name: None, status: Some(OptimizationStatus::Completed) };
                app.update_optimization(organization, optimization_id(self.number), patch).await?;
                Ok(())
            }
        }
    }

    async fn create(&self, app: &App) -> Result<(), CliError> {
        // What is logged was logged before now.
        let made = if matches!(self.snapshots, [Snapshot::Logged]) { TimeDelta::days(7) } else { TimeDelta::zero() };
        let now = app.clock.now() - made;
        let model = serde_json::from_value(json!({
            "id": model_id(self.number),
            "organization_id": self.organization,
            "optimization_id": optimization_id(self.number),
            "model_type": "cmab",
            "config": match (self.snapshots, self.number) {
                ([Snapshot::Large], _) => large(),
                (_, 3 | 9) => keeping_two(),
                _ => small(),
            },
            "created_at": now.timestamp_millis(),
            "updated_at": now.timestamp_millis(),
        }));
        let model: Model = model.map_err(ApiError::internal)?;
        let config = Checked::new(model.model_type, model.config.clone())?.config;
        let model = Model { config, ..model };
        let optimization = Optimization {
            id: model.optimization_id,
            organization_id: model.organization_id.clone(),
            name: self.name.to_owned(),
            status: OptimizationStatus::Live,
            model_id: Some(model.id),
            reward_metric_id: None,
            holdout_percentage: 10.0,
            summary: None,
            status_reason: None,
            overruled_at: None,
            created_at: now,
            updated_at: now,
        };
        let serving = Serving {
            optimization_id: optimization.id,
            organization_id: optimization.organization_id.clone(),
            status: optimization.status,
            holdout_percentage: optimization.holdout_percentage,
            served: Some(Served::untrained(model.id, model.model_type, model.config.clone())),
        };
        let after = Aspects::all(&optimization, ServedVersion::of_model(&model, optimization.status, false));
        let of = (self.organization, optimization.id);
        let change = Change::new(of, (&Actor::Service, now), ChangeKind::Created, Aspects::default(), after);
        unless_there(app.table.create_both(&optimization, &model, &serving, &change).await)
    }
}

/// Trains through the API, as a client would.
async fn train(app: &App, id: Uuid) -> Result<(), CliError> {
    let request = Request::post(format!("/api/v2/models/{id}/train"))
        .header("authorization", format!("Bearer {KEY}"))
        .body(Bytes::new())
        .map_err(ApiError::internal)?;
    let answer = dispatch(app, request).await;
    if answer.status().is_success() {
        return Ok(());
    }
    let text = match answer.body() {
        Body::Text(text) => text.as_str(),
        _ => "no text",
    };
    Err(ApiError::internal(format!("an example was not trained: {text}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_the_documented_ones() {
        assert_eq!(model_id(1).to_string(), "00000001-0000-4000-8000-00000000000a");
        assert_eq!(optimization_id(12).to_string(), "0000000c-0000-4000-8000-00000000000b");
    }

    #[test]
    fn secrets_are_secrets_and_say_what_they_are() {
        for key in [KEY, READ_ONLY_KEY, REVOKED_KEY] {
            assert!(Secret::parse(key).is_some(), "{key}");
        }
    }
}
