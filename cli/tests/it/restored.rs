//! Recovery of the table to a moment that is past, beside a bucket that keeps what was deleted since: at every moment of a history
//! each pointer leads somewhere, and from there the service goes on. docs/operations.md says how it is done in the cloud.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use bytes::Bytes;
use chrono::TimeDelta;
use fulcrum::local::gateway::dispatch;
use fulcrum_core::App;
use serde_json::json;

use crate::faults::promises::{look, look_among, lost_or_kept_events};
use crate::faults::work::Work;
use crate::faults::world::{Stage, World, adjusted};
use crate::harness::{Reply, request};
use crate::proxy::{Fault, Proxy};

/// What happens, in this order: versions come, go and come back, events are counted and deleted, a model ends and another begins.
const HISTORY: [Work; 13] = [
    Work::Train,
    Work::CompactByFlush,
    Work::RollBack,
    Work::Train,
    Work::Rename,
    Work::CompactBySchedule,
    Work::DeleteUser,
    Work::CompactByFlush,
    Work::RetrainOnSnapshot,
    Work::RetrainForRequest,
    Work::Complete,
    Work::DeleteModel,
    Work::CreateModelForOptimization,
];

/// The table and the bucket's listing just after a write to the table.
struct Moment {
    after: String,
    items: Vec<HashMap<String, AttributeValue>>,
    objects: BTreeMap<String, u64>,
}

/// What somebody sees who looks at the stores again and again.
#[derive(Default)]
struct Witness {
    moments: Vec<Moment>,
    /// Every object that was ever seen, as it was then, and at which moment first: a bucket that keeps what is deleted.
    versions: BTreeMap<String, (usize, Bytes)>,
}

async fn objects(world: &World) -> BTreeMap<String, u64> {
    world.app.bucket.list("").await.unwrap().into_iter().collect()
}

impl Witness {
    async fn look(&mut self, world: &World, after: String) {
        let scan = world.stage.dynamodb.scan().table_name(&world.table).consistent_read(true).send().await.unwrap();
        assert!(scan.last_evaluated_key.is_none(), "the history fits a page");
        let objects = objects(world).await;
        for key in objects.keys() {
            if !self.versions.contains_key(key)
                && let Some(bytes) = world.app.bucket.read_if_there(key).await.unwrap()
            {
                self.versions.insert(key.clone(), (self.moments.len(), bytes));
            }
        }
        self.moments.push(Moment { after, items: scan.items.unwrap(), objects });
    }

    /// What the bucket holds once the deletions since the nth moment are undone: what was there then, and what came later.
    fn restored_objects(&self, n: usize, now: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let of_moment = &self.moments[n].objects;
        let there = |key: &String, first: usize| first > n || of_moment.contains_key(key) || now.contains_key(key);
        let versions = self.versions.iter().filter(|(key, (first, _))| there(key, *first));
        versions.map(|(key, (_, bytes))| (key.clone(), now.get(key).copied().unwrap_or(bytes.len() as u64))).collect()
    }
}

impl Moment {
    /// The table as it was, in another table.
    async fn restore(&self, world: &World, table: &str, bucket: &str) -> World {
        let (stage, clock) = (Arc::clone(&world.stage), Arc::clone(&world.clock));
        let app = adjusted(App::new(stage.stores.sdk(), stage.stores.endpoints(), table, bucket), &clock);
        app.table.create_if_missing().await.unwrap();
        for items in self.items.chunks(25) {
            let put = |item: &HashMap<_, _>| {
                let put = PutRequest::builder().set_item(Some(item.clone())).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            };
            let writes = items.iter().map(put).collect();
            let written = stage.dynamodb.batch_write_item().request_items(table, writes).send().await.unwrap();
            assert!(written.unprocessed_items.is_none_or(|left| left.is_empty()));
        }
        World {
            stage,
            table: table.to_owned(),
            app,
            clock,
            organization: world.organization.clone(),
            key: world.key.clone(),
            optimization: world.optimization,
            known: world.known().clone().into(),
        }
    }
}

