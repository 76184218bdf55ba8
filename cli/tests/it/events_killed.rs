//! A service that is killed again and again while clients send: what was acknowledged is counted once, for its own organization.
//!
//! Short unless it is asked for more: `FULCRUM_KILLED="64 500 60"` is 64 clients with batches of 500 for 60 seconds, as docs/events.md
//! has it. The figures are printed.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fulcrum::client::Client;
use lambda_http::http::Method;
use serde_json::{Value, json};

use crate::process::{LocalProcess, json as printed, run, run_with_input};

/// Between two kills.
const LIVES: Duration = Duration::from_secs(2);
const ORGANIZATIONS: [&str; 2] = ["org_local", "org_other"];

/// Clients, events of a batch, seconds.
fn size() -> (usize, usize, u64) {
    let Ok(text) = std::env::var("FULCRUM_KILLED") else { return (4, 50, 4) };
    let numbers: Vec<usize> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2] as u64)
}

/// Where the service is now, and the keys of its two organizations.
struct Now {
    url: String,
    keys: [String; 2],
}

struct Stage {
    now: RwLock<Now>,
    optimizations: [String; 2],
    over: AtomicBool,
    requests: AtomicUsize,
    acknowledged: [AtomicUsize; 2],
}

/// Sends batches, each again until it is acknowledged; the last one even after the time is over.
async fn client(stage: Arc<Stage>, number: usize, size: usize) {
    let organization = number % 2;
    for batch in 0.. {
        if stage.over.load(Ordering::Relaxed) {
            return;
        }
        let event = |index: usize| {
            let id = format!("{number}-{batch}-{index}");
            json!({
                "anonymous_id": id, "optimization_id": stage.optimizations[organization], "idempotency_key": id,
                "variant": {"headline": if index.is_multiple_of(2) { "A" } else { "B" }},
            })
        };
        let body = Bytes::from(json!({"events": (0..size).map(event).collect::<Vec<_>>()}).to_string());
        loop {
            let (url, key) = {
                let now = stage.now.read().unwrap();
                (now.url.clone(), now.keys[organization].clone())
            };
            stage.requests.fetch_add(1, Ordering::Relaxed);
            let sent = Client::new(&url, &key)
                .unwrap()
                .send(Method::POST, "/api/v2/ingest/exposures", Some(body.clone()))
                .await;
            match sent {
                Ok(answer) => {
                    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(size), &json!([])), "{answer}");
                    stage.acknowledged[organization].fetch_add(size, Ordering::Relaxed);
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// A key of the other organization, which outlives the service; its own one is new at each start.
fn other_key(local: &LocalProcess) -> String {
    let mut environment = local.environment.clone();
    environment.retain(|(name, _)| name != "FULCRUM_ORGANIZATION");
    let arguments = ["keys", "create", "--name", "other", "--organization", ORGANIZATIONS[1], "--json"];
    printed(&run(&arguments, &environment))["secret"].as_str().unwrap().to_owned()
}

fn environment(local: &LocalProcess, organization: usize, other: &str) -> Vec<(String, String)> {
    let mut environment = local.environment.clone();
    if organization == 1 {
        environment.retain(|(name, _)| name != "FULCRUM_ORGANIZATION" && name != "FULCRUM_API_KEY");
        environment.push(("FULCRUM_ORGANIZATION".to_owned(), ORGANIZATIONS[1].to_owned()));
        environment.push(("FULCRUM_API_KEY".to_owned(), other.to_owned()));
    }
    environment
}

/// Waits for a snapshot with so many exposures, and holds it against what was sent.
async fn check(local: &LocalProcess, environment: &[(String, String)], optimization: &str, expected: usize) {
    let started = Instant::now();
    loop {
        let variable = |name: &str| &environment.iter().find(|(n, _)| n == name).unwrap().1;
        let client = Client::new(local.variable("FULCRUM_URL"), variable("FULCRUM_API_KEY")).unwrap();
        client.send(Method::POST, "/api/v2/ingest/flush", None).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let listed = printed(&run(&["snapshots", "list", optimization, "--json"], environment));
        let Some(newest) = listed["snapshots"].as_array().unwrap().first() else { continue };
        let rows = newest["manifest"]["exposures"]["rows"].as_u64().unwrap();
        assert!(rows <= expected as u64, "{rows} rows of {expected} events: some are counted more than once");
        if rows < expected as u64 {
            assert!(started.elapsed() < Duration::from_mins(5), "{rows} rows of {expected} acknowledged events");
            continue;
        }
        // As many rows as events, and no two of them the same: each is there once.
        let key = newest["manifest"]["key"].as_str().unwrap().trim_end_matches("_MANIFEST.json");
        let place = format!("s3://{}/{key}", local.variable("BUCKET_NAME"));
        let check: Value = printed(&run(&["snapshots", "check", optimization, &place, "--json"], environment));
        let seen = &check["observations"];
        assert_eq!((&seen["exposures"], &seen["skipped"]), (&json!(expected), &json!({})), "{check}");
        assert_eq!(check["duplicates"], 0, "{check}");
        return;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_counted_once_however_often_the_service_is_killed() {
    let (clients, batch, seconds) = size();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let mut local = LocalProcess::start(&arguments);
    let other = other_key(&local);
    let body = json!({"model_type": "mab", "training_data_config": {
        "design_factors": [{"name": "headline", "dtype": "str", "levels": ["A", "B"]}],
        "reward": {"name": "signup", "type": "bool"},
        // These visitors are known by their ids alone, and none of them does anything.
        "allow_no_rewards": true,
        "attribution": {"type": "last_touch", "conversion_window_hours": 24, "immature": "include"},
    }});
    let optimizations = [0, 1].map(|organization| {
        let environment = environment(&local, organization, &other);
        let made =
            printed(&run_with_input(&["models", "create", "--file", "-", "--json"], &environment, &body.to_string()));
        made["optimization_id"].as_str().unwrap().to_owned()
    });
    let now = |local: &LocalProcess| Now {
        url: local.variable("FULCRUM_URL").to_owned(),
        keys: [local.variable("FULCRUM_API_KEY").to_owned(), other.clone()],
    };
    let stage = Arc::new(Stage {
        now: RwLock::new(now(&local)),
        optimizations: optimizations.clone(),
        over: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
        acknowledged: [AtomicUsize::new(0), AtomicUsize::new(0)],
    });
    let senders: Vec<_> = (0..clients).map(|number| tokio::spawn(client(Arc::clone(&stage), number, batch))).collect();
    let (started, mut kills) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(LIVES).await;
        local.end("KILL");
        kills += 1;
        local = LocalProcess::start(&arguments);
        *stage.now.write().unwrap() = now(&local);
    }
    stage.over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    let acknowledged = [0, 1].map(|organization| stage.acknowledged[organization].load(Ordering::Relaxed));
    let requests = stage.requests.load(Ordering::Relaxed);
    for organization in [0, 1] {
        let environment = environment(&local, organization, &other);
        check(&local, &environment, &optimizations[organization], acknowledged[organization]).await;
    }
    let sent = acknowledged.iter().sum::<usize>() / batch;
    println!(
        "{clients} clients, batches of {batch}, {:.0} s, killed {kills} times: {} events acknowledged in {sent} batches, {} requests came to nothing; \
         each event is in its organization's snapshot once",
        started.elapsed().as_secs_f64(),
        acknowledged.iter().sum::<usize>(),
        requests - sent
    );
    assert!(kills > 1 && requests > sent, "nothing was interrupted");
    drop(local);
    fs::remove_dir_all(data).unwrap();
}
