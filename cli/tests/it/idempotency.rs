//! `Idempotency-Key`: one piece of work for one key.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use fulcrum_core::domain::{KEY_LIFE, Lease, TrainingTrigger};
use fulcrum_core::keyed_work::KeyedWork;
use fulcrum_core::store::{KeyAttempt, ListOptions, ListOrder, REQUESTS};
use fulcrum_core::usecases::{RetrainOutcome, TrainResponse};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer};

const NOW: &str = "2026-11-23T19:00:00Z";

async fn keyed(server: &TestServer, path: &str, key: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {}", server.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", key)];
    server.send("POST", path, &headers, body.to_string()).await
}

async fn models(server: &TestServer) -> usize {
    server.app.table.models(ORGANIZATION, &ListOptions::ALL).await.unwrap().items.len()
}

#[tokio::test]
async fn the_first_answer_is_given_again_for_a_day() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let first = keyed(&server, "/api/v2/models", "k-1", &data::mab()).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None), "{}", first.body);
    clock.advance(KEY_LIFE - TimeDelta::seconds(1));
    let again = keyed(&server, "/api/v2/models", "k-1", &data::mab()).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.body, first.body);

    let other = keyed(&server, "/api/v2/models", "k-1", &data::cmab()).await;
    assert_eq!((other.status, other.text("/error/code")), (422, "idempotency_mismatch".to_owned()), "{}", other.body);
    // Another key, another route and no key are other work.
    assert_ne!(keyed(&server, "/api/v2/models", "k-2", &data::mab()).await.text("/id"), first.text("/id"));
    let mut named = data::mab();
    named["name"] = json!("n");
    assert_eq!(keyed(&server, "/api/v2/optimizations", "k-1", &named).await.status, 201);
    assert_eq!(models(&server).await, 3);

    clock.advance(TimeDelta::seconds(2));
    let later = keyed(&server, "/api/v2/models", "k-1", &data::cmab()).await;
    assert_eq!((later.status, later.header("idempotency-replayed")), (201, None), "{}", later.body);
    assert_eq!(models(&server).await, 4);
    server.shutdown().await;
}

