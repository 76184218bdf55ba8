//! Completed optimizations: what is served stops exploring, and explores again when they go live.

use std::sync::Arc;

use bandit::{Policy, Space, freeze};
use bytes::Bytes;

use crate::app::App;
use crate::domain::{Checked, Model, OptimizationStatus, POLICY_IN_RECORD, PosteriorRecord, Served};
use crate::error::ApiError;
use crate::usecases::blocking::blocking;
use crate::usecases::posterior_object::{Provenance, read_tensor};

impl App {
    /// What an optimization serves under a status; `None` where that is what it serves already.
    pub(super) async fn served_under(
        &self,
        status: OptimizationStatus,
        served: &Served,
    ) -> Result<Option<Served>, ApiError> {
        match status {
            OptimizationStatus::Completed if !served.frozen => self.frozen(served).await.map(Some),
            OptimizationStatus::Live if served.frozen || served.baseline => self.exploring(served).await.map(Some),
            OptimizationStatus::Live | OptimizationStatus::Completed | OptimizationStatus::Archived => Ok(None),
        }
    }

    /// A recorded version as it is served under a status; `on_baseline`: the baseline is served instead.
    pub(in crate::usecases) async fn served_version_under(
        &self,
        (status, on_baseline): (OptimizationStatus, bool),
        model: &Model,
        record: &PosteriorRecord,
        policy: Bytes,
    ) -> Result<Served, ApiError> {
        let served = Served::version(model, record, policy.to_vec());
        if on_baseline {
            return instead_of(&served);
        }
        Ok(self.served_under(status, &served).await?.unwrap_or(served))
    }

    /// The same version, of which in each context one variant alone is served: the one with the greatest posterior mean reward.
    /// Nothing is known before the first training; all variants are equal then, and the baseline is the first of them.
    async fn frozen(&self, served: &Served) -> Result<Served, ApiError> {
        let space = Arc::new(space(served)?);
        let provenance = Provenance { model: served.model_id, snapshot: None };
        let policy = match &served.object {
            None => only_baseline(&space),
            Some(object) => {
                let in_force = match &served.policy {
                    Some(bytes) if !served.baseline => Bytes::from(bytes.clone()),
                    _ => read_tensor(&self.bucket, object, provenance, "policy").await?,
                };
                let in_force =
                    Policy::from_bytes(&in_force).map_err(|e| ApiError::internal(format!("{object}: {e}")))?;
                let (posterior, threads, of) =
                    (self.read_posterior(served.model_id, object).await?, self.threads, Arc::clone(&space));
                let work = move || freeze(&of, &posterior, &in_force, threads);
                Some(blocking(work).await?.map_err(ApiError::internal)?)
            }
        };
        let policy =
            policy.ok_or_else(|| ApiError::internal(format!("model {} allows no variant", served.model_id)))?;
        // Where the table of winners is larger than the record can hold, each is found when it is asked for.
        let small = Some(policy.to_bytes()).filter(|bytes| bytes.len() <= POLICY_IN_RECORD);
        let policy = small.or_else(|| Some(Policy::frozen_without_rows(&space)?.to_bytes()));
        Ok(Served { frozen: true, baseline: false, policy, ..served.clone() })
    }

    /// The same version with the policy that training compiled.
    async fn exploring(&self, served: &Served) -> Result<Served, ApiError> {
        let provenance = Provenance { model: served.model_id, snapshot: None };
        let policy = match &served.object {
            Some(object) => Some(read_tensor(&self.bucket, object, provenance, "policy").await?.to_vec()),
            None => None,
        };
        let policy = policy.filter(|policy| policy.len() <= POLICY_IN_RECORD);
        Ok(Served { frozen: false, baseline: false, policy, ..served.clone() })
    }
}

/// The baseline for everybody, instead of a version.
pub(in crate::usecases) fn instead_of(served: &Served) -> Result<Served, ApiError> {
    let policy = only_baseline(&space(served)?)
        .ok_or_else(|| ApiError::internal(format!("model {} allows no variant", served.model_id)))?;
    Ok(Served { frozen: false, baseline: true, policy: Some(policy.to_bytes()), ..served.clone() })
}

/// The variants and contexts of what is served.
fn space(served: &Served) -> Result<Space, ApiError> {
    let checked = Checked::new(served.model_type, served.config.clone());
    let checked = checked
        .map_err(|e| ApiError::internal(format!("the stored configuration of model {}: {e}", served.model_id)))?;
    Ok(checked.space)
}

/// The policy that serves the first level of every factor to everybody.
fn only_baseline(space: &Space) -> Option<Policy> {
    let others = space.design().iter().enumerate();
    let others = others.flat_map(|(d, factor)| (1..factor.levels().len()).map(move |level| vec![(d, level)]));
    Policy::uniform(&space.clone().excluding(&others.collect::<Vec<_>>()))
}
