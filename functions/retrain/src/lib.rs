//! `retrain`: training runs that nobody waits for. It consumes the queue's messages: complete snapshots, training requests and
//! the schedule.

use std::pin::Pin;
use std::time::Instant;

use fulcrum_core::domain::TrainingTrigger;
use fulcrum_core::log_fields::cold_start;
use fulcrum_core::queue::{Batch, BatchAnswer, Failure, Message};
use fulcrum_core::storage_calls::StorageCalls;
use fulcrum_core::triggers::training_trigger;
use fulcrum_core::usecases::RetrainOutcome;
use fulcrum_core::{ApiError, App};

/// Receives before the queue puts a message aside, as the template has it.
pub const MOST_RECEIVES: u32 = 5;

/// Answers a batch: one message after another, and the ids of those that are to come again. Runs end some time before `until`.
#[must_use]
pub fn handle(app: &App, batch: Batch, until: Instant) -> Pin<Box<dyn Future<Output = BatchAnswer> + Send + '_>> {
    Box::pin(async move {
        let app = app.until(Some(until));
        let mut answer = BatchAnswer::default();
        for message in batch.records {
            if !process(&app, &message).await {
                answer.batch_item_failures.push(Failure { item_identifier: message.message_id });
            }
        }
        answer
    })
}

/// Processes a message, with one log line; `false` where it is to come again.
async fn process(app: &App, message: &Message) -> bool {
    let (started, cold_start) = (Instant::now(), cold_start());
    let calls = StorageCalls::within();
    let line = match training_trigger(&message.body, app.bucket.name()) {
        Ok(Ok(trigger)) => {
            let outcome = calls.count(app.retrain(&trigger, message.receives())).await;
            Line::about(&trigger).with(outcome)
        }
        Ok(Err(reason)) => Line { reason: Some(reason), ..Line::saying("event dropped") },
        Err(error) => Line { cause: Some(error.to_string()), ..Line::saying("event refused") },
    };
    line.log(message, cold_start, started, &calls);
    line.cause.is_none()
}

/// What the log says of a message: one line, with what there is to say.
#[derive(Default)]
struct Line {
    said: &'static str,
    organization: Option<String>,
    subject: Option<&'static str>,
    id: Option<String>,
    posterior_version: Option<u64>,
    snapshot_id: Option<String>,
    runs: Option<usize>,
    reason: Option<&'static str>,
    code: Option<&'static str>,
    /// Why the message is to come again; absent where it is processed.
    cause: Option<String>,
}

impl Line {
    fn saying(said: &'static str) -> Self {
        Self { said, ..Self::default() }
    }

    fn about(trigger: &TrainingTrigger) -> Self {
        let (organization, subject, id) = match trigger {
            TrainingTrigger::SnapshotCompleted { organization, optimization, .. } => {
                (Some(organization), "optimization", Some(optimization))
            }
            TrainingTrigger::TrainingRequested { organization, model, .. } => {
                (Some(organization), "model", Some(model))
            }
            TrainingTrigger::Schedule => (None, "schedule", None),
        };
        let (organization, id) = (organization.cloned(), id.map(ToString::to_string));
        Self { organization, subject: Some(subject), id, ..Self::default() }
    }

    fn with(self, outcome: Result<RetrainOutcome, ApiError>) -> Self {
        match outcome {
            Ok(RetrainOutcome::Trained(trained)) => Self {
                said: "trained",
                posterior_version: Some(trained.posterior.posterior_version),
                snapshot_id: Some(trained.posterior.snapshot_id),
                ..self
            },
            Ok(RetrainOutcome::Dropped(reason)) => Self { said: "event dropped", reason: Some(reason), ..self },
            Ok(RetrainOutcome::Waits) => Self { said: "run waits", ..self },
            Ok(RetrainOutcome::Queued(runs)) => Self { said: "runs queued", runs: Some(runs), ..self },
            Err(error) => Self {
                said: "event failed",
                code: Some(error.code()),
                // A client's message of an error of ours says nothing; the log is where the cause belongs.
                cause: Some(error.cause().map_or_else(|| error.to_string(), str::to_owned)),
                ..self
            },
        }
    }

    fn log(&self, message: &Message, cold_start: bool, started: Instant, calls: &StorageCalls) {
        let (message_id, receives) = (&message.message_id, message.receives());
        let (duration_ms, storage_calls) = (started.elapsed().as_secs_f64() * 1e3, calls.total());
        let Self { said, organization, subject, id, posterior_version, snapshot_id, runs, reason, code, cause } = self;
        // A level is part of the place in the code, so that there are two.
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    message_id,
                    receives,
                    cold_start,
                    organization,
                    subject,
                    id,
                    posterior_version,
                    snapshot_id,
                    runs,
                    reason,
                    code,
                    cause,
                    duration_ms,
                    storage_calls,
                    "{said}"
                )
            };
        }
        if cause.is_some() { line!(error) } else { line!(info) }
    }
}
