//! What serving reads, counted.

use std::collections::BTreeMap;

use bandit::{CompileLimits, PolicyOptions, draw_row, propensity, serving_seed};
use chrono::TimeDelta;
use fulcrum_core::ApiError;
use fulcrum_core::ServingCache;
use fulcrum_core::domain::Visitor;
use fulcrum_core::domain::{Checked, POLICY_IN_RECORD, Served};
use fulcrum_core::storage_calls::StorageCalls;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::made;
use super::stage::{ORGANIZATION, Stage, config, mab};

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

#[tokio::test]
async fn many_at_once_read_once() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    let at_once = async |id: Uuid| {
        let (counted, mut all) = (StorageCalls::default(), tokio::task::JoinSet::new());
        for user in 0..20 {
            let (app, counted) = (stage.app.clone(), counted.clone());
            let visitor = Visitor { anonymous_id: format!("u{user}"), context: Map::new(), dry_run: false };
            all.spawn(async move { counted.count(app.serve(id, &visitor)).await.is_ok() });
        }
        (all.join_all().await, counted.so_far())
    };
    assert_eq!(at_once(id).await, (vec![true; 20], calls([("DynamoDB.GetItem", 1)])));
    stage.wait();
    assert_eq!(at_once(id).await, (vec![true; 20], calls([("DynamoDB.GetItem", 1)])));
    // An id of nothing costs no more, and is looked for again after the cache time.
    let nothing = Uuid::from_u128(1);
    assert_eq!(at_once(nothing).await, (vec![false; 20], calls([("DynamoDB.GetItem", 1)])));
    assert_eq!(at_once(nothing).await, (vec![false; 20], calls([])));
    stage.wait();
    assert_eq!(at_once(nothing).await, (vec![false; 20], calls([("DynamoDB.GetItem", 1)])));
}

