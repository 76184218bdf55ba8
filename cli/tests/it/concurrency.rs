//! Several at once: one run has the lease of a model, a deletion wins, a lease expires.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use fulcrum_core::App;
use fulcrum_core::clock::ManualClock;
use fulcrum_core::domain::{Actor, Change, InSampleMetrics, Interval, Lease, Observations, PosteriorRecord, Served};
use fulcrum_core::store::{LeaseAttempt, StoreError};
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, Reply, TestServer, assert_shape};
use crate::process::{run, trained};

const NOW: &str = "2026-11-23T19:00:00Z";

/// The lease of a run that is somewhere else.
async fn take(server: &TestServer, id: &str) -> Lease {
    let now = server.app.clock.now();
    let lease = Lease { owner: "somebody else".into(), expires_at: now + server.app.lease };
    let taken = server.app.table.acquire_lease(ORGANIZATION, id.parse().unwrap(), &lease, now).await.unwrap();
    assert!(matches!(taken, LeaseAttempt::Acquired(_)), "the lease was refused");
    lease
}

#[tokio::test]
async fn a_leased_model_cannot_be_trained_until_the_lease_expires() {
    let clock = Arc::new(ManualClock::new(NOW.parse().unwrap()));
    let of_app = Arc::clone(&clock);
    let impatient = |app| App { clock: of_app, wait: Duration::from_millis(200), ..app };
    let server = TestServer::start_with(None, impatient).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    take(&server, &id).await;
    assert_eq!(server.status(&id).await, "training");
    clock.advance(TimeDelta::seconds(20));
    let refused = server.train(&id).await;
    assert_eq!(refused.header("retry-after"), Some("40"));
    assert_shape("error_held", &refused);

    // The run has died: nobody renews its lease.
    clock.advance(TimeDelta::seconds(40));
    assert_eq!(server.status(&id).await, "untrained");
    let trained = server.train(&id).await;
    assert_eq!((trained.status, trained.text("/posterior_version")), (200, "1".to_owned()), "{}", trained.body);
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_that_it_waits_for_the_run_it_meets() {
    let server = TestServer::start_with(None, |app| App { lease: TimeDelta::seconds(3), ..app }).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    take(&server, &id).await;
    let variables =
        [("FULCRUM_URL".to_owned(), server.url.clone()), ("FULCRUM_API_KEY".to_owned(), server.key.clone())];
    let arguments = ["models".to_owned(), "train".to_owned(), id.clone(), "--json".to_owned()];
    let command = tokio::task::spawn_blocking(move || run(&arguments.each_ref().map(String::as_str), &variables));
    // That run dies, and its lease expires.
    let ended = command.await.unwrap();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, format!("Model {id} is being trained already; waiting for that run to end.\n"));
    assert_eq!(trained(&ended)["posterior_version"], 1, "{ended:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_run_that_lost_its_hold_changes_nothing() {
    let (server, clock) = TestServer::start_at(NOW).await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let lease = take(&server, &id).await;
    clock.advance(server.app.lease);
    assert_eq!(server.train(&id).await.status, 200);
    let late = publish(&server, &id, &lease.owner, 2).await;
    assert!(matches!(late, Err(StoreError::Condition { .. })), "{late:?}");
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!((model.text("/status"), model.text("/posterior_version")), ("trained".to_owned(), "1".to_owned()));
    server.shutdown().await;
}

async fn publish(server: &TestServer, id: &str, owner: &str, version: u64) -> Result<(), StoreError> {
    let id: Uuid = id.parse().unwrap();
    let model = server.app.table.model(ORGANIZATION, id).await?.unwrap();
    let posterior = PosteriorRecord {
        posterior_version: version,
        trained_at: server.app.clock.now(),
        snapshot_id: "1".into(),
        snapshot_manifest: None,
        bias: BTreeMap::new(),
        in_sample_metrics: InSampleMetrics {
            historic_reward: 0.1,
            expected_reward: Interval { mean: 0.1, ci_lower: 0.0, ci_upper: 0.2 },
        },
        observations: Observations::default(),
        warnings: Vec::new(),
        unseen_levels: None,
        by_itself: false,
        summary: None,
        violated_guardrails: Vec::new(),
        failed_checks: Vec::new(),
        object: "nowhere".into(),
    };
    let policy = Served { policy: None, ..Served::version(&model, &posterior, Vec::new()) };
    let change = Change::trained(&model, &policy, (&Actor::Service, posterior.trained_at));
    server.app.table.publish(&model, owner, &posterior, &policy, (None, None), &change).await
}

#[tokio::test]
async fn a_deletion_during_a_run_is_not_undone() {
    let server = TestServer::start().await;
    let (id, _) = server.model(&data::mab()).await;
    let lease = take(&server, &id).await;
    assert_eq!(server.call("DELETE", &format!("/api/v2/models/{id}"), None).await.status, 200);
    let ended = publish(&server, &id, &lease.owner, 1).await;
    assert!(matches!(ended, Err(StoreError::Condition { .. })), "{ended:?}");
    assert_eq!(server.status(&id).await, "archived");
    server.shutdown().await;
}

#[tokio::test]
async fn a_deletion_at_any_moment_of_a_run_wins() {
    let server = TestServer::start().await;
    for pause_ms in [0, 5, 10, 20, 40, 80] {
        let (id, optimization) = server.model(&data::cmab()).await;
        server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
        let path = format!("/api/v2/models/{id}");
        let delete = async {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            server.call("DELETE", &path, None).await
        };
        let (trained, deleted) = tokio::join!(server.train(&id), delete);
        assert_eq!(deleted.status, 200, "{}", deleted.body);
        assert!(matches!(trained.status, 200 | 409), "{}", trained.body);
        assert_eq!(server.status(&id).await, "archived", "the run brought it back");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn of_many_trainings_at_once_one_runs_and_its_result_is_everybodys() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
    let train = || server.train(&id);
    let all = tokio::join!(train(), train(), train(), train(), train());
    let replies = [all.0, all.1, all.2, all.3, all.4];
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    let joined = replies.iter().filter(|reply| reply.body["joined"] == true).count();
    assert_eq!(joined, 4, "{replies:?}");
    let result = |reply: &Reply| {
        let mut body = reply.body.clone();
        for name in ["joined", "duration_ms", "meta"] {
            body.as_object_mut().unwrap().remove(name);
        }
        body
    };
    assert!(replies.iter().all(|reply| result(reply) == result(&replies[0])), "{replies:?}");
    let model = server.call("GET", &format!("/api/v2/models/{id}"), None).await;
    assert_eq!((model.text("/posterior_version"), model.text("/status")), ("1".to_owned(), "trained".to_owned()));
    // Whoever comes when nobody trains has a run of their own.
    let again = server.train(&id).await;
    assert_eq!((again.text("/posterior_version"), again.body.get("joined")), ("2".to_owned(), None));
    server.shutdown().await;
}

#[tokio::test]
async fn a_call_with_other_biases_waits_and_then_runs_itself() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
    let path = format!("/api/v2/models/{id}/train");
    let [one, other] = [0.1, 0.2].map(|bias| serde_json::json!({"bias": {"headline": bias}}));
    let (one, other) = tokio::join!(server.call("POST", &path, Some(&one)), server.call("POST", &path, Some(&other)));
    assert_eq!((one.status, other.status), (200, 200), "{} {}", one.body, other.body);
    let mut versions = [one.text("/posterior_version"), other.text("/posterior_version")];
    versions.sort_unstable();
    assert_eq!(versions, ["1", "2"]);
    assert!(one.body.get("joined").is_none() && other.body.get("joined").is_none(), "{} {}", one.body, other.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_call_that_waited_trains_on_a_snapshot_that_came_meanwhile() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::mab()).await;
    server.snapshot(&optimization, "1", &data::cells()).await;
    let lease = take(&server, &id).await;
    let call = server.train(&id);
    let run = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        publish(&server, &id, &lease.owner, 1).await.unwrap();
        server.snapshot(&optimization, "2", &data::cells()).await;
    };
    // What that run put in force is of the first snapshot; the second is complete before anybody looks, or soon after.
    let (trained, ()) = tokio::join!(call, run);
    assert_eq!(trained.status, 200, "{}", trained.body);
    assert_eq!(trained.body["joined"] == true, trained.text("/snapshot_id") == "1", "{}", trained.body);
    server.shutdown().await;
}

#[tokio::test]
async fn of_two_models_at_once_an_optimization_gets_one() {
    let server = TestServer::start().await;
    let (first, optimization) = server.model(&data::mab()).await;
    server.call("DELETE", &format!("/api/v2/models/{first}"), None).await;
    let mut body = data::mab();
    body["optimization_id"] = optimization.into();
    let make = || server.call("POST", "/api/v2/models", Some(&body));
    let (one, two) = tokio::join!(make(), make());
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", one.body, two.body);
    server.shutdown().await;
}

/// A client that hangs up does not end the run that it began.
#[tokio::test]
async fn a_run_goes_on_when_its_client_has_gone() {
    let server = TestServer::start().await;
    let (id, optimization) = server.model(&data::cmab()).await;
    server.snapshot(&optimization, "1", &data::exposures_and_rewards()).await;
    let gone = tokio::time::timeout(Duration::from_millis(10), server.train(&id)).await;
    for _ in 0..200 {
        if server.status(&id).await == "trained" {
            server.shutdown().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run ended with its client ({})", if gone.is_ok() { "which had its answer" } else { "which had gone" });
}
