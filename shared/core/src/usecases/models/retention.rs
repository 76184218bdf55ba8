//! How many versions of a posterior are kept: the run that publishes one removes those that are too many.

use chrono::TimeDelta;

use crate::app::App;
use crate::domain::Model;
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::store::{KeptVersion, StoreError, log_key, results_key};

/// Versions that are kept where the configuration does not say.
const DEFAULT_VERSIONS: u32 = 100;
/// For how long a version is kept that a rollback left, whatever comes after it.
const AFTER_ROLLBACK: TimeDelta = TimeDelta::hours(24);
/// The most that one run removes; the next one goes on.
const MOST_AT_ONCE: usize = 50;

impl App {
    /// Removes the versions of a model that are too many, after a run has published one; `model` is as the run found it. What
    /// cannot be removed is logged: the run has succeeded, and the next one tries again.
    pub(super) async fn remove_old_versions(&self, model: &Model, published: u64) {
        let keep = model.config.posterior_versions.unwrap_or(DEFAULT_VERSIONS);
        // Versions are counted up: there are no more than the last one says.
        if published <= u64::from(keep) {
            return;
        }
        if let Err(error) = self.remove_versions_beyond(model, published, keep as usize).await {
            let cause = error.cause().map_or_else(|| error.to_string(), str::to_owned);
            let request_id = log_field("request_id");
            tracing::warn!(request_id, model_id = %model.id, cause, "old versions were not removed; the next run tries again");
        }
    }

    async fn remove_versions_beyond(&self, model: &Model, published: u64, keep: usize) -> Result<(), ApiError> {
        let versions = self.table.kept_versions(&model.organization_id, model.id).await?;
        let left_before = self.clock.now() - AFTER_ROLLBACK;
        // Processes that serve may go on for the time of their cache with the version that was in force until now.
        let until_now = model.posterior.as_ref().map(|posterior| posterior.posterior_version);
        let removable = |version: &&KeptVersion| {
            let number = version.posterior_version;
            number != published
                && Some(number) != until_now
                && version.left_at.is_none_or(|left_at| left_at <= left_before)
        };
        for version in versions.iter().skip(keep).rev().filter(removable).take(MOST_AT_ONCE) {
            self.remove_version(model, version).await?;
        }
        Ok(())
    }

    /// Removes a version, unless it has come into force meanwhile, or was left by a rollback.
    async fn remove_version(&self, model: &Model, version: &KeptVersion) -> Result<(), ApiError> {
        let (organization, id, number) = (&model.organization_id, model.id, version.posterior_version);
        let now = self.clock.now();
        match self.table.begin_removal(organization, id, number, now - AFTER_ROLLBACK, now).await {
            Ok(()) => {}
            Err(StoreError::Condition { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        for key in [log_key, results_key] {
            self.bucket.delete(&key(organization, &id.to_string(), number)).await?;
        }
        self.bucket.delete(&version.object).await?;
        Ok(self.table.end_removal(organization, id, number).await?)
    }
}