#[tokio::test]
async fn an_optimization_that_was_just_made_is_found_after_the_cache_time() {
    let stage = Stage::new().await;
    let id = Uuid::from_u128(7);
    assert!(matches!(stage.serve(id, "u", json!({})).await, Err(ApiError::NotServed { .. })));
    let template = stage.create(mab(&["a", "b"])).await.optimization.id;
    let mut serving = stage.app.table.serving(template).await.unwrap().unwrap();
    serving.optimization_id = id;
    stage.put_serving(&serving).await;
    assert!(matches!(stage.serve(id, "u", json!({})).await, Err(ApiError::NotServed { .. })));
    stage.wait();
    stage.serve(id, "u", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_is_cached_is_served_for_five_minutes_while_storage_is_away() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    let before = stage.serve(id, "u", json!({})).await.unwrap();
    let away = stage.away();
    let visitor = Visitor { anonymous_id: "u".into(), context: Map::new(), dry_run: false };
    let count = async || {
        let counted = StorageCalls::default();
        (counted.count(away.serve(id, &visitor)).await, counted.so_far())
    };
    // Ten tries in five minutes, one in each cache time; 30 s of cache time come first.
    for _ in 0..10 {
        stage.wait();
        let (served, tried) = count().await;
        assert_eq!((served.unwrap(), tried), (before.clone(), calls([("DynamoDB.GetItem", 1)])));
        let (served, tried) = count().await;
        assert_eq!((served.unwrap(), tried), (before.clone(), calls([])));
    }
    stage.wait();
    let (over, _) = count().await;
    assert!(matches!(over, Err(ApiError::Unavailable { .. })), "{over:?}");
    // An id that is not cached has nothing to stand in for it.
    let unknown = away.serve(Uuid::from_u128(1), &visitor).await;
    assert!(matches!(unknown, Err(ApiError::Unavailable { .. })), "{unknown:?}");

    // Storage is back: what has changed meanwhile is seen, and the five minutes begin anew.
    stage.serve(id, "u", json!({})).await.unwrap();
    for _ in 0..3 {
        stage.wait();
        count().await.0.unwrap();
    }
    stage.app.delete_model(ORGANIZATION, before.model_id).await.unwrap();
    stage.wait();
    assert!(matches!(stage.serve(id, "u", json!({})).await, Err(ApiError::Conflict { .. })));
}

#[tokio::test]
async fn a_policy_that_is_too_large_for_one_answer_is_refused() {
    let mut stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    stage.app.answer_bytes = 70 + 2 * 11;
    stage.app.policy(id).await.unwrap();
    stage.app.answer_bytes -= 1;
    let Err(refused) = stage.app.policy(id).await else { panic!("one byte less is too few") };
    let expected =
        format!("the policy of optimization {id} has 2 probabilities, too many for one answer; call serve instead");
    assert!(matches!(&refused, ApiError::Conflict { message, .. } if *message == expected), "{refused:?}");
}

/// An optimization that serves version 1 of a posterior from the bucket, as a training run would leave it.
async fn trained(stage: &Stage, config: Value, draws: usize, observed: &[(usize, u64)]) -> (Uuid, bandit::Training) {
    let body = json!({"name": "Large", "model_type": "cmab", "training_data_config": config, "holdout_percentage": 20});
    let made = stage.create(body).await.optimization;
    let mut serving = stage.app.table.serving(made.id).await.unwrap().unwrap();
    let served = serving.served.take().unwrap();
    let space = Checked::new(served.model_type, served.config.clone()).unwrap().space;
    let (training, _) = made::training(&space, draws, observed);
    let object = format!("posteriors/{ORGANIZATION}/{}/1.safetensors", served.model_id);
    stage.app.bucket.put(&object, made::object(&space, &training, served.model_id, "1").into()).await.unwrap();
    let policy = training.policy.to_bytes();
    let policy = (policy.len() <= POLICY_IN_RECORD).then_some(policy);
    serving.served = Some(Served { posterior_version: 1, object: Some(object), policy, bias: bias(), ..served });
    stage.put_serving(&serving).await;
    (made.id, training)
}

/// The biases of such a run.
fn bias() -> BTreeMap<String, f64> {
    BTreeMap::from([("a".to_owned(), 0.25)])
}

#[tokio::test]
async fn a_large_policy_is_read_once_per_version() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..40).map(|l| l.to_string()).collect();
    let context: Vec<Value> = (0..7).map(|k| json!([format!("c{k}"), ["x", "y"]])).collect();
    let (id, training) = trained(&stage, config(&json!([["a", levels]]), &json!(context)), 200, &[(0, 0)]).await;
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
    let mut config = config(&design, &json!(context));
    config["exploration"] = json!(0.5);
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
    let (bias, limits) = (bias(), CompileLimits::default());
    let options = PolicyOptions { bias: &bias, exploration: 0.5, minimum_share: 0.0, limits, threads: 1 };
    let text = id.to_string();
    let seed = serving_seed(&text, 1, number);
    let row = draw_row(&space, &training.posterior, &options, number, &seed).unwrap();
    let keys = bandit::VariantKeys::of(&space).unwrap();
    let none = BTreeMap::new();
    for options in [PolicyOptions { bias: &none, ..options }, PolicyOptions { exploration: 1.0, ..options }] {
        let another = draw_row(&space, &training.posterior, &options, number, &seed).unwrap();
        assert!(row != another, "a bias or an exploration that changes nothing shows nothing");
    }
    let (mut seen, mut held) = ([0; 4], 0);
    for user in 0..2_000 {
        let user = format!("user-{user}");
        let decision = stage.serve(id, &user, json!({"c0": "3"})).await.unwrap();
        let chosen = if decision.holdout { 0 } else { bandit::choose(&text, &user, row.as_ref(), &keys) };
        assert_eq!((decision.variant_index, decision.holdout), (chosen, bandit::hold_out(&text, &user, 20.0)));
        held += usize::from(decision.holdout);
        let expected = propensity(row.as_ref(), decision.variant_index, 0.2);
        assert_eq!(decision.propensity.to_bits(), expected.to_bits());
        seen[decision.variant_index] += 1;
    }
    assert!(seen.iter().filter(|&&n| n > 0).count() > 1, "a policy of one variant shows nothing: {seen:?}");
    // Five standard errors, √(2,000 · 0.2 · 0.8) = 17.9 each.
    assert!((311..=489).contains(&held), "{held} of 2,000 are in the holdout");
}
