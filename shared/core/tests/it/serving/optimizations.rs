//! Making, listing and changing optimizations.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fulcrum_core::ApiError;
use fulcrum_core::domain::{NewOptimization, PatchOptimization};
use fulcrum_core::domain::{OptimizationStatus, Status};
use fulcrum_core::store::{ListOptions, ListOrder};
use fulcrum_core::usecases::WithModel;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, mab};

/// All optimizations that are not archived.
async fn listed(stage: &Stage, organization: &str) -> Vec<WithModel> {
    stage.app.optimizations(organization, ListOrder::UpdatedAt, &ListOptions::ALL).await.unwrap().items
}

fn with(field: &str, value: &Value) -> Value {
    let mut body = mab(&["a", "b"]);
    body[field] = value.clone();
    body
}

async fn fields(stage: &Stage, body: Value) -> Result<(), Vec<String>> {
    let new: NewOptimization = serde_json::from_value(body).unwrap();
    match stage.app.create_optimization(ORGANIZATION, new).await {
        Ok(_) => Ok(()),
        Err(ApiError::InvalidRequest { details, .. }) => Err(details.into_iter().map(|d| d.field).collect()),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_holdout_is_0_to_50_percent_and_the_name_a_text() {
    let stage = Stage::new().await;
    for good in [json!(0), json!(12.5), json!(50), json!(1e-6), Value::Null] {
        assert_eq!(fields(&stage, with("holdout_percentage", &good)).await, Ok(()), "{good}");
    }
    for bad in [json!(-0.001), json!(50.001), json!(1e300), json!(9.9e-7), json!(1e-131)] {
        assert_eq!(fields(&stage, with("holdout_percentage", &bad)).await, Err(vec!["holdout_percentage".into()]));
    }
    assert_eq!(fields(&stage, with("name", &json!("n".repeat(256)))).await, Ok(()));
    for bad in [String::new(), "n".repeat(257)] {
        assert_eq!(fields(&stage, with("name", &json!(bad))).await, Err(vec!["name".into()]));
    }
    // What is refused leaves nothing behind.
    assert_eq!(listed(&stage, ORGANIZATION).await.len(), 6);
}

#[tokio::test]
async fn lists_are_of_one_organization_newest_change_first() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for name in ["first", "second", "third"] {
        ids.push(stage.create(with("name", &json!(name))).await.optimization.id);
        stage.clock.advance(TimeDelta::seconds(1));
    }
    let names = async |organization: &str| {
        let all = listed(&stage, organization).await;
        all.into_iter().map(|o| o.optimization.name).collect::<Vec<_>>()
    };
    assert_eq!(names(ORGANIZATION).await, ["third", "second", "first"]);
    let patch = PatchOptimization { name: Some("renamed".into()), status: None };
    let changed = stage.app.update_optimization(ORGANIZATION, ids[0], patch.clone()).await.unwrap();
    assert_eq!(changed.model_status, Some(Status::Untrained));
    assert!(changed.optimization.updated_at > changed.optimization.created_at);
    assert_eq!(names(ORGANIZATION).await, ["renamed", "third", "second"]);
    assert!(names("org_other").await.is_empty());

    // Nothing of another organization can be seen or changed.
    assert!(matches!(stage.app.optimization("org_other", ids[1]).await, Err(ApiError::NotFound { .. })));
    let archive = PatchOptimization { name: None, status: Some(OptimizationStatus::Archived) };
    for patch in [patch.clone(), archive] {
        let answer = stage.app.update_optimization("org_other", ids[1], patch).await;
        assert!(matches!(answer, Err(ApiError::NotFound { .. })), "{answer:?}");
    }
    assert!(stage.serve(ids[1], "u", json!({})).await.is_ok());
    let nobody = stage.app.update_optimization(ORGANIZATION, Uuid::from_u128(1), patch).await;
    assert!(matches!(nobody, Err(ApiError::NotFound { .. })), "{nobody:?}");
    let empty = stage.app.update_optimization(ORGANIZATION, ids[1], PatchOptimization::default()).await;
    assert!(matches!(empty, Err(ApiError::InvalidRequest { .. })), "{empty:?}");
}

#[tokio::test]
async fn a_list_tells_the_status_of_each_model() {
    let stage = Stage::new().await;
    let one = stage.create(mab(&["a", "b"])).await.optimization;
    let two = stage.create(mab(&["a", "b"])).await.optimization;
    stage.app.delete_model(ORGANIZATION, one.model_id.unwrap()).await.unwrap();
    let _ = stage.app.train(ORGANIZATION, two.model_id.unwrap(), BTreeMap::default(), false).await.unwrap_err();
    let all = listed(&stage, ORGANIZATION).await;
    let status = |id: Uuid| all.iter().find(|o| o.optimization.id == id).unwrap().model_status;
    assert_eq!((status(one.id), status(two.id)), (None, Some(Status::Failed)));
    for id in [one.id, two.id] {
        let (_, alone) = stage.app.optimization(ORGANIZATION, id).await.unwrap();
        assert_eq!(alone.map(|model| model.status(stage.app.clock.now())), status(id));
    }
}