#[tokio::test]
async fn keys_of_organizations_are_apart_and_need_a_token_first() {
    let server = TestServer::start().await;
    let (_, other) = server.key_of("org_other", &fulcrum_core::auth::Scope::ALL).await;
    let first = keyed(&server, "/api/v2/models", "k", &data::mab()).await;
    let bearer = format!("Bearer {}", other.expose());
    let of_other = [("authorization", bearer.as_str()), ("idempotency-key", "k")];
    let theirs = server.send("POST", "/api/v2/models", &of_other, data::mab().to_string()).await;
    assert_eq!(theirs.status, 201, "{}", theirs.body);
    assert_ne!(theirs.text("/id"), first.text("/id"));
    let nobody = server.send("POST", "/api/v2/models", &[("idempotency-key", "k")], data::mab().to_string()).await;
    assert_eq!(nobody.status, 401);
    for key in ["", "a b", &"x".repeat(256)] {
        let refused = keyed(&server, "/api/v2/models", key, &data::mab()).await;
        assert_eq!(
            (refused.status, refused.text("/error/details/0/field")),
            (400, "Idempotency-Key".to_owned()),
            "{key:?}"
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn sixty_four_creates_at_once_with_one_key_make_one_model() {
    let server = TestServer::start().await;
    let mut calls = tokio::task::JoinSet::new();
    let server = std::sync::Arc::new(server);
    for _ in 0..64 {
        let server = std::sync::Arc::clone(&server);
        calls.spawn(async move { keyed(&server, "/api/v2/models", "one", &data::mab()).await });
    }
    let replies = calls.join_all().await;
    assert!(replies.iter().all(|reply| reply.status == 201 && reply.body == replies[0].body), "{replies:?}");
    assert_eq!(replies.iter().filter(|reply| reply.header("idempotency-replayed").is_none()).count(), 1);
    assert_eq!(models(&server).await, 1);
    let listing = ListOptions::ALL;
    let parents = server.app.table.optimizations(ORGANIZATION, ListOrder::UpdatedAt, &listing).await.unwrap();
    assert_eq!(parents.items.len(), 1);
    std::sync::Arc::into_inner(server).unwrap().shutdown().await;
}

#[tokio::test]
async fn training_is_done_once_for_a_key() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    let path = format!("/api/v2/models/{id}/train");
    // What may be different another time is kept all the same, until there is another key.
    let without = keyed(&server, &path, "early", &json!({})).await;
    assert_eq!(without.status, 422, "{}", without.body);
    server.snapshot(&optimization, "1", &data::cells()).await;
    assert_eq!(keyed(&server, &path, "early", &json!({})).await.body, without.body);
    let body = json!({});
    let (one, two) = tokio::join!(keyed(&server, &path, "t", &body), keyed(&server, &path, "t", &body));
    assert_eq!((one.status, &one.body), (200, &two.body), "{}", two.body);
    assert_eq!(one.text("/posterior_version"), "1");
    assert_eq!(keyed(&server, &path, "t", &json!({})).await.body, one.body);
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!(model.text("/posterior_version"), "1");
    server.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_says_to_ask_again_is_not_kept() {
    let server =
        TestServer::start_with(None, |app| fulcrum_core::App { wait: Duration::from_millis(100), ..app }).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let (model, now) = (id.parse().unwrap(), server.app.clock.now());
    let lease = Lease { owner: "another".into(), expires_at: now + TimeDelta::minutes(1) };
    server.app.table.acquire_lease(ORGANIZATION, model, &lease, now).await.unwrap();
    let path = format!("/api/v2/models/{id}/train");
    let busy = keyed(&server, &path, "t", &json!({})).await;
    assert_eq!((busy.status, busy.header("retry-after").is_some()), (409, true), "{}", busy.body);
    server.app.table.release_lease(ORGANIZATION, model, "another").await.unwrap();
    let trained = keyed(&server, &path, "t", &json!({})).await;
    assert_eq!((trained.status, trained.header("idempotency-replayed")), (200, None), "{}", trained.body);
    server.shutdown().await;
}

/// An attempt that dies between its effect and its answer, and one that dies before its effect.
#[tokio::test]
async fn a_call_that_died_is_told_or_done_by_the_next_one() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let first = keyed(&server, "/api/v2/models", "sample", &data::mab()).await;
    assert_eq!(first.status, 201);
    for effect in [true, false] {
        let key = format!("dies-{effect}");
        let attempt = begin(&server, &key).await;
        let before = models(&server).await;
        let made = if effect {
            let new = serde_json::from_value(serde_json::from_str::<Value>(&data::mab().to_string()).unwrap());
            let new: fulcrum_core::domain::NewModel = new.unwrap();
            Some(attempt.scope(server.app.create_model(ORGANIZATION, new)).await.unwrap().id.to_string())
        } else {
            None
        };
        clock.advance(server.app.lease);
        let answer = keyed(&server, "/api/v2/models", &key, &data::mab()).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None), "{}", answer.body);
        assert!(made.is_none_or(|made| made == answer.text("/id")), "{}", answer.body);
        assert_eq!(models(&server).await, before + 1);
        assert_eq!(keyed(&server, "/api/v2/models", &key, &data::mab()).await.body, answer.body);
    }
    server.shutdown().await;
}

/// A run whose answer was lost is told by the next call under its key, and where its version is gone, that is told.
#[tokio::test]
async fn a_run_whose_answer_was_lost_is_told_and_not_made_again() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let mut body = data::mab();
    body["training_data_config"]["posterior_versions"] = json!(2);
    let (id, optimization) = server.model(&body).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let (model, path, body) = (id.parse().unwrap(), format!("/api/v2/models/{id}/train"), json!({}));
    let dies = async |key: &str| {
        let attempt = begin_at(&server, &path, "/api/v2/models/{id}/train", key, &body).await;
        attempt.scope(server.app.train(ORGANIZATION, model, BTreeMap::new(), false)).await.unwrap();
    };
    dies("told").await;
    dies("gone").await;
    clock.advance(server.app.lease);
    let told = keyed(&server, &path, "told", &body).await;
    assert_eq!((told.status, told.text("/posterior_version")), (200, "1".to_owned()), "{}", told.body);
    for version in ["3", "4"] {
        assert_eq!(server.train(&id).await.text("/posterior_version"), version);
    }
    let gone = keyed(&server, &path, "gone", &body).await;
    assert_eq!((gone.status, gone.text("/error/code")), (409, "conflict".to_owned()), "{}", gone.body);
    assert!(gone.text("/error/message").contains("made version 2"), "{}", gone.body);
    assert_eq!(server.train(&id).await.text("/posterior_version"), "5");
    server.shutdown().await;
}

