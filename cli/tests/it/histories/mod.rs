//! Many clients at random over all routes of a few models, while writes meet each other: each history is explained by one operation
//! after another, in an order in which whatever ended before another began comes first. So no acknowledged change is lost, what
//! is acknowledged is seen, and versions are unique and count up.
//!
//! Some histories are made here; 500, as docs/reliability.md has them, by
//! `cargo test -p fulcrum --test it -- --ignored --nocapture histories`.

mod optimization;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::{App, ServingCache};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::data;
use crate::harness::{Reply, TestServer, request};
use crate::proxy::{Fault, Proxy, Upstream};
use optimization::{Done, ModelNumber, NAME, Name, Optimization};

const CLIENTS: usize = 64;
const OPTIMIZATIONS: usize = 8;
/// One write in so many meets another one.
const CONFLICTS: usize = 8;

/// The optimization of a history, as its clients know it.
struct Subject {
    id: Uuid,
    known: Mutex<Known>,
    actions: Mutex<Vec<(usize, Action<Option<Done>>)>>,
}

/// What the clients have heard of models.
struct Known {
    numbers: HashMap<Uuid, ModelNumber>,
    latest: Uuid,
    highest: u64,
}

impl Known {
    fn number(&mut self, model: Uuid) -> ModelNumber {
        let next = self.numbers.len();
        *self.numbers.entry(model).or_insert(next)
    }
}

fn id_in(reply: &Reply, pointer: &str) -> Option<Uuid> {
    reply.body.pointer(pointer).and_then(Value::as_str).map(|id| id.parse().unwrap())
}

fn version_in(reply: &Reply) -> u64 {
    reply.body["posterior_version"].as_u64().unwrap_or_else(|| panic!("no version in {}", reply.body))
}

/// An operation, before it is answered.
#[derive(Clone, Debug)]
enum Asked {
    ReadModel,
    ReadOptimization,
    Serve,
    Train,
    RollBack(u64),
    Rename(String),
    Complete(bool),
    Delete,
    Make,
    /// Something that the specification says nothing of.
    Other(&'static str, &'static str),
}

/// Other routes: `{model}` and `{optimization}` are the subject's.
const OTHERS: [(&str, &str); 10] = [
    ("GET", "/api/v2/models"),
    ("GET", "/api/v2/optimizations"),
    ("GET", "/api/v2/models/{model}/state"),
    ("GET", "/api/v2/models/{model}/posteriors"),
    ("GET", "/api/v2/optimizations/{optimization}/results"),
    ("GET", "/api/v2/optimizations/{optimization}/history"),
    ("GET", "/api/v2/optimizations/{optimization}/policy"),
    ("POST", "/api/v2/ingest/exposures"),
    ("POST", "/api/v2/ingest/rewards"),
    ("POST", "/api/v2/ingest/flush"),
];

fn any(rng: &mut ChaCha12Rng, highest: u64) -> Asked {
    match rng.random_range(0..100) {
        0..18 => Asked::ReadModel,
        18..32 => Asked::ReadOptimization,
        32..46 => Asked::Serve,
        46..60 => Asked::Train,
        60..70 => Asked::RollBack(rng.random_range(1..=highest + 1)),
        70..77 => Asked::Rename(rng.random_range(1..1000).to_string()),
        77..82 => Asked::Complete(rng.random_range(0..3) == 0),
        82..86 => Asked::Delete,
        86..92 => Asked::Make,
        _ => {
            let (method, path) = OTHERS[rng.random_range(0..OTHERS.len())];
            Asked::Other(method, path)
        }
    }
}

struct Stage {
    server: TestServer,
    app: App,
    conflicts: Arc<AtomicUsize>,
    _proxy: Proxy,
}

