//! Versions of a posterior: training moves serving on, rolling back moves it back.

use std::collections::BTreeMap;

use fulcrum_core::usecases::Begun;
use fulcrum_core::{ApiError, App};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{ORGANIZATION, Stage, mab};

/// Trains a model at once; the version that is in force then.
async fn trained(app: &App, model: Uuid, bias: BTreeMap<String, f64>) -> u64 {
    match app.train(ORGANIZATION, model, bias, false).await.unwrap() {
        Begun::Trained(run) => run.posterior.posterior_version,
        Begun::Queued => panic!("a small snapshot is trained on at once"),
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
    let (active, records) = app.posteriors(ORGANIZATION, model).await.unwrap();
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
    let (active, records) = app.posteriors(ORGANIZATION, model).await.unwrap();
    assert!(active.is_none() && records.is_empty());
    stage.snapshot(made.id, "1", &cells([5, 6, 7])).await;
    trained(app, model, BTreeMap::new()).await;
    for version in [0, 2, u64::MAX] {
        let answer = app.rollback(ORGANIZATION, model, version).await;
        assert!(matches!(answer, Err(ApiError::NotFound { what: "posterior", .. })), "{answer:?}");
    }
    let elsewhere = app.rollback("org_other", model, 1).await;
    assert!(matches!(elsewhere, Err(ApiError::NotFound { what: "model", .. })), "{elsewhere:?}");
    assert!(matches!(app.posteriors("org_other", model).await, Err(ApiError::NotFound { .. })));
    app.delete_model(ORGANIZATION, model).await.unwrap();
    assert!(matches!(app.rollback(ORGANIZATION, model, 1).await, Err(ApiError::Conflict { .. })));
    assert_eq!(app.posteriors(ORGANIZATION, model).await.unwrap().1.len(), 1, "archived ones stay readable");
}
