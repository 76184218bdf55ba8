//! Whatever is interleaved, dies and comes again: what was acknowledged is counted once, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, TimeDelta, Utc};
use events::incoming::compress;
use events::layout::{incoming_key, root, tombstone_key};
use events::snapshot::MANIFEST_NAME;
use events::{EventKey, Kind, Limits, Run, RunError, SnapshotManifest, Store as _, Target};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::sim::Sim;

const ORGANIZATION: &str = "org_1";
const OPTIMIZATIONS: [&str; 2] = ["o1", "o2"];

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A client sends events of these numbers, with keys; the same number again is a retry.
    Send { kind: Kind, numbers: Vec<u8> },
    /// A client sends an event without a key.
    SendKeyless { kind: Kind },
    /// A run begins, while others may be at work.
    Compact { at_once: bool },
    /// Somebody goes on for so many polls.
    Poll { who: usize, polls: usize },
    /// Somebody dies.
    Crash { who: usize },
    /// Time passes.
    Wait { minutes: i64 },
    /// A user asks to be deleted.
    Delete { kind: Kind, number: u8 },
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Exposures), Just(Kind::Rewards)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = proptest::collection::vec(0_u8..24, 1..4);
    let step = prop_oneof![
        6 => (kinds(), numbers).prop_map(|(kind, numbers)| Step::Send { kind, numbers }),
        2 => kinds().prop_map(|kind| Step::SendKeyless { kind }),
        5 => any::<bool>().prop_map(|at_once| Step::Compact { at_once }),
        12 => (0_usize..8, 1_usize..120).prop_map(|(who, polls)| Step::Poll { who, polls }),
        2 => (0_usize..8).prop_map(|who| Step::Crash { who }),
        3 => prop_oneof![1_i64..10, 60_i64..500, 1_000_i64..4_000].prop_map(|minutes| Step::Wait { minutes }),
        1 => (kinds(), 0_u8..24).prop_map(|(kind, number)| Step::Delete { kind, number }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Who is at work.
struct Task {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_client: bool,
}

fn client(work: impl Future<Output = ()> + Send + 'static) -> Task {
    Task { work: Box::pin(work), is_client: true }
}

fn run(work: impl Future<Output = ()> + Send + 'static) -> Task {
    Task { work: Box::pin(work), is_client: false }
}

/// What the clients know.
#[derive(Default)]
struct Sent {
    /// Ids that somebody tried to send, with the time of the last try.
    tried: BTreeMap<String, DateTime<Utc>>,
    /// Ids whose request was answered.
    acknowledged: BTreeSet<String>,
    /// Ids of users who asked to be deleted, with the time of the last such wish.
    deleted: BTreeMap<String, DateTime<Utc>>,
    requests: usize,
}

struct Stage {
    sim: Sim,
    sent: Arc<Mutex<Sent>>,
    tasks: Vec<Task>,
    /// The last version whose names were looked for.
    checked: u64,
}

fn line(kind: Kind, id: &str, key: EventKey, at: DateTime<Utc>, number: usize) -> String {
    let (key, at) = (key.hex(), at.timestamp_micros());
    let optimization = OPTIMIZATIONS[number % 2];
    match kind {
        Kind::Exposures => format!(
            r#"{{"key":"{key}","anonymous_id":"{id}","timestamp":{at},"optimization_id":"{optimization}","variant":{{"a":"x"}}}}"#
        ),
        // A third of the rewards are for no one optimization.
        Kind::Rewards if number.is_multiple_of(3) => {
            format!(r#"{{"key":"{key}","anonymous_id":"{id}","timestamp":{at},"name":"signup","value":1.0}}"#)
        }
        Kind::Rewards => format!(
            r#"{{"key":"{key}","anonymous_id":"{id}","timestamp":{at},"name":"signup","value":1.0,"optimization_id":"{optimization}"}}"#
        ),
    }
}

fn limits() -> Limits {
    Limits { round_events: 4, round_objects: 3, ..Limits::default() }
}

fn targets() -> Vec<Target> {
    let target = |optimization: &&str| Target {
        optimization: (*optimization).to_owned(),
        names: vec!["signup".to_owned()],
        lookback: None,
        every: TimeDelta::hours(1),
    };
    OPTIMIZATIONS.iter().map(target).collect()
}

/// All that a scheduled run does, from the pointer that it finds.
async fn compact(sim: Sim, at_once: bool) -> Result<(), RunError<std::convert::Infallible>> {
    let pointer = sim.world().pointer.clone();
    let mut run = Run::begin(&sim, ORGANIZATION, pointer, limits(), None).await?;
    assert!(run.take_in().await?);
    run.erase(at_once).await?;
    run.expire().await?;
    run.merge().await?;
    run.publish(&targets(), at_once).await?;
    run.sweep().await
}

impl Stage {
    fn new() -> Self {
        Self { sim: Sim::new(), sent: Arc::default(), tasks: Vec::new(), checked: 0 }
    }

    /// A request of events `(id, key)`; a key of its own place where there is none.
    fn send(&mut self, kind: Kind, events: Vec<(String, Option<EventKey>, usize)>) {
        let now = self.sim.now();
        let request = {
            let mut sent = self.sent.lock().unwrap();
            sent.requests += 1;
            sent.tried.extend(events.iter().map(|(id, _, _)| (id.clone(), now)));
            format!("req_{:06}", sent.requests)
        };
        let key = incoming_key(kind, now, &request);
        let lines = events.iter().enumerate().map(|(index, (id, event_key, number))| {
            let event_key = event_key.unwrap_or_else(|| EventKey::of_place(kind, &key, index));
            line(kind, id, event_key, now, *number) + "\n"
        });
        let object = compress(lines.collect::<String>().as_bytes()).unwrap();
        let (sim, sent) = (self.sim.clone(), Arc::clone(&self.sent));
        self.tasks.push(client(async move {
            let Ok(()) = sim.put(&format!("{}{key}", root(ORGANIZATION)), object.into()).await;
            sent.lock().unwrap().acknowledged.extend(events.into_iter().map(|(id, _, _)| id));
        }));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send { kind, numbers } => {
                let now = self.sim.now();
                let event = |&number: &u8| {
                    let id = id(*kind, number, now);
                    (id.clone(), Some(EventKey::given(*kind, &id)), usize::from(number))
                };
                self.send(*kind, numbers.iter().map(event).collect());
            }
            Step::SendKeyless { kind } => {
                let number = self.sent.lock().unwrap().requests;
                self.send(*kind, vec![(format!("{}-keyless-{number}", kind.as_str()), None, number)]);
            }
            Step::Compact { at_once } => {
                let compaction = compact(self.sim.clone(), *at_once);
                self.tasks.push(run(async move {
                    match compaction.await {
                        Ok(()) | Err(RunError::Overtaken) => {}
                        Err(error) => panic!("{error}"),
                    }
                }));
            }
            Step::Poll { who, polls } => self.poll(*who, *polls),
            Step::Crash { who } => {
                if !self.tasks.is_empty() {
                    drop(self.tasks.remove(who % self.tasks.len()));
                }
            }
            Step::Wait { minutes } => {
                // A request is answered or dead within half a minute. A run may be away for days.
                self.tasks.retain(|task| !task.is_client);
                self.sim.advance(TimeDelta::minutes(*minutes));
            }
            Step::Delete { kind, number } => {
                let now = self.sim.now();
                let id = id(*kind, *number, now);
                let object = serde_json(&id);
                let key = format!("{}{}", root(ORGANIZATION), tombstone_key(now, &format!("{id}-{now}")));
                self.sim.world().objects.insert(key, (object.into(), now));
                self.sent.lock().unwrap().deleted.insert(id, now);
            }
        }
        self.check_that_nothing_dangles();
    }

    fn poll(&mut self, who: usize, polls: usize) {
        if self.tasks.is_empty() {
            return;
        }
        let who = who % self.tasks.len();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if let Poll::Ready(()) = self.tasks[who].work.as_mut().poll(&mut context) {
                drop(self.tasks.remove(who));
                return;
            }
        }
    }

    /// Runs from the beginning to the end while nobody else does anything.
    fn compact_alone(&self) {
        let mut run = Box::pin(compact(self.sim.clone(), true));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = run.as_mut().poll(&mut context) {
                return done.unwrap();
            }
        }
    }

    fn check_that_nothing_dangles(&mut self) {
        let version = self.sim.world().pointer.as_ref().map_or(0, |pointer| pointer.version);
        if std::mem::replace(&mut self.checked, version) == version {
            return;
        }
        let manifest = self.sim.manifest();
        let world = self.sim.world();
        for key in manifest.named() {
            assert!(world.objects.contains_key(key), "{key} is named and gone");
        }
    }

    /// How often each id is in the manifest in force.
    fn counted(&self) -> BTreeMap<String, usize> {
        let manifest = self.sim.manifest();
        let world = self.sim.world();
        let mut counted = BTreeMap::new();
        for part in &manifest.parts {
            let ids = events::rewrite::ids(world.objects[&part.key].0.clone()).unwrap();
            assert_eq!(ids.len() as u64, part.rows, "{}", part.key);
            for id in ids {
                *counted.entry(id).or_default() += 1;
            }
        }
        counted
    }

    fn check_counts(&self) {
        let counted = self.counted();
        let sent = self.sent.lock().unwrap();
        for (id, times) in &counted {
            assert_eq!(*times, 1, "{id} is counted more than once");
            assert!(sent.tried.contains_key(id), "{id} was never sent");
        }
        for id in sent.acknowledged.iter().filter(|id| !sent.deleted.contains_key(*id)) {
            assert!(counted.contains_key(id), "{id} was acknowledged and is not counted");
        }
        for (id, at) in &sent.deleted {
            if sent.tried.get(id).is_some_and(|last| last <= at) {
                assert!(!counted.contains_key(id), "{id} asked to be deleted and is counted");
            }
        }
    }

    /// What is left under the organization's prefixes is what is named.
    fn check_that_no_orphan_is_left(&self) {
        let manifest = self.sim.manifest();
        let world = self.sim.world();
        let mut named: BTreeSet<String> = manifest.named().map(str::to_owned).collect();
        named.extend(manifest.retired.iter().map(|retired| retired.key.clone()));
        for (optimization, published) in &manifest.published {
            let prefix = format!("snapshots/{ORGANIZATION}/{optimization}/{}/", published.snapshot_id);
            let (bytes, _) = &world.objects[&format!("{prefix}{MANIFEST_NAME}")];
            let snapshot = SnapshotManifest::decode(bytes, ORGANIZATION, &prefix).unwrap();
            for object in snapshot.objects() {
                assert_eq!(world.objects[&object.key].0.len() as u64, object.size);
                named.insert(object.key.clone());
            }
        }
        let day_ago = world.now - TimeDelta::days(1);
        for (key, (_, modified)) in &world.objects {
            let old = *modified < day_ago && key.starts_with("events/") && !key.contains("/tombstones/");
            assert!(!old || named.contains(key), "{key} is an orphan");
            assert!(!key.contains("/incoming/"), "{key} is still there");
        }
    }
}

/// A number is another event in each week: a key is kept for 7 days.
fn id(kind: Kind, number: u8, now: DateTime<Utc>) -> String {
    format!("{}-{number}-{}", kind.as_str(), now.timestamp().div_euclid(7 * 24 * 3600))
}

fn serde_json(id: &str) -> Vec<u8> {
    format!(r#"{{"anonymous_id":"{id}"}}"#).into_bytes()
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases.max(1_000), failure_persistence: None, ..Config::default() })]

    #[test]
    fn whatever_happens_every_acknowledged_event_is_counted_once(steps in steps()) {
        let mut stage = Stage::new();
        for step in &steps {
            stage.step(step);
        }
        // All die; one run goes through alone.
        stage.tasks.clear();
        stage.compact_alone();
        stage.check_counts();
        // Days later all that nothing names is gone, and what counts is as it was.
        let counted = stage.counted();
        for _ in 0..2 {
            stage.sim.advance(TimeDelta::days(2));
            stage.compact_alone();
        }
        prop_assert_eq!(stage.counted(), counted);
        stage.check_that_no_orphan_is_left();
    }
}
