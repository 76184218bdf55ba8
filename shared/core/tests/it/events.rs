//! Events from the request to the trained model, over real stores inside the process and a clock that stands still.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use chrono::TimeDelta;
use events::incoming::decompress;
use fulcrum_core::domain::{CompactionTrigger, Lease, ModelDetailView, Visitor};
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::usecases::{CompactionOutcome, TrainResponse};
use fulcrum_core::visitor_ids::VisitorIds;
use fulcrum_core::{ApiError, App};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::serving::stage::{Fate, ORGANIZATION, Stage, mab};

const REQUEST: &str = "req_test";

/// A stage with one optimization of the headlines A and B, and its model.
async fn stage(changes: Value) -> (Stage, Uuid, Uuid) {
    let stage = Stage::new().await;
    let mut new = mab(&["A", "B"]);
    let config = new["training_data_config"].as_object_mut().unwrap();
    config["attribution"]["immature"] = json!("include");
    config.extend(changes.as_object().unwrap().clone());
    let made = stage.create(new).await;
    (stage, made.optimization.id, made.optimization.model_id.unwrap())
}

fn exposure(optimization: Uuid, user: u32, headline: &str) -> Value {
    json!({
        "anonymous_id": format!("user-{user}"), "optimization_id": optimization, "variant": {"headline": headline},
        "timestamp": "2026-01-15T09:00:00Z", "idempotency_key": format!("e-{user}"),
    })
}

fn reward(user: u32) -> Value {
    json!({
        "anonymous_id": format!("user-{user}"), "name": "signup", "timestamp": "2026-01-15T09:30:00Z",
        "idempotency_key": format!("r-{user}"),
    })
}

fn body(events: &[Value]) -> Vec<u8> {
    json!({ "events": events }).to_string().into_bytes()
}

/// 60 users who see A and B by turns; every sixth of B's signs up.
async fn send(app: &App, optimization: Uuid) -> Result<(), ApiError> {
    let exposures: Vec<Value> =
        (0..60).map(|user| exposure(optimization, user, if user % 2 == 0 { "A" } else { "B" })).collect();
    let rewards: Vec<Value> = (0..60).filter(|user| user % 12 == 1).map(reward).collect();
    let sent = app.ingest_exposures(ORGANIZATION, REQUEST, &body(&exposures)).await?;
    assert_eq!((sent.accepted, sent.rejected.len(), sent.warnings.len()), (60, 0, 0));
    assert_eq!(app.ingest_rewards(ORGANIZATION, REQUEST, &body(&rewards)).await?.accepted, 5);
    Ok(())
}

async fn flush(app: &App) -> CompactionOutcome {
    app.compact(&CompactionTrigger::Flush { organization: ORGANIZATION.to_owned() }).await.unwrap()
}

