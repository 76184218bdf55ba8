//! A completed optimization: it serves its winner in each context, trains no more, and explores again when it goes live.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fulcrum_core::ApiError;
use fulcrum_core::domain::{Actor, Change, Lease, OptimizationStatus, PatchOptimization, Served, TrainingTrigger};
use fulcrum_core::store::StoreError;
use fulcrum_core::usecases::{Decision, RetrainOutcome};
use serde_json::{Value, json};
use uuid::Uuid;

use super::made;
use super::stage::{ORGANIZATION, Stage, config, mab};

async fn set(stage: &Stage, id: Uuid, status: OptimizationStatus) {
    let patch = PatchOptimization { name: None, status: Some(status) };
    stage.app.update_optimization(ORGANIZATION, id, patch).await.unwrap();
    stage.wait();
}

/// Two headlines, of which one wins on each device, and a holdout of a fifth.
fn body() -> Value {
    let config = config(&json!([["headline", ["A", "B"]]]), &json!([["device", ["desktop", "mobile"]]]));
    json!({"name": "n", "model_type": "cmab", "training_data_config": config, "holdout_percentage": 20})
}

fn cells(better_on_mobile: &str) -> Vec<Value> {
    let cell = |headline: &str, device: &str| {
        let wins = (headline == better_on_mobile) == (device == "mobile");
        let sum = if wins { 120 } else { 90 };
        json!({"variant": {"headline": headline}, "context": {"device": device}, "n": 1_000, "reward_sum": sum})
    };
    [("A", "desktop"), ("A", "mobile"), ("B", "desktop"), ("B", "mobile")].map(|(h, d)| cell(h, d)).to_vec()
}

async fn all(stage: &Stage, id: Uuid, device: &str) -> Vec<Decision> {
    let mut all = Vec::new();
    for user in 0..200 {
        all.push(stage.serve(id, &format!("u{user}"), json!({"device": device})).await.unwrap());
    }
    all
}

