//! Clients that retry, and clients that come at once: nothing is computed twice, nothing is lost, and nobody is refused. The full
//! figures of docs/retrying.md: `cargo test -p fulcrum --test it -- --ignored --nocapture retrying`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fulcrum::local::Local;
use fulcrum_core::store::ListOptions;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_http::http::Request;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::data;
use crate::harness::{ORGANIZATION, settings};
use crate::process::{LocalProcess, command, json as answered, run, run_with_input};

const CLIENTS: usize = 4;

/// A client with connections of its own.
#[derive(Clone)]
struct Caller {
    url: String,
    key: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Caller {
    fn new(url: &str, key: &str) -> Self {
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), key: key.to_owned(), http }
    }

    /// Status, whether it says to come back, and body; `None` where there is no answer.
    async fn send(&self, method: &str, path: &str, key: Option<&str>, body: &Value) -> Option<(u16, bool, Value)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let response = self.http.request(request.body(Full::new(body)).unwrap()).await.ok()?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        let again = parts.headers.contains_key("retry-after");
        Some((parts.status.as_u16(), again, serde_json::from_slice(&bytes).unwrap()))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.send("GET", path, None, &Value::Null).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }
}

/// What an answer says besides times and who made it.
fn result(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for name in ["joined", "duration_ms", "meta"] {
        answer.as_object_mut().unwrap().remove(name);
    }
    answer
}

/// A snapshot is completed, which begins a run by itself, and four clients call for a run in the same second.
async fn put_and_train_at_once(rounds: usize) {
    let local = Local::start(settings()).await.unwrap();
    let new = serde_json::from_value(data::cmab()).unwrap();
    let model = local.app().create_model(ORGANIZATION, new).await.unwrap();
    let path = Arc::new(format!("/api/v2/models/{}/train", model.id));
    let callers: Vec<Caller> = (0..CLIENTS).map(|_| Caller::new(&local.env.url, &local.env.api_key)).collect();
    let (mut joined, started) = (0, Instant::now());
    for round in 0..rounds {
        let prefix = format!("snapshots/{ORGANIZATION}/{}/{round:06}/", model.optimization_id);
        for (name, text) in data::exposures_and_rewards() {
            local.app().bucket.put(&format!("{prefix}{name}"), Bytes::from(text).into()).await.unwrap();
        }
        let barrier = Arc::new(Barrier::new(CLIENTS + 1));
        let calls: Vec<_> = callers
            .iter()
            .map(|caller| {
                let (caller, barrier, path) = (caller.clone(), Arc::clone(&barrier), Arc::clone(&path));
                tokio::spawn(async move {
                    barrier.wait().await;
                    caller.send("POST", &path, None, &Value::Null).await.unwrap()
                })
            })
            .collect();
        local.app().bucket.put(&format!("{prefix}_SUCCESS"), Bytes::new().into()).await.unwrap();
        barrier.wait().await;
        let mut answers = Vec::new();
        for call in calls {
            let (status, _, answer) = call.await.unwrap();
            assert_eq!(status, 200, "round {round}: {answer}");
            joined += usize::from(answer["joined"] == true);
            answers.push(result(&answer));
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "round {round}: {answers:#?}");
        assert_eq!(answers[0]["snapshot_id"], format!("{round:06}"), "round {round}");
        // One run for each (snapshot, bias).
        assert_eq!(answers[0]["posterior_version"], round + 1, "round {round}");
    }
    let all = local.app().table.posteriors(ORGANIZATION, model.id, &ListOptions::ALL).await.unwrap().items;
    assert_eq!(all.iter().map(|p| p.posterior_version).max(), u64::try_from(rounds).ok(), "one run a round");
    println!("{rounds} rounds of {CLIENTS} calls in {:.1} s: {joined} joined", started.elapsed().as_secs_f64());
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_and_calls_in_the_same_second_come_to_one_run() {
    put_and_train_at_once(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "200 rounds, for docs/retrying.md"]
async fn two_hundred_snapshots_and_calls_in_the_same_second_come_to_one_run_each() {
    put_and_train_at_once(200).await;
}

/// The lines of docs/retrying.md, in a shell: the second call is answered as the first was.
#[test]
fn the_lines_of_the_documentation_do_the_work_once() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/retrying.md")).unwrap();
    let lines = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let local = LocalProcess::start(&["--ephemeral"]);
    let body = data::mab().to_string();
    let made = answered(&run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body));
    let snapshot = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(snapshot.path().join("cells")).unwrap();
    std::fs::write(snapshot.path().join("cells/part-0.jsonl"), &data::cells()[0].1).unwrap();
    let optimization = made["optimization_id"].as_str().unwrap();
    let put = run(&["snapshots", "put", optimization, snapshot.path().to_str().unwrap()], &local.environment);
    assert_eq!(put.status, Some(0), "{put:?}");
    let more = [
        ("MODEL".to_owned(), made["id"].as_str().unwrap().to_owned()),
        ("PATH".to_owned(), std::env::var("PATH").unwrap()),
    ];
    let shell = std::process::Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .env_clear()
        .envs(local.environment.iter().cloned().chain(more))
        .output()
        .unwrap();
    let out = String::from_utf8(shell.stdout).unwrap();
    assert!(shell.status.success(), "{out}");
    let answers: Vec<&str> = out.split("HTTP/1.1 200 OK").skip(1).collect();
    let bodies: Vec<&str> =
        answers.iter().filter_map(|answer| answer.split_once("\r\n\r\n")).map(|(_, body)| body).collect();
    assert!(bodies.len() == 2 && bodies[0] == bodies[1] && bodies[0].contains("\"status\":\"trained\""), "{out}");
    let replayed: Vec<bool> = answers.iter().map(|answer| answer.contains("idempotency-replayed: true")).collect();
    assert_eq!(replayed, [false, true], "{out}");
}

