//! What serving reads, counted.

use std::collections::BTreeMap;

use bandit::{CompileLimits, PolicyOptions, draw_row, propensity, serving_seed};
use chrono::TimeDelta;
use fulcrum_core::domain::{Checked, POLICY_IN_RECORD, Served};
use fulcrum_core::usecases::ServingCache;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::made;
use crate::stage::{ORGANIZATION, Stage, config, mab};

fn calls<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

#[tokio::test]
async fn one_read_per_cache_time() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    assert_eq!(stage.calls(id, "u", json!({})).await, calls([("DynamoDB.GetItem", 1)]));
    for user in ["u", "v", "w"] {
        assert_eq!(stage.calls(id, user, json!({})).await, calls([]));
    }
    stage.clock.advance(TimeDelta::milliseconds(29_999));
    assert_eq!(stage.calls(id, "u", json!({})).await, calls([]));
    stage.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(stage.calls(id, "u", json!({})).await, calls([("DynamoDB.GetItem", 1)]));
    assert_eq!(stage.calls(id, "u", json!({})).await, calls([]));
}

#[tokio::test]
async fn without_cache_time_every_call_reads() {
    let mut stage = Stage::new().await;
    stage.app.serving = ServingCache::new(TimeDelta::zero());
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    for _ in 0..3 {
        assert_eq!(stage.calls(id, "u", json!({})).await, calls([("DynamoDB.GetItem", 1)]));
    }
}

/// An optimization that serves version 1 of a posterior from the bucket, as a training run would leave it.
async fn trained(stage: &Stage, config: Value, draws: usize, observed: &[(usize, u64)]) -> (Uuid, bandit::Training) {
    let body = json!({"name": "Large", "model_type": "cmab", "training_data_config": config});
    let made = stage.create(body).await.optimization;
    let mut serving = stage.app.table.serving(made.id).await.unwrap().unwrap();
    let served = serving.served.take().unwrap();
    let space = Checked::new(served.model_type, served.config.clone()).unwrap().space;
    let (training, _) = made::training(&space, draws, observed);
    let object = format!("posteriors/{ORGANIZATION}/{}/1.safetensors", served.model_id);
    stage.app.bucket.put(&object, made::object(&space, &training).into()).await.unwrap();
    let policy = training.policy.to_bytes();
    let policy = (policy.len() <= POLICY_IN_RECORD).then_some(policy);
    serving.served = Some(Served { posterior_version: 1, object: Some(object), policy, ..served });
    stage.put_serving(&serving).await;
    (made.id, training)
}

#[tokio::test]
async fn a_large_policy_is_read_once_per_version() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..40).map(|l| l.to_string()).collect();
    let context: Vec<Value> = (0..7).map(|k| json!([format!("c{k}"), ["x", "y"]])).collect();
    let (id, training) = trained(&stage, config(&json!([["v", levels]]), &json!(context)), 200, &[(0, 0)]).await;
    assert!(training.policy.to_bytes().len() > POLICY_IN_RECORD);
    // The object's header, then the policy's range of it.
    let cold = calls([("DynamoDB.GetItem", 1), ("S3.GetObject", 2)]);
    assert_eq!(stage.calls(id, "u", json!({"c0": "x"})).await, cold);
    assert_eq!(stage.calls(id, "v", json!({"c6": "y"})).await, calls([]));
    stage.wait();
    assert_eq!(stage.calls(id, "u", json!({})).await, calls([("DynamoDB.GetItem", 1)]));
}

#[tokio::test]
async fn a_context_without_a_row_is_drawn_once() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..6).map(|l| l.to_string()).collect();
    let context: Vec<Value> = (0..6).map(|k| json!([format!("c{k}"), levels])).collect();
    let design = json!([["a", ["x", "y"]], ["b", ["x", "y"]]]);
    let config = config(&design, &json!(context));
    let (id, training) = trained(&stage, config.clone(), 3_000, &[(0, 0), (1, 0), (2, 5)]).await;
    assert_eq!(training.policy.rows(), 2);
    let zeros = json!({"c0": "0", "c1": "0", "c2": "0", "c3": "0", "c4": "0", "c5": "0"});
    assert_eq!(stage.calls(id, "u", zeros).await, calls([("DynamoDB.GetItem", 1)]));
    // The posterior, once for all contexts of the version.
    assert_eq!(stage.calls(id, "u", json!({"c0": "3"})).await, calls([("S3.GetObject", 1)]));
    assert_eq!(stage.calls(id, "v", json!({"c0": "3"})).await, calls([]));
    assert_eq!(stage.calls(id, "u", json!({"c0": "4"})).await, calls([]));
    stage.wait();
    assert_eq!(stage.calls(id, "u", json!({"c0": "3"})).await, calls([("DynamoDB.GetItem", 1)]));

    // The answer is the one of the documented row.
    let config = serde_json::from_value(config).unwrap();
    let space = Checked::new(bandit::ModelType::Cmab, config).unwrap().space;
    let number = space.encode_context(&[3, 6, 6, 6, 6, 6]);
    let (bias, limits) = (BTreeMap::new(), CompileLimits::default());
    let options = PolicyOptions { bias: &bias, exploration: 1.0, limits, threads: 1 };
    let text = id.to_string();
    let row = draw_row(&space, &training.posterior, &options, number, &serving_seed(&text, 1, number)).unwrap();
    let mut seen = [0; 4];
    for user in 0..2_000 {
        let user = format!("user-{user}");
        let decision = stage.serve(id, &user, json!({"c0": "3"})).await.unwrap();
        assert_eq!(decision.variant_index, bandit::choose(&text, &user, row.as_ref()));
        let expected = propensity(row.as_ref(), decision.variant_index, 0.0);
        assert_eq!(decision.propensity.to_bits(), expected.to_bits());
        seen[decision.variant_index] += 1;
    }
    assert!(seen.iter().filter(|&&n| n > 0).count() > 1, "a policy of one variant shows nothing: {seen:?}");
}
