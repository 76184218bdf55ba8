//! Strata begin where what is served has moved, by the times in which versions were in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use fulcrum_core::clock::Clock as _;
use fulcrum_core::store::{policies_key, posterior_key};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, mab};

/// For so long after a change the version before may have decided: a piece of time of its own, in which nothing is seen here, so that
/// the stratum begins with the next. Seconds.
const STALENESS: i64 = 120;

/// An optimization, its model, and when its versions came into force: 0, 1 and 2, of which the last two serve alike.
struct Trained {
    stage: Stage,
    optimization: Uuid,
    model: Uuid,
    since: [DateTime<Utc>; 3],
}

impl Trained {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let mut body = mab(&["a", "b"]);
        body["training_data_config"]["attribution"]["immature"] = json!("include");
        let made = stage.create(body).await.optimization;
        let (optimization, model) = (made.id, made.model_id.unwrap());
        let begin = stage.clock.now();
        let trained = Self { stage, optimization, model, since: [0, 1, 3].map(|hour| begin + TimeDelta::hours(hour)) };
        let cell = |level: &str, sum: u64| json!({"variant": {"headline": level}, "n": 1000, "reward_sum": sum});
        for (snapshot, hours) in [("1", 1), ("2", 2)] {
            trained.stage.clock.advance(TimeDelta::hours(hours));
            trained.stage.snapshot(optimization, snapshot, &[cell("a", 100), cell("b", 200)]).await;
            trained.train().await;
        }
        trained.stage.clock.advance(TimeDelta::hours(2));
        trained
    }

    async fn train(&self) {
        self.stage.app.train(ORGANIZATION, self.model, BTreeMap::new(), false).await.unwrap();
    }

    /// Observations of half an hour after each version came into force, 200 each.
    async fn observations(&self, snapshot: &str) {
        let mut text = "headline,timestamp,reward\n".to_owned();
        for since in self.since {
            for k in 0..200 {
                let (level, reward) = (if k % 2 == 0 { "a" } else { "b" }, u8::from(k % 10 == 0));
                let time = since + TimeDelta::minutes(30) + TimeDelta::seconds(k);
                let _ = writeln!(text, "{level},{},{reward}", time.timestamp());
            }
        }
        let prefix = format!("snapshots/{ORGANIZATION}/{}/{snapshot}/", self.optimization);
        let bucket = &self.stage.app.bucket;
        bucket.put(&format!("{prefix}observations/a.csv"), text.into_bytes().into()).await.unwrap();
        bucket.put(&format!("{prefix}_SUCCESS"), Vec::new().into()).await.unwrap();
    }

    /// When the strata of a run over such observations begin, after the first, and how many observations each has.
    async fn strata(&self, snapshot: &str) -> (Vec<i64>, Vec<u64>) {
        self.observations(snapshot).await;
        self.train().await;
        let state = self.stage.state(self.model).await.unwrap();
        let strata = state["strata"].as_array().unwrap();
        let begins = strata.iter().skip(1).map(|stratum| stratum["from"].as_i64().unwrap());
        (begins.collect(), strata.iter().map(|stratum| stratum["observations"].as_u64().unwrap()).collect())
    }

    fn policies(&self) -> String {
        policies_key(ORGANIZATION, &self.model.to_string())
    }
}

#[tokio::test]
async fn a_stratum_begins_where_the_policy_in_force_has_moved() {
    let trained = Trained::new().await;
    let [_, first, second] = trained.since.map(|since| since.timestamp() + STALENESS);
    // What versions 1 and 2 serve is nearly the same.
    let expected = (vec![first], vec![200, 400]);
    assert_eq!(trained.strata("3").await, expected);

    // The object with the policies is missing, or damaged, or of another model: they are in the posteriors.
    let bucket = &trained.stage.app.bucket;
    bucket.delete(&trained.policies()).await.unwrap();
    assert_eq!(trained.strata("4").await, expected);
    let whole = bucket.read_all(&trained.policies()).await.unwrap();
    for (n, damaged) in [Vec::new(), b"{}".to_vec(), whole[..whole.len() - 1].to_vec()].into_iter().enumerate() {
        bucket.put(&trained.policies(), damaged.into()).await.unwrap();
        assert_eq!(trained.strata(&format!("5{n}")).await, expected);
    }

    // Nothing says any more what version 1 served: what was seen under it stands alone.
    bucket.delete(&trained.policies()).await.unwrap();
    bucket.delete(&posterior_key(ORGANIZATION, &trained.model.to_string(), 1)).await.unwrap();
    assert_eq!(trained.strata("6").await, (vec![first, second], vec![200; 3]));
}

#[tokio::test]
async fn the_policies_outlive_the_posteriors_that_they_are_of() {
    let trained = Trained::new().await;
    let model = trained.model.to_string();
    trained.stage.app.bucket.delete(&posterior_key(ORGANIZATION, &model, 1)).await.unwrap();
    let first = trained.since[1].timestamp() + STALENESS;
    assert_eq!(trained.strata("3").await, (vec![first], vec![200, 400]));
}

#[tokio::test]
async fn what_was_seen_while_the_winner_was_served_stands_alone() {
    let trained = Trained::new().await;
    let patch = |status: &str| serde_json::from_value(json!({"status": status})).unwrap();
    let update = async |status: &str| {
        trained.stage.app.update_optimization(ORGANIZATION, trained.optimization, patch(status)).await.unwrap();
        trained.stage.clock.now().timestamp()
    };
    let frozen = update("completed").await;
    trained.stage.clock.advance(TimeDelta::hours(1));
    let live = update("live").await;
    trained.stage.clock.advance(TimeDelta::hours(1));
    let [_, first, _] = trained.since.map(|since| since.timestamp());
    let mut text = "headline,timestamp,reward\n".to_owned();
    for from in [first, frozen, live] {
        for k in 0..100 {
            let _ = writeln!(text, "b,{},{}", from + 60 + k, u8::from(k % 5 == 0));
        }
    }
    let prefix = format!("snapshots/{ORGANIZATION}/{}/7/", trained.optimization);
    let bucket = &trained.stage.app.bucket;
    bucket.put(&format!("{prefix}observations/a.csv"), text.into_bytes().into()).await.unwrap();
    bucket.put(&format!("{prefix}_SUCCESS"), Vec::new().into()).await.unwrap();
    trained.train().await;
    let state = trained.stage.state(trained.model).await.unwrap();
    let from = |stratum: &Value| stratum["from"].as_i64().unwrap();
    let begins: Vec<i64> = state["strata"].as_array().unwrap().iter().skip(1).map(from).collect();
    assert_eq!(begins, [frozen, live]);
}
