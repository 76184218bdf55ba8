//! When an optimization serves, and when it does not.

use fulcrum_core::ApiError;
use fulcrum_core::domain::OptimizationStatus;
use fulcrum_core::usecases::{NewModel, PatchOptimization};
use serde_json::json;
use uuid::Uuid;

use crate::stage::{ORGANIZATION, Stage, mab};

fn status(status: OptimizationStatus) -> PatchOptimization {
    PatchOptimization { name: None, status: Some(status) }
}

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
    let seen = stage.app.optimization(ORGANIZATION, id).await.unwrap();
    assert!(seen.optimization.model_id.is_none() && seen.model_status.is_none());

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
async fn only_a_live_optimization_serves() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    for (to, word) in [(OptimizationStatus::Completed, "completed"), (OptimizationStatus::Archived, "archived")] {
        let changed = stage.app.update_optimization(ORGANIZATION, id, status(to)).await.unwrap();
        assert_eq!(changed.optimization.status, to);
        stage.wait();
        let message = conflict(stage.serve(id, "u", json!({})).await);
        assert_eq!(message, format!("optimization {id} is {word}; only a live one serves"));
    }
    stage.app.update_optimization(ORGANIZATION, id, status(OptimizationStatus::Live)).await.unwrap();
    stage.wait();
    stage.serve(id, "u", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_or_not_right() {
    let stage = Stage::new().await;
    let nobody = Uuid::from_u128(1);
    assert!(matches!(stage.serve(nobody, "u", json!({})).await, Err(ApiError::NotFound { .. })));
    assert!(matches!(stage.app.policy(nobody).await, Err(ApiError::NotFound { .. })));
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    for (user, good) in [("", false), ("x", true), (&"x".repeat(1_024), true), (&"ß".repeat(513), false)] {
        let answer = stage.serve(id, user, json!({})).await;
        assert_eq!(answer.is_ok(), good, "{answer:?}");
        assert!(good || matches!(answer, Err(ApiError::InvalidRequest { .. })));
    }
}
