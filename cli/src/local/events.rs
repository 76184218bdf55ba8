//! The rules that bring events to the queue, as the template has them: complete snapshots and requests from the bucket, and
//! the schedule.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::time::Duration;

use embedded::ObjectCreated;
use fulcrum_core::App;
use fulcrum_core::store::{FLUSHES, REQUESTS};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::compaction::Compaction;
use super::queue::{AT_A_TIME, Queue};

/// Between two looks for models whose latest snapshot is new to them, where the bucket tells of its objects.
const SCHEDULE: Duration = Duration::from_hours(1);
/// The same where it does not, as a server that ran already.
const SCHEDULE_UNTOLD: Duration = Duration::from_secs(30);
/// Between two looks for requests there.
const LOOK: Duration = Duration::from_secs(2);
/// After how long a message that failed comes again.
const VISIBILITY: Duration = Duration::from_secs(30);

/// The running rules.
#[derive(Debug)]
#[must_use = "the rules end when this value is dropped"]
pub struct Events {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Events {
    /// Starts them over an app. `objects` are those that the bucket takes; without them the bucket is looked at again and again.
    pub fn start(app: App, objects: Option<UnboundedReceiver<ObjectCreated>>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(forward(app, objects, stopped)) }
    }

    /// Takes no more events and lets runs under way finish.
    pub async fn shutdown(self) {
        drop(self.stop);
        let _ = self.task.await;
    }
}

async fn forward(app: App, mut objects: Option<UnboundedReceiver<ObjectCreated>>, mut stopped: oneshot::Receiver<()>) {
    // One fewer than the queue works on, as in the cloud. A bucket that does not tell of its objects does not tell either of one
    // that is announced again.
    let organization_runs = objects.as_ref().and(NonZeroUsize::new(AT_A_TIME as usize - 1));
    let mut queue = Queue::new(App { organization_runs, ..app.clone() }, VISIBILITY);
    let compaction = Compaction::start(app.clone(), scheduled());
    let told = objects.is_some();
    let mut schedule = tokio::time::interval(if told { SCHEDULE } else { SCHEDULE_UNTOLD });
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut looked) = (BTreeSet::new(), false);
    // What an earlier process was killed at has its leases until then; what waits for them has nobody else to look at it.
    let expiry = app.lease.to_std().unwrap_or_default() + Duration::from_secs(1);
    let (mut leases_expired, mut expired) = (pin!(tokio::time::sleep(expiry)), false);
    loop {
        tokio::select! {
            // Whoever drops the sender stops this as well.
            _ = &mut stopped => break,
            Some(object) = next(objects.as_mut()) => {
                if object.key.starts_with(FLUSHES) {
                    compaction.send(object_created(&object.bucket, &object.key, object.size));
                }
                if is_announced(&object.key) {
                    queue.send(object_created(&object.bucket, &object.key, object.size).to_string());
                }
            }
            _ = schedule.tick() => queue.send(scheduled().to_string()),
            () = &mut leases_expired, if !expired => {
                expired = true;
                queue.send(scheduled().to_string());
            }
            // Requests that an earlier process did not come to are looked for once in any case.
            _ = look.tick(), if !told || !looked => {
                looked = true;
                announce(&app, &mut queue, &mut seen).await;
            }
        }
    }
    compaction.shutdown().await;
    queue.shutdown().await;
}

async fn next(objects: Option<&mut UnboundedReceiver<ObjectCreated>>) -> Option<ObjectCreated> {
    match objects {
        Some(objects) => objects.recv().await,
        None => std::future::pending().await,
    }
}

/// Sends an event for every request in the bucket that was not seen before.
async fn announce(app: &App, queue: &mut Queue, seen: &mut BTreeSet<String>) {
    match app.bucket.list(REQUESTS).await {
        Ok(waiting) => {
            let waiting: BTreeSet<String> = waiting.into_iter().map(|(name, _)| format!("{REQUESTS}{name}")).collect();
            for key in waiting.difference(seen) {
                queue.send(object_created(app.bucket.name(), key, 0).to_string());
            }
            *seen = waiting;
        }
        Err(error) => tracing::warn!(%error, "the bucket could not be looked at for requests to train"),
    }
}

/// The rule's pattern, as the template has it: ends of snapshots, and requests.
#[must_use]
pub fn is_announced(key: &str) -> bool {
    let is_end = |rest: &str| rest.ends_with("/_SUCCESS");
    key.starts_with(REQUESTS) || key.strip_prefix("snapshots/").is_some_and(is_end)
}

/// The event that S3 sends through EventBridge.
fn object_created(bucket: &str, key: &str, size: u64) -> Value {
    event("aws.s3", "Object Created", &json!({"bucket": {"name": bucket}, "object": {"key": key, "size": size}}))
}

/// The event of a schedule.
fn scheduled() -> Value {
    event("aws.events", "Scheduled Event", &json!({}))
}

fn event(source: &str, detail_type: &str, detail: &Value) -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": detail_type,
        "source": source,
        "account": "000000000000",
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    })
}
