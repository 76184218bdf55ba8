//! Training by events, through the real function: once per snapshot, never backwards, and nothing that asks is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::{Events, Local, Queue};
use fulcrum_core::App;
use fulcrum_core::domain::Lease;
use fulcrum_core::queue::Batch;
use fulcrum_core::store::{LeaseAttempt, REQUESTS, WAITING};
use fulcrum_core::usecases::TrainResponse;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer, assert_shape, settings};

/// The event of an object, as EventBridge sends it.
fn created(bucket: &str, key: &str) -> String {
    json!({
        "version": "0", "id": Uuid::new_v4(), "detail-type": "Object Created", "source": "aws.s3",
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 0}, "reason": "PutObject"},
    })
    .to_string()
}

fn completed(optimization: &str, snapshot: &str) -> String {
    created("bucket", &format!("snapshots/{ORGANIZATION}/{optimization}/{snapshot}/_SUCCESS"))
}

fn schedule() -> String {
    json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}).to_string()
}

/// A batch of these bodies, each received for the nth time.
fn batch(bodies: &[String], receive: u32) -> Batch {
    let attributes = json!({"ApproximateReceiveCount": receive.to_string()});
    let record =
        |(i, body): (usize, &String)| json!({"messageId": i.to_string(), "body": body, "attributes": attributes});
    let records: Vec<Value> = bodies.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// When the platform would end the function.
fn in_time() -> Instant {
    Instant::now() + Duration::from_mins(15)
}

/// Hands bodies to the function as one batch; the places of those that are to come again.
async fn deliver(app: &App, bodies: &[String]) -> Vec<usize> {
    let answer = retrain::handle(app, batch(bodies, 1), in_time()).await;
    answer.batch_item_failures.iter().map(|f| f.item_identifier.parse().unwrap()).collect()
}

async fn model(server: &TestServer, id: &str) -> Reply {
    server.call("GET", &format!("/api/v2/models/{id}"), None).await
}

async fn versions(server: &TestServer, id: &str) -> Vec<String> {
    let reply = server.call("GET", &format!("/api/v2/models/{id}/posteriors"), None).await;
    let all = reply.body["posteriors"].as_array().unwrap();
    all.iter().map(|p| p["snapshot_id"].as_str().unwrap().to_owned()).collect()
}

/// The keys of the requests that wait.
async fn waiting(server: &TestServer) -> Vec<String> {
    let all = server.app.bucket.list(REQUESTS).await.unwrap();
    all.into_iter().map(|(name, _)| format!("{REQUESTS}{name}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_duplicated_and_shuffled_events_train_each_snapshot_at_most_once() {
    const MODELS: usize = 50;
    let server = TestServer::start().await;
    let mut models = Vec::new();
    for _ in 0..MODELS {
        models.push(server.model(&data::mab()).await);
    }
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let snapshots = ["2026-11-01", "2026-11-02", "2026-11-03"];
    let mut delivered = 0;
    for (round, snapshot) in snapshots.iter().enumerate() {
        for (_, optimization) in &models {
            server.snapshot(optimization, snapshot, &data::cells()).await;
        }
        // Every completion so far, in any order, each at least once and most of them several times.
        let known: Vec<String> = models
            .iter()
            .flat_map(|(_, optimization)| snapshots[..=round].iter().map(move |s| completed(optimization, s)))
            .collect();
        let mut events = known.clone();
        while events.len() < if round == 2 { 1_000 - delivered } else { 333 } {
            events.push(known[rng.random_range(0..known.len())].clone());
        }
        events.shuffle(&mut rng);
        delivered += events.len();
        let batches: Vec<Vec<String>> = events.chunks(5).map(<[String]>::to_vec).collect();
        let lanes: Vec<Vec<Vec<String>>> = batches.chunks(batches.len().div_ceil(6)).map(<[_]>::to_vec).collect();
        let mut running = tokio::task::JoinSet::new();
        for lane in lanes {
            let app = server.app.clone();
            running.spawn(async move {
                for batch in lane {
                    assert_eq!(deliver(&app, &batch).await, Vec::<usize>::new(), "no event fails");
                }
            });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
    }
    assert_eq!(delivered, 1_000);
    for (id, _) in &models {
        assert_eq!(model(&server, id).await.text("/snapshot_id"), "2026-11-03");
        // One version per snapshot, newest first: each was trained once, and none after a later one.
        assert_eq!(versions(&server, id).await, ["2026-11-03", "2026-11-02", "2026-11-01"]);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn an_event_that_comes_late_trains_on_the_latest_snapshot_and_only_once() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    for snapshot in ["1", "2", "3"] {
        server.snapshot(&optimization, snapshot, &data::cells()).await;
    }
    for snapshot in ["2", "1", "3", "3", "1"] {
        assert!(deliver(&server.app, &[completed(&optimization, snapshot)]).await.is_empty());
    }
    assert_eq!(versions(&server, &id).await, ["3"]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_rollback_stands_until_there_is_a_newer_snapshot() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    for snapshot in ["1", "2"] {
        server.snapshot(&optimization, snapshot, &data::cells()).await;
        deliver(&server.app, &[completed(&optimization, snapshot)]).await;
    }
    let path = format!("/api/v2/models/{id}/rollback");
    assert_eq!(server.call("POST", &path, Some(&json!({"posterior_version": 1}))).await.status, 200);
    // A duplicate and the schedule leave it alone.
    deliver(&server.app, &[completed(&optimization, "2"), schedule()]).await;
    assert_eq!(waiting(&server).await, Vec::<String>::new());
    assert_eq!(model(&server, &id).await.text("/posterior_version"), "1");
    server.snapshot(&optimization, "3", &data::cells()).await;
    deliver(&server.app, &[completed(&optimization, "3")]).await;
    assert_eq!(model(&server, &id).await.text("/posterior_version"), "3");
    server.shutdown().await;
}

#[tokio::test]
async fn the_biases_of_the_last_run_stand() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let body = json!({"bias": {"headline": 2.0}});
    let trained = server.call("POST", &format!("/api/v2/models/{id}/train"), Some(&body)).await;
    assert_eq!(trained.status, 200, "{}", trained.body);
    server.snapshot(&optimization, "2", &data::cells()).await;
    deliver(&server.app, &[completed(&optimization, "2")]).await;
    let all = server.call("GET", &format!("/api/v2/models/{id}/posteriors"), None).await;
    assert_eq!(
        (all.text("/posteriors/0/snapshot_id"), &all.body["posteriors"][0]["bias"]),
        ("2".into(), &body["bias"])
    );
    server.shutdown().await;
}

#[tokio::test]
async fn events_of_no_model_of_ours_are_dropped() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let foreign = format!("snapshots/another_org/{optimization}/1/_SUCCESS");
    let other_bucket = format!("snapshots/{ORGANIZATION}/{optimization}/1/_SUCCESS");
    let dropped = [
        completed("4754cae0-9a5d-4691-91af-6d15ccc1f82e", "1"),
        created("bucket", &foreign),
        created("another-bucket", &other_bucket),
        created("bucket", &format!("{REQUESTS}{ORGANIZATION}/{id}/never-asked.json")),
        created("bucket", "snapshots/readme.txt"),
        json!({"source": "aws.ec2", "detail-type": "Instance", "detail": {}}).to_string(),
    ];
    assert_eq!(deliver(&server.app, &dropped).await, Vec::<usize>::new());
    assert_eq!(model(&server, &id).await.text("/status"), "untrained");

    assert_eq!(server.call("DELETE", &format!("/api/v2/models/{id}"), None).await.status, 200);
    assert_eq!(deliver(&server.app, &[completed(&optimization, "1")]).await, Vec::<usize>::new());
    assert_eq!(model(&server, &id).await.text("/posterior_version"), "0");
    server.shutdown().await;
}

#[tokio::test]
async fn one_bad_message_does_not_hold_up_its_batch() {
    let server = TestServer::start().await;
    let (good, optimization) = server.model(&data::mab()).await;
    let (bad, broken) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    server.snapshot(&broken, "1", &[("cells/part-0.csv", "variant,n\nnothing".to_owned())]).await;
    let batch = ["no event".to_owned(), completed(&broken, "1"), completed(&optimization, "1")];
    assert_eq!(deliver(&server.app, &batch).await, [0, 1]);
    assert_eq!(model(&server, &good).await.text("/status"), "trained");
    let failed = model(&server, &bad).await;
    assert_eq!((failed.text("/status"), failed.text("/last_error/code")), ("failed".into(), "invalid_snapshot".into()));
    server.shutdown().await;
}

#[tokio::test]
async fn a_poison_message_is_put_aside_after_five_receives() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &[("cells/part-0.csv", "variant,n\nnothing".to_owned())]).await;
    let mut queue = Queue::new(server.app.clone(), Duration::from_millis(1));
    let body = completed(&optimization, "1");
    queue.send(body.clone());
    queue.drained().await;
    assert_eq!(queue.dead_letters(), [body]);
    assert_eq!(model(&server, &id).await.text("/last_error/code"), "invalid_snapshot");
    let revision = server.app.table.model(ORGANIZATION, id.parse().unwrap()).await.unwrap().unwrap().revision;
    assert_eq!(revision, 15, "five leases, five begun runs, five failures");
    queue.shutdown().await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_call_that_does_not_wait_is_answered_at_once_and_done_by_the_queue() {
    let server = TestServer::start_with(None, |app| App { wait: Duration::from_millis(200), ..app }).await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let path = format!("/api/v2/models/{id}/train");
    let authorization = format!("Bearer {}", server.key);
    for (preference, applied) in [("wait=10, Respond-Async; x=1", true), ("handling=strict", false)] {
        let headers = [("authorization", authorization.as_str()), ("prefer", preference)];
        let reply = server.send("POST", &path, &headers, r#"{"bias": {"headline": 1.5}}"#).await;
        assert_eq!(reply.status, if applied { 202 } else { 200 }, "{}", reply.body);
        assert_eq!(reply.header("preference-applied"), applied.then_some("respond-async"));
        if !applied {
            continue;
        }
        assert_shape("train_later", &reply);
        assert_eq!(model(&server, &id).await.text("/status"), "training");
        let refused = server.train(&id).await;
        assert_eq!(refused.status, 409, "the queued request has the lease: {}", refused.body);
        // A snapshot that completes meanwhile is trained on by that run.
        assert!(deliver(&server.app, &[completed(&optimization, "1")]).await.is_empty());
        assert_eq!(versions(&server, &id).await, Vec::<String>::new());
        let [request] = waiting(&server).await.try_into().unwrap();
        let event = created("bucket", &request);
        assert!(deliver(&server.app, &[event.clone(), event]).await.is_empty());
        assert_eq!(waiting(&server).await, Vec::<String>::new());
        assert_eq!(versions(&server, &id).await, ["1"], "the request's duplicate does nothing");
        let all = server.call("GET", &format!("/api/v2/models/{id}/posteriors"), None).await;
        assert_eq!(all.body["posteriors"][0]["bias"], json!({"headline": 1.5}));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_too_large_for_one_call_goes_to_the_queue() {
    let server = TestServer::start_with(None, |app| App { synchronous_bytes: 10, ..app }).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let reply = server.train(&id).await;
    assert_eq!((reply.status, reply.text("/status")), (202, "training".to_owned()), "{}", reply.body);
    let [request] = waiting(&server).await.try_into().unwrap();
    assert!(deliver(&server.app, &[created("bucket", &request)]).await.is_empty());
    assert_eq!(model(&server, &id).await.text("/status"), "trained");
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_outlives_its_hold() {
    let (server, clock) = TestServer::start_at("2026-11-23T19:00:00Z").await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let authorization = format!("Bearer {}", server.key);
    let headers = [("authorization", authorization.as_str()), ("prefer", "respond-async")];
    let path = format!("/api/v2/models/{id}/train");
    let reply = server.send("POST", &path, &headers, r#"{"bias": {"headline": 2}}"#).await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let [request] = waiting(&server).await.try_into().unwrap();
    // The queue is slow: the lease expires, another run acquires it and ends.
    clock.advance(TimeDelta::minutes(16));
    assert_eq!(model(&server, &id).await.text("/status"), "untrained");
    assert_eq!(server.train(&id).await.status, 200);
    assert!(deliver(&server.app, &[created("bucket", &request)]).await.is_empty());
    assert_eq!(model(&server, &id).await.text("/posterior_version"), "2");
    server.shutdown().await;
}

/// A call that does not wait does not wait for a run that it meets either; what that run computes is not computed again.
#[tokio::test]
async fn a_call_that_does_not_wait_is_queued_behind_the_run_that_it_meets() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let (model, now) = (id.parse().unwrap(), server.app.clock.now());
    let lease = Lease { owner: "another".into(), expires_at: now + TimeDelta::minutes(1) };
    server.app.table.acquire_lease(ORGANIZATION, model, &lease, now).await.unwrap();
    let (path, authorization) = (format!("/api/v2/models/{id}/train"), format!("Bearer {}", server.key));
    let headers = [("authorization", authorization.as_str()), ("prefer", "respond-async")];
    let mut requests: Vec<String> = Vec::new();
    for body in ["", r#"{"bias": {"headline": 2}}"#] {
        let reply = server.send("POST", &path, &headers, body).await;
        assert_eq!((reply.status, reply.text("/status")), (202, "training".to_owned()), "{}", reply.body);
        let queued = waiting(&server).await.into_iter().find(|request| !requests.contains(request));
        requests.extend(queued);
    }
    server.app.table.release_lease(ORGANIZATION, model, "another").await.unwrap();
    assert_eq!(server.train(&id).await.text("/posterior_version"), "1");
    assert_eq!(requests.len(), 2);
    for (request, expected) in requests.iter().zip(["1", "2"]) {
        assert!(deliver(&server.app, &[created("bucket", request)]).await.is_empty());
        let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
        assert_eq!(model.text("/posterior_version"), expected, "only the one with other biases was run");
    }
    assert_eq!(waiting(&server).await, Vec::<String>::new());
    server.shutdown().await;
}

/// Whoever completes a snapshot and calls in the same second means the run that the snapshot began, ended or not.
#[tokio::test]
async fn a_call_just_after_the_run_of_a_snapshot_has_its_result() {
    let (server, clock) = TestServer::start_at("2026-11-23T19:00:00Z").await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    assert!(deliver(&server.app, &[completed(&optimization, "1")]).await.is_empty());
    clock.advance(TimeDelta::seconds(1));
    let called = server.train(&id).await;
    assert_eq!((called.status, &called.body["joined"]), (200, &json!(true)), "{}", called.body);
    assert_eq!(called.text("/posterior_version"), "1");
    // Other biases, a later snapshot and a later call are other runs.
    let path = format!("/api/v2/models/{id}/train");
    let biased = server.call("POST", &path, Some(&json!({"bias": {"headline": 1}}))).await;
    assert_eq!((biased.text("/posterior_version"), biased.body.get("joined")), ("2".to_owned(), None));
    server.snapshot(&optimization, "2", &data::cells()).await;
    assert!(deliver(&server.app, &[completed(&optimization, "2")]).await.is_empty());
    server.snapshot(&optimization, "3", &data::cells()).await;
    let later = server.call("POST", &path, Some(&json!({"bias": {"headline": 1}}))).await;
    assert_eq!((later.text("/posterior_version"), later.text("/snapshot_id")), ("4".to_owned(), "3".to_owned()));
    assert!(deliver(&server.app, &[completed(&optimization, "3")]).await.is_empty());
    server.snapshot(&optimization, "4", &data::cells()).await;
    assert!(deliver(&server.app, &[completed(&optimization, "4")]).await.is_empty());
    clock.advance(TimeDelta::milliseconds(1_001));
    let late = server.call("POST", &path, Some(&json!({"bias": {"headline": 1}}))).await;
    assert_eq!((late.text("/posterior_version"), late.body.get("joined")), ("6".to_owned(), None), "{}", late.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_that_fails_waits_on_and_its_model_knows() {
    let server = TestServer::start().await;
    let (id, _) = server.model(&data::mab()).await;
    let authorization = format!("Bearer {}", server.key);
    let headers = [("authorization", authorization.as_str()), ("prefer", "respond-async")];
    let reply = server.send("POST", &format!("/api/v2/models/{id}/train"), &headers, "").await;
    assert_eq!(reply.status, 202, "{}", reply.body);
    let [request] = waiting(&server).await.try_into().unwrap();
    assert_eq!(deliver(&server.app, &[created("bucket", &request)]).await, [0]);
    assert_eq!(model(&server, &id).await.text("/last_error/code"), "no_observations");
    assert_eq!(waiting(&server).await, std::slice::from_ref(&request));
    // Its model is deleted: nobody wants the run any more.
    assert_eq!(server.call("DELETE", &format!("/api/v2/models/{id}"), None).await.status, 200);
    assert!(deliver(&server.app, &[created("bucket", &request)]).await.is_empty());
    assert_eq!(waiting(&server).await, Vec::<String>::new());
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_that_is_none_comes_again_and_its_model_knows() {
    let server = TestServer::start().await;
    let (id, _) = server.model(&data::mab()).await;
    let key = format!("{REQUESTS}{ORGANIZATION}/{id}/x.json");
    server.app.bucket.put(&key, Bytes::from("{\"ask\": \"nothing\"}").into()).await.unwrap();
    assert_eq!(deliver(&server.app, &[created("bucket", &key)]).await, [0]);
    let known = model(&server, &id).await;
    assert_eq!((known.text("/status"), known.text("/last_error/code")), ("failed".into(), "invalid_request".into()));
    assert!(known.text("/last_error/message").contains(&key), "{}", known.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_that_comes_twice_at_once_trains_once() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let uuid: Uuid = id.parse().unwrap();
    let begun = server.app.train(ORGANIZATION, uuid, BTreeMap::new(), true).await.unwrap();
    assert!(matches!(begun, TrainResponse::Queued));
    let [request] = waiting(&server).await.try_into().unwrap();
    let event = [created("bucket", &request)];
    let (one, other) = tokio::join!(deliver(&server.app, &event), deliver(&server.app, &event));
    assert_eq!((one, other), (vec![], vec![]));
    assert_eq!(versions(&server, &id).await, ["1"]);
    // A run that died between its end and the deletion of the request leaves this.
    let text = json!({"ask": "train", "bias": {}}).to_string();
    server.app.bucket.put(&request, Bytes::from(text).into()).await.unwrap();
    assert!(deliver(&server.app, &event).await.is_empty());
    assert_eq!(versions(&server, &id).await, ["1"]);
    assert_eq!(waiting(&server).await, Vec::<String>::new());
    server.shutdown().await;
}

#[tokio::test]
async fn a_request_whose_caller_died_before_it_transferred_its_lease_is_completed_when_the_lease_expires() {
    let server = TestServer::start_with(None, |app| App { lease: TimeDelta::seconds(1), ..app }).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let (uuid, now) = (id.parse().unwrap(), server.app.clock.now());
    let lease = Lease { owner: "a call".into(), expires_at: now + TimeDelta::seconds(1) };
    assert!(matches!(
        server.app.table.acquire_lease(ORGANIZATION, uuid, &lease, now).await.unwrap(),
        LeaseAttempt::Acquired(_)
    ));
    let key = format!("{REQUESTS}{ORGANIZATION}/{id}/x.json");
    let text = json!({"ask": "train", "bias": {"headline": 1.5}}).to_string();
    server.app.bucket.put(&key, Bytes::from(text).into()).await.unwrap();
    assert!(deliver(&server.app, &[created("bucket", &key)]).await.is_empty());
    assert_eq!(versions(&server, &id).await, ["1"]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_run_that_runs_out_of_time_says_so() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let event = [completed(&optimization, "1")];
    // The platform is about to end the function.
    let answer = retrain::handle(&server.app, batch(&event, 1), Instant::now()).await;
    assert_eq!(answer.batch_item_failures.len(), 1);
    let known = model(&server, &id).await;
    assert_eq!((known.text("/status"), known.text("/last_error/code")), ("failed".into(), "invalid_snapshot".into()));
    assert!(known.text("/last_error/message").contains("within the time"), "{}", known.body);
    // So does one within a call; and neither keeps the model.
    let hurried = server.app.until(Some(Instant::now()));
    let error = hurried.train(ORGANIZATION, id.parse().unwrap(), BTreeMap::new(), false).await.unwrap_err();
    assert!(error.to_string().contains("within the time"), "{error}");
    assert!(deliver(&server.app, &event).await.is_empty());
    assert_eq!(model(&server, &id).await.text("/status"), "trained");
    server.shutdown().await;
}

#[tokio::test]
async fn what_the_schedule_cannot_read_keeps_nobody_else_waiting() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    // A record that is none, of an organization that is looked at first.
    let mut config = aws_sdk_dynamodb::config::Builder::from(server.stores.sdk());
    config.set_endpoint_url(server.stores.endpoints().dynamodb.clone());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let put = aws_sdk_dynamodb::Client::from_conf(config.build()).put_item().table_name("table");
    let put = put.item("pk", text("ORG#a_broken_one")).item("sk", text("MODEL#x"));
    put.item("list_order", text("MODEL#000000000000001#x")).send().await.unwrap();
    let key = format!("snapshots/a_broken_one/{}/1/_SUCCESS", Uuid::nil());
    server.app.bucket.put(&key, Bytes::new().into()).await.unwrap();
    assert_eq!(deliver(&server.app, &[schedule()]).await, [0], "it says that it could not look at all");
    assert_eq!(waiting(&server).await, [format!("{REQUESTS}{ORGANIZATION}/{id}/1.json")]);
    server.shutdown().await;
}

/// Lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_message_leaves_one_line_that_says_what_came_of_it() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    let (_, broken) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    server.snapshot(&broken, "1", &[("cells/part-0.csv", "variant,n\nnothing".to_owned())]).await;
    let messages = [
        completed(&optimization, "1"),
        completed(&optimization, "1"),
        created("bucket", "snapshots/readme.txt"),
        completed(&broken, "1"),
        "no event".to_owned(),
        schedule(),
    ];
    // A line of code that logs, met first by a thread without a subscriber while there is one elsewhere, stays silent for good.
    // Other tests are such threads: from here on they have one too, that writes nothing.
    let silent = tracing_subscriber::registry().with(LevelFilter::INFO);
    tracing::subscriber::set_global_default(silent).unwrap();
    let lines = Lines::default();
    let written = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || written.clone()).finish();
    let guard = tracing::subscriber::set_default(log);
    assert_eq!(deliver(&server.app, &messages).await, [3, 4]);
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_function: Vec<&Value> = lines.iter().filter(|line| line["message_id"].is_string()).collect();
    let said: Vec<_> = of_function.iter().map(|line| (line["level"].as_str(), line["message"].as_str())).collect();
    let expected = [
        ("INFO", "trained"),
        ("INFO", "event dropped"),
        ("INFO", "event dropped"),
        ("ERROR", "event failed"),
        ("ERROR", "event refused"),
        ("INFO", "runs queued"),
    ];
    assert_eq!(said, expected.map(|(level, message)| (Some(level), Some(message))), "{text}");
    for (place, line) in of_function.iter().enumerate() {
        assert_eq!((line["message_id"].as_str(), &line["receives"]), (Some(place.to_string().as_str()), &json!(1)));
        assert!(line["duration_ms"].is_f64() && line["storage_calls"].is_u64() && line["cold_start"].is_boolean());
    }
    let [trained, learned, other, failed, refused, queued] = of_function.try_into().unwrap();
    assert_eq!((&trained["posterior_version"], &trained["snapshot_id"]), (&json!(1), &json!("1")));
    assert_eq!((trained["organization"].as_str(), trained["id"].as_str()), (Some(ORGANIZATION), Some(&*optimization)));
    assert!(learned["reason"].as_str().unwrap().contains("was trained on this snapshot"), "{learned}");
    assert!(other["reason"].as_str().unwrap().contains("neither"), "{other}");
    assert_eq!(failed["code"], "invalid_snapshot");
    assert!(failed["cause"].is_string() && refused["cause"].is_string());
    assert_eq!(queued["runs"], 1, "the broken one; {id} has learned");
    server.shutdown().await;
}

#[tokio::test]
async fn the_schedule_asks_once_for_every_snapshot_that_is_new() {
    let server = TestServer::start().await;
    let (learned, one) = server.model(&data::mab()).await;
    let (new, two) = server.model(&data::mab()).await;
    server.model(&data::mab()).await;
    server.snapshot(&one, "1", &data::cells()).await;
    assert_eq!(server.train(&learned).await.status, 200);
    server.snapshot(&two, "1", &data::cells()).await;
    assert!(deliver(&server.app, &[schedule(), schedule()]).await.is_empty());
    let asked = waiting(&server).await;
    assert_eq!(asked, [format!("{REQUESTS}{ORGANIZATION}/{new}/1.json")]);
    let events: Vec<String> = asked.iter().map(|key| created("bucket", key)).collect();
    assert!(deliver(&server.app, &events).await.is_empty());
    assert_eq!(versions(&server, &new).await, ["1"]);
    assert!(deliver(&server.app, &[schedule()]).await.is_empty());
    assert_eq!(waiting(&server).await, Vec::<String>::new());
    server.shutdown().await;
}

#[tokio::test]
async fn an_event_waits_for_the_run_that_holds_its_model() {
    let server = TestServer::start_with(None, |app| App { lease: TimeDelta::seconds(1), ..app }).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let now = server.app.clock.now();
    let lease = |seconds| Lease { owner: "another".into(), expires_at: now + TimeDelta::seconds(seconds) };
    let uuid: Uuid = id.parse().unwrap();
    assert!(matches!(
        server.app.table.acquire_lease(ORGANIZATION, uuid, &lease(1), now).await.unwrap(),
        LeaseAttempt::Acquired(_)
    ));
    assert!(deliver(&server.app, &[completed(&optimization, "1")]).await.is_empty());
    assert_eq!(versions(&server, &id).await, ["1"], "the lease expired, and the event was not lost");
    // One that goes on for longer than two leases has the event come again.
    server.snapshot(&optimization, "2", &data::cells()).await;
    let now = server.app.clock.now();
    assert!(matches!(
        server.app.table.acquire_lease(ORGANIZATION, uuid, &lease(600), now).await.unwrap(),
        LeaseAttempt::Acquired(_)
    ));
    assert_eq!(deliver(&server.app, &[completed(&optimization, "2")]).await, [0]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_local_service_trains_what_is_put_into_its_bucket() {
    let local = Local::start(settings()).await.unwrap();
    let new = serde_json::from_value(data::mab()).unwrap();
    let made = local.app().create_model(ORGANIZATION, new).await.unwrap();
    let prefix = format!("snapshots/{ORGANIZATION}/{}/1/", made.optimization_id);
    for (name, text) in data::cells().into_iter().chain([("_SUCCESS", String::new())]) {
        local.app().bucket.put(&format!("{prefix}{name}"), Bytes::from(text).into()).await.unwrap();
    }
    until_version(local.app(), made.id, 1).await;
    // And so does a request.
    let bias = BTreeMap::from([("headline".to_owned(), 1.0)]);
    let later = local.app().train(ORGANIZATION, made.id, bias, true).await.unwrap();
    assert!(matches!(later, TrainResponse::Queued));
    until_version(local.app(), made.id, 2).await;
    local.shutdown().await;
}

/// Fifty snapshots of one organization are complete, and then one of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_waiting_runs_of_one_organization_keep_another_waiting_for_one_run_at_the_most() {
    const RUNS: usize = 50;
    let local = Local::start(settings()).await.unwrap();
    let app = local.app();
    let complete = async |organization: &str, optimization: Uuid| {
        let prefix = format!("snapshots/{organization}/{optimization}/1/");
        for (name, text) in data::cells().into_iter().chain([("_SUCCESS", String::new())]) {
            app.bucket.put(&format!("{prefix}{name}"), Bytes::from(text).into()).await.unwrap();
        }
    };
    let create = async |organization: &str| {
        let new = serde_json::from_value(data::mab()).unwrap();
        app.create_model(organization, new).await.unwrap()
    };
    let mut many = Vec::new();
    for _ in 0..RUNS {
        many.push(create(ORGANIZATION).await);
    }
    let single = create("org_single").await;
    for model in &many {
        complete(ORGANIZATION, model.optimization_id).await;
    }
    let asked = app.clock.now();
    complete("org_single", single.optimization_id).await;
    let trained_at = async |organization: &str, id: Uuid| {
        for _ in 0..1_200 {
            let model = app.table.model(organization, id).await.unwrap().unwrap();
            if let Some(posterior) = model.posterior {
                return posterior.trained_at;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} was not trained within a minute");
    };
    let done = trained_at("org_single", single.id).await;
    let mut between = 0;
    let mut after = 0;
    for model in &many {
        let at = trained_at(ORGANIZATION, model.id).await;
        between += usize::from(at > asked && at <= done);
        after += usize::from(at > done);
    }
    // One that was at work, and while it was trained itself as many as that takes: the queue works on two at a time.
    assert!(between <= 3, "{between} of {RUNS} runs ended before it");
    assert!(after >= RUNS / 2, "there was no backlog: {after} of {RUNS} runs were left");
    for prefix in [REQUESTS, WAITING] {
        for _ in 0..100 {
            if app.bucket.list(prefix).await.unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(app.bucket.list(prefix).await.unwrap().is_empty(), "nothing is left over in {prefix}");
    }
    local.shutdown().await;
}

#[tokio::test]
async fn a_bucket_that_tells_nothing_is_looked_at() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let id: Uuid = id.parse().unwrap();
    // The schedule finds the snapshot and writes a request, which is found by looking.
    let events = Events::start(server.app.clone(), None);
    until_version(&server.app, id, 1).await;
    events.shutdown().await;
    server.shutdown().await;
}

async fn until_version(app: &App, id: Uuid, version: u64) {
    for _ in 0..600 {
        let model = app.table.model(ORGANIZATION, id).await.unwrap().unwrap();
        if model.lease.is_none() && model.posterior.is_some_and(|p| p.posterior_version == version) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("version {version} of {id} did not come within 30 s");
}
