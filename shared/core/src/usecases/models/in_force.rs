//! Puts what a run made in force: its version, or the baseline instead of it where a guardrail is violated.

use chrono::{DateTime, Utc};

use crate::app::App;
use crate::domain::{
    Aspects, Change, ChangeKind, Model, Optimization, OptimizationStatus, PosteriorRecord, Served, ServedVersion,
    StatusReason, StoredResults,
};
use crate::error::ApiError;
use crate::store::{SERVED, StoreError};
use crate::usecases::optimizations::instead_of;
use crate::usecases::results::violated;

/// How often a run tries to put its version in force that meets other changes of what is served.
const ATTEMPTS: usize = 3;
const DAY_SECONDS: i64 = 86_400;

/// What a run made.
pub(super) struct Made<'a> {
    pub(super) model: &'a Model,
    /// The run, by its lease.
    pub(super) owner: &'a str,
    pub(super) posterior: &'a PosteriorRecord,
    /// The version as it is served where nothing is violated.
    pub(super) served: Served,
    /// What it measured.
    pub(super) results: &'a StoredResults,
}

impl Made<'_> {
    /// Why the baseline is to be served to everybody from now on: the reason that stands, or what this run found.
    fn reason(&self, parent: Option<&Optimization>, now: DateTime<Utc>) -> Result<Reason, ApiError> {
        if let Some(stands) = parent.and_then(|parent| parent.status_reason.clone()) {
            return Ok(Reason::Stands(stands));
        }
        let overruled = parent.and_then(|parent| parent.overruled_at);
        let guardrails = violated(self.results, overruled.map(|at| at.timestamp().div_euclid(DAY_SECONDS)))?;
        if guardrails.is_empty() {
            return Ok(Reason::None);
        }
        Ok(Reason::Found(StatusReason { guardrails, posterior_version: self.posterior.posterior_version, at: now }))
    }
}

/// Why the baseline is served to everybody.
enum Reason {
    /// It is not.
    None,
    /// For what an earlier run found.
    Stands(StatusReason),
    /// For what this run found.
    Found(StatusReason),
}

impl App {
    /// Puts in force what a run made, as its optimization says: `parent` is what was read of it. Where somebody sets it live
    /// again meanwhile, it is read again. Returns whether the baseline is served instead from now on.
    ///
    /// # Errors
    /// [`ApiError::Conflict`] where the run has lost its lease, or its model or optimization was put away; storage errors.
    pub(super) async fn put_in_force(
        &self,
        made: &Made<'_>,
        mut parent: Option<Optimization>,
    ) -> Result<bool, ApiError> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let reason = made.reason(parent.as_ref(), now)?;
            let served = if matches!(reason, Reason::None) { made.served.clone() } else { instead_of(&made.served)? };
            match Box::pin(self.publish_under(made, &reason, &served, now)).await {
                Ok(()) => return Ok(!matches!(reason, Reason::None)),
                // Completed, which ends the run, or live again.
                Err(StoreError::Condition { item: SERVED, .. }) => {
                    let (organization, id) = (&made.model.organization_id, made.model.optimization_id);
                    parent = self.table.optimization(organization, id).await?;
                    if parent.as_ref().is_none_or(|parent| parent.status == OptimizationStatus::Completed) {
                        break;
                    }
                }
                Err(StoreError::Condition { .. }) => break,
                Err(other) => return Err(other.into()),
            }
        }
        Err(self.lease_lost(made.model).await)
    }

    /// One attempt; `served` is what is served under the reason.
    async fn publish_under(
        &self,
        made: &Made<'_>,
        reason: &Reason,
        served: &Served,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let model = made.model;
        let (stands, found) = match reason {
            Reason::None => (None, None),
            Reason::Stands(stands) => (Some(stands), None),
            Reason::Found(found) => (None, Some(found)),
        };
        let after = stands.or(found);
        let before = ServedVersion::of_model(model, OptimizationStatus::Live, stands.is_some());
        let what = if found.is_some() { ChangeKind::GuardrailViolated } else { ChangeKind::Trained };
        let violated_guardrails = found.map(|found| found.guardrails.clone()).unwrap_or_default();
        let becomes = Aspects { violated_guardrails, ..Aspects::served(served) };
        let of = (model.organization_id.as_str(), model.optimization_id);
        let change = Change::new(of, (&self.actor, now), what, Aspects::served(before), becomes);
        Box::pin(self.table.publish(model, made.owner, made.posterior, served, (stands, after), &change)).await
    }
}
