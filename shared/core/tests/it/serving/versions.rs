//! Versions of a posterior: training moves serving on, rolling back moves it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use fulcrum_core::domain::{Actor, Change, Checked, InSampleMetrics, Interval, Lease, Observations, POLICY_IN_RECORD};
use fulcrum_core::domain::{PosteriorRecord, Served};
use fulcrum_core::store::{LeaseAttempt, ListOptions, Page, posterior_key};
use fulcrum_core::usecases::TrainResponse;
use fulcrum_core::{ApiError, App};
use serde_json::{Value, json};
use uuid::Uuid;

use super::made;
use super::stage::{Called, Fate, ORGANIZATION, Stage, config, mab};

/// The version in force, and the records of all.
async fn versions(app: &App, model: Uuid) -> (Option<u64>, Vec<PosteriorRecord>) {
    let (model, Page { items, .. }, _) = app.posteriors(ORGANIZATION, model, &ListOptions::ALL).await.unwrap();
    (model.posterior.map(|posterior| posterior.posterior_version), items)
}

/// Trains a model at once; the version that is in force then.
async fn trained(app: &App, model: Uuid, bias: BTreeMap<String, f64>) -> u64 {
    match app.train(ORGANIZATION, model, bias, false).await.unwrap() {
        TrainResponse::Trained(run) => run.posterior.posterior_version,
        TrainResponse::Queued => panic!("a small snapshot is trained on at once"),
    }
}

fn cells(rewards: [u64; 3]) -> Vec<Value> {
    let cell = |(headline, sum): (&str, u64)| json!({"variant": {"headline": headline}, "n": 100, "reward_sum": sum});
    ["a", "b", "c"].into_iter().zip(rewards).map(cell).collect()
}

#[tokio::test]
async fn rolling_back_moves_the_pointer_and_nothing_else() {
    let stage = Stage::new().await;
    let (app, made) = (&stage.app, stage.create(mab(&["a", "b", "c"])).await.optimization);
    let (id, model) = (made.id, made.model_id.unwrap());
    let serve = async || {
        let mut served = Vec::new();
        for user in 0..300 {
            served.push(stage.serve(id, &format!("u{user}"), json!({})).await.unwrap());
        }
        served
    };
    let bias = BTreeMap::from([("headline".to_owned(), 0.5)]);
    stage.snapshot(id, "2026-01-01", &cells([10, 10, 14])).await;
    assert_eq!(trained(app, model, bias.clone()).await, 1);
    let first = serve().await;
    assert_eq!(first[0].posterior_version, 1);
    stage.snapshot(id, "2026-01-02", &cells([14, 10, 10])).await;
    assert_eq!(trained(app, model, BTreeMap::new()).await, 2);
    assert_eq!(serve().await, first, "within the cache time");
    stage.wait();
    let second = serve().await;
    assert_eq!(second[0].posterior_version, 2);
    assert_ne!(
        second.iter().map(|d| d.variant_index).collect::<Vec<_>>(),
        first.iter().map(|d| d.variant_index).collect::<Vec<_>>()
    );

    let rolled = app.rollback(ORGANIZATION, model, 1).await.unwrap();
    let in_force = rolled.posterior.unwrap();
    assert_eq!((in_force.posterior_version, in_force.snapshot_id.as_str(), &in_force.bias), (1, "2026-01-01", &bias));
    assert_eq!(rolled.highest_version, 2);
    assert_eq!(serve().await, second, "within the cache time");
    stage.wait();
    assert_eq!(serve().await, first);
    let (active, records) = versions(app, model).await;
    let versions: Vec<u64> = records.iter().map(|record| record.posterior_version).collect();
    assert_eq!((active, versions), (Some(1), vec![2, 1]));

    // The next training makes a higher number than any before.
    assert_eq!(trained(app, model, BTreeMap::new()).await, 3);
    stage.wait();
    assert_eq!(serve().await[0].posterior_version, 3);
    // The same input, and so the same decisions as version 2.
    for (third, second) in serve().await.iter().zip(&second) {
        assert_eq!((third.variant_index, third.propensity), (second.variant_index, second.propensity));
    }
}

