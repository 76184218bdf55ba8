//! Run slots: an organization has so many runs at a time, what waits is next in turn, and nothing is lost on the way.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use fulcrum_core::App;
use fulcrum_core::domain::{RunSlots, TrainingTrigger};
use fulcrum_core::store::{REQUESTS, WAITING};
use fulcrum_core::usecases::RetrainOutcome;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::stage::{Fate, ORGANIZATION, Stage, mab};

fn cells() -> [Value; 2] {
    let cell = |headline: &str, sum: u64| json!({"variant": {"headline": headline}, "n": 100, "reward_sum": sum});
    [cell("a", 10), cell("b", 20)]
}

/// The service, in which an organization has so many runs at a time.
fn limited(app: &App, runs: usize) -> App {
    App { organization_runs: NonZeroUsize::new(runs), ..app.clone() }
}

/// So many optimizations with their models, each with a snapshot of this id, and the triggers of these.
async fn completed(stage: &Stage, models: usize, snapshot: &str) -> (Vec<Uuid>, Vec<TrainingTrigger>) {
    let (mut ids, mut triggers) = (Vec::new(), Vec::new());
    for _ in 0..models {
        let made = stage.create(mab(&["a", "b"])).await.optimization;
        stage.snapshot(made.id, snapshot, &cells()).await;
        ids.push(made.model_id.unwrap());
        triggers.push(TrainingTrigger::SnapshotCompleted {
            organization: ORGANIZATION.to_owned(),
            optimization: made.id,
            snapshot: snapshot.to_owned(),
        });
    }
    stage.written();
    (ids, triggers)
}

/// The requests that were announced since this was asked last, as the rule makes triggers of them.
fn announced(stage: &Stage) -> Vec<TrainingTrigger> {
    let keys = stage.written().into_iter().filter(|key| key.starts_with(REQUESTS));
    keys.map(|key| TrainingTrigger::TrainingRequested {
        organization: ORGANIZATION.to_owned(),
        model: key.split('/').nth(2).unwrap().parse().unwrap(),
        key,
    })
    .collect()
}

/// The one that was.
fn only(announced: Vec<TrainingTrigger>) -> TrainingTrigger {
    let [one] = announced.try_into().unwrap();
    one
}

async fn versions(stage: &Stage, ids: &[Uuid]) -> Vec<u64> {
    let mut versions = Vec::new();
    for id in ids {
        let model = stage.app.model(ORGANIZATION, *id).await.unwrap();
        versions.push(model.posterior.map_or(0, |posterior| posterior.posterior_version));
    }
    versions
}

/// The objects that are left of requests and of notes that they wait.
async fn left(stage: &Stage) -> usize {
    stage.app.bucket.list(REQUESTS).await.unwrap().len() + stage.app.bucket.list(WAITING).await.unwrap().len()
}

/// Gives all slots of the organization to others, who are dead or alive, for a minute.
async fn take_all(stage: &Stage, slots: usize) {
    let before = stage.app.table.run_slots(ORGANIZATION).await.unwrap();
    let until = (stage.app.clock.now() + TimeDelta::seconds(60)).timestamp_millis();
    let owners: BTreeMap<String, i64> = (0..slots).map(|n| (format!("other-{n}"), until)).collect();
    stage.app.table.change_run_slots(ORGANIZATION, &before, &owners).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_runs_of_an_organization_are_at_work_than_it_has_slots() {
    let stage = Stage::new().await;
    let (ids, triggers) = completed(&stage, 6, "1").await;
    let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, greatest) = (Arc::clone(&at_work), Arc::clone(&most));
    let app = limited(
        &stage.fated(move |called| {
            let (now, greatest) = (Arc::clone(&now), Arc::clone(&greatest));
            Box::pin(async move {
                if called.operation.starts_with("PUT ") && called.operation.contains(".safetensors") {
                    greatest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                }
                Fate::Passes
            })
        }),
        2,
    );
    let mut queue = VecDeque::from(triggers);
    let mut running: JoinSet<RetrainOutcome> = JoinSet::new();
    let (mut trained, mut waited) = (0, 0);
    loop {
        queue.extend(announced(&stage));
        // Six functions at a time.
        while running.len() < 6
            && let Some(trigger) = queue.pop_front()
        {
            let app = app.clone();
            running.spawn(async move { app.retrain(&trigger, 1).await.unwrap() });
        }
        match running.join_next().await.map(Result::unwrap) {
            Some(RetrainOutcome::Trained(_)) => trained += 1,
            Some(RetrainOutcome::Waits) => waited += 1,
            Some(other) => panic!("{other:?}"),
            None => break,
        }
    }
    assert_eq!((versions(&stage, &ids).await, trained), (vec![1; 6], 6));
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?} at once");
    assert!(waited >= 4, "{waited}");
    assert_eq!(left(&stage).await, 0);
    assert_eq!(stage.app.table.run_slots(ORGANIZATION).await.unwrap().owners, BTreeMap::new());
}

