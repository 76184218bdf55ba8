//! Retraining by triggers: a snapshot is complete, a training request is queued, or the schedule says so.
//!
//! Triggers may come late, twice and in any order. A run always takes the latest complete snapshot, and only one that is
//! later than what the model was trained on, so that each snapshot is trained at most once and none replaces a later one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::join::TrainCall;
use super::lease::{LeaseGuard, is_leased_by_request};
use super::outcome::Trained;
use super::requests::TrainingRequest;
use super::train::died;
use crate::app::App;
use crate::domain::{LastError, Model, OptimizationStatus, TrainingTrigger};
use crate::error::ApiError;
use crate::keyed_work::KeyedWork;
use crate::store::{ListOptions, SnapshotListing, WAITING, snapshots_prefix};

/// What came of a training trigger.
#[derive(Clone, Debug)]
pub enum RetrainOutcome {
    /// A posterior is in force that was not before.
    Trained(Box<Trained>),
    /// Nothing was to be done, for this reason.
    Dropped(&'static str),
    /// So many runs are queued now that were not before.
    Queued(usize),
    /// The run waits until one of its organization ends.
    Waits,
}

const ALREADY_TRAINED: RetrainOutcome =
    RetrainOutcome::Dropped("the model was trained on this snapshot or a later one already");
const UNKNOWN: RetrainOutcome = RetrainOutcome::Dropped("there is no such model in this organization");
const ARCHIVED: RetrainOutcome = RetrainOutcome::Dropped("the model is archived");
const DIED_TWICE: RetrainOutcome =
    RetrainOutcome::Dropped("two runs on this snapshot died; no third one begins by itself");
const OPTIMIZATION_COMPLETED: RetrainOutcome =
    RetrainOutcome::Dropped("the optimization is completed and trains no more");
const QUEUED: RetrainOutcome = RetrainOutcome::Dropped("a queued request will train on it");
const COMPLETED: RetrainOutcome = RetrainOutcome::Dropped("the request is completed");
const JOINED: RetrainOutcome =
    RetrainOutcome::Dropped("a run that ended since the request was made has computed the same");

/// Runs that are begun for a request that goes back to wait; as many as a message has receives.
const MOST_TRIES: u32 = 5;

/// What came of waiting for a lease: the lease, or a reason to need it no longer.
enum LeaseWait {
    Acquired(Box<(LeaseGuard, Model)>),
    Skipped(RetrainOutcome),
}

impl App {
    /// Does what a trigger calls for that was received so many times, this one included. An error means that it is to come
    /// again.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where another run has the lease of the model for longer than two spans of it, and whatever keeps
    /// a run from its end, as [`App::train`]; it is recorded as the model's last error.
    pub async fn retrain(&self, trigger: &TrainingTrigger, receives: u32) -> Result<RetrainOutcome, ApiError> {
        match trigger {
            TrainingTrigger::SnapshotCompleted { organization, optimization, snapshot } => {
                let Some(parent) = self.table.optimization(organization, *optimization).await? else {
                    return Ok(RetrainOutcome::Dropped("there is no such optimization in this organization"));
                };
                let Some(model) = parent.model_id else {
                    return Ok(RetrainOutcome::Dropped("the optimization has no active model"));
                };
                if parent.status == OptimizationStatus::Completed {
                    return Ok(OPTIMIZATION_COMPLETED);
                }
                let Some(slot) = self.take_run_slot(organization, None).await? else {
                    return self.enqueue_snapshot(organization, model, snapshot, receives.saturating_sub(1)).await;
                };
                let outcome = self.retrain_on_snapshot(organization, model, snapshot).await;
                self.pass_run_slot_on(organization, slot).await;
                outcome
            }
            TrainingTrigger::TrainingRequested { organization, model, key } => {
                self.process_request(organization, *model, key, receives).await
            }
            TrainingTrigger::Schedule => self.enqueue_stale_models().await.map(RetrainOutcome::Queued),
        }
    }

