//! One fault at a time, at every storage call of every piece of work: what is promised holds, whatever happens to a call, and
//! whoever comes again gets what was asked for, once.
//!
//! Some of the injections are made here; all of them, as docs/reliability.md has them, by
//! `cargo test -p fulcrum --test it -- --ignored --nocapture faults`.

pub mod promises;
pub mod work;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::clock::Clock as _;
use fulcrum_core::domain::Lease;
use fulcrum_core::http::ROUTES;
use fulcrum_core::storage_calls::StorageCalls;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use promises::{difference, look, lost_or_kept_events};
use work::{Settles, Work};
use world::{Attempts, Counts, Outcome, Stage, World};

use crate::harness::{Reply, request};
use crate::proxy::{Fault, Proxy};

/// Worlds at a time. Most of them wait for a call that never ends.
const AT_ONCE: usize = 8;
/// Injections into one world, one after another: what one leaves behind is there for the next.
const TO_ONE_WORLD: usize = 24;
/// Of all injections, one in so many is made with the other tests: a number that has no factor in common with that of the faults.
const ONE_IN: usize = 83;
/// How long a function may take. An upload may take as long as its bytes, so that it is this that ends one without an answer.
const FUNCTION_TIME: Duration = Duration::from_secs(6);

/// A fault at a storage call of a piece of work.
#[derive(Clone, Copy, Debug)]
struct Injection {
    at: usize,
    fault: Fault,
    attempts: Attempts,
}

/// All faults at a call. A process dies in whatever attempt it is.
fn at(at: usize) -> Vec<Injection> {
    let of = |attempts| move |fault| Injection { at, fault, attempts };
    let again = Fault::OF_EVERY_CALL.into_iter().filter(|fault| !fault.is_death()).map(of(Attempts::Three));
    Fault::OF_EVERY_CALL.into_iter().map(of(Attempts::One)).chain(again).collect()
}

/// One in so many of all injections into a piece of work; of calls that follow each other different faults.
fn one_in(every: usize, calls: usize) -> Vec<Injection> {
    (0..calls).flat_map(at).skip(every / 8).step_by(every).collect()
}

/// What a piece of work does when nothing happens to it.
#[derive(Clone, Debug)]
struct Reference {
    calls: usize,
    changes: BTreeMap<String, i64>,
}

async fn settle(world: &World, work: Work) {
    match work.settles() {
        Settles::Nothing => {}
        Settles::Runs => world.settle_runs().await,
        Settles::Events => world.settle_events().await,
    }
}

async fn reference(world: &Arc<World>, work: Work) -> Reference {
    work.prepare(world, 0).await;
    let before = look(world).await;
    let proxy = Proxy::start(world.stage.upstream.clone(), Box::new(|_, _| None)).await;
    let done = work.go(Arc::clone(world), world.through(&proxy, Attempts::Three), 0, 1).await;
    assert!(done.is_done(), "{work:?} does not succeed without a fault: {done:?}");
    let calls = proxy.calls();
    settle(world, work).await;
    let after = look(world).await;
    assert!(before.broken.is_empty() && after.broken.is_empty(), "{work:?}: {:?} {:?}", before.broken, after.broken);
    Reference { calls, changes: difference(&before.counts, &after.counts) }
}

/// The changes without those that a retry may make a second time.
fn once_each(work: Work, changes: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let is_repeated = |kind: &str| work.repeats() && kind.starts_with("changes ");
    let kept = changes.iter().map(|(kind, by)| (kind.clone(), if is_repeated(kind) { (*by).min(1) } else { *by }));
    kept.collect()
}

/// Makes one injection, and says which promises it broke. `None`: the work had no such call this time.
async fn inject(
    world: &Arc<World>,
    work: Work,
    injection: Injection,
    n: usize,
    expected: &Reference,
) -> Option<Vec<String>> {
    work.prepare(world, n).await;
    let before: Counts = look(world).await.counts;
    let Injection { at, fault, attempts } = injection;
    let proxy =
        Proxy::start(world.stage.upstream.clone(), Box::new(move |call, _| (call == at).then_some(fault))).await;
    let going = work.go(Arc::clone(world), world.through(&proxy, attempts), n, 1);
    let outcome = tokio::select! {
        biased;
        () = proxy.died() => None,
        ended = tokio::time::timeout(FUNCTION_TIME, going) => ended.ok(),
    };
    let struck = proxy.struck()?;
    drop(proxy);
    let mut broken = Vec::new();
    let mut done = false;
    if let Some(outcome) = &outcome {
        done = outcome.is_done();
        // What one attempt does not do, the next does.
        let may_fail = attempts == Attempts::One;
        if !(done || may_fail && outcome.is_put_off()) {
            broken.push(format!("it ends as {outcome:?}"));
        }
    }
    broken.extend(look(world).await.broken);
    if done {
        settle(world, work).await;
        let after = look(world).await;
        let changes = difference(&before, &after.counts);
        if once_each(work, &changes) != once_each(work, &expected.changes) {
            broken.push(format!("it says that it is done, and changed {changes:?}; that is {:?}", expected.changes));
        }
    }
    if !(done && work.repeats()) {
        // A message comes again after its time in the queue, which is longer than a lease.
        let is_request = matches!(outcome, Some(Outcome::Answered(_)));
        world.clock.advance(TimeDelta::seconds(if is_request { 2 } else { 61 }));
        let again = world.again(|receive| work.go(Arc::clone(world), world.app.clone(), n, receive)).await;
        broken.extend(again.err());
    }
    settle(world, work).await;
    let after = look(world).await;
    broken.extend(after.broken);
    let changes = difference(&before, &after.counts);
    if once_each(work, &changes) != once_each(work, &expected.changes) {
        broken.push(format!("after a retry it has changed {changes:?}; that is {:?}", expected.changes));
    }
    if work.settles() == Settles::Events {
        broken.extend(lost_or_kept_events(world).await);
    }
    let about = format!("{work:?}, {fault:?} at call {at} ({struck}), {attempts:?} attempts: ");
    Some(broken.into_iter().map(|broken| format!("{about}{broken}")).collect())
}