#[tokio::test]
async fn only_what_there_is_can_be_put_in_force() {
    let stage = Stage::new().await;
    let (app, made) = (&stage.app, stage.create(mab(&["a", "b", "c"])).await.optimization);
    let model = made.model_id.unwrap();
    let (active, records) = versions(app, model).await;
    assert!(active.is_none() && records.is_empty());
    stage.snapshot(made.id, "1", &cells([5, 6, 7])).await;
    trained(app, model, BTreeMap::new()).await;
    for version in [0, 2, u64::MAX] {
        let answer = app.rollback(ORGANIZATION, model, version).await;
        assert!(matches!(answer, Err(ApiError::NotFound { what: "posterior", .. })), "{answer:?}");
    }
    let elsewhere = app.rollback("org_other", model, 1).await;
    assert!(matches!(elsewhere, Err(ApiError::NotFound { what: "model", .. })), "{elsewhere:?}");
    assert!(matches!(app.posteriors("org_other", model, &ListOptions::ALL).await, Err(ApiError::NotFound { .. })));
    app.delete_model(ORGANIZATION, model).await.unwrap();
    assert!(matches!(app.rollback(ORGANIZATION, model, 1).await, Err(ApiError::Conflict { .. })));
    assert_eq!(versions(app, model).await.1.len(), 1, "archived ones stay readable");
}

/// A run that died between its two writes has left an object that no record names.
#[tokio::test]
async fn the_object_of_a_run_that_died_is_passed_over() {
    let stage = Stage::new().await;
    let (app, made) = (&stage.app, stage.create(mab(&["a", "b", "c"])).await.optimization);
    let model = made.model_id.unwrap();
    stage.snapshot(made.id, "1", &cells([5, 6, 7])).await;
    let orphan = posterior_key(ORGANIZATION, &model.to_string(), 1);
    app.bucket.put(&orphan, b"whatever it had written".to_vec().into()).await.unwrap();
    assert_eq!(trained(app, model, BTreeMap::new()).await, 2);
    assert_eq!(stage.serve(made.id, "u", json!({})).await.unwrap().posterior_version, 2);
    assert_eq!(app.bucket.read_all(&orphan).await.unwrap().as_ref(), b"whatever it had written");
    let (active, records) = versions(app, model).await;
    assert_eq!((active, records.len()), (Some(2), 1));
}

/// After whichever storage call a run is cut off, and whether or not that call still got through, the last good posterior is
/// in force, everything reads, and the model trains again once the lease has expired.
#[tokio::test]
async fn a_run_may_be_cut_off_after_any_storage_call() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b", "c"])).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    stage.snapshot(id, "1", &cells([5, 6, 7])).await;
    trained(&stage.app, model, BTreeMap::new()).await;
    let mut ends = 0;
    for lost in [false, true] {
        for cut in 0.. {
            let before = stage.app.model(ORGANIZATION, model).await.unwrap().posterior.unwrap();
            let doomed = stage.fated(move |Called { number, .. }| {
                let fate = match number {
                    n if n < cut => Fate::Passes,
                    n if n == cut && lost => Fate::IsLost,
                    _ => Fate::Fails,
                };
                Box::pin(std::future::ready(fate))
            });
            let run = doomed.train(ORGANIZATION, model, BTreeMap::new(), false).await;
            let now = stage.app.model(ORGANIZATION, model).await.unwrap();
            let in_force = now.posterior.unwrap().posterior_version;
            if run.is_ok() {
                assert_eq!(in_force, before.posterior_version + 1);
                ends += cut;
                break;
            }
            // A pointer that had moved when the answer was lost has moved.
            assert!(in_force == before.posterior_version || lost, "call {cut}: {in_force}");
            stage.wait();
            assert_eq!(stage.serve(id, "u", json!({})).await.unwrap().posterior_version, in_force, "call {cut}");
            let state = stage.state(model).await.unwrap();
            assert_eq!(state["posterior_version"], in_force, "call {cut}");
            let list = stage.app.table.models(ORGANIZATION, &ListOptions::ALL).await.unwrap();
            assert_eq!(list.items.len(), 1, "call {cut}");
            stage.clock.advance(stage.app.lease);
            assert!(trained(&stage.app, model, BTreeMap::new()).await > in_force, "call {cut}");
        }
    }
    assert!(ends >= 14, "a run makes at least seven calls, so the cuts fell elsewhere: {ends}");
}

/// What the run finds when it comes to publish, after something has happened behind its back.
async fn published_after(stage: &Stage, model: Uuid, behind: impl AsyncFn(App)) -> ApiError {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let (written, mut writes) = tokio::sync::mpsc::channel::<()>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let app = stage.fated(move |called| {
        let (receiver, written) = (Arc::clone(&receiver), written.clone());
        Box::pin(async move {
            if called.operation.starts_with("PUT ") && called.operation.contains("/posteriors/") {
                let _ = written.send(()).await;
                if let Some(receiver) = receiver.lock().await.take() {
                    let _ = receiver.await;
                }
            }
            Fate::Passes
        })
    });
    let run = app.train(ORGANIZATION, model, BTreeMap::new(), false);
    let meanwhile = async {
        writes.recv().await;
        behind(stage.app.clone()).await;
        let _ = sender.send(());
    };
    tokio::join!(run, meanwhile).0.unwrap_err()
}

