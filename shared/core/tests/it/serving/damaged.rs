//! Posteriors' objects that are not what their records say.

use std::collections::BTreeMap;

use fulcrum_core::ApiError;
use fulcrum_core::store::posterior_key;
use serde_json::json;
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, mab};

/// A model with one version, and its object's key and bytes.
async fn trained(stage: &Stage) -> (Uuid, String, Vec<u8>) {
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let model = made.model_id.unwrap();
    let cell = |headline: &str, sum: u64| json!({"variant": {"headline": headline}, "n": 100, "reward_sum": sum});
    stage.snapshot(made.id, "1", &[cell("a", 10), cell("b", 20)]).await;
    stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    let key = posterior_key(ORGANIZATION, &model.to_string(), 1);
    let bytes = stage.app.bucket.read_all(&key).await.unwrap().to_vec();
    (model, key, bytes)
}

async fn is_noticed(stage: &Stage, model: Uuid, place: &str) {
    let state = stage.state(model).await.unwrap_err();
    assert!(matches!(&state, ApiError::Internal { cause } if cause.contains(place)), "{state:?}");
    let rollback = stage.app.rollback(ORGANIZATION, model, 1).await.unwrap_err();
    assert!(matches!(&rollback, ApiError::Conflict { retry_after: None, .. }), "{rollback:?}");
    assert!(rollback.to_string().contains("choose another version"), "{rollback}");
}

#[tokio::test]
async fn a_posterior_of_another_model_is_noticed() {
    let stage = Stage::new().await;
    let (model, key, own) = trained(&stage).await;
    let (other, _, bytes) = trained(&stage).await;
    stage.app.bucket.put(&key, bytes.into()).await.unwrap();
    is_noticed(&stage, model, &format!("its model_id is \"{other}\", and not \"{model}\"")).await;
    stage.app.bucket.put(&key, own.into()).await.unwrap();
    stage.app.rollback(ORGANIZATION, model, 1).await.unwrap();
}

#[tokio::test]
async fn a_truncated_posterior_is_no_reason_to_try_again() {
    let stage = Stage::new().await;
    let (model, key, bytes) = trained(&stage).await;
    for kept in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        stage.app.bucket.put(&key, bytes[..kept].to_vec().into()).await.unwrap();
        let state = stage.state(model).await;
        assert!(matches!(state, Ok(_) | Err(ApiError::Internal { .. })), "{kept} bytes: {state:?}");
        let rollback = stage.app.rollback(ORGANIZATION, model, 1).await;
        assert!(matches!(rollback, Ok(_) | Err(ApiError::Conflict { .. })), "{kept} bytes: {rollback:?}");
    }
    stage.app.bucket.put(&key, bytes[..100].to_vec().into()).await.unwrap();
    is_noticed(&stage, model, &key).await;
}