/// What came of injections.
#[derive(Default)]
struct Report {
    calls: usize,
    injections: usize,
    broken: Vec<String>,
}

/// Makes the injections that are chosen of all those of each piece of work, and prints how many.
async fn attack(every: usize) -> Report {
    let started = Instant::now();
    let (stage, turns) = (Stage::set().await, Arc::new(Semaphore::new(AT_ONCE)));
    let mut references = JoinSet::new();
    for work in Work::ALL {
        let (stage, turns) = (Arc::clone(&stage), Arc::clone(&turns));
        references.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            (work, reference(&Arc::new(stage.world().await), work).await)
        });
    }
    let (mut jobs, mut report) = (JoinSet::new(), Report::default());
    while let Some(ended) = references.join_next().await {
        let (work, reference) = ended.unwrap();
        report.calls += reference.calls;
        for chunk in one_in(every, reference.calls).chunks(TO_ONE_WORLD) {
            let (stage, turns) = (Arc::clone(&stage), Arc::clone(&turns));
            let (chunk, reference) = (chunk.to_vec(), reference.clone());
            jobs.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let world = Arc::new(stage.world().await);
                let mut of_world = Vec::new();
                for (n, injection) in chunk.into_iter().enumerate() {
                    of_world.extend(inject(&world, work, injection, n + 1, &reference).await);
                }
                of_world
            });
        }
    }
    while let Some(ended) = jobs.join_next().await {
        let of_world = ended.unwrap();
        report.injections += of_world.len();
        for broken in of_world.into_iter().flatten() {
            println!("{broken}");
            report.broken.push(broken);
        }
    }
    println!(
        "{} injections at {} storage calls of {} pieces of work in {:.0} s: {} promises broken",
        report.injections,
        report.calls,
        Work::ALL.len(),
        started.elapsed().as_secs_f64(),
        report.broken.len()
    );
    report
}

fn assert_nothing_broken(report: &Report) {
    assert!(report.broken.is_empty(), "{}", report.broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_a_store_and_no_death_of_a_process_breaks_a_promise() {
    let report = attack(ONE_IN).await;
    assert_nothing_broken(&report);
    assert!(report.injections > 40, "{} injections were made", report.injections);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "every fault at every call, for docs/reliability.md"]
async fn every_fault_at_every_storage_call_breaks_no_promise() {
    assert_nothing_broken(&attack(1).await);
}

/// The functions that call no store.
const WITHOUT_STORES: [&str; 2] = ["console-page", "openapi"];
/// Reads what a run stored of visitors, and the runs here are over cells, which have none.
const NOT_YET: [&str; 1] = ["evaluate-policy"];

#[tokio::test]
async fn every_function_that_calls_a_store_is_attacked() {
    let attacked: BTreeSet<&str> = Work::ALL.into_iter().map(Work::function).collect();
    for route in ROUTES {
        let is_left_out = WITHOUT_STORES.contains(&route.function) || NOT_YET.contains(&route.function);
        let known = attacked.contains(route.function) != is_left_out;
        assert!(known, "faults/work.rs has no work of {}, or WITHOUT_STORES needs it no longer", route.function);
    }
    let world = Stage::set().await.world().await;
    for path in ["/console", "/api/v2/openapi.json"] {
        let calls = StorageCalls::default();
        let asked = request("GET", path, &world.key, None);
        let answer = calls.count(dispatch(&world.app, asked)).await;
        assert_eq!((answer.status().as_u16(), calls.total()), (200, 0), "{path}");
    }
}

/// What is looked for is found where it is.
#[tokio::test]
async fn what_is_broken_is_noticed() {
    let world = Arc::new(Stage::set().await.world().await);
    Work::CompactByFlush.prepare(&world, 1).await;
    world.settle_events().await;
    let found = async || look(&world).await.broken.join("\n");
    assert_eq!(found().await, "");
    let bucket = &world.app.bucket;
    let model = world.app.table.model(&world.organization, world.model()).await.unwrap().unwrap();
    let object = model.posterior.unwrap().object;
    let bytes = bucket.read_all(&object).await.unwrap();
    world.known().whole.clear();
    bucket.put(&object, bytes.slice(..bytes.len() / 2).into()).await.unwrap();
    assert!(found().await.contains("is torn"), "{}", found().await);
    bucket.delete(&object).await.unwrap();
    assert!(found().await.contains("which is missing"), "{}", found().await);
    bucket.put(&object, bytes.into()).await.unwrap();
    assert_eq!(found().await, "");

    assert!(lost_or_kept_events(&world).await.is_empty());
    world.known().visitors.insert("nobody".to_owned());
    assert_eq!(lost_or_kept_events(&world).await, ["the event of nobody is lost"]);
    world.known().visitors.clear();
    assert!(found().await.contains("events count that nobody sent"), "{}", found().await);

    let (now, forever) = (world.clock.now(), TimeDelta::days(400));
    let lease = Lease { owner: "somebody".to_owned(), expires_at: now + forever };
    world.app.table.acquire_lease(&world.organization, model.id, &lease, now).await.unwrap();
    assert!(found().await.contains("is leased for"), "{}", found().await);
    let conflict = Reply::of(
        dispatch(&world.app, request("POST", &format!("/api/v2/models/{}/train", model.id), &world.key, None)).await,
    );
    assert_eq!(conflict.status, 409, "{}", conflict.body);
}
