//! A call for a run that meets another run: it waits for that one's end, and takes its result where that is what it would have
//! computed itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::lease::{LOOK, LeaseGuard};
use super::outcome::Trained;
use crate::app::App;
use crate::domain::{Model, PosteriorRecord};
use crate::error::ApiError;
use crate::store::snapshots_prefix;

/// For how long after its end a run that began by itself counts as met: whoever completes a snapshot and calls for a run in the
/// same second means that run.
const JUST_ENDED: TimeDelta = TimeDelta::seconds(1);

/// What came of a call for a run.
pub(super) enum LeaseOrResult {
    /// The run is to be made under this lease.
    Lease(Box<(LeaseGuard, Model)>),
    /// Another run has made it meanwhile.
    Joined(Box<Trained>),
}

/// What a call for a run knows when it comes.
pub(super) struct TrainCall<'a> {
    /// The biases that it asks for.
    pub(super) bias: &'a BTreeMap<String, f64>,
    /// When it came.
    pub(super) called_at: DateTime<Utc>,
    /// The version that was in force then; 0 where none was.
    pub(super) version: u64,
}

impl App {
    /// The lease of a model for a run; or the result of the run that had it when this call came, where that is what this call
    /// would compute: of the latest snapshot, under the same biases. A configuration never changes.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where the other run takes longer than a call may wait.
    pub(super) async fn acquire_or_join(&self, model: &Model, call: &TrainCall<'_>) -> Result<LeaseOrResult, ApiError> {
        let (organization, id, started) = (&model.organization_id, model.id, Instant::now());
        let mut pause = Duration::from_millis(50);
        if let Some(posterior) = self.result_of_other_run(model, call).await? {
            return Ok(joined(posterior, started));
        }
        loop {
            let refused = match self.acquire_lease(organization, id).await {
                Ok(acquired) => return self.lease_or_result(acquired, call, started).await,
                Err(refused @ ApiError::Conflict { retry_after: Some(_), .. }) => refused,
                Err(error) => return Err(error),
            };
            if let Some(joined) =
                self.wait_for_other_run(organization, id, call, (started, &mut pause), refused).await?
            {
                return Ok(joined);
            }
        }
    }

    /// Waits until the lease of a model is free, or a run has made what this call asks for; `None` where the lease is to be
    /// tried. A look is cheaper than an attempt.
    async fn wait_for_other_run(
        &self,
        organization: &str,
        id: Uuid,
        call: &TrainCall<'_>,
        (started, pause): (Instant, &mut Duration),
        refused: ApiError,
    ) -> Result<Option<LeaseOrResult>, ApiError> {
        loop {
            if started.elapsed() + *pause > self.wait {
                self.metrics.conflict();
                return Err(refused);
            }
            tokio::time::sleep(*pause).await;
            *pause = (*pause * 2).min(LOOK);
            let now = self.model(organization, id).await?;
            if let Some(posterior) = self.result_of_other_run(&now, call).await? {
                return Ok(Some(joined(posterior, started)));
            }
            if now.active_lease(self.clock.now()).is_none() {
                return Ok(None);
            }
        }
    }

    /// A lease that was acquired; unless another run has ended between the last look and this.
    async fn lease_or_result(
        &self,
        (lease, now): (LeaseGuard, Model),
        call: &TrainCall<'_>,
        started: Instant,
    ) -> Result<LeaseOrResult, ApiError> {
        let (organization, id) = (now.organization_id.clone(), now.id);
        let answer = match self.result_of_other_run(&now, call).await {
            Ok(None) => return Ok(LeaseOrResult::Lease(Box::new((lease, now)))),
            Ok(Some(posterior)) => Ok(joined(posterior, started)),
            Err(error) => Err(error),
        };
        self.release_lease(&organization, id, lease).await;
        answer
    }

    /// What a run has put in force since a call came, or just before by itself, if the call would compute the same.
    pub(super) async fn result_of_other_run(
        &self,
        now: &Model,
        call: &TrainCall<'_>,
    ) -> Result<Option<PosteriorRecord>, ApiError> {
        let Some(posterior) = now.posterior.as_ref().filter(|posterior| posterior.bias == *call.bias) else {
            return Ok(None);
        };
        let ended_since = posterior.posterior_version > call.version || posterior.trained_at > call.called_at;
        let just_ended = posterior.by_itself && call.called_at - posterior.trained_at <= JUST_ENDED;
        if !ended_since && !just_ended {
            return Ok(None);
        }
        let prefix = snapshots_prefix(&now.organization_id, &now.optimization_id.to_string());
        let latest = self.bucket.latest_snapshot_id(&prefix).await?;
        Ok((latest.as_ref() == Some(&posterior.snapshot_id)).then(|| posterior.clone()))
    }
}

fn joined(posterior: PosteriorRecord, started: Instant) -> LeaseOrResult {
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    LeaseOrResult::Joined(Box::new(Trained { posterior, duration_ms, joined: true }))
}