    /// Trains a model on its latest snapshot, if it was not trained on `snapshot` or a later one yet.
    async fn retrain_on_snapshot(
        &self,
        organization: &str,
        id: Uuid,
        snapshot: &str,
    ) -> Result<RetrainOutcome, ApiError> {
        let unneeded = |model: &Model| {
            // That run will read the latest snapshot, which is this one or a later one.
            let queued = is_leased_by_request(model, self.clock.now());
            match model {
                model if model.is_trained_on(snapshot) => Some(ALREADY_TRAINED),
                _ if queued => Some(QUEUED),
                _ => None,
            }
        };
        let (lease, model) = match self.wait_for_lease(organization, id, None, unneeded).await? {
            LeaseWait::Acquired(acquired) => *acquired,
            LeaseWait::Skipped(outcome) => return Ok(outcome),
        };
        let latest = self.latest_snapshot(&model).await;
        let trained_on = |latest: &SnapshotListing| model.is_trained_on(&latest.id);
        if model.is_trained_on(snapshot) || latest.as_ref().is_ok_and(trained_on) {
            self.release_lease(organization, id, lease).await;
            return Ok(ALREADY_TRAINED);
        }
        if let Ok(latest) = &latest
            && model.next_run(&latest.id, None).is_none()
        {
            return self.refuse_snapshot(&model, lease, &latest.id).await;
        }
        // Nobody says otherwise, so the biases of the last run stand.
        let bias = model.posterior.as_ref().map(|p| p.bias.clone()).unwrap_or_default();
        let trained = self.train_under_lease(&model, lease, bias, latest, None).await;
        self.outcome_of_run(organization, id, trained).await
    }

    /// Enqueues a request for a run on a snapshot whose organization has no run slot left.
    async fn enqueue_snapshot(
        &self,
        organization: &str,
        id: Uuid,
        snapshot: &str,
        tries: u32,
    ) -> Result<RetrainOutcome, ApiError> {
        let Some(model) = self.table.model(organization, id).await? else { return Ok(UNKNOWN) };
        if model.archived_at.is_some() {
            return Ok(ARCHIVED);
        }
        if model.is_trained_on(snapshot) {
            return Ok(ALREADY_TRAINED);
        }
        let request = TrainingRequest::TrainOnSnapshot { snapshot_id: snapshot.to_owned(), tries };
        let queued = self.put_request(&model, snapshot, &request).await?;
        Ok(if queued { RetrainOutcome::Waits } else { QUEUED })
    }

    /// Processes a training request, and deletes it.
    async fn process_request(
        &self,
        organization: &str,
        id: Uuid,
        key: &str,
        receives: u32,
    ) -> Result<RetrainOutcome, ApiError> {
        let Some(request) = self.read_request(key).await? else { return Ok(COMPLETED) };
        let model = self.table.model(organization, id).await?;
        if let Some(model) = model.filter(|model| model.archived_at.is_none())
            && self.is_completed(&model).await?
        {
            self.delete_request(key).await;
            self.release_lease_of_request(&model, name(key)).await;
            return Ok(OPTIMIZATION_COMPLETED);
        }
        let tries = request.as_ref().map_or(0, TrainingRequest::tries) + receives.saturating_sub(1);
        let slot = match self.take_run_slot(organization, Some(key)).await? {
            Some(slot) => slot,
            // One that fails time after time is left to the queue, which puts it aside in the end.
            None if tries >= MOST_TRIES => return Err(no_slot()),
            None => match self.wait_for_run_slot(organization, key, tries).await? {
                Some(slot) => slot,
                None => return Ok(RetrainOutcome::Waits),
            },
        };
        let outcome = self.run_request(organization, id, key, request).await;
        self.pass_run_slot_on(organization, slot).await;
        outcome
    }

    async fn run_request(
        &self,
        organization: &str,
        id: Uuid,
        key: &str,
        request: Result<TrainingRequest, ApiError>,
    ) -> Result<RetrainOutcome, ApiError> {
        let outcome = match request {
            Ok(TrainingRequest::TrainOnSnapshot { snapshot_id, .. }) => {
                self.retrain_on_snapshot(organization, id, &snapshot_id).await?
            }
            Ok(TrainingRequest::Train { bias, who, asked_at, idempotency, .. }) => {
                let work = self.work_of_request(organization, idempotency.as_deref()).await?;
                let app = Self { actor: who, ..self.clone() };
                let run = app.train_for_request(organization, id, key, bias, asked_at);
                match work {
                    // It was processed before, and put again by an attempt under the same key that did not know.
                    Some(KeyedWork { done: Some(_), .. }) => {
                        if let Some(model) = self.table.model(organization, id).await? {
                            self.release_lease_of_request(&model, name(key)).await;
                        }
                        COMPLETED
                    }
                    Some(work) => work.scope(run).await?,
                    None => run.await?,
                }
            }
            Err(broken) => match self.wait_for_lease(organization, id, Some(name(key)), |_| None).await? {
                LeaseWait::Skipped(outcome) => outcome,
                LeaseWait::Acquired(acquired) => {
                    self.release_lease_after_failure(organization, id, acquired.0, &broken).await;
                    return Err(broken);
                }
            },
        };
        self.delete_request(key).await;
        Ok(outcome)
    }

