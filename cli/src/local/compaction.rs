//! The rules that start compactions, as the template has them: a schedule, and an object that asks for a flush.

use std::time::{Duration, Instant};

use fulcrum_core::App;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Between two scheduled compactions. In the cloud it is five minutes; here nobody pays for the calls, and somebody waits.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// How long the function may take, as the template has it.
const FUNCTION_TIME: Duration = Duration::from_mins(15);
/// How long [`Compaction::shutdown`] lets a run under way finish.
const GRACE: Duration = Duration::from_secs(10);

/// The running rules.
pub(super) struct Compaction {
    events: UnboundedSender<Value>,
    task: JoinHandle<()>,
}

impl Compaction {
    /// Starts them over an app; `scheduled` is the event of the schedule.
    pub(super) fn start(app: App, scheduled: Value) -> Self {
        let (events, received) = unbounded_channel();
        Self { events, task: tokio::spawn(work(app, scheduled, received)) }
    }

    /// Hands an event to the function, after those that came before.
    pub(super) fn send(&self, event: Value) {
        // Nobody receives only while the service stops.
        let _ = self.events.send(event);
    }

    /// Takes no more events, and lets a run under way finish. What waits is in the bucket, and the next start compacts it.
    pub(super) async fn shutdown(self) {
        drop(self.events);
        if tokio::time::timeout(GRACE, self.task).await.is_err() {
            tracing::warn!("a compaction did not finish; stopping without it");
        }
    }
}

async fn work(app: App, scheduled: Value, mut events: UnboundedReceiver<Value>) {
    let mut schedule = tokio::time::interval(EVERY);
    schedule.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => event,
                None => return,
            },
            _ = schedule.tick() => scheduled.clone(),
        };
        if let Err(error) = compact_events::handle(&app, event, Instant::now() + FUNCTION_TIME).await {
            tracing::error!(%error, "a compaction failed");
        }
    }
}
