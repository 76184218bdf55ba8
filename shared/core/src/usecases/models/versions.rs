//! Versions of a model's posterior, and the rollback to one.

use std::time::Duration;

use bandit::Policy;
use bytes::Bytes;
use uuid::Uuid;

use super::lease::archived;
use crate::app::App;
use crate::domain::{Aspects, ChangeKind, Model, PosteriorRecord, ServedVersion, Timeline};
use crate::error::ApiError;
use crate::log_fields::log_field;
use crate::store::{ListOptions, Page, REMOVED, StoreError};
use crate::usecases::posterior_object::{Provenance, read_tensor};

/// How often a rollback is tried that meets other changes.
const ATTEMPTS: usize = 3;

impl App {
    /// A page of the versions of a model's posterior, newest first, with the model and what was in force when.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], and storage errors.
    pub async fn posteriors(
        &self,
        organization: &str,
        id: Uuid,
        options: &ListOptions<'_>,
    ) -> Result<(Model, Page<PosteriorRecord>, Timeline), ApiError> {
        let model = self.model(organization, id).await?;
        let page = self.table.posteriors(organization, id, options).await?;
        let timeline = self.timeline(&model).await?;
        Ok((model, page, timeline))
    }

    /// The policy of a version, of which it is known then that it can be served.
    async fn policy_of(&self, model: Uuid, record: &PosteriorRecord) -> Result<Bytes, ApiError> {
        let provenance = Provenance { model, snapshot: Some(&record.snapshot_id) };
        let policy = read_tensor(&self.bucket, &record.object, provenance, "policy").await?;
        Policy::from_bytes(&policy).map_err(|e| ApiError::internal(format!("{}: {e}", record.object)))?;
        Ok(policy)
    }

    /// Puts an earlier version in force: a conditional move of the pointer and of what is served, nothing else.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for an unknown model or version, [`ApiError::Conflict`] for an archived model and for a version
    /// whose object is damaged or another model's, storage errors.
    pub async fn rollback(&self, organization: &str, id: Uuid, version: u64) -> Result<Model, ApiError> {
        for _ in 0..ATTEMPTS {
            let model = self.model(organization, id).await?;
            if model.archived_at.is_some() {
                return Err(archived(id));
            }
            let record = self.table.posterior(organization, id, version).await?;
            let record = record.ok_or_else(|| unknown(id, version))?;
            let policy = match self.policy_of(id, &record).await {
                Err(ApiError::Internal { cause }) => {
                    tracing::error!(request_id = log_field("request_id"), model_id = %id, cause, "a version is damaged");
                    return Err(ApiError::conflict(format!(
                        "version {version} of model {id} cannot be put in force: its object is damaged, or is not its own; \
                         choose another version"
                    )));
                }
                read => read?,
            };
            let (parent, _) = self.optimization(organization, model.optimization_id).await?;
            let on_baseline = parent.status_reason.is_some();
            let served = self.served_version_under((parent.status, on_baseline), &model, &record, policy).await?;
            let before = Aspects::served(ServedVersion::of_model(&model, parent.status, on_baseline));
            let change =
                self.change((organization, parent.id), ChangeKind::RolledBack, before, Aspects::served(&served));
            match self.table.activate_version(&model, &record, &served, &change).await {
                Ok(()) => return self.model(organization, id).await,
                Err(StoreError::Condition { item: REMOVED, .. }) => return Err(unknown(id, version)),
                // It was archived, or another version came into force, or its optimization became completed or live.
                Err(StoreError::Condition { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Err(ApiError::Conflict {
            message: format!("what model {id} serves was changed at this moment; try again"),
            retry_after: Some(Duration::from_secs(1)),
        })
    }
}

fn unknown(id: Uuid, version: u64) -> ApiError {
    ApiError::NotFound { what: "posterior", id: format!("{id}, version {version}") }
}
