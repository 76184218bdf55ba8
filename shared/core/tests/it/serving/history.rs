//! The history of an optimization, and what follows from it: which version was in force when.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use fulcrum_core::auth::Caller;
use fulcrum_core::domain::{
    Actor, Allocation, Change, ChangeKind, NewModel, OptimizationStatus, PatchOptimization, PosteriorView,
    TrainingTrigger, rfc3339,
};
use fulcrum_core::store::ListOptions;
use fulcrum_core::usecases::TrainResponse;
use fulcrum_core::{ApiError, App};
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::{ORGANIZATION, Stage, config, mab};

const ALL: ListOptions<'static> = ListOptions::ALL;

fn cells(rewards: u32) -> Vec<Value> {
    let cell =
        |headline: &str, rewards: u32| json!({"variant": {"headline": headline}, "n": 100, "reward_sum": rewards});
    vec![cell("a", 5), cell("b", rewards)]
}

async fn train(app: &App, model: Uuid) {
    let trained = app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    assert!(matches!(trained, TrainResponse::Trained(_)), "{trained:?}");
}

fn status(status: OptimizationStatus) -> PatchOptimization {
    PatchOptimization { name: None, status: Some(status) }
}

/// What each change was, oldest first, with the version and how it is served from then on, where it touches that.
async fn story(stage: &Stage, optimization: Uuid) -> Vec<(ChangeKind, Option<(u64, Allocation)>)> {
    let mut changes = stage.app.history(ORGANIZATION, optimization, &ALL).await.unwrap().items;
    changes.reverse();
    let served = |change: &Change| {
        let served = change.after.served.filter(|served| served.model_id.is_some())?;
        Some((served.posterior_version, served.allocation))
    };
    changes.iter().map(|change| (change.what, served(change))).collect()
}

/// The times of each version in seconds since the start, newest version first.
async fn in_force(stage: &Stage, model: Uuid, start: &str) -> Vec<(u64, Value)> {
    let (model, page, timeline) = stage.app.posteriors(ORGANIZATION, model, &ALL).await.unwrap();
    let view = |record| serde_json::to_value(PosteriorView::new(record, &model, &timeline)).unwrap();
    let seconds = |end: &Value| {
        let parse = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
        end.as_str().map(|end| (parse(end) - parse(start)).num_seconds())
    };
    let times = |view: &Value| -> Value {
        view["in_force"]
            .as_array()
            .unwrap()
            .iter()
            .map(|time| json!([seconds(&time["from"]), seconds(&time["to"])]))
            .collect()
    };
    page.items.iter().map(view).map(|view| (view["posterior_version"].as_u64().unwrap(), times(&view))).collect()
}

#[tokio::test]
async fn every_change_is_recorded_and_says_what_was_in_force_when() {
    let stage = Stage::new().await;
    let start = rfc3339(stage.app.clock.now());
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    let tick = || stage.clock.advance(TimeDelta::seconds(100));
    for (snapshot, rewards) in [("1", 10), ("2", 20)] {
        tick();
        stage.snapshot(id, snapshot, &cells(rewards)).await;
        train(&stage.app, model).await;
    }
    tick();
    stage.app.rollback(ORGANIZATION, model, 1).await.unwrap();
    for next in [OptimizationStatus::Completed, OptimizationStatus::Live, OptimizationStatus::Archived] {
        tick();
        stage.app.update_optimization(ORGANIZATION, id, status(next)).await.unwrap();
    }
    tick();
    stage.app.update_optimization(ORGANIZATION, id, status(OptimizationStatus::Live)).await.unwrap();
    tick();
    stage.app.delete_model(ORGANIZATION, model).await.unwrap();

    let (exploring, winners) = (Allocation::Exploring, Allocation::Winners);
    let updated = ChangeKind::Updated;
    let expected = [
        (ChangeKind::Created, Some((0, exploring))),
        (ChangeKind::Trained, Some((1, exploring))),
        (ChangeKind::Trained, Some((2, exploring))),
        (ChangeKind::RolledBack, Some((1, exploring))),
        (updated, Some((1, winners))),
        (updated, Some((1, exploring))),
        (updated, None),
        (updated, None),
        (ChangeKind::ModelArchived, None),
    ];
    assert_eq!(story(&stage, id).await, expected);
    let expected = [(2, json!([[200, 300]])), (1, json!([[100, 200], [300, 600], [700, 800]]))];
    assert_eq!(in_force(&stage, model, &start).await, expected);

    // The next model has the same history, and versions of its own.
    tick();
    let new = json!({
        "optimization_id": id, "model_type": "mab",
        "training_data_config": config(&json!([["headline", ["a", "b"]]]), &json!([])),
    });
    let new: NewModel = serde_json::from_value(new).unwrap();
    let second = stage.app.create_model(ORGANIZATION, new).await.unwrap().id;
    tick();
    stage.snapshot(id, "3", &cells(30)).await;
    train(&stage.app, second).await;
    assert_eq!(in_force(&stage, second, &start).await, [(1, json!([[1000, null]]))]);
    let (_, _, timeline) = stage.app.posteriors(ORGANIZATION, second, &ALL).await.unwrap();
    let instants = timeline.instants();
    assert_eq!(instants.len(), 11, "the created one, and each change of what is served: {instants:?}");
    assert!(instants.is_sorted());
}