impl Stage {
    async fn set(seed: u64) -> Self {
        let server = TestServer::start().await;
        let endpoints = server.stores.endpoints();
        let upstream = Upstream::new(endpoints.dynamodb.as_ref().unwrap(), endpoints.s3.as_ref().unwrap());
        let conflicts = Arc::new(AtomicUsize::new(0));
        let (counter, rng) = (Arc::clone(&conflicts), Mutex::new(ChaCha12Rng::seed_from_u64(seed)));
        let rule = move |_: usize, name: &str| {
            let writes = matches!(name, "TransactWriteItems" | "UpdateItem");
            (writes && rng.lock().unwrap().random_range(0..CONFLICTS) == 0).then(|| {
                counter.fetch_add(1, Ordering::Relaxed);
                Fault::Conflicted
            })
        };
        let proxy = Proxy::start(upstream, Box::new(rule)).await;
        let app = App::new(server.stores.sdk(), &proxy.endpoints(), "table", "bucket");
        // What is served is what is in force: a process otherwise goes on with what it read for half a minute.
        let app = App { serving: ServingCache::new(TimeDelta::zero()), threads: 1, ..app };
        Self { server, app, conflicts, _proxy: proxy }
    }

    async fn subject(&self) -> Arc<Subject> {
        let mut body = data::mab();
        body["name"] = json!(NAME);
        let made = self.server.call("POST", "/api/v2/optimizations", Some(&body)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let (id, model) = (id_in(&made, "/id").unwrap(), id_in(&made, "/model_id").unwrap());
        self.server.snapshot(&id.to_string(), "1", &data::cells()).await;
        let known = Known { numbers: HashMap::from([(model, 0)]), latest: model, highest: 0 };
        Arc::new(Subject { id, known: Mutex::new(known), actions: Mutex::default() })
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        Reply::of(dispatch(&self.app, request(method, path, &self.server.key, body)).await)
    }

    /// Has an operation done, and records it where the specification knows it. What changed nothing, and says so, is none.
    async fn operate(&self, client: usize, subject: &Subject, asked: Asked) {
        let model = subject.known.lock().unwrap().latest;
        let (of_model, of_optimization) =
            (format!("/api/v2/models/{model}"), format!("/api/v2/optimizations/{}", subject.id));
        let place = {
            let mut actions = subject.actions.lock().unwrap();
            actions.push((client, Action::Call(None)));
            actions.len() - 1
        };
        let reply = match &asked {
            Asked::ReadModel => self.send("GET", &of_model, None).await,
            Asked::ReadOptimization => self.send("GET", &of_optimization, None).await,
            Asked::Serve => {
                let visitor = json!({"anonymous_id": format!("visitor-{client}")});
                self.send("POST", &format!("{of_optimization}/serve"), Some(&visitor)).await
            }
            Asked::Train => self.send("POST", &format!("{of_model}/train"), None).await,
            Asked::RollBack(version) => {
                self.send("POST", &format!("{of_model}/rollback"), Some(&json!({"posterior_version": version}))).await
            }
            Asked::Rename(name) => self.send("PATCH", &of_optimization, Some(&json!({"name": name}))).await,
            Asked::Complete(completed) => {
                let status = if *completed { "completed" } else { "live" };
                self.send("PATCH", &of_optimization, Some(&json!({"status": status}))).await
            }
            Asked::Delete => self.send("DELETE", &of_model, None).await,
            Asked::Make => {
                let mut body = data::mab();
                body["optimization_id"] = json!(subject.id);
                self.send("POST", "/api/v2/models", Some(&body)).await
            }
            Asked::Other(method, path) => {
                let path =
                    path.replace("{model}", &model.to_string()).replace("{optimization}", &subject.id.to_string());
                let exposure =
                    json!({"anonymous_id": "v", "optimization_id": subject.id, "variant": {"headline": "A"}});
                let body = match path.rsplit('/').next() {
                    Some("exposures") => Some(json!({"events": [exposure]})),
                    Some("rewards") => Some(json!({"events": [{"anonymous_id": "v", "name": "signup"}]})),
                    _ => None,
                };
                self.send(method, &path, body.as_ref()).await
            }
        };
        let done = subject.known.lock().unwrap().answered(&asked, model, &reply);
        let mut actions = subject.actions.lock().unwrap();
        actions[place].1 = Action::Call(done.clone());
        actions.push((client, Action::Response(done)));
    }
}

impl Known {
    /// What an answer says was done; `None` where nothing was, or nothing that the specification knows.
    fn answered(&mut self, asked: &Asked, model: Uuid, reply: &Reply) -> Option<Done> {
        let message = reply.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        let comes_again = reply.header("retry-after").is_some();
        let number = self.number(model);
        Some(match (asked, reply.status) {
            // There are no results before the first run.
            (Asked::Other(..), 200..300 | 404 | 409) => return None,
            // Nothing was changed, and nothing said about how things are.
            (_, 409 | 503) if comes_again => return None,
            (Asked::Train, 409) if message.contains("this run changed nothing") => return None,
            (Asked::ReadModel, 200) => Done::ReadModel {
                model: number,
                archived: reply.body["status"] == "archived",
                version: version_in(reply),
            },
            (Asked::ReadOptimization, 200) => Done::ReadOptimization {
                name: reply.text("/name"),
                completed: reply.body["status"] == "completed",
                model: id_in(reply, "/model_id").map(|model| self.number(model)),
            },
            (Asked::Serve, 200) => {
                let model = id_in(reply, "/model_id").unwrap();
                Done::Served(Some((self.number(model), version_in(reply))))
            }
            (Asked::Serve, 409) => Done::Served(None),
            (Asked::Train, 200) => {
                let version = version_in(reply);
                self.highest = self.highest.max(version);
                if reply.body["joined"] == true {
                    Done::Joined { model: number, version }
                } else {
                    Done::Trained { model: number, version }
                }
            }
            (Asked::RollBack(version), 200) => Done::RolledBack { model: number, version: *version },
            (Asked::RollBack(version), 404) => Done::NoVersion { model: number, version: *version },
            (Asked::Train | Asked::RollBack(_), 409) if message.contains("is archived") => {
                Done::IsArchived { model: number }
            }
            (Asked::Train, 409) if message.contains("is completed") => Done::IsCompleted,
            (Asked::Rename(name), 200) => Done::Renamed(name.clone()),
            (Asked::Complete(completed), 200) => Done::Completed(*completed),
            (Asked::Delete, 200) => Done::Deleted { model: number },
            (Asked::Make, 201) => {
                self.latest = id_in(reply, "/id").unwrap();
                Done::Made { model: self.number(self.latest) }
            }
            (Asked::Make, 409) => Done::HasModel,
            (asked, status) => panic!("{asked:?} answers {status} {}", reply.body),
        })
    }
}

/// The operations of a history that the specification knows.
fn history_of(actions: &[(usize, Action<Option<Done>>)]) -> Vec<(usize, Action<Done>)> {
    let known = actions.iter().filter_map(|(client, action)| {
        let action = match action {
            Action::Call(done) => Action::Call(done.clone()?),
            Action::Response(done) => Action::Response(done.clone()?),
        };
        Some((*client, action))
    });
    known.collect()
}

fn is_explained(actions: &[(usize, Action<Done>)]) -> bool {
    let about = |names: bool| -> Vec<(usize, Action<Done>)> {
        let of_names = |done: &Done| matches!(done, Done::Renamed(_) | Done::ReadOptimization { .. });
        let is_about = |action: &Action<Done>| match action {
            Action::Call(done) | Action::Response(done) if names => of_names(done),
            Action::Call(done) | Action::Response(done) => !matches!(done, Done::Renamed(_)),
        };
        actions.iter().filter(|(_, action)| is_about(action)).cloned().collect()
    };
    let (of_names, of_the_rest) = (about(true), about(false));
    (of_names.is_empty() || WGLChecker::<Name>::is_linearizable(History::from_actions(of_names)))
        && (of_the_rest.is_empty() || WGLChecker::<Optimization>::is_linearizable(History::from_actions(of_the_rest)))
}

/// What came of histories.
#[derive(Default)]
struct Counted {
    operations: usize,
    conflicts: usize,
    versions: usize,
}

/// Makes a history of so many operations a client, and has it explained.
async fn history(seed: u64, each: usize) -> Counted {
    let stage = Arc::new(Stage::set(seed).await);
    let mut subjects = Vec::new();
    for _ in 0..OPTIMIZATIONS {
        subjects.push(stage.subject().await);
    }
    let subjects = Arc::new(subjects);
    let at_once = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (stage, subjects, at_once) = (Arc::clone(&stage), Arc::clone(&subjects), Arc::clone(&at_once));
            let mut rng = ChaCha12Rng::seed_from_u64(seed * 1_000 + client as u64);
            tokio::spawn(async move {
                at_once.wait().await;
                for _ in 0..each {
                    let subject = &subjects[rng.random_range(0..OPTIMIZATIONS)];
                    let highest = subject.known.lock().unwrap().highest;
                    let asked = any(&mut rng, highest);
                    stage.operate(client, subject, asked).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let mut counted = Counted { conflicts: stage.conflicts.load(Ordering::Relaxed), ..Counted::default() };
    for subject in &*subjects {
        // Whatever was acknowledged is seen by whoever comes after.
        for asked in [Asked::ReadOptimization, Asked::ReadModel, Asked::Serve] {
            stage.operate(CLIENTS, subject, asked).await;
        }
        let actions = history_of(&subject.actions.lock().unwrap());
        counted.operations += actions.len() / 2;
        let trained = |(_, action): &&(usize, Action<Done>)| matches!(action, Action::Response(Done::Trained { .. }));
        counted.versions += actions.iter().filter(trained).count();
        assert!(is_explained(&actions), "no order explains the history of seed {seed}:\n{actions:#?}");
    }
    counted
}

async fn histories(seeds: std::ops::Range<u64>, each: usize) {
    let (started, mut all) = (Instant::now(), Counted::default());
    let n = seeds.end - seeds.start;
    for seed in seeds {
        let one = history(seed, each).await;
        all.operations += one.operations;
        all.conflicts += one.conflicts;
        all.versions += one.versions;
    }
    println!(
        "{n} histories of {CLIENTS} clients in {:.0} s: {} operations, {} versions in force, {} writes that met others; all are linearizable",
        started.elapsed().as_secs_f64(),
        all.operations,
        all.versions,
        all.conflicts
    );
    assert!(all.versions > 0 && all.conflicts > 0, "nothing was trained, or nothing met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a minute of processor time"]
async fn whatever_many_clients_do_at_once_could_have_been_done_one_after_another() {
    histories(1..21, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "500 histories, for docs/reliability.md"]
async fn five_hundred_histories_could_have_been_done_one_after_another() {
    histories(1_000..1_500, 12).await;
}

#[test]
fn a_history_that_nothing_explains_is_refused() {
    let after_another = |done: &[Done]| {
        let each = done.iter().flat_map(|done| [(0, Action::Call(done.clone())), (0, Action::Response(done.clone()))]);
        is_explained(&each.collect::<Vec<_>>())
    };
    let (model, trained) = (0, |version| Done::Trained { model: 0, version });
    let read = |version| Done::ReadModel { model: 0, archived: false, version };
    assert!(after_another(&[
        read(0),
        trained(1),
        trained(2),
        read(2),
        Done::RolledBack { model, version: 1 },
        read(1)
    ]));
    // A lost update, a version twice, one after a greater one, and an archived model that is trained.
    assert!(!after_another(&[trained(1), read(0)]));
    let named = |name: &str| Done::ReadOptimization { name: name.to_owned(), completed: false, model: Some(0) };
    assert!(after_another(&[Done::Renamed("1".to_owned()), named("1")]));
    assert!(!after_another(&[Done::Renamed("1".to_owned()), named(NAME)]));
    assert!(!after_another(&[trained(1), trained(1)]));
    assert!(!after_another(&[trained(3), trained(2)]));
    assert!(!after_another(&[Done::Deleted { model }, trained(1)]));
    assert!(!after_another(&[Done::Completed(true), trained(1)]));
    assert!(!after_another(&[Done::RolledBack { model, version: 1 }]));
    assert!(!after_another(&[Done::Deleted { model }, Done::Served(Some((0, 0)))]));
    assert!(!after_another(&[Done::Made { model: 1 }]), "there is one already");
    // At once, the order is free; one after another it is not.
    let both = |first, second| {
        let call = |client, done: &Done| (client, Action::Call(done.clone()));
        let answer = |client, done: &Done| (client, Action::Response(done.clone()));
        is_explained(&[call(0, &first), call(1, &second), answer(0, &first), answer(1, &second)])
    };
    assert!(both(trained(1), read(0)) && both(trained(1), read(1)));
    assert!(!both(trained(1), trained(1)), "one run at a time");
}