    /// The work of a request that was asked for under an `Idempotency-Key`, as long as the record of the key stands.
    async fn work_of_request(&self, organization: &str, name: Option<&str>) -> Result<Option<KeyedWork>, ApiError> {
        let Some(name) = name else { return Ok(None) };
        let record = self.table.keyed(organization, name).await?;
        Ok(record.map(|record| KeyedWork {
            organization: organization.to_owned(),
            name: name.to_owned(),
            owner: None,
            done: record.effect,
        }))
    }

    /// Trains a model for a request, unless another run has completed it, or has computed the same since it was asked for.
    async fn train_for_request(
        &self,
        organization: &str,
        id: Uuid,
        key: &str,
        bias: BTreeMap<String, f64>,
        asked_at: Option<DateTime<Utc>>,
    ) -> Result<RetrainOutcome, ApiError> {
        let (lease, mut model) = match self.wait_for_lease(organization, id, Some(name(key)), |_| None).await? {
            LeaseWait::Acquired(acquired) => *acquired,
            LeaseWait::Skipped(outcome) => return Ok(outcome),
        };
        match self.is_request_done(&model, key, &bias, asked_at).await {
            Ok(None) => {}
            Ok(Some(outcome)) => {
                self.release_lease(organization, id, lease).await;
                return Ok(outcome);
            }
            Err(error) => {
                self.release_lease_after_failure(organization, id, lease, &error).await;
                return Err(error);
            }
        }
        model.completed_request = Some(name(key).to_owned());
        let latest = self.latest_snapshot(&model).await;
        if let Ok(latest) = &latest
            && model.next_run(&latest.id, Some(name(key))).is_none()
        {
            return self.refuse_snapshot(&model, lease, &latest.id).await;
        }
        let trained = self.train_under_lease(&model, lease, bias, latest, Some(name(key))).await;
        self.outcome_of_run(organization, id, trained).await
    }

    /// Why a request needs no run, as its model stands under the lease.
    async fn is_request_done(
        &self,
        model: &Model,
        key: &str,
        bias: &BTreeMap<String, f64>,
        asked_at: Option<DateTime<Utc>>,
    ) -> Result<Option<RetrainOutcome>, ApiError> {
        // The message may have come twice: the run that had the lease until now may have been this request's, which is
        // recorded on the model before the object is deleted.
        let completed = model.completed_request.as_deref() == Some(name(key));
        if completed || self.read_request(key).await?.is_none() {
            return Ok(Some(COMPLETED));
        }
        let Some(called_at) = asked_at else { return Ok(None) };
        let call = TrainCall { bias, called_at, version: u64::MAX };
        Ok(self.result_of_other_run(model, &call).await?.map(|_| JOINED))
    }

    /// Leaves a snapshot alone on which two runs have died, and says so on the model.
    async fn refuse_snapshot(
        &self,
        model: &Model,
        lease: LeaseGuard,
        snapshot: &str,
    ) -> Result<RetrainOutcome, ApiError> {
        let (organization, id, error) = (&model.organization_id, model.id, died(snapshot));
        let last = LastError { code: error.code().to_owned(), message: error.message(), at: self.clock.now() };
        self.metrics.failed(error.code());
        // A message that comes again finds the same.
        self.table.record_error(organization, id, &lease.owner, &last).await?;
        self.release_lease(organization, id, lease).await;
        Ok(DIED_TWICE)
    }