/// Lets the history happen, and looks after every write to the table.
async fn witnessed(world: &Arc<World>) -> Witness {
    let writes = |name: &str| matches!(name, "TransactWriteItems" | "UpdateItem" | "DeleteItem" | "PutItem");
    let rule = move |_: usize, name: &str| writes(name).then_some(Fault::Paused);
    let proxy = Proxy::start(world.stage.upstream.clone(), Box::new(rule)).await;
    let sdk = world.stage.stores.sdk();
    let app = adjusted(App::new(sdk, &proxy.endpoints(), &world.table, world.app.bucket.name()), &world.clock);
    let mut witness = Witness::default();
    witness.look(world, "the beginning".to_owned()).await;
    for (n, work) in HISTORY.into_iter().enumerate() {
        work.prepare(world, n).await;
        witness.look(world, format!("what comes before {work:?}")).await;
        let going = work.go(Arc::clone(world), app.clone(), n, 1);
        tokio::pin!(going);
        loop {
            tokio::select! {
                done = &mut going => {
                    assert!(done.is_done(), "{work:?}: {done:?}");
                    break;
                }
                () = proxy.paused() => {
                    let call = proxy.struck().unwrap_or_default();
                    witness.look(world, format!("{call} of {work:?}")).await;
                    proxy.resume();
                }
            }
        }
    }
    witness.look(world, "the end".to_owned()).await;
    witness
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_moment_of_a_history_that_is_restored_each_pointer_leads_somewhere() {
    let world = Arc::new(Stage::set().await.world().await);
    let witness = witnessed(&world).await;
    let now = objects(&world).await;
    let deleted = witness.versions.iter().filter(|(key, _)| !now.contains_key(*key));
    let mut undeleted = 0;
    for (key, (_, bytes)) in deleted {
        world.app.bucket.put(key, bytes.clone().into()).await.unwrap();
        undeleted += 1;
    }
    assert!(undeleted > 10, "{undeleted} objects were deleted in the history");
    for (n, moment) in witness.moments.iter().enumerate() {
        let restored = moment.restore(&world, &format!("restored-{n}"), world.app.bucket.name()).await;
        let seen = look_among(&restored, witness.restored_objects(n, &now)).await;
        assert!(seen.broken.is_empty(), "after {}: {}", moment.after, seen.broken.join("\n"));
    }
    // Undoing the deletions is part of the recovery: without it some pointers lead nowhere.
    let needed = async |moment: &Moment| {
        let restored = moment.restore(&world, "restored-0", world.app.bucket.name()).await;
        !look_among(&restored, now.clone()).await.broken.is_empty()
    };
    assert!(needed(&witness.moments[0]).await, "nothing that was deleted is needed, so that nothing was shown");
    println!("{} moments restored, {undeleted} deleted objects kept", witness.moments.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_goes_on_from_a_moment_that_was_restored() {
    let world = Arc::new(Stage::set().await.world().await);
    let witness = witnessed(&world).await;
    let now = objects(&world).await;
    // Within runs, compactions and what lies between them.
    for n in (3..witness.moments.len() - 8).step_by(witness.moments.len() / 6) {
        let moment = &witness.moments[n];
        let bucket = format!("restored-{n}");
        let restored = moment.restore(&world, &bucket, &bucket).await;
        restored.app.bucket.create_if_missing().await.unwrap();
        for key in witness.restored_objects(n, &now).keys() {
            restored.app.bucket.put(key, witness.versions[key].1.clone().into()).await.unwrap();
        }
        // Leases of that time have expired, and what came in since comes in again.
        restored.clock.advance(TimeDelta::seconds(61));
        restored.settle_events().await;
        let broken = [look(&restored).await.broken, lost_or_kept_events(&restored).await].concat();
        assert!(broken.is_empty(), "after {}: {}", moment.after, broken.join("\n"));

        let path = format!("/api/v2/models/{}/train", restored.look_for_model().await.unwrap());
        let reply = Reply::of(dispatch(&restored.app, request("POST", &path, &restored.key, None)).await);
        assert_eq!(reply.status, 200, "after {}: {}", moment.after, reply.body);
        let served = json!({"anonymous_id": "visitor"});
        let path = format!("/api/v2/optimizations/{}/serve", restored.optimization);
        let served = restored.call("POST", &path, Some(&served)).await;
        assert_eq!(served.body["posterior_version"], reply.body["posterior_version"], "after {}", moment.after);
        let broken = look(&restored).await.broken;
        assert!(broken.is_empty(), "after {}: {}", moment.after, broken.join("\n"));
    }
}
