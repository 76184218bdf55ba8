//! `compact-events`: incoming events become parts and snapshots, by a schedule and when somebody asks for a flush.

use std::pin::Pin;
use std::time::Instant;

use fulcrum_core::App;
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::triggers::compaction_trigger;
use fulcrum_core::usecases::CompactionOutcome;
use serde_json::Value;

/// Answers an event of EventBridge. Runs begin nothing new some time before `until`.
#[must_use]
pub fn handle(
    app: &App,
    event: Value,
    until: Instant,
) -> Pin<Box<dyn Future<Output = Result<Value, lambda_runtime::Error>> + Send + '_>> {
    Box::pin(async move {
        let app = app.until(Some(until));
        let started = Instant::now();
        let calls = StorageCalls::within();
        let outcome = match compaction_trigger(event, app.bucket.name())? {
            Ok(trigger) => calls.count(app.compact(&trigger)).await?,
            Err(reason) => {
                tracing::info!(reason, "event dropped");
                CompactionOutcome::default()
            }
        };
        let CompactionOutcome { compacted, busy, failed, events, snapshots } = outcome;
        let (duration_ms, storage_calls) = (started.elapsed().as_secs_f64() * 1e3, calls.total());
        tracing::info!(compacted, busy, failed, events, snapshots, duration_ms, storage_calls, "compaction");
        Ok(serde_json::to_value(outcome)?)
    })
}