#[tokio::test]
async fn what_waits_longest_is_next_and_newcomers_are_behind_it() {
    let stage = Stage::new().await;
    let app = limited(&stage.app, 1);
    let (ids, triggers) = completed(&stage, 4, "1").await;
    take_all(&stage, 1).await;
    for trigger in &triggers[..3] {
        stage.clock.advance(TimeDelta::milliseconds(1));
        assert!(matches!(app.retrain(trigger, 1).await.unwrap(), RetrainOutcome::Waits));
        let request = only(announced(&stage));
        assert!(matches!(app.retrain(&request, 1).await.unwrap(), RetrainOutcome::Waits));
        assert!(announced(&stage).is_empty(), "what waits does not come again by itself");
    }
    assert_eq!(app.bucket.list(WAITING).await.unwrap().len(), 3);
    // The others end; a newcomer comes first, since nobody passed their slots on.
    stage.clock.advance(TimeDelta::seconds(61));
    assert!(matches!(app.retrain(&triggers[3], 1).await.unwrap(), RetrainOutcome::Trained(_)));
    assert_eq!(versions(&stage, &ids).await, [0, 0, 0, 1]);
    for n in 0..3 {
        let next = only(announced(&stage));
        // The slot is reserved for it: whoever comes in between waits.
        let again = TrainingTrigger::SnapshotCompleted {
            organization: ORGANIZATION.to_owned(),
            optimization: stage.app.model(ORGANIZATION, ids[3]).await.unwrap().optimization_id,
            snapshot: "2".to_owned(),
        };
        let outcome = app.retrain(&again, 1).await.unwrap();
        assert!(matches!(outcome, RetrainOutcome::Waits | RetrainOutcome::Dropped(_)), "{outcome:?}");
        stage.written();
        assert!(matches!(app.retrain(&next, 1).await.unwrap(), RetrainOutcome::Trained(_)));
        let expected: Vec<u64> = (0..4).map(|model| u64::from(model <= n || model == 3)).collect();
        assert_eq!(versions(&stage, &ids).await, expected);
    }
    assert!(app.bucket.list(WAITING).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_organization_is_not_held_up_by_another() {
    let stage = Stage::new().await;
    let app = limited(&stage.app, 1);
    let (ids, triggers) = completed(&stage, 1, "1").await;
    let before = app.table.run_slots("org_other").await.unwrap();
    let until = (app.clock.now() + TimeDelta::seconds(60)).timestamp_millis();
    app.table.change_run_slots("org_other", &before, &BTreeMap::from([("run".into(), until)])).await.unwrap();
    assert!(matches!(app.retrain(&triggers[0], 1).await.unwrap(), RetrainOutcome::Trained(_)));
    assert_eq!(versions(&stage, &ids).await, [1]);
}

/// A process that dies at any storage call leaves nothing that is not found again: its message comes again, and slots expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_run_is_lost_whatever_call_a_process_dies_at() {
    let stage = Stage::new().await;
    let (ids, triggers) = completed(&stage, 2, "0000").await;
    let (calls, dead, cut) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(usize::MAX)));
    let app = {
        let (calls, dead, cut) = (Arc::clone(&calls), Arc::clone(&dead), Arc::clone(&cut));
        let app = stage.fated(move |_| {
            if calls.fetch_add(1, Ordering::SeqCst) == cut.load(Ordering::SeqCst) {
                dead.store(true, Ordering::SeqCst);
            }
            let dead = dead.load(Ordering::SeqCst);
            Box::pin(async move { if dead { Fate::Fails } else { Fate::Passes } })
        });
        limited(&app, 1)
    };
    let mut last = usize::MAX;
    for round in 0.. {
        if round > last {
            break;
        }
        // The first round is undisturbed, and says how many calls there are to die at.
        let snapshot = format!("{round:04}");
        calls.store(0, Ordering::SeqCst);
        cut.store(if round == 0 { usize::MAX } else { round - 1 }, Ordering::SeqCst);
        let mut queue = VecDeque::new();
        for trigger in &triggers {
            let TrainingTrigger::SnapshotCompleted { organization, optimization, .. } = trigger else { unreachable!() };
            stage.snapshot(*optimization, &snapshot, &cells()).await;
            let (organization, optimization, snapshot) = (organization.clone(), *optimization, snapshot.clone());
            queue.push_back((TrainingTrigger::SnapshotCompleted { organization, optimization, snapshot }, 1));
        }
        stage.written();
        // One has the slot while the first message comes, as a snapshot and as a request, and has none when the second one does.
        take_all(&stage, 1).await;
        let mut second = queue.pop_back();
        let mut messages = 0;
        loop {
            messages += 1;
            assert!(messages < 50, "call {round}: messages come again and again");
            if messages == 3
                && let Some(second) = second.take()
            {
                stage.clock.advance(TimeDelta::seconds(61));
                queue.push_front(second);
            }
            let Some((trigger, receives)) = queue.pop_front() else { break };
            let outcome = app.retrain(&trigger, receives).await;
            if dead.swap(false, Ordering::SeqCst) {
                // It has died, whatever it would have answered.
                stage.clock.advance(TimeDelta::seconds(61));
                queue.push_back((trigger, receives + 1));
            } else {
                outcome.unwrap();
            }
            queue.extend(announced(&stage).into_iter().map(|trigger| (trigger, 1)));
            if queue.is_empty() && second.is_none() {
                // The schedule, after the reservations of who has died.
                stage.clock.advance(TimeDelta::minutes(16));
                let outcome = limited(&stage.app, 1).retrain(&TrainingTrigger::Schedule, 1).await.unwrap();
                assert!(matches!(outcome, RetrainOutcome::Queued(_)), "{outcome:?}");
                queue.extend(announced(&stage).into_iter().map(|trigger| (trigger, 1)));
            }
        }
        if round == 0 {
            last = calls.load(Ordering::SeqCst);
        }
        for id in &ids {
            let model = stage.app.model(ORGANIZATION, *id).await.unwrap();
            assert!(model.is_trained_on(&snapshot), "call {round}");
        }
        assert_eq!(left(&stage).await, 0, "call {round}");
    }
    assert!(last > 40, "a wait and two runs take more than {last} calls");
}

