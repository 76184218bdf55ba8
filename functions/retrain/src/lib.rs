//! `retrain`: training runs that nobody waits for. It takes messages from the queue: complete snapshots, requests to train, and
//! the schedule.

use std::pin::Pin;
use std::time::{Duration, Instant};

use fulcrum_core::App;
use fulcrum_core::calls::Calls;
use fulcrum_core::events::occasion;
use fulcrum_core::http::status;
use fulcrum_core::notes::cold_start;
use fulcrum_core::queue::{Batch, BatchAnswer, Failure, Message};
use fulcrum_core::usecases::{Occasion, Outcome};

/// A run is not begun with less time left than this: the message comes again, to a function with all its time.
const ENOUGH: Duration = Duration::from_mins(2);

/// Answers a batch: one message after another, and the ids of those that are to come again.
#[must_use]
pub fn handle(app: &App, batch: Batch, until: Instant) -> Pin<Box<dyn Future<Output = BatchAnswer> + Send + '_>> {
    Box::pin(async move {
        let mut answer = BatchAnswer::default();
        for (place, message) in batch.records.into_iter().enumerate() {
            let late = place > 0 && until.saturating_duration_since(Instant::now()) < ENOUGH;
            if late || !is_done(app, &message).await {
                answer.batch_item_failures.push(Failure { item_identifier: message.message_id });
            }
        }
        answer
    })
}

/// Does what a message calls for, with one log line; whether it is done with.
async fn is_done(app: &App, message: &Message) -> bool {
    let started = Instant::now();
    let calls = Calls::within();
    let (cold_start, message_id) = (cold_start(), &message.message_id);
    let occasion = match occasion(&message.body, app.bucket.name()) {
        Ok(Ok(occasion)) => occasion,
        Ok(Err(reason)) => {
            tracing::info!(message_id, cold_start, reason, "event dropped");
            return true;
        }
        Err(error) => {
            tracing::error!(message_id, cold_start, %error, "event refused");
            return false;
        }
    };
    let about = About::of(&occasion);
    let outcome = calls.count(app.retrain(&occasion)).await;
    let (duration_ms, storage_calls) = (started.elapsed().as_secs_f64() * 1e3, calls.total());
    let About { organization, subject, id } = about;
    match outcome {
        Ok(Outcome::Trained(trained)) => {
            let posterior_version = trained.posterior.posterior_version;
            let snapshot_id = trained.posterior.snapshot_id;
            tracing::info!(
                message_id,
                cold_start,
                organization,
                subject,
                id,
                posterior_version,
                snapshot_id,
                duration_ms,
                storage_calls,
                "trained"
            );
            true
        }
        Ok(Outcome::Dropped(reason)) => {
            tracing::info!(
                message_id,
                cold_start,
                organization,
                subject,
                id,
                reason,
                duration_ms,
                storage_calls,
                "event dropped"
            );
            true
        }
        Ok(Outcome::Queued(runs)) => {
            tracing::info!(message_id, cold_start, runs, duration_ms, storage_calls, "runs queued");
            true
        }
        Err(error) => {
            let (_, code) = status(&error);
            // A client's message of an error of ours says nothing; the log is where the cause belongs.
            let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
            tracing::error!(
                message_id,
                cold_start,
                organization,
                subject,
                id,
                code,
                cause,
                duration_ms,
                storage_calls,
                "event failed"
            );
            false
        }
    }
}

/// What the log says of an occasion.
struct About {
    organization: Option<String>,
    subject: &'static str,
    id: Option<String>,
}

impl About {
    fn of(occasion: &Occasion) -> Self {
        let (organization, subject, id) = match occasion {
            Occasion::Completed { organization, optimization, .. } => {
                (Some(organization), "optimization", Some(optimization))
            }
            Occasion::Requested { organization, model, .. } => (Some(organization), "model", Some(model)),
            Occasion::Scheduled => (None, "schedule", None),
        };
        Self { organization: organization.cloned(), subject, id: id.map(ToString::to_string) }
    }
}
