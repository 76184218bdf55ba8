//! When an optimization serves, and when it does not.

use fulcrum_core::ApiError;
use fulcrum_core::domain::{NewModel, Served};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, config, mab};

fn conflict<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> String {
    match answer.unwrap_err() {
        ApiError::Conflict { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deleted_model_serves_nothing_until_there_is_a_new_one() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    stage.serve(id, "u", json!({})).await.unwrap();
    stage.app.delete_model(ORGANIZATION, model).await.unwrap();
    // Within the cache time it may still serve; after it, never.
    stage.serve(id, "u", json!({})).await.unwrap();
    stage.wait();
    let message = conflict(stage.serve(id, "u", json!({})).await);
    assert_eq!(
        message,
        format!("optimization {id} has no model: it was deleted; create a new model for it to serve again")
    );
    assert_eq!(conflict(stage.app.policy(id).await.map(|policy| policy.etag())), message);
    let (seen, gone) = stage.app.optimization(ORGANIZATION, id).await.unwrap();
    assert!(seen.model_id.is_none() && gone.is_none());

    let config = serde_json::from_value(mab(&["c", "d"])["training_data_config"].clone()).unwrap();
    let new = NewModel {
        optimization_id: Some(id.to_string()),
        model_type: bandit::ModelType::Mab,
        training_data_config: config,
    };
    let second = stage.app.create_model(ORGANIZATION, new.clone()).await.unwrap();
    stage.wait();
    let decision = stage.serve(id, "u", json!({})).await.unwrap();
    assert_eq!((decision.model_id, decision.posterior_version), (second.id, 0));
    assert!(["c", "d"].contains(&decision.variant["headline"].as_str().unwrap()));
    // One active model at a time; and the deleted one cannot be put in force again.
    assert!(conflict(stage.app.create_model(ORGANIZATION, new).await).contains(&second.id.to_string()));
    assert!(conflict(stage.app.rollback(ORGANIZATION, model, 1).await).contains("is archived"));
}

#[tokio::test]
async fn what_is_not_there_or_not_right() {
    let stage = Stage::new().await;
    let nobody = Uuid::from_u128(1);
    assert!(matches!(stage.serve(nobody, "u", json!({})).await, Err(ApiError::NotServed { .. })));
    assert!(matches!(stage.app.policy(nobody).await, Err(ApiError::NotServed { .. })));
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    for (user, good) in [("", false), ("x", true), (&"x".repeat(1_024), true), (&"ß".repeat(513), false)] {
        let answer = stage.serve(id, user, json!({})).await;
        assert_eq!(answer.is_ok(), good, "{answer:?}");
        assert!(good || matches!(answer, Err(ApiError::InvalidRequest { .. })));
    }
}

#[tokio::test]
async fn the_state_of_an_untrained_model_weighs_what_is_served() {
    let stage = Stage::new().await;
    let mut config = config(&json!([["a", ["x", "y", "z"]], ["b", [false, true]]]), &json!([]));
    config["excluded_combinations"] = json!([{"a": "y", "b": true}]);
    let body = json!({"name": "n", "model_type": "mab", "training_data_config": config, "holdout_percentage": 12.5});
    let made = stage.create(body).await.optimization;
    let state = stage.state(made.model_id.unwrap()).await.unwrap();
    let weights: Vec<f64> =
        state["variants"].as_array().unwrap().iter().map(|v: &Value| v["weight"].as_f64().unwrap()).collect();
    assert!((weights[0] - (0.125 + 0.875 / 5.0)).abs() < 1e-15, "{weights:?}");
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{weights:?}");
    assert_eq!(weights[3].to_bits(), 0.0_f64.to_bits(), "an excluded variant");
    let mut seen = [false; 6];
    for user in 0..500 {
        let decision = stage.serve(made.id, &format!("u{user}"), json!({})).await.unwrap();
        assert_eq!(decision.propensity.to_bits(), weights[decision.variant_index].to_bits());
        seen[decision.variant_index] = true;
    }
    assert_eq!(seen, [true, true, true, false, true, true]);
}

#[tokio::test]
async fn the_holdout_is_the_same_people_in_any_context_and_under_any_model() {
    let stage = Stage::new().await;
    let cmab = |levels: Value| {
        let config = config(&json!([["headline", levels]]), &json!([["device", ["mobile", "desktop"]]]));
        json!({"name": "n", "model_type": "cmab", "training_data_config": config, "holdout_percentage": 20})
    };
    let made = stage.create(cmab(json!(["a", "b"]))).await.optimization;
    let held = async |context: Value| {
        let mut held = Vec::new();
        for user in 0..300 {
            held.push(stage.serve(made.id, &format!("u{user}"), context.clone()).await.unwrap().holdout);
        }
        held
    };
    let first = held(json!({})).await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(held(json!({"device": "mobile"})).await, first);
    assert_eq!(held(json!({"device": "desktop"})).await, first);
    stage.app.delete_model(ORGANIZATION, made.model_id.unwrap()).await.unwrap();
    let config = serde_json::from_value(cmab(json!(["c", "d", "e"]))["training_data_config"].clone()).unwrap();
    let (id, model_type) = (Some(made.id.to_string()), bandit::ModelType::Cmab);
    let new = NewModel { optimization_id: id, model_type, training_data_config: config };
    stage.app.create_model(ORGANIZATION, new).await.unwrap();
    stage.wait();
    assert_eq!(held(json!({"device": "mobile"})).await, first);
}

/// What serving knows and what the model says contradict each other: nothing that a client could do, and no reason to say that
/// the model is archived.
#[tokio::test]
async fn a_deletion_that_fails_is_not_told_as_done() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let model = made.model_id.unwrap();
    let mut serving = stage.app.table.serving(made.id).await.unwrap().unwrap();
    let served = serving.served.take().unwrap();
    serving.served = Some(Served { model_id: Uuid::from_u128(1), ..served });
    stage.put_serving(&serving).await;
    let refused = stage.app.delete_model(ORGANIZATION, model).await.unwrap_err();
    assert!(matches!(refused, ApiError::Internal { .. }), "{refused:?}");
    assert!(stage.app.model(ORGANIZATION, model).await.unwrap().archived_at.is_none());
}