    /// Waits until the run that has the lease of a model ends, for two spans of the lease at most, and acquires it; a lease
    /// that was transferred to `request` at once. `unneeded` says when there is nothing left to wait for.
    async fn wait_for_lease(
        &self,
        organization: &str,
        id: Uuid,
        request: Option<&str>,
        unneeded: impl Fn(&Model) -> Option<RetrainOutcome>,
    ) -> Result<LeaseWait, ApiError> {
        let timeout = self.lease.to_std().unwrap_or_default() * 2;
        let started = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let Some(model) = self.table.model(organization, id).await? else { return Ok(LeaseWait::Skipped(UNKNOWN)) };
            if model.archived_at.is_some() {
                return Ok(LeaseWait::Skipped(ARCHIVED));
            }
            if let Some(outcome) = unneeded(&model) {
                return Ok(LeaseWait::Skipped(outcome));
            }
            if let Some(request) = request
                && let Some(acquired) = self.acquire_lease_of_request(organization, id, request).await?
            {
                return Ok(LeaseWait::Acquired(Box::new(acquired)));
            }
            match self.acquire_lease(organization, id).await {
                Ok(acquired) => return Ok(LeaseWait::Acquired(Box::new(acquired))),
                Err(ApiError::Conflict { .. }) if started.elapsed() < timeout => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// The outcome of a run; one that failed since its model was archived meanwhile is dropped, as a retry would fail too.
    async fn outcome_of_run(
        &self,
        organization: &str,
        id: Uuid,
        trained: Result<Trained, ApiError>,
    ) -> Result<RetrainOutcome, ApiError> {
        match trained {
            Ok(trained) => Ok(RetrainOutcome::Trained(Box::new(trained))),
            Err(error) => match self.table.model(organization, id).await {
                Ok(Some(model)) if model.archived_at.is_some() => Ok(ARCHIVED),
                _ => Err(error),
            },
        }
    }

    /// Enqueues a run for every stale model: one whose latest snapshot is later than what it was trained on; and announces again
    /// what waits for a slot that is free. How many were not queued already. Organizations are found by the folders of their
    /// snapshots, so that the table is never scanned. What cannot be looked at keeps nobody else waiting: it is logged, and the
    /// last of such errors is the answer at the end.
    async fn enqueue_stale_models(&self) -> Result<usize, ApiError> {
        let (mut queued, mut failure) = (0, None);
        let mut missed = |organization: &str, model: Option<Uuid>, error: ApiError| {
            let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
            let model_id = model.map(|id| id.to_string());
            tracing::error!(organization, model_id, cause, "the schedule could not look at this; it goes on");
            failure = Some(error);
        };
        for organization in self.bucket.folders("snapshots/").await? {
            match self.models_with_snapshots(&organization).await {
                Ok(models) => {
                    for model in models {
                        match self.enqueue_if_stale(&model).await {
                            Ok(enqueued) => queued += usize::from(enqueued),
                            Err(error) => missed(&organization, Some(model.id), error),
                        }
                    }
                }
                Err(error) => missed(&organization, None, error),
            }
        }
        for organization in self.bucket.folders(WAITING).await? {
            match self.reserve_run_slots(&organization, None).await {
                Ok(announced) => queued += announced,
                Err(error) => missed(&organization, None, error),
            }
        }
        failure.map_or(Ok(queued), Err)
    }

    /// The models of an organization whose optimization has a folder of snapshots.
    async fn models_with_snapshots(&self, organization: &str) -> Result<Vec<Model>, ApiError> {
        let folders = self.bucket.folders(&format!("snapshots/{organization}/")).await?;
        let folders: BTreeSet<Uuid> = folders.iter().filter_map(|id| id.parse().ok()).collect();
        let mut models = self.table.models(organization, &ListOptions::ALL).await?.items;
        models.retain(|model| folders.contains(&model.optimization_id));
        Ok(models)
    }

    /// Enqueues a run for a model whose latest snapshot is later than what it was trained on; whether none was queued already.
    async fn enqueue_if_stale(&self, model: &Model) -> Result<bool, ApiError> {
        let prefix = snapshots_prefix(&model.organization_id, &model.optimization_id.to_string());
        match self.bucket.latest_snapshot_id(&prefix).await? {
            Some(snapshot_id)
                if !model.is_trained_on(&snapshot_id)
                    && model.next_run(&snapshot_id, None).is_some()
                    && !self.is_completed(model).await? =>
            {
                // One name for one snapshot: what is queued or has failed for good is not enqueued again.
                let request = TrainingRequest::TrainOnSnapshot { snapshot_id: snapshot_id.clone(), tries: 0 };
                self.put_request(model, &snapshot_id, &request).await
            }
            _ => Ok(false),
        }
    }
}

/// Why a request that has failed so often is not begun now.
fn no_slot() -> ApiError {
    ApiError::conflict(
        "the organization has as many runs at work as it may; this one has failed time after time and comes again",
    )
}

/// A request's name, of its key.
fn name(key: &str) -> &str {
    let file = key.rsplit('/').next().unwrap_or(key);
    file.strip_suffix(".json").unwrap_or(file)
}
