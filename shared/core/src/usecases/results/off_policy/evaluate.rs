//! Values the policies of a request on what the latest run stored, without the snapshot.

use std::collections::BTreeMap;

use bandit::{Policy, PolicyHistory};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::asked::{Asked, asked};
use super::rows::Target;
use super::valuation::{Valuation, Valued};
use crate::app::App;
use crate::domain::{EvaluatePolicies, EvaluatedView, Model, NoLog, ShownPolicy, StoredLog, StoredOffPolicy};
use crate::error::{ApiError, Detail};
use crate::store::{log_key, results_key};
use crate::usecases::blocking::blocking;

/// Of the results of a run what is needed here; the rest is skipped.
#[derive(Deserialize)]
struct FoundByTheRun {
    #[serde(default)]
    off_policy: Option<StoredOffPolicy>,
}

impl App {
    /// What policies would have earned on the exposures that the latest run read, by the propensities of the versions that decided them.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for an unknown optimization and where no run has measured anything, [`ApiError::InvalidRequest`] for
    /// policies that are none, [`ApiError::Conflict`] where the latest run left no log to value them on, and storage errors.
    pub async fn evaluate(
        &self,
        organization: &str,
        id: Uuid,
        request: &EvaluatePolicies,
    ) -> Result<EvaluatedView, ApiError> {
        let missing = |what| ApiError::NotFound { what, id: id.to_string() };
        let optimization = self.table.optimization(organization, id).await?.ok_or_else(|| missing("optimization"))?;
        let model = optimization.model_id.ok_or_else(|| missing("model of the optimization"))?;
        let model = self.model(organization, model).await?;
        let checked = model.checked()?;
        let asked = asked(&checked.space, &request.policies)?;
        let version = model.measured_version.ok_or_else(|| missing("training run with results of the optimization"))?;
        let log = self.stored_log(&model, version).await?;
        let stored = self.stored_policies(&model, &checked.space).await?;
        let none =
            || PolicyHistory::new(&checked.space).ok_or_else(|| ApiError::internal("a space of 2³² variants or more"));
        let policies = stored.map_or_else(none, Ok)?;
        let wanted = Box::pin(self.wanted_policies(&model, &asked, &policies)).await?;
        let work = move || {
            let valuation = Valuation::new(&log, &policies, checked.space.variants());
            let value = |of: Asked| {
                let (shown, target, learned_before) = match of {
                    Asked::Version(version) => {
                        let policy = wanted.get(&version).or_else(|| policies.get(version));
                        let policy = policy.ok_or_else(|| ApiError::internal("a policy that was there is gone"))?;
                        (ShownPolicy::PosteriorVersion(version), Target::Compiled(policy), version)
                    }
                    Asked::Written(shown, rows) => (shown, Target::Written(rows), 0),
                };
                valuation.value(&Valued { name: None, shown, target, learned_before })
            };
            let policies = asked.into_iter().map(value).collect::<Result<_, _>>()?;
            Ok(EvaluatedView { posterior_version: version, log: valuation.summary()?, policies })
        };
        blocking(work).await?
    }

    /// The log of the run that made a version. Its results say whether there is one: whoever may not list the bucket is not told that an
    /// object is missing.
    async fn stored_log(&self, model: &Model, version: u64) -> Result<StoredLog, ApiError> {
        let (organization, id) = (&model.organization_id, model.id.to_string());
        let results = self.read_json::<FoundByTheRun>(&results_key(organization, &id, version)).await?;
        let unavailable = results.off_policy.map_or(Some(NoLog::NotMeasured), |found| found.unavailable);
        if let Some(why) = unavailable {
            return Err(ApiError::conflict(format!("there is nothing to value policies on: {}", why.message())));
        }
        self.read_json(&log_key(organization, &id, version)).await
    }

    async fn read_json<T: DeserializeOwned>(&self, key: &str) -> Result<T, ApiError> {
        let bytes = self.bucket.read_all(key).await?;
        serde_json::from_slice(&bytes).map_err(|e| ApiError::internal(format!("{key}: {e}")))
    }

    /// The policies of those versions that are asked about and are not in the history.
    async fn wanted_policies(
        &self,
        model: &Model,
        asked: &[Asked],
        kept: &PolicyHistory,
    ) -> Result<BTreeMap<u64, Policy>, ApiError> {
        let (mut found, mut faults) = (BTreeMap::new(), Vec::new());
        for (i, of) in asked.iter().enumerate() {
            let Asked::Version(version) = *of else { continue };
            if kept.get(version).is_some() || found.contains_key(&version) {
                continue;
            }
            let policy = if version == 0 {
                Policy::uniform(&model.checked()?.space)
            } else if version <= model.highest_version {
                self.past_policy(model, version).await?
            } else {
                None
            };
            if let Some(policy) = policy {
                found.insert(version, policy);
            } else {
                let message = format!("version {version} of model {} is not kept", model.id);
                faults.push(Detail::new(format!("policies[{i}].posterior_version"), message));
            }
        }
        if faults.is_empty() { Ok(found) } else { Err(ApiError::invalid_at(faults)) }
    }
}
