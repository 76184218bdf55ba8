//! Writes what a run made: the posterior, and what was measured beside it.

use bytes::Bytes;
use serde::Serialize;

use crate::app::App;
use crate::domain::{Model, PosteriorRecord, StoredLog, StoredResults};
use crate::error::ApiError;
use crate::store::{log_key, posterior_key, results_key};

impl App {
    /// Writes the posterior under the first version that no run has written, also none that died before publishing.
    /// The object does not hold its version, so that the same input gives the same bytes.
    pub(super) async fn write_posterior(
        &self,
        model: &Model,
        bytes: Bytes,
        mut record: PosteriorRecord,
    ) -> Result<PosteriorRecord, ApiError> {
        loop {
            record.object = posterior_key(&model.organization_id, &model.id.to_string(), record.posterior_version);
            if self.bucket.put_new(&record.object, bytes.clone()).await? {
                return Ok(record);
            }
            record.posterior_version += 1;
        }
    }

    /// Writes what the run measured, beside its posterior, and the log on which policies are valued.
    pub(super) async fn write_results(
        &self,
        model: &Model,
        posterior: &PosteriorRecord,
        results: &StoredResults,
        log: Option<&StoredLog>,
    ) -> Result<(), ApiError> {
        let (organization, id, version) = (&model.organization_id, model.id.to_string(), posterior.posterior_version);
        if let Some(log) = log {
            self.write_new(&log_key(organization, &id, version), log).await?;
        }
        self.write_new(&results_key(organization, &id, version), results).await
    }

    async fn write_new(&self, key: &str, of: &impl Serialize) -> Result<(), ApiError> {
        let bytes = Bytes::from(serde_json::to_vec(of).map_err(ApiError::internal)?);
        // One that is there was written by an earlier attempt of the same call, whose answer was lost.
        if self.bucket.put_new(key, bytes.clone()).await? || self.bucket.read_all(key).await? == bytes {
            return Ok(());
        }
        Err(ApiError::internal(format!("{key} is there already, although its posterior was written by this run")))
    }
}