fn conflict<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> String {
    match answer.unwrap_err() {
        ApiError::Conflict { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

/// Whoever is not held out gets this variant, for sure; whoever is, the baseline.
fn assert_winner(all: &[Decision], winner: usize) {
    assert!(all.iter().any(|d| d.holdout) && all.iter().any(|d| !d.holdout));
    for decision in all {
        let expected = if decision.holdout { 0 } else { winner };
        assert_eq!(decision.variant_index, expected, "{decision:?}");
        let share = if winner == 0 {
            1.0
        } else if decision.holdout {
            0.2
        } else {
            0.8
        };
        assert!((decision.propensity - share).abs() < 1e-12, "{decision:?}");
    }
}

#[tokio::test]
async fn it_serves_the_winner_of_each_context_until_it_goes_live_again() {
    let stage = Stage::new().await;
    let made = stage.create(body()).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    for (snapshot, winner) in [("1", "A"), ("2", "B")] {
        stage.snapshot(id, snapshot, &cells(winner)).await;
        stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    }
    stage.wait();
    let (before, exploring) = (all(&stage, id, "mobile").await, stage.app.policy(id).await.unwrap());
    assert!(before.iter().any(|d| !d.holdout && d.variant_index == 0), "it explores");

    set(&stage, id, OptimizationStatus::Completed).await;
    assert_winner(&all(&stage, id, "mobile").await, 1);
    assert_winner(&all(&stage, id, "desktop").await, 0);
    let frozen = stage.app.policy(id).await.unwrap();
    let document = serde_json::to_value(frozen.document()).unwrap();
    assert_eq!((&document["frozen"], &document["total"]), (&json!(true), &json!(1)));
    assert_ne!(frozen.etag(), exploring.etag());
    assert_eq!(stage.state(model).await.unwrap()["posterior_version"], 2);

    // A rollback changes whose winners these are; they are served as surely.
    stage.app.rollback(ORGANIZATION, model, 1).await.unwrap();
    stage.wait();
    assert_winner(&all(&stage, id, "mobile").await, 0);
    assert_winner(&all(&stage, id, "desktop").await, 1);
    stage.app.rollback(ORGANIZATION, model, 2).await.unwrap();

    set(&stage, id, OptimizationStatus::Live).await;
    assert_eq!(all(&stage, id, "mobile").await, before);
    let again = serde_json::to_value(stage.app.policy(id).await.unwrap().document()).unwrap();
    assert_eq!(again, serde_json::to_value(exploring.document()).unwrap());
}

#[tokio::test]
async fn it_trains_no_more_whoever_asks() {
    let stage = Stage::new().await;
    let made = stage.create(body()).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    stage.snapshot(id, "1", &cells("A")).await;
    stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();

    // A run that was under way when it became completed puts nothing in force.
    let now = stage.app.clock.now();
    let lease = Lease { owner: "run".into(), expires_at: now + TimeDelta::minutes(1) };
    stage.app.table.acquire_lease(ORGANIZATION, model, &lease, now).await.unwrap();
    set(&stage, id, OptimizationStatus::Completed).await;
    let record = stage.app.model(ORGANIZATION, model).await.unwrap();
    let mut posterior = record.posterior.clone().unwrap();
    posterior.posterior_version = 2;
    let served = Served::version(&record, &posterior, Vec::new());
    let change = Change::trained(&record, &served, (&Actor::Service, now));
    let late = stage.app.table.publish(&record, "run", &posterior, &served, (None, None), &change).await;
    assert!(matches!(late, Err(StoreError::Condition { .. })), "{late:?}");
    stage.app.table.release_lease(ORGANIZATION, model, "run").await.unwrap();

    let refused = conflict(stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await);
    assert!(refused.contains("is completed") && refused.contains("trains no more"), "{refused}");
    stage.snapshot(id, "2", &cells("B")).await;
    let trigger = TrainingTrigger::SnapshotCompleted {
        organization: ORGANIZATION.to_owned(),
        optimization: id,
        snapshot: "2".to_owned(),
    };
    let outcome = stage.app.retrain(&trigger, 1).await.unwrap();
    assert!(matches!(outcome, RetrainOutcome::Dropped(why) if why.contains("completed")), "{outcome:?}");
    let outcome = stage.app.retrain(&TrainingTrigger::Schedule, 1).await.unwrap();
    assert!(matches!(outcome, RetrainOutcome::Queued(0)), "{outcome:?}");
    let unchanged = stage.app.model(ORGANIZATION, model).await.unwrap();
    assert_eq!((unchanged.posterior.unwrap().posterior_version, unchanged.last_error), (1, None));

    set(&stage, id, OptimizationStatus::Live).await;
    let outcome = stage.app.retrain(&trigger, 1).await.unwrap();
    assert!(matches!(outcome, RetrainOutcome::Trained(_)), "{outcome:?}");
}

#[tokio::test]
async fn before_the_first_training_the_baseline_is_all_there_is() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b", "c"])).await.optimization.id;
    set(&stage, id, OptimizationStatus::Completed).await;
    for user in 0..50 {
        let decision = stage.serve(id, &format!("u{user}"), json!({})).await.unwrap();
        assert_eq!((decision.variant_index, decision.propensity.to_bits()), (0, 1.0_f64.to_bits()));
    }
    set(&stage, id, OptimizationStatus::Archived).await;
    let refused = conflict(stage.serve(id, "u", json!({})).await);
    assert_eq!(refused, format!("optimization {id} is archived; only a live or completed one serves"));
    set(&stage, id, OptimizationStatus::Live).await;
    let mut seen = [false; 3];
    for user in 0..50 {
        seen[stage.serve(id, &format!("u{user}"), json!({})).await.unwrap().variant_index] = true;
    }
    assert_eq!(seen, [true; 3]);
}

#[tokio::test]
async fn winners_that_are_not_in_the_record_are_found_when_they_are_asked_for() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..30).map(|level| level.to_string()).collect();
    // 31³ contexts are compiled and too large for the record; of 31⁵ contexts only the two that were seen are compiled.
    for (context_factors, rows) in [(3, 0), (5, 2)] {
        let context: Vec<Value> = (0..context_factors).map(|k| json!([format!("c{k}"), levels])).collect();
        let config = config(&json!([["v", ["x", "y"]]]), &json!(context));
        let body = json!({"name": "Large", "model_type": "cmab", "training_data_config": config});
        let made = stage.create(body).await.optimization;
        let mut serving = stage.app.table.serving(made.id).await.unwrap().unwrap();
        let mut served = serving.served.take().unwrap();
        let (_, _, space) = made::space(&serde_json::to_value(&served.config).unwrap());
        let (training, _) = made::training(&space, 20, &[(0, 0), (1, 7)]);
        let object = format!("posteriors/{ORGANIZATION}/large-{context_factors}");
        stage.app.bucket.put(&object, made::object(&space, &training, served.model_id, "1").into()).await.unwrap();
        (served.posterior_version, served.object, served.policy) = (1, Some(object), None);
        serving.served = Some(served);
        stage.put_serving(&serving).await;

        set(&stage, made.id, OptimizationStatus::Completed).await;
        let frozen = stage.app.table.serving(made.id).await.unwrap().unwrap().served.unwrap();
        let policy = bandit::Policy::from_bytes(&frozen.policy.unwrap()).unwrap();
        assert!(frozen.frozen && policy.is_frozen());
        assert_eq!(policy.rows(), rows, "{context_factors} context factors");
        for context in [0, 7, 1_234] {
            let text = |k: u32| json!(levels.get(usize::try_from(context / 31_u64.pow(k) % 31).unwrap()));
            let named = (0..context_factors).map(|k| (format!("c{k}"), text(context_factors - 1 - k)));
            let decision = stage.serve(made.id, "u", Value::Object(named.collect())).await.unwrap();
            let row = bandit::freeze_row(&space, &training.posterior, context).unwrap();
            assert_eq!(decision.variant_index, row.as_ref().favourite(), "context {context}");
            assert_eq!(decision.propensity.to_bits(), 1.0_f64.to_bits());
        }
    }
}