#[tokio::test]
async fn a_change_says_who_made_it() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    let as_actor = |actor: &Actor| {
        let caller = Caller { organization_id: ORGANIZATION.to_owned(), actor: actor.clone() };
        stage.app.on_behalf_of(&caller)
    };
    let (key, user) = (Actor::ApiKey { id: Uuid::from_u128(7) }, Actor::Token { subject: Some("user_a".into()) });
    stage.snapshot(id, "1", &cells(10)).await;
    train(&as_actor(&key), model).await;
    stage.snapshot(id, "2", &cells(20)).await;
    // A run that waits in the queue is of whoever asked for it, not of the queue.
    let queued = as_actor(&user).train(ORGANIZATION, model, BTreeMap::new(), true).await.unwrap();
    assert!(matches!(queued, TrainResponse::Queued), "{queued:?}");
    let requests = stage.app.bucket.list("requests/").await.unwrap();
    let key_of_request = format!("requests/{}", requests[0].0);
    let trigger =
        TrainingTrigger::TrainingRequested { organization: ORGANIZATION.to_owned(), model, key: key_of_request };
    stage.app.retrain(&trigger, 1).await.unwrap();
    stage.snapshot(id, "3", &cells(30)).await;
    let trigger = TrainingTrigger::SnapshotCompleted {
        organization: ORGANIZATION.to_owned(),
        optimization: id,
        snapshot: "3".to_owned(),
    };
    stage.app.retrain(&trigger, 1).await.unwrap();
    let renamed = PatchOptimization { name: Some("New".into()), status: Some(OptimizationStatus::Live) };
    as_actor(&user).update_optimization(ORGANIZATION, id, renamed).await.unwrap();
    let mut changes = stage.app.history(ORGANIZATION, id, &ALL).await.unwrap().items;
    changes.reverse();
    let actors: Vec<Actor> = changes.iter().map(|change| change.who.clone()).collect();
    assert_eq!(actors, [Actor::Service, key, user.clone(), Actor::Service, user]);
    // What stays as it was is not told.
    let last = changes.last().unwrap();
    assert_eq!(
        serde_json::to_value((&last.before, &last.after)).unwrap(),
        json!([{"name": "Headlines"}, {"name": "New"}])
    );
}

#[tokio::test]
async fn what_fails_changes_nothing_and_records_nothing() {
    let stage = Stage::new().await;
    let made = stage.create(mab(&["a", "b"])).await.optimization;
    let (id, model) = (made.id, made.model_id.unwrap());
    let none = stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await;
    assert!(matches!(none, Err(ApiError::NoObservations { .. })), "{none:?}");
    assert!(stage.app.rollback(ORGANIZATION, model, 1).await.is_err());
    assert_eq!(story(&stage, id).await, [(ChangeKind::Created, Some((0, Allocation::Exploring)))]);
    let foreign = stage.app.history("org_other", id, &ALL).await;
    assert!(matches!(foreign, Err(ApiError::NotFound { .. })), "{foreign:?}");
}

#[tokio::test]
async fn a_long_history_comes_in_pages_and_goes_after_400_days() {
    let stage = Stage::new().await;
    let id = stage.create(mab(&["a", "b"])).await.optimization.id;
    for number in 0..7 {
        let patch = PatchOptimization { name: Some(format!("name {number}")), status: None };
        stage.app.update_optimization(ORGANIZATION, id, patch).await.unwrap();
    }
    let whole: Vec<Uuid> =
        stage.app.history(ORGANIZATION, id, &ALL).await.unwrap().items.iter().map(|c| c.id).collect();
    assert_eq!(whole.len(), 8);
    let (mut paged, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let options = ListOptions { limit: Some(3), cursor: cursor.as_deref(), ..ALL };
        let page = stage.app.history(ORGANIZATION, id, &options).await.unwrap();
        paged.extend(page.items.iter().map(|change| change.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    // All of one millisecond, and still in their order.
    assert_eq!(paged, whole);
    let names: Vec<Value> = stage.items("HISTORY#").await.into_iter().map(|item| item["ttl"].clone()).collect();
    let ttl = (stage.app.clock.now() + TimeDelta::days(400)).timestamp();
    assert_eq!(names, vec![json!(ttl); 8]);
}