#[tokio::test]
async fn a_run_that_lost_its_hold_says_to_whom() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b", "c"])).await.optimization;
    let model = made.model_id.unwrap();
    stage.snapshot(made.id, "1", &cells([5, 6, 7])).await;
    let another = async |app: App| {
        let now = app.clock.now() + app.lease + TimeDelta::seconds(1);
        let lease = Lease { owner: "another".into(), expires_at: now };
        let taken = app.table.acquire_lease(ORGANIZATION, model, &lease, now).await.unwrap();
        assert!(matches!(taken, LeaseAttempt::Acquired(_)), "{taken:?}");
    };
    let lost = published_after(&stage, model, another).await;
    let message = format!(
        "the run's lease on model {model} expired before it ended, and another run acquired it; this run changed nothing"
    );
    assert!(matches!(&lost, ApiError::Conflict { message: m, .. } if *m == message), "{lost:?}");
    stage.clock.advance(stage.app.lease + TimeDelta::seconds(2));
    let deleted = async |app: App| app.delete_model(ORGANIZATION, model).await.unwrap();
    let archived = published_after(&stage, model, deleted).await;
    let message = format!("model {model} is archived; create a new model for its optimization");
    assert!(matches!(&archived, ApiError::Conflict { message: m, .. } if *m == message), "{archived:?}");
    assert!(stage.app.model(ORGANIZATION, model).await.unwrap().posterior.is_none());
}

#[tokio::test]
async fn a_version_whose_policy_lies_in_its_object_comes_back_from_there() {
    let stage = Stage::new().await;
    let levels: Vec<String> = (0..40).map(|l| l.to_string()).collect();
    let context: Vec<Value> = (0..7).map(|k| json!([format!("c{k}"), ["x", "y"]])).collect();
    let config = config(&json!([["v", levels]]), &json!(context));
    let body = json!({"name": "Large", "model_type": "cmab", "training_data_config": config});
    let made = stage.create(body).await.optimization;
    let model = stage.app.model(ORGANIZATION, made.model_id.unwrap()).await.unwrap();
    let space = Checked::new(model.model_type, model.config.clone()).unwrap().space;
    let (training, _) = made::training(&space, 200, &[(0, 0)]);
    assert!(training.policy.to_bytes().len() > POLICY_IN_RECORD);
    for version in 1..=2 {
        let object = posterior_key(ORGANIZATION, &model.id.to_string(), version);
        stage
            .app
            .bucket
            .put(&object, made::object(&space, &training, model.id, &version.to_string()).into())
            .await
            .unwrap();
        let now = stage.app.clock.now();
        let lease = Lease { owner: "run".into(), expires_at: now + stage.app.lease };
        stage.app.table.acquire_lease(ORGANIZATION, model.id, &lease, now).await.unwrap();
        let expected_reward = Interval { mean: 0.0, ci_lower: 0.0, ci_upper: 0.0 };
        let record = PosteriorRecord {
            posterior_version: version,
            trained_at: now,
            snapshot_id: version.to_string(),
            snapshot_manifest: None,
            bias: BTreeMap::new(),
            in_sample_metrics: InSampleMetrics { historic_reward: 0.0, expected_reward },
            observations: Observations::default(),
            warnings: Vec::new(),
            unseen_levels: None,
            by_itself: false,
            summary: None,
            violated_guardrails: Vec::new(),
            failed_checks: Vec::new(),
            object: object.clone(),
        };
        let served = Served::untrained(model.id, model.model_type, model.config.clone());
        let served = Served { posterior_version: version, object: Some(object), ..served };
        let change = Change::trained(&model, &served, (&Actor::Service, now));
        stage.app.table.publish(&model, "run", &record, &served, (None, None), &change).await.unwrap();
    }
    assert_eq!(stage.serve(made.id, "u", json!({})).await.unwrap().posterior_version, 2);
    stage.app.rollback(ORGANIZATION, model.id, 1).await.unwrap();
    let serving = stage.app.table.serving(made.id).await.unwrap().unwrap();
    assert!(serving.served.is_some_and(|served| served.policy.is_none() && served.posterior_version == 1));
    stage.wait();
    let calls = stage.calls(made.id, "u", json!({"c0": "x"})).await;
    assert_eq!(calls, BTreeMap::from([("DynamoDB.GetItem".to_owned(), 1), ("S3.GetObject".to_owned(), 2)]));
    assert_eq!(stage.serve(made.id, "u", json!({})).await.unwrap().posterior_version, 1);
}