/// What a training run on the latest snapshot saw: exposures, rewards, those attributed, and what was skipped.
async fn seen(app: &App, model: Uuid) -> (u64, u64, u64, BTreeMap<String, u64>) {
    let trained = app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap();
    let TrainResponse::Trained(trained) = trained else { panic!("{trained:?}") };
    let seen = trained.posterior.observations;
    (seen.exposures, seen.rewards, seen.attributed_rewards, seen.skipped)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_become_a_snapshot_that_a_model_learns_from() {
    let (stage, optimization, model) = stage(json!({})).await;
    send(&stage.app, optimization).await.unwrap();
    // A client that heard nothing sends all of it again, with the same keys.
    stage.clock.advance(TimeDelta::seconds(5));
    send(&stage.app, optimization).await.unwrap();
    let expected = CompactionOutcome { compacted: 1, events: 65, snapshots: 1, ..CompactionOutcome::default() };
    assert_eq!(flush(&stage.app).await, expected);
    assert_eq!(seen(&stage.app, model).await, (60, 5, 5, BTreeMap::new()));
    let nothing = CompactionOutcome { compacted: 1, ..CompactionOutcome::default() };
    assert_eq!(flush(&stage.app).await, nothing);
    assert!(stage.app.bucket.list("events/org_test/incoming/").await.unwrap().is_empty());
    // Days later a key is still known.
    stage.clock.advance(TimeDelta::days(6));
    send(&stage.app, optimization).await.unwrap();
    assert_eq!(flush(&stage.app).await, nothing);
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_that_are_outcomes_by_name_are_published_too() {
    let outcome =
        |name: &str, weight: f64| json!({"key": name, "weight": weight, "match": {"by": "name", "value": name}});
    let reward_of =
        json!({"name": "signup", "type": "bool", "outcomes": [outcome("signup", 1.0), outcome("trial", 0.5)]});
    let (stage, optimization, model) = stage(json!({"reward": reward_of})).await;
    send(&stage.app, optimization).await.unwrap();
    // A request of its own.
    stage.clock.advance(TimeDelta::seconds(5));
    let mut trial = reward(2);
    trial["name"] = json!("trial");
    assert_eq!(stage.app.ingest_rewards(ORGANIZATION, REQUEST, &body(&[trial])).await.unwrap().accepted, 1);
    assert_eq!(flush(&stage.app).await.snapshots, 1);
    assert_eq!(seen(&stage.app, model).await, (60, 6, 6, BTreeMap::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_publishes_as_often_as_the_model_says() {
    let (stage, optimization, _) = stage(json!({"retrain_minutes": 30})).await;
    let snapshots = async |user: u32| {
        let event = body(&[exposure(optimization, user, "A")]);
        stage.app.ingest_exposures(ORGANIZATION, REQUEST, &event).await.unwrap();
        let outcome = stage.app.compact(&CompactionTrigger::Schedule).await.unwrap();
        assert_eq!((outcome.compacted, outcome.events), (1, 1));
        outcome.snapshots
    };
    assert_eq!(snapshots(1).await, 1);
    stage.clock.advance(TimeDelta::minutes(29));
    assert_eq!(snapshots(2).await, 0);
    stage.clock.advance(TimeDelta::minutes(1));
    assert_eq!(snapshots(3).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_lookback_is_left_out() {
    let (stage, optimization, model) = stage(json!({"lookback_days": 2})).await;
    send(&stage.app, optimization).await.unwrap();
    stage.clock.advance(TimeDelta::days(3));
    let mut late = exposure(optimization, 100, "A");
    late["timestamp"] = Value::Null;
    stage.app.ingest_exposures(ORGANIZATION, REQUEST, &body(&[late])).await.unwrap();
    assert_eq!(flush(&stage.app).await.snapshots, 1);
    let (exposures, ..) = seen(&stage.app, model).await;
    assert_eq!(exposures, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_are_told_and_the_others_stored() {
    let (stage, optimization, _) = stage(json!({})).await;
    let mut unknown = exposure(optimization, 2, "C");
    unknown["variant"]["button"] = json!("red");
    let events = [exposure(optimization, 1, "A"), json!({"anonymous_id": "x"}), unknown];
    let answer = stage.app.ingest_exposures(ORGANIZATION, REQUEST, &body(&events)).await.unwrap();
    let answer = serde_json::to_value(&answer).unwrap();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(2), &json!(1)), "{answer}");
    assert_eq!(answer["rejected"][0]["code"], "invalid_event");
    let warning = &answer["warnings"][0];
    assert_eq!(warning["code"], "unknown_variant", "{answer}");
    assert_eq!(warning["example"], json!({"index": 2, "factor": "headline", "level": "C"}));
    assert_eq!(flush(&stage.app).await.events, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optimization_of_somebody_else_refuses_the_whole_request() {
    let (stage, optimization, _) = stage(json!({})).await;
    for foreign in [Uuid::from_u128(7), optimization] {
        let organization = if foreign == optimization { "org_other" } else { ORGANIZATION };
        let mut events = vec![exposure(optimization, 1, "A"), exposure(foreign, 2, "A")];
        if organization != ORGANIZATION {
            events.remove(0);
        }
        let index = events.len() - 1;
        let refused = stage.app.ingest_exposures(organization, REQUEST, &body(&events)).await.unwrap_err();
        assert_eq!(refused.code(), "forbidden");
        assert!(refused.to_string().starts_with(&format!("events[{index}].optimization_id: {foreign}")), "{refused}");
    }
    let mut reward = reward(1);
    reward["optimization_id"] = json!(Uuid::from_u128(7));
    let refused = stage.app.ingest_rewards(ORGANIZATION, REQUEST, &body(&[reward])).await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
    assert!(stage.app.bucket.list("events/").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_write_and_reads_an_optimization_once() {
    let (stage, optimization, _) = stage(json!({})).await;
    let counted = async || {
        let calls = StorageCalls::default();
        let events = body(&[exposure(optimization, 1, "A"), exposure(optimization, 2, "B")]);
        calls.count(stage.app.ingest_exposures(ORGANIZATION, REQUEST, &events)).await.unwrap();
        calls.so_far()
    };
    let of = |calls: &[&str]| calls.iter().map(|call| ((*call).to_owned(), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(counted().await, of(&["DynamoDB.GetItem", "S3.PutObject"]));
    assert_eq!(counted().await, of(&["S3.PutObject"]));
    stage.clock.advance(TimeDelta::seconds(30));
    assert_eq!(counted().await, of(&["DynamoDB.GetItem", "S3.PutObject"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_unavailable_and_counts_once_when_it_is_sent_again() {
    let (stage, optimization, model) = stage(json!({})).await;
    let lossy = stage.fated(|called| {
        let lost = called.operation.starts_with("PUT ");
        Box::pin(async move { if lost { Fate::IsLost } else { Fate::Passes } })
    });
    let refused = send(&lossy, optimization).await.unwrap_err();
    assert!(matches!(refused, ApiError::Unavailable { .. }), "{refused:?}");
    stage.clock.advance(TimeDelta::seconds(1));
    send(&stage.app, optimization).await.unwrap();
    assert_eq!(flush(&stage.app).await.events, 65);
    assert_eq!(seen(&stage.app, model).await, (60, 5, 5, BTreeMap::new()));
}

/// Every storage call of a compaction fails once, before it reaches the store or after.
#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_that_dies_at_any_call_loses_and_doubles_nothing() {
    let (stage, optimization, model) = stage(json!({})).await;
    let mut sent = 0;
    for number in 0..40 {
        for lost in [false, true] {
            let event = body(&[exposure(optimization, sent, "A")]);
            stage.app.ingest_exposures(ORGANIZATION, &format!("req_{sent}"), &event).await.unwrap();
            sent += 1;
            let dying = stage.fated(move |called| {
                let dies = called.number >= number;
                let fate = if dies && lost && called.number == number { Fate::IsLost } else { Fate::Fails };
                Box::pin(async move { if dies { fate } else { Fate::Passes } })
            });
            // Listing organizations is no call of a flush.
            let outcome = flush(&dying).await;
            assert_eq!(outcome.compacted + outcome.failed + outcome.busy, 1, "{number}");
            // The lease of whoever died expires.
            stage.clock.advance(TimeDelta::seconds(61));
        }
    }
    let outcome = flush(&stage.app).await;
    assert_eq!((outcome.compacted, outcome.failed), (1, 0));
    assert!(stage.app.bucket.list("events/org_test/incoming/").await.unwrap().is_empty());
    assert_eq!(seen(&stage.app, model).await.0, u64::from(sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_compaction_at_a_time() {
    let (stage, optimization, _) = stage(json!({})).await;
    send(&stage.app, optimization).await.unwrap();
    let now = stage.app.clock.now();
    let lease = Lease { owner: "another".to_owned(), expires_at: now + TimeDelta::seconds(60) };
    let table = &stage.app.table;
    assert!(table.acquire_events_lease(ORGANIZATION, &lease, now).await.unwrap().is_some());
    assert_eq!(flush(&stage.app).await, CompactionOutcome { busy: 1, ..CompactionOutcome::default() });
    stage.clock.advance(TimeDelta::seconds(60));
    assert_eq!(flush(&stage.app).await.events, 65);
    // The lease was released, so that the next one waits for nothing.
    assert_eq!(flush(&stage.app).await.compacted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_in_no_part_and_in_no_later_snapshot() {
    let (stage, optimization, model) = stage(json!({})).await;
    send(&stage.app, optimization).await.unwrap();
    flush(&stage.app).await;
    stage.clock.advance(TimeDelta::minutes(1));
    // One event of the user's is in a part, and one still waits.
    let again = json!({"anonymous_id": "user-13", "name": "signup"});
    stage.app.ingest_rewards(ORGANIZATION, REQUEST, &body(&[again])).await.unwrap();
    stage.app.delete_user_events(ORGANIZATION, "req_delete", "user-13").await.unwrap();
    stage.clock.advance(TimeDelta::minutes(1));
    assert_eq!(flush(&stage.app).await.snapshots, 1);
    assert_eq!(seen(&stage.app, model).await, (59, 4, 4, BTreeMap::new()));
    // What the user does later is new.
    let later = json!({"anonymous_id": "user-13", "optimization_id": optimization, "variant": {"headline": "A"}});
    stage.app.ingest_exposures(ORGANIZATION, REQUEST, &body(&[later])).await.unwrap();
    flush(&stage.app).await;
    assert_eq!(seen(&stage.app, model).await.0, 60);
    for bad in [String::new(), "x".repeat(1025)] {
        assert!(stage.app.delete_user_events(ORGANIZATION, REQUEST, &bad).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_foreign_objects_is_an_invalid_snapshot() {
    let (stage, optimization, model) = stage(json!({})).await;
    let prefix = format!("snapshots/{ORGANIZATION}/{optimization}/2026/");
    let put = async |key: &str, bytes: String| {
        stage.app.bucket.put(&format!("{prefix}{key}"), bytes.into_bytes().into()).await.unwrap();
    };
    let manifest = |key: &str, size: usize| {
        json!({"format": "fulcrum.manifest.v1", "exposures": [{"key": key, "size": size}], "rewards": []}).to_string()
    };
    put("_SUCCESS", String::new()).await;
    put("_MANIFEST.json", manifest("events/org_other/exposures/a.parquet", 1)).await;
    let refused = stage.app.train(ORGANIZATION, model, BTreeMap::new(), false).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_snapshot");
    let told = "_MANIFEST.json: exposures[0].key is \"events/org_other/exposures/a.parquet\"";
    assert!(refused.to_string().contains(told), "{refused}");
    // A warehouse's own files are named by their whole keys.
    let lines: String = ["A", "B"].map(|level| format!("{}\n", exposure(optimization, 1, level))).concat();
    put("files/x.jsonl", lines.clone()).await;
    put("_MANIFEST.json", manifest(&format!("{prefix}files/x.jsonl"), lines.len())).await;
    assert_eq!(seen(&stage.app, model).await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_ids_are_kept_nowhere_and_served_counted_and_deleted_alike() {
    let (stage, optimization, model) = stage(json!({})).await;
    let ids = VisitorIds::hashed(&"secret ".repeat(8));
    let app = App { visitor_ids: ids.clone(), ..stage.app.clone() };
    send(&app, optimization).await.unwrap();
    for (name, _) in app.bucket.list("events/org_test/incoming/").await.unwrap() {
        let object = app.bucket.read_all(&format!("events/org_test/incoming/{name}")).await.unwrap();
        let lines = decompress(&object).unwrap();
        assert!(lines.contains(&*ids.kept(ORGANIZATION, "user-13")), "{lines}");
        assert!(!lines.contains("user-"), "{lines}");
    }
    // Who is hashed by ingestion is served as that hash would be, and otherwise than by the plain id: of 64 that are served at
    // random, before anything is learned, at least one.
    let visitor = |id: &str| Visitor { anonymous_id: id.to_owned(), context: Map::new(), dry_run: false };
    let mut differ = 0;
    for user in 0..64 {
        let id = format!("user-{user}");
        let served = app.serve(optimization, &visitor(&id)).await.unwrap();
        let by_hash = stage.app.serve(optimization, &visitor(&ids.kept(ORGANIZATION, &id))).await.unwrap();
        assert_eq!(served, by_hash);
        differ += u32::from(stage.app.serve(optimization, &visitor(&id)).await.unwrap() != served);
    }
    assert!(differ > 0, "hashing changes nothing of what is served");
    assert_eq!(flush(&app).await.events, 65);
    assert_eq!(seen(&app, model).await, (60, 5, 5, BTreeMap::new()));
    let Err(refused) = app.policy(optimization).await else {
        panic!("a policy that nobody could follow was published")
    };
    assert_eq!(refused.code(), "conflict");
    assert!(stage.app.policy(optimization).await.is_ok());
    stage.clock.advance(TimeDelta::minutes(1));
    app.delete_user_events(ORGANIZATION, "req_delete", "user-13").await.unwrap();
    stage.clock.advance(TimeDelta::minutes(1));
    assert_eq!(flush(&app).await.snapshots, 1);
    assert_eq!(seen(&app, model).await, (59, 4, 4, BTreeMap::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_says_by_which_manifest_it_was_trained() {
    let (stage, optimization, model) = stage(json!({})).await;
    send(&stage.app, optimization).await.unwrap();
    flush(&stage.app).await;
    seen(&stage.app, model).await;
    let shown = async || {
        let model = stage.app.model(ORGANIZATION, model).await.unwrap();
        serde_json::to_value(ModelDetailView::new(&model, stage.app.clock.now())).unwrap()
    };
    let by_events = shown().await;
    let prefix = format!("snapshots/{ORGANIZATION}/{optimization}");
    let expected = format!("{prefix}/{}/_MANIFEST.json", by_events["snapshot_id"].as_str().unwrap());
    assert_eq!(by_events["snapshot_manifest"], expected.as_str());
    let check =
        stage.app.check_stored_snapshot(ORGANIZATION, optimization, expected.trim_end_matches("_MANIFEST.json"));
    let check = serde_json::to_value(check.await.unwrap()).unwrap();
    assert_eq!(check["fails"], Value::Null, "{check}");
    // A warehouse's snapshot of files of its own has none.
    for (name, text) in [("exposures/x.jsonl", exposure(optimization, 1, "A").to_string()), ("_SUCCESS", String::new())]
    {
        stage.app.bucket.put(&format!("{prefix}/9999/{name}"), text.into_bytes().into()).await.unwrap();
    }
    assert_eq!(seen(&stage.app, model).await.0, 1);
    assert_eq!(shown().await.get("snapshot_manifest"), None);
}