/// A call that puts a run into the queue and dies before it answers: however often it is asked again, and whatever else runs
/// meanwhile, the run is made once.
#[tokio::test]
async fn a_queued_run_is_made_once_for_a_key() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let (path, bearer) = (format!("/api/v2/models/{id}/train"), format!("Bearer {}", server.key));
    let body = json!({"bias": {"headline": 2}});
    let headers = [("authorization", bearer.as_str()), ("prefer", "respond-async"), ("idempotency-key", "q")];
    let queued = async || server.send("POST", &path, &headers, body.to_string()).await;
    let bias = BTreeMap::from([("headline".to_owned(), 2.0)]);
    let attempt = begin_at(&server, &path, "/api/v2/models/{id}/train", "q", &body).await;
    let model = id.parse().unwrap();
    let asked = attempt.scope(server.app.train(ORGANIZATION, model, bias.clone(), true)).await.unwrap();
    assert!(matches!(asked, TrainResponse::Queued), "{asked:?}");
    let [request] = requests(&server).await.try_into().unwrap();

    // Its answer was lost; while the request waits, it is asked for again.
    clock.advance(server.app.lease);
    let again = queued().await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (202, None), "{}", again.body);
    assert_eq!(requests(&server).await, std::slice::from_ref(&request));
    assert_eq!(deliver(&server, model, &request).await, "trained");

    // Another attempt that does not know of it puts the request again, after the run of another one.
    let other = [("authorization", bearer.as_str()), ("prefer", "respond-async")];
    assert_eq!(server.send("POST", &path, &other, "").await.status, 202);
    let [request] = requests(&server).await.try_into().unwrap();
    assert_eq!(deliver(&server, model, &request).await, "trained");
    let stale = attempt_of("/api/v2/models/{id}/train", "q");
    stale.scope(server.app.train(ORGANIZATION, model, bias, true)).await.unwrap();
    let [request] = requests(&server).await.try_into().unwrap();
    assert_eq!(deliver(&server, model, &request).await, "the request is completed");
    assert_eq!(requests(&server).await, Vec::<String>::new());
    let shown = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!((shown.text("/posterior_version"), shown.text("/status")), ("2".to_owned(), "trained".to_owned()));
    server.shutdown().await;
}

/// The queued requests, by their keys.
async fn requests(server: &TestServer) -> Vec<String> {
    server.app.bucket.list(REQUESTS).await.unwrap().into_iter().map(|(key, _)| format!("{REQUESTS}{key}")).collect()
}

/// Has the queue process a request; what came of it.
async fn deliver(server: &TestServer, model: Uuid, key: &str) -> String {
    let organization = ORGANIZATION.to_owned();
    let trigger = TrainingTrigger::TrainingRequested { organization, model, key: key.to_owned() };
    match server.app.retrain(&trigger, 1).await.unwrap() {
        RetrainOutcome::Trained(_) => "trained".to_owned(),
        RetrainOutcome::Dropped(why) => why.to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Begins the work of a create under a key, as a call that dies would have.
async fn begin(server: &TestServer, key: &str) -> KeyedWork {
    begin_at(server, "/api/v2/models", "/api/v2/models", key, &data::mab()).await
}

/// The work of an attempt under a key that has begun, and does not know what became of it.
fn attempt_of(route: &str, key: &str) -> KeyedWork {
    let name = fulcrum_core::http::key_name("POST", route, key);
    KeyedWork { organization: ORGANIZATION.into(), name, owner: Some("dead".into()), done: None }
}

async fn begin_at(server: &TestServer, path: &str, route: &str, key: &str, body: &Value) -> KeyedWork {
    let request = fulcrum_core::http::fingerprint(path, body.to_string().as_bytes());
    let work = attempt_of(route, key);
    let now = server.app.clock.now();
    let record = fulcrum_core::domain::KeyRecord {
        request,
        owner: "dead".into(),
        expires_at: now + server.app.lease,
        ttl: (now + KEY_LIFE).timestamp(),
        effect: None,
        answer: None,
    };
    let begun = server.app.table.begin_keyed(ORGANIZATION, &work.name, &record, now).await.unwrap();
    assert!(matches!(begun, KeyAttempt::Begun(None)), "{begun:?}");
    work
}