#[tokio::test]
async fn a_run_that_fails_time_after_time_is_left_to_the_queue_in_the_end() {
    let stage = Stage::new().await;
    let app = limited(&stage.app, 1);
    let (ids, _) = completed(&stage, 1, "1").await;
    stage.app.train(ORGANIZATION, ids[0], BTreeMap::new(), false).await.unwrap();
    stage.app.train(ORGANIZATION, ids[0], BTreeMap::new(), true).await.unwrap();
    let request = only(announced(&stage));
    let TrainingTrigger::TrainingRequested { key, .. } = &request else { unreachable!() };
    take_all(&stage, 1).await;
    // Three runs were begun, this one finds no slot.
    assert!(matches!(app.retrain(&request, 4).await.unwrap(), RetrainOutcome::Waits));
    stage.clock.advance(TimeDelta::seconds(61));
    assert!(matches!(app.retrain(&TrainingTrigger::Schedule, 1).await.unwrap(), RetrainOutcome::Queued(1)));
    let told: Value = serde_json::from_slice(&app.bucket.read_all(key).await.unwrap()).unwrap();
    assert_eq!(told["tries"], 3, "{told}");
    assert_eq!(only(announced(&stage)), request);
    // Two more have failed, and then it finds no slot again: it is no longer taken out of the queue.
    stage.clock.advance(TimeDelta::minutes(16));
    take_all(&stage, 1).await;
    let error = app.retrain(&request, 3).await.unwrap_err();
    assert_eq!(error.code(), "conflict", "{error:?}");
    assert!(app.bucket.list(WAITING).await.unwrap().is_empty());
    // With a slot it is another matter.
    stage.clock.advance(TimeDelta::seconds(61));
    assert!(matches!(app.retrain(&request, 5).await.unwrap(), RetrainOutcome::Trained(_)));
}

#[tokio::test]
async fn a_slot_is_renewed_while_its_run_lives_and_expires_when_it_is_dead() {
    let stage = Stage::new().await;
    let (ids, triggers) = completed(&stage, 2, "1").await;
    let gate = Arc::new(Semaphore::new(0));
    let closed = Arc::clone(&gate);
    let held = stage.fated(move |called| {
        let closed = Arc::clone(&closed);
        Box::pin(async move {
            if called.operation.starts_with("PUT ") && called.operation.contains(".safetensors") {
                closed.acquire().await.unwrap().forget();
            }
            Fate::Passes
        })
    });
    let lease = TimeDelta::milliseconds(600);
    let app = App { lease, ..limited(&held, 1) };
    let first = triggers[0].clone();
    let run = tokio::spawn(async move { app.retrain(&first, 1).await });
    let owners = async || stage.app.table.run_slots(ORGANIZATION).await.unwrap();
    let taken = async || owners().await.taken(stage.app.clock.now()).len();
    while taken().await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = owners().await;
    stage.clock.advance(TimeDelta::milliseconds(500));
    while owners().await.owners == before.owners {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(taken().await, 1, "it was renewed");
    run.abort();
    let _ = run.await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stage.clock.advance(TimeDelta::seconds(2));
    assert_eq!(taken().await, 0, "and no longer");
    let outcome = limited(&stage.app, 1).retrain(&triggers[1], 1).await.unwrap();
    assert!(matches!(outcome, RetrainOutcome::Trained(_)), "{outcome:?}");
    assert_eq!(versions(&stage, &ids).await, [0, 1]);
}

#[test]
fn slots_that_have_expired_are_not_taken() {
    let slots = RunSlots { owners: BTreeMap::from([("a".to_owned(), 1_000), ("b".to_owned(), 1_001)]), revision: 3 };
    let at = |millis| chrono::DateTime::from_timestamp_millis(millis).unwrap();
    assert_eq!(slots.taken(at(1_000)), BTreeMap::from([("b".to_owned(), 1_001)]));
    assert_eq!(slots.taken(at(999)).len(), 2);
}
