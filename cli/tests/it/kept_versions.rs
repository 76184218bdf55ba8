//! How many versions of a posterior are kept: `posterior_versions`.

use chrono::TimeDelta;
use fulcrum_core::domain::{Actor, Change};
use fulcrum_core::store::{REMOVED, StoreError};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, TestServer};

const NOW: &str = "2026-11-23T19:00:00Z";

/// A model of which two versions are kept, with a snapshot.
async fn keeping_two(server: &TestServer) -> Uuid {
    let mut body = data::mab();
    body["training_data_config"]["posterior_versions"] = json!(2);
    let (id, optimization) = server.model(&body).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    id.parse().unwrap()
}

async fn train(server: &TestServer, id: Uuid) -> u64 {
    let reply = server.train(&id.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["posterior_version"].as_u64().unwrap()
}

async fn listed(server: &TestServer, id: Uuid) -> Vec<u64> {
    let reply = server.call("GET", &format!("/api/v2/models/{id}/posteriors"), None).await;
    let versions = reply.body["posteriors"].as_array().unwrap().iter();
    versions.map(|version| version["posterior_version"].as_u64().unwrap()).collect()
}

/// The versions that have objects, ascending; each has its posterior and its results.
async fn objects(server: &TestServer) -> Vec<u64> {
    let all = server.app.bucket.list("posteriors/").await.unwrap();
    let of = |end: &str| {
        let named = all.iter().filter_map(|(key, _)| key.rsplit('/').next()?.strip_suffix(end)?.parse().ok());
        let mut versions: Vec<u64> = named.collect();
        versions.sort_unstable();
        versions
    };
    assert_eq!(of(".safetensors"), of(".results.json"));
    of(".safetensors")
}

async fn rollback(server: &TestServer, id: Uuid, version: u64) -> u16 {
    let body = json!({"posterior_version": version});
    server.call("POST", &format!("/api/v2/models/{id}/rollback"), Some(&body)).await.status
}

#[tokio::test]
async fn versions_beyond_those_that_are_kept_go_with_their_objects() {
    let server = TestServer::start().await;
    let id = keeping_two(&server).await;
    for version in 1..=4 {
        assert_eq!(train(&server, id).await, version);
    }
    assert_eq!((listed(&server, id).await, objects(&server).await), (vec![4, 3], vec![3, 4]));
    assert_eq!((rollback(&server, id, 2).await, rollback(&server, id, 3).await), (404, 200));
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_rollback_left_is_kept_for_a_day_and_what_serves_longer() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let id = keeping_two(&server).await;
    train(&server, id).await;
    train(&server, id).await;
    assert_eq!(rollback(&server, id, 1).await, 200);
    // A process that serves may go on with version 1 for the time of its cache.
    assert_eq!(train(&server, id).await, 3);
    assert_eq!(listed(&server, id).await, [3, 2, 1]);
    assert_eq!(train(&server, id).await, 4);
    assert_eq!((listed(&server, id).await, objects(&server).await), (vec![4, 3, 2], vec![2, 3, 4]));
    clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(train(&server, id).await, 5);
    assert_eq!(listed(&server, id).await, [5, 4, 2]);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(train(&server, id).await, 6);
    assert_eq!((listed(&server, id).await, objects(&server).await), (vec![6, 5], vec![5, 6]));
    // One that was left and put in force again is left no longer.
    assert_eq!((rollback(&server, id, 5).await, rollback(&server, id, 6).await), (200, 200));
    for version in 7..=9 {
        assert_eq!(train(&server, id).await, version);
    }
    assert_eq!(listed(&server, id).await, [9, 8, 5]);
    server.shutdown().await;
}

/// A run that dies in the middle of a removal leaves the rest of it to the next one.
#[tokio::test]
async fn a_removal_that_was_cut_off_is_ended_by_the_next_run() {
    let server = TestServer::start().await;
    let id = keeping_two(&server).await;
    train(&server, id).await;
    train(&server, id).await;
    let (table, now) = (&server.app.table, server.app.clock.now());
    let model = table.model(ORGANIZATION, id).await.unwrap().unwrap();
    let record = table.posterior(ORGANIZATION, id, 1).await.unwrap().unwrap();
    let served = table.serving(model.optimization_id).await.unwrap().unwrap().served.unwrap();
    table.begin_removal(ORGANIZATION, id, 1, now, now).await.unwrap();
    assert_eq!(listed(&server, id).await, [2]);
    assert_eq!(rollback(&server, id, 1).await, 404);
    // Whoever has read it before cannot put it in force either.
    let change = Change::trained(&model, &served, (&Actor::Service, now));
    let late = table.activate_version(&model, &record, &served, &change).await;
    assert!(matches!(late, Err(StoreError::Condition { item: REMOVED, .. })), "{late:?}");
    assert_eq!(objects(&server).await, [1, 2]);
    assert_eq!(train(&server, id).await, 3);
    assert_eq!((listed(&server, id).await, objects(&server).await), (vec![3, 2], vec![2, 3]));
    // What is in force is not removed, whoever thinks that it is not.
    let refused = table.begin_removal(ORGANIZATION, id, 3, now, now).await;
    assert!(matches!(refused, Err(StoreError::Condition { .. })), "{refused:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_rollback_that_meets_a_run_knows_what_it_leaves() {
    let server = TestServer::start().await;
    let id = keeping_two(&server).await;
    train(&server, id).await;
    train(&server, id).await;
    let (table, now) = (&server.app.table, server.app.clock.now());
    let before = table.model(ORGANIZATION, id).await.unwrap().unwrap();
    let first = table.posterior(ORGANIZATION, id, 1).await.unwrap().unwrap();
    let served = table.serving(before.optimization_id).await.unwrap().unwrap().served.unwrap();
    train(&server, id).await;
    let change = Change::trained(&before, &served, (&Actor::Service, now));
    let late = table.activate_version(&before, &first, &served, &change).await;
    assert!(matches!(late, Err(StoreError::Condition { item: 0, .. })), "{late:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn how_many_are_kept_is_between_2_and_1000() {
    let server = TestServer::start().await;
    for (versions, good) in [(0, false), (1, false), (2, true), (1_000, true), (1_001, false)] {
        let mut body = data::mab();
        body["training_data_config"]["posterior_versions"] = json!(versions);
        let reply = server.call("POST", "/api/v2/models", Some(&body)).await;
        if good {
            assert_eq!(reply.body["training_data_config"]["posterior_versions"], versions, "{}", reply.body);
        } else {
            let field = "training_data_config.posterior_versions";
            assert_eq!((reply.status, &reply.body["error"]["details"][0]["field"]), (400, &Value::from(field)));
        }
    }
    server.shutdown().await;
}