/// One piece of work under a key: what is sent, and how its effect is told from all others.
#[derive(Clone)]
struct Work {
    path: String,
    body: Value,
    /// A name for a new optimization, or a bias in thousandths.
    number: usize,
    creates: bool,
}

/// Does a work, however often its answer is lost; the answer, and how often it was sent.
async fn do_once(caller: &Caller, work: &Work) -> (Value, usize) {
    let key = Uuid::new_v4().to_string();
    let since = Instant::now();
    for sent in 1.. {
        match caller.send("POST", &work.path, Some(&key), &work.body).await {
            Some((status, _, answer)) if (200..300).contains(&status) => return (answer, sent),
            Some((status, again, answer)) => assert!(again && [409, 503].contains(&status), "{status}: {answer}"),
            None => {}
        }
        assert!(since.elapsed() < Duration::from_mins(2), "{:?} was never answered", work.body);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!("the loop has no other end")
}

/// Holds what is there against what was asked for; how much was sent more than once.
async fn check_effects(caller: &Caller, models: &[String], answers: &[(Work, Value, usize)]) -> usize {
    let listed = caller.get("/api/v2/optimizations").await;
    let mut by_name: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for optimization in listed["optimizations"].as_array().unwrap() {
        by_name.entry(optimization["name"].as_str().unwrap().to_owned()).or_default().push(optimization);
    }
    let mut by_bias: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for model in models {
        let listed = caller.get(&format!("/api/v2/models/{model}/posteriors")).await;
        for version in listed["posteriors"].as_array().unwrap() {
            by_bias.entry(version["bias"].to_string()).or_default().push(version.clone());
        }
    }
    let mut lost = 0;
    for (work, answer, sent) in answers {
        lost += usize::from(*sent > 1);
        if work.creates {
            let made = &by_name[&format!("work {}", work.number)];
            assert_eq!(made.len(), 1, "work {} was done {} times", work.number, made.len());
            assert_eq!(answer["id"], made[0]["id"], "the answer is of what is there");
        } else {
            let made = by_bias.get(&work.body["bias"].to_string()).map_or(&[] as &[Value], Vec::as_slice);
            assert_eq!(made.len(), 1, "work {} was done {} times", work.number, made.len());
            assert_eq!(answer["posterior_version"], made[0]["posterior_version"], "{answer}");
        }
    }
    lost
}

/// Creates and trains under keys while the service is killed at random moments: each has one effect, and is answered with it.
async fn killed_at_random(works: usize, (most_kills, pause_ms): (usize, Range<u64>), seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let data_folder = folder.path().to_str().unwrap().to_owned();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let start = move || {
        let arguments = ["local", "--port", &port, "--data", &data_folder, "--training-lease", "1"];
        LocalProcess::spawn(&mut command(&arguments, &[]))
    };
    let mut local = start();
    let made = run(&["keys", "create", "--name", "retrying", "--json"], &local.environment);
    let key = answered(&made)["secret"].as_str().unwrap().to_owned();
    let caller = Caller::new(local.variable("FULCRUM_URL"), &key);
    let snapshot = folder.path().join("snapshot");
    std::fs::create_dir_all(snapshot.join("cells")).unwrap();
    std::fs::write(snapshot.join("cells/part-0.jsonl"), &data::cells()[0].1).unwrap();
    let mut models = Vec::new();
    for _ in 0..CLIENTS {
        let (status, _, made) = caller.send("POST", "/api/v2/models", None, &data::mab()).await.unwrap();
        assert_eq!(status, 201, "{made}");
        let optimization = made["optimization_id"].as_str().unwrap();
        let put = run(&["snapshots", "put", optimization, snapshot.to_str().unwrap()], &local.environment);
        assert_eq!(put.status, Some(0), "{put:?}");
        models.push(made["id"].as_str().unwrap().to_owned());
    }

    let (next, kills, over) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = tokio::task::JoinSet::new();
    for model in models.clone() {
        let (caller, next, kills) = (caller.clone(), Arc::clone(&next), Arc::clone(&kills));
        clients.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= works && kills.load(Ordering::Relaxed) >= most_kills {
                    return answers;
                }
                let work = if number % 2 == 0 {
                    let mut body = data::mab();
                    body["name"] = json!(format!("work {number}"));
                    Work { path: "/api/v2/optimizations".to_owned(), body, number, creates: true }
                } else {
                    let bias = f64::from(u32::try_from(number).unwrap()) / 1000.0;
                    let path = format!("/api/v2/models/{model}/train");
                    Work { path, body: json!({"bias": {"headline": bias}}), number, creates: false }
                };
                let (answer, sent) = do_once(&caller, &work).await;
                answers.push((work, answer, sent));
            }
        });
    }
    let killer = {
        let (over, kills) = (Arc::clone(&over), Arc::clone(&kills));
        tokio::task::spawn_blocking(move || {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            // So many and no more: on a slow machine a run takes longer than the pauses.
            while !over.load(Ordering::Relaxed) && kills.load(Ordering::Relaxed) < most_kills {
                std::thread::sleep(Duration::from_millis(random.random_range(pause_ms.clone())));
                local.end("KILL");
                local = start();
                kills.fetch_add(1, Ordering::Relaxed);
            }
            local
        })
    };
    let started = Instant::now();
    let mut answers = Vec::new();
    while let Some(of_client) = clients.join_next().await {
        answers.extend(of_client.unwrap());
    }
    over.store(true, Ordering::Relaxed);
    let (local, kills) = (killer.await.unwrap(), kills.load(Ordering::Relaxed));
    let lost = check_effects(&caller, &models, &answers).await;
    println!(
        "{} creates and trains, {kills} kills in {:.0} s: {lost} were sent more than once, each had one effect",
        answers.len(),
        started.elapsed().as_secs_f64()
    );
    assert!(answers.len() >= works && lost > 0, "{lost} of {} sent again: nothing was put to the test", answers.len());
    drop(local);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_and_trains_under_keys_have_one_effect_each_whenever_the_service_is_killed() {
    killed_at_random(12, (3, 100..700), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "400 pieces of work, for docs/retrying.md"]
async fn four_hundred_creates_and_trains_under_keys_have_one_effect_each() {
    killed_at_random(400, (60, 100..3_000), 2).await;
}
